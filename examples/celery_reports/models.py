"""The tables. Declared where they are imported, without keys: what only sends tasks needs none."""

from __future__ import annotations

from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from fieldcrypt import Encryptor
from fieldcrypt_sqlalchemy import Encrypted, SqlKeyStore, encrypted

encryptor = Encryptor()
sessions = sessionmaker()  # both are configured when a worker starts


class Base(DeclarativeBase):
    """Knows all tables."""


@encrypted(encryptor, row="id", tenant="clinic_id", fields="patients")
class Patient(Base):
    """Whom reports are about."""

    __tablename__ = "patients"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    clinic_id: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(Encrypted(String))
    diagnosis: Mapped[str] = mapped_column(Encrypted(String))


@encrypted(encryptor, row="patient_id", tenant="clinic_id", fields="reports")
class Report(Base):
    """What a task makes. Its text is protected as what it was made of."""

    __tablename__ = "reports"
    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"), primary_key=True)
    clinic_id: Mapped[str] = mapped_column(String(40))
    text: Mapped[str] = mapped_column(Encrypted(String, pad=256))


SqlKeyStore.define(Base.metadata)
