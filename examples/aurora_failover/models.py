"""The tables: patients, and next to them the data keys, which the database replicates together."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from fieldcrypt import Encryptor
from fieldcrypt_sqlalchemy import Encrypted, SqlKeyStore, blind_index, encrypted

encryptor = Encryptor()
sessions = sessionmaker()  # both are configured when a process starts: see database.py


class Base(DeclarativeBase):
    """Knows all tables."""


@encrypted(encryptor, row="id", tenant="clinic_id", fields="patients")
class Patient(Base):
    """A patient of a clinic."""

    __tablename__ = "patients"
    id: Mapped[UUID] = mapped_column(primary_key=True)  # chosen by the caller: admitting twice makes one patient
    clinic_id: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(Encrypted(String))
    ssn: Mapped[str] = mapped_column(Encrypted(String, index="ssn_tag"))
    ssn_tag: Mapped[bytes | None] = blind_index()


SqlKeyStore.define(Base.metadata)
