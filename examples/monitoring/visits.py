"""What is protected: a table that is being migrated from plaintext."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import Encryptor
from fieldcrypt_sqlalchemy import Encrypted, SqlKeyStore, encrypted

__all__ = ["Base", "Visit", "encryptor"]

encryptor = Encryptor(count_values=True)

MIGRATED_BY = datetime.now(UTC).date() + timedelta(days=30)  # in your program a day that does not move


class Base(DeclarativeBase):
    """All tables."""


@encrypted(encryptor, row="id", tenant="clinic", fields="visits")
class Visit(Base):
    """A visit of a patient."""

    __tablename__ = "visits"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    clinic: Mapped[str] = mapped_column(String(40))
    diagnosis: Mapped[str] = mapped_column(Encrypted(String, accept_plaintext=MIGRATED_BY))


SqlKeyStore.define(Base.metadata)
