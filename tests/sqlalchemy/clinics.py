"""A decorated clinic: patients, visits and what else is bound to its row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Date, Engine, ForeignKey, Numeric, String, event, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from fieldcrypt import Encryptor
from fieldcrypt_sqlalchemy import Encrypted, encrypted
from tests.support.encryptors import new_encryptor

SSN = "078-05-1120"


@dataclass
class Clinic:
    """A database with two decorated models, and what the database is given and holds."""

    engine: Engine
    encryptor: Encryptor
    patient: Any
    visit: Any
    sent: list[str]

    def session(self, **options: Any) -> Session:
        return Session(self.engine, **options)

    def add(self, **values: Any) -> UUID:
        with self.session() as session:
            patient = self.patient(**{"clinic_id": "north", "ssn": SSN, **values})
            session.add(patient)
            session.commit()
            return patient.id  # type: ignore[no-any-return]

    def raw(self, column: str = "ssn") -> Any:
        with self.engine.connect() as connection:
            return connection.scalars(text(f"SELECT {column} FROM patients ORDER BY name")).all()

    def sql(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement))


def models(encryptor: Encryptor) -> tuple[Any, Any, Any]:
    class Base(DeclarativeBase):
        pass

    @encrypted(encryptor, row="id", tenant="clinic_id")
    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        clinic_id: Mapped[str] = mapped_column(String(50))
        name: Mapped[str | None] = mapped_column(String(50))
        ssn: Mapped[str | None] = mapped_column(Encrypted(String))
        alias: Mapped[str | None] = mapped_column(Encrypted(String))
        born: Mapped[date | None] = mapped_column(Encrypted(Date))
        balance: Mapped[Decimal] = mapped_column(Encrypted(Numeric), default=Decimal("0.00"))
        visits: Mapped[list[Any]] = relationship("Visit", order_by="Visit.number", back_populates="patient")

    @encrypted(encryptor, row=("patient_id", "number"))
    class Visit(Base):
        __tablename__ = "visits"
        patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"), primary_key=True)
        number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        note: Mapped[str] = mapped_column(Encrypted(String))
        patient: Mapped[Patient] = relationship(back_populates="visits")

    return Base, Patient, Visit


@pytest.fixture
def clinic(engine: Engine) -> Clinic:
    """Empty tables on every database."""
    encryptor = new_encryptor()
    base, patient, visit = models(encryptor)
    base.metadata.create_all(engine)
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append(f"{statement} {parameters!r}")

    event.listen(engine, "before_cursor_execute", note)
    return Clinic(engine, encryptor, patient, visit, sent)


@pytest.fixture
def lite(database: Callable[[str], Engine]) -> Engine:
    """SQLite, for what does not depend on the database."""
    return database("sqlite")
