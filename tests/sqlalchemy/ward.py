"""A ward: patients who are bound to their key and clinic, and models that inherit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, String, event, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted, ProtectedColumnError, blind_index, encrypted, seal

ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


class Base(DeclarativeBase):
    pass


@encrypted(ENCRYPTOR, row="id", tenant="clinic")
class Patient(Base):
    __tablename__ = "patients"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    clinic: Mapped[str] = mapped_column(String(40))
    number: Mapped[int | None] = mapped_column(unique=True)
    ssn: Mapped[str | None] = mapped_column(Encrypted(String))
    email: Mapped[str | None] = mapped_column(Encrypted(String, index="email_tag"))
    email_tag: Mapped[bytes | None] = blind_index()
    initial: Mapped[str | None] = mapped_column(
        String(40), default=lambda context: (context.get_current_parameters().get("ssn") or "?")[0]
    )
    last: Mapped[str | None] = mapped_column(
        String(40), onupdate=lambda context: (context.get_current_parameters().get("ssn") or "?")[-1]
    )


@encrypted(ENCRYPTOR, row="id", tenant="clinic")
class Person(Base):
    __tablename__ = "people"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    clinic: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(10))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012


class Nurse(Person):
    __tablename__ = "nurses"
    id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    salary: Mapped[str | None] = mapped_column(Encrypted(String))
    __mapper_args__ = {"polymorphic_identity": "nurse"}  # noqa: RUF012


class Visit(Base):
    __tablename__ = "visits"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)


TABLE: Any = Patient.__table__


@dataclass
class Ward:
    """A database with one patient, `1` of clinic `a`, and all statements that it got."""

    engine: Engine
    sent: list[str]

    def session(self) -> Session:
        return Session(self.engine)

    def patients(self) -> list[tuple[Any, ...]]:
        """Return all that the application sees, of each patient that can be found by the e-mail address too."""
        with self.session() as session:
            read = [(p.id, p.clinic, p.ssn, p.email) for p in session.scalars(select(Patient).order_by(Patient.number))]
            for id, _, _, email in read:
                if email is not None:
                    assert id in session.scalars(select(Patient.id).where(Patient.email == email)).all()
            return read

    def refuses(self, write: Callable[[Session], Any], match: str) -> None:
        """Assert that nothing is sent of what is written."""
        with self.session() as session:
            before = len(self.sent)
            with pytest.raises(ProtectedColumnError, match=match):
                write(session)
            assert self.sent[before:] == []
        assert self.patients() == [("1", "a", "s1", "e1")]


@pytest.fixture
def ward(engine: Engine) -> Ward:
    """On every database."""
    Base.metadata.create_all(engine)
    sent: list[str] = []
    with Session(engine) as session:
        session.add(Patient(id="1", clinic="a", number=1, ssn="s1", email="e1"))
        session.commit()
    for name in ("do_execute", "do_executemany"):
        event.listen(
            engine, name, lambda cursor, statement, parameters, context: sent.append(f"{statement} {parameters}")
        )
    return Ward(engine, sent)


def upsert(engine: Engine, values: Any, set_: Callable[[Any], dict[str, Any]], on: tuple[str, ...] = ("id",)) -> Any:
    """Return an upsert in the words of a database; MariaDB's names no key that is met."""
    if engine.dialect.name == "mysql" or engine.dialect.name == "mariadb":
        statement: Any = mysql.insert(Patient).values(values)
        return statement.on_duplicate_key_update(**set_(statement.inserted))
    kind: Any = postgresql if engine.dialect.name == "postgresql" else sqlite
    statement = kind.insert(Patient).values(values)
    return statement.on_conflict_do_update(index_elements=list(on), set_=set_(statement.excluded))


def new(**values: Any) -> dict[str, Any]:
    return seal(Patient, {"id": "1", "clinic": "a", **values}, defaults=False)
