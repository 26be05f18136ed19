"""The models of SQLAlchemy whose migrations were frozen half way, and what each row has to say in the end."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, String, Table, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import IndexedBy
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted
from fieldcrypt_sqlalchemy.migration import Migration
from tests.frozen.models import encryptor

__all__ = [
    "BATCH",
    "ROWS",
    "Copied",
    "InPlace",
    "MigratedBase",
    "copied",
    "bare_letters",
    "in_place",
    "plaintext_left",
    "text_of",
]

SOON = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
ROWS = 24
BATCH = 1  # ten of them are a range, so that some ranges are done, one is not, and some are not begun


class MigratedBase(DeclarativeBase):
    """Of the tables that are migrated."""


class Copied(MigratedBase):
    """Plaintext in one column, which goes into another, searchable one."""

    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ssn: Mapped[str | None] = mapped_column(String(50))
    ssn_encrypted: Mapped[str | None] = mapped_column(
        Encrypted(String, encryptor, name="customers.ssn", index=IndexedBy("ssn_tag", normaliser="digits"))
    )
    ssn_tag: Mapped[bytes | None] = blind_index()


@encrypted(encryptor, row="id", tenant="clinic")
class InPlace(MigratedBase):
    """Plaintext in the binary column itself, which is bound to row and tenant from now on."""

    __tablename__ = "letters"
    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    clinic: Mapped[str] = mapped_column(String(20))
    body: Mapped[str] = mapped_column(Encrypted(String, accept_plaintext=SOON))


def text_of(number: int) -> str:
    """Return what row so many has to say."""
    return f"078-05-{1000 + number}"


def copied(engine: Engine) -> Migration:
    """Make the migration into a new column."""
    return Migration(engine, Copied, {"ssn": "ssn_encrypted"})


def in_place(engine: Engine) -> Migration:
    """Make the migration in place."""
    return Migration(engine, InPlace)


def plain_rows(engine: Engine) -> None:
    """Make the tables, with plaintext in them, as somebody who knows nothing of fieldcrypt does."""
    MigratedBase.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            insert(_bare_customers()), [{"id": number, "ssn": text_of(number)} for number in range(ROWS)]
        )
        connection.execute(insert(bare_letters()), [_letter(number) for number in range(ROWS)])


def plaintext_left(engine: Engine, model: Any) -> list[str]:
    """Return which of the texts the table itself still has, where an encrypted value should be."""
    column = bare_letters().c.body if model is InPlace else _bare_customers().c.ssn_encrypted
    with engine.connect() as connection:
        stored = [bytes(each or b"") for each in connection.scalars(select(column))]
    return [text_of(number) for number in range(ROWS) if any(text_of(number).encode() in each for each in stored)]


def _letter(number: int) -> dict[str, Any]:
    return {"id": f"letter {number:02}", "clinic": f"clinic {number % 2}", "body": text_of(number).encode()}


def bare_letters() -> Table:
    """Return the table of letters as somebody has it who knows nothing of fieldcrypt."""
    return _table("letters", id=String(20), clinic=String(20), body=LargeBinary())


def _bare_customers() -> Table:
    return _table("customers", id=Integer(), ssn=String(50), ssn_encrypted=LargeBinary())


def _table(name: str, **columns: Any) -> Table:
    return Table(name, MetaData(), *(Column(column, type_) for column, type_ in columns.items()))
