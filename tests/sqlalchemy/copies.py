"""A table of people whose columns are copied and viewed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt_sqlalchemy import Encrypted, IndexedBy, blind_index, encrypted
from tests.support.encryptors import new_encryptor

SSN, ANN = "078-05-1120", "ann@example.org"


def people(*, decorated: bool = False) -> Any:
    """A model with an encrypted and a searchable column, plain or decorated."""
    encryptor = new_encryptor()

    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        clinic: Mapped[str] = mapped_column(String(20), default="north")
        ssn: Mapped[str | None] = mapped_column(Encrypted(String, encryptor))
        email: Mapped[str | None] = mapped_column(
            Encrypted(String, encryptor, index=IndexedBy("tag", per_tenant=decorated))
        )
        tag: Mapped[bytes | None] = blind_index()

    return encrypted(encryptor, row="id", tenant="clinic")(Person) if decorated else Person
