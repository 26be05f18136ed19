"""A table of patients that was filled before its columns were encrypted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Engine, LargeBinary, MetaData, String, Table, column, insert, table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from fieldcrypt import Encryptor, KeyPolicy, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted

SSN = "078-05-"
AT_ONCE = KeyPolicy(propagation_delay=timedelta(0), replication_wait=timedelta(0))


def soon() -> date:
    """A day until which plaintext is accepted."""
    return datetime.now(UTC).date() + timedelta(days=30)


def keys(policy: KeyPolicy = AT_ONCE) -> Encryptor:
    """An Encryptor with a key store."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=policy)


def model(encryptor: Encryptor, *, bound: bool = True, **accept: Any) -> Any:
    """A model whose columns hold plaintext, in part."""
    accept = accept or {"accept_plaintext": soon()}

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        clinic: Mapped[str] = mapped_column(String(10), default="c")
        ssn: Mapped[str | None] = mapped_column(Encrypted(String, encryptor, index="ssn_tag", **accept))
        ssn_tag: Mapped[bytes | None] = blind_index()
        notes: Mapped[bytes | None] = mapped_column(Encrypted(LargeBinary, encryptor, pad=16, **accept))

    return encrypted(encryptor, row="id", tenant="clinic")(Patient) if bound else Patient


_stored = table(
    "patients",
    *(column(name, LargeBinary) for name in ("ssn", "ssn_tag", "notes")),
    column("id"),
    column("clinic", String),
)


def add(engine: Engine, patient: Any, rows: int, **values: bytes | None) -> None:
    """Add rows as they were before anything was encrypted."""
    patient.metadata.create_all(engine)
    with engine.begin() as connection:
        plain = [
            {"id": n, "clinic": f"c{n % 2}", "ssn": f"{SSN}{n}".encode(), "notes": b"\xff" + bytes([n])} | values
            for n in range(rows)
        ]
        connection.execute(insert(_stored), plain)


def damage(engine: Engine, row: int, **values: bytes | str | None) -> None:
    """Write to a row behind everybody's back."""
    with engine.begin() as connection:
        connection.execute(_stored.update().where(_stored.c.id == row).values(values))


def table_of(key: Mapping[str, TypeEngine[Any]], encryptor: Encryptor) -> Table:
    """A table with a primary key of these columns."""
    columns = [Column(name, type_, primary_key=True, autoincrement=False) for name, type_ in key.items()]
    protected: Column[Any] = Column("ssn", Encrypted(String, encryptor, accept_plaintext=soon()))
    return Table("patients", MetaData(), *columns, protected)
