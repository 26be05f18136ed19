"""The tables. They are declared at import, and the Encryptor gets its keys when the application starts."""

from __future__ import annotations

from datetime import date
from uuid import UUID, uuid4

from sqlalchemy import Date, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import Encryptor
from fieldcrypt_sqlalchemy import Encrypted, IndexedBy, SqlKeyStore, blind_index, encrypted

encryptor = Encryptor()


class Base(DeclarativeBase):
    """Knows all tables, so that Alembic does."""


class Clinic(Base):
    """A tenant. What it says is not secret."""

    __tablename__ = "clinics"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))


@encrypted(encryptor, row="id", tenant="clinic_id", fields="patients")
class Patient(Base):
    """A patient of one clinic, under the data keys of that clinic."""

    __tablename__ = "patients"
    __table_args__ = (UniqueConstraint("clinic_id", "email_tag"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    clinic_id: Mapped[str] = mapped_column(String(40), ForeignKey("clinics.id"))
    ward: Mapped[str] = mapped_column(String(40), default="")
    name: Mapped[str] = mapped_column(Encrypted(String))
    ssn: Mapped[str] = mapped_column(Encrypted(String))
    born: Mapped[date | None] = mapped_column(Encrypted(Date))
    email: Mapped[str] = mapped_column(
        Encrypted(String, index=IndexedBy("email_tag", normaliser="casefold", per_tenant=True))
    )
    email_tag: Mapped[bytes | None] = blind_index()


SqlKeyStore.define(Base.metadata)  # so that a migration makes the key store's tables too
