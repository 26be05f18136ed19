"""Tables of patients with plaintext, of any key and schema."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Engine, MetaData, String, Table
from sqlalchemy.types import TypeEngine

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.spi import is_envelope
from fieldcrypt_sqlalchemy import Encrypted

ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
SOON = datetime.now(UTC).date() + timedelta(days=30)


def patients(*key: tuple[str, TypeEngine[Any]], copied: bool = False, schema: str | None = None) -> Table:
    """A table with a key, and a protected column that is migrated in place or filled from another one."""
    protected: Any = Encrypted(String, ENCRYPTOR, name="patients.ssn", accept_plaintext=None if copied else SOON)
    return Table(
        "patients",
        MetaData(),
        *(Column(name, type_, primary_key=True, autoincrement=False) for name, type_ in key),
        Column("ssn", protected),
        *([Column("plain", String(20))] if copied else []),
        schema=schema,
    )


def do(engine: Engine, *statements: str) -> None:
    """Do statements in a transaction."""
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def stored(engine: Engine, name: str = "patients") -> list[Any]:
    """What is in the protected column."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT ssn FROM {name}").scalars()
        return [bytes(each) if isinstance(each, memoryview) else each for each in found]


def is_all_encrypted(engine: Engine, name: str = "patients") -> bool:
    """Whether nothing but encrypted values is in the protected column."""
    return all(is_envelope(each) for each in stored(engine, name))
