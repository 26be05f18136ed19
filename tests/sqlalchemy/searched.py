"""A clinic whose patients are found by blind indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, ForeignKey, String, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, IndexedBy, blind_index, encrypted
from tests.conftest import Database
from tests.support.encryptors import new_encryptor

ANN, BOB, EVE, ZOE = (f"{name}@example.org" for name in ("ann", "bob", "eve", "zoe"))
MYSQL = ("mysql", "mariadb")


def patients(encryptor: Encryptor, **options: Any) -> Any:
    """A model whose attributes, columns and columns' keys have different names."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        visits: Mapped[int] = mapped_column(default=0)
        mail: Mapped[str | None] = mapped_column(
            "e_mail", Encrypted(String, encryptor, index="mail_tag"), key="email", **options
        )
        tag: Mapped[bytes | None] = mapped_column("e_mail_tag", BlindIndexTag(), key="mail_tag", index=True)

    return Patient


class Clinic:
    """A session over an empty table of patients."""

    def __init__(self, engine: Engine, **options: Any) -> None:
        self.engine = engine
        self.encryptor = new_encryptor()
        self.patient = patients(self.encryptor, **options)
        self.table = self.patient.__table__
        self.patient.metadata.create_all(engine)
        self.session = Session(engine)

    def add(self, number: int, mail: str | None) -> Any:
        """Add a patient, and return the object as it is after the flush."""
        patient = self.patient(id=number, mail=mail)
        self.session.add(patient)
        self.session.commit()
        return patient

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Execute a statement past the ORM."""
        return self.session.connection().execute(statement, parameters)

    def upsert(self, values: Callable[[Any], dict[Any, Any]], target: Any = None, **row: Any) -> Any:
        """Return an INSERT that sets other values in a row that is there, in the dialect of the database."""
        target = self.table if target is None else target
        name = self.engine.dialect.name
        module: Any = mysql if name in MYSQL else postgresql if name == "postgresql" else sqlite
        into = module.insert(target)
        into = into.values(**row) if row else into
        if name in MYSQL:
            return into.on_duplicate_key_update(values(into.inserted))
        return into.on_conflict_do_update(index_elements=["id"], set_=values(into.excluded))

    def found(self, mail: str) -> list[int]:
        """Return who is found by an address."""
        return list(self.session.scalars(select(self.patient.id).where(self.patient.mail == mail)))

    def assert_in_step(self) -> None:
        """Compare each stored tag with the one that its row's value should have."""
        index = self.encryptor.blind_index("patients.e_mail", str)
        for mail, tag in self.execute(select(self.table.c.email, self.table.c.mail_tag)):
            assert tag == (None if mail is None else index.tag(mail))


@pytest.fixture
def clinic(engine: Engine) -> Iterator[Clinic]:
    """A clinic in each kind of database."""
    clinic = Clinic(engine)
    with clinic.session:
        yield clinic


@pytest.fixture
def small(database: Database) -> Iterator[Clinic]:
    """A clinic in SQLite, for what does not depend on the database."""
    clinic = Clinic(database("sqlite"))
    with clinic.session:
        yield clinic


class Base(DeclarativeBase):
    """Of models whose Encryptor each test configures."""


keys = Encryptor()


class Owner(Base):
    """Each address twice: as it is, for the right answer, and encrypted."""

    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    plain: Mapped[str | None] = mapped_column(String(50))
    email: Mapped[str | None] = mapped_column(Encrypted(String, keys, index="email_tag"))
    email_tag: Mapped[bytes | None] = blind_index()
    pets: Mapped[list[Pet]] = relationship(back_populates="owner")


class Pet(Base):
    """With columns of the same names."""

    __tablename__ = "pets"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    plain: Mapped[str | None] = mapped_column(String(50))
    email: Mapped[str | None] = mapped_column(Encrypted(String, keys, index="email_tag"))
    email_tag: Mapped[bytes | None] = blind_index()
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owners.id"))
    owner: Mapped[Owner | None] = relationship(back_populates="pets")


OWNERS = [(1, ANN), (2, BOB), (3, None), (4, ANN)]
PETS = [(1, ANN, 2), (2, BOB, 1), (3, EVE, 1), (4, None, 4)]


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """Owners and their pets, in each kind of database."""
    keys.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Owner(id=number, plain=mail, email=mail) for number, mail in OWNERS)
        session.flush()
        session.add_all(Pet(id=number, plain=mail, email=mail, owner_id=owner) for number, mail, owner in PETS)
        session.commit()
        yield session


def clinics(encryptor: Encryptor, **how: Any) -> Any:
    """A decorated model with tenants, and tags per tenant."""

    class Base(DeclarativeBase):
        pass

    @encrypted(encryptor, row="id", tenant="clinic")
    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        clinic: Mapped[str] = mapped_column(String(20))
        email: Mapped[str | None] = mapped_column(Encrypted(String, index=IndexedBy("tag", per_tenant=True, **how)))
        note: Mapped[str | None] = mapped_column(Encrypted(String))
        tag: Mapped[bytes | None] = blind_index()

    return Patient


@pytest.fixture
def tenants(engine: Engine) -> Iterator[tuple[Session, Any]]:
    """A session, and a decorated model: Ann is a patient of two clinics, Bob of one."""
    patient = clinics(new_encryptor())
    patient.metadata.create_all(engine)
    with Session(engine) as session:
        rows = [(1, "north", ANN), (2, "south", ANN), (3, "south", BOB), (4, "south", None)]
        session.add_all(patient(id=UUID(int=number), clinic=clinic, email=mail) for number, clinic, mail in rows)
        session.commit()
        yield session, patient


def numbers(session: Session, statement: Any) -> list[int]:
    """Return the ids, UUIDs, as numbers."""
    return sorted(found.int for found in session.scalars(statement))


class Person(Base):
    __tablename__ = "persons"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(20))
    email: Mapped[str | None] = mapped_column(Encrypted(String, keys, index="email_tag"))
    email_tag: Mapped[bytes | None] = blind_index()
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012


class Guest(Person):
    """In the same table."""

    room: Mapped[str | None] = mapped_column(Encrypted(String, keys, index="room_tag"))
    room_tag: Mapped[bytes | None] = blind_index()
    __mapper_args__ = {"polymorphic_identity": "guest"}  # noqa: RUF012


class Employee(Person):
    """In a table of its own, the key of which has another name."""

    __tablename__ = "employees"
    person: Mapped[int] = mapped_column(ForeignKey("persons.id"), primary_key=True)
    iban: Mapped[str | None] = mapped_column(Encrypted(String, keys, index="iban_tag"))
    iban_tag: Mapped[bytes | None] = blind_index()
    __mapper_args__ = {"polymorphic_identity": "employee"}  # noqa: RUF012


def phones(encryptor: Encryptor, tag_size: int = 1) -> Any:
    """A model with tags of one byte, which many values share, or longer ones."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        ward: Mapped[int] = mapped_column(default=0)
        phone: Mapped[str | None] = mapped_column(
            Encrypted(String, encryptor, index=IndexedBy("tag", normaliser="digits", tag_size=tag_size))
        )
        tag: Mapped[bytes | None] = blind_index()

    return Patient
