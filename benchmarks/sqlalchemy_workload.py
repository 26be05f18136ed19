"""What the SQLAlchemy benchmark times: one table three times, unprotected, column-bound and row-bound, and its uses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import cycle, islice
from operator import attrgetter
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Date, Engine, Integer, Numeric, String, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor
from fieldcrypt_sqlalchemy import Encrypted, encrypted, seal

__all__ = [
    "GETS",
    "PLAIN",
    "Base",
    "ColumnBound",
    "Measure",
    "RowBound",
    "Work",
    "adding",
    "encryptor",
    "getting",
    "loading",
    "measures",
    "patients",
    "protected",
    "reading",
    "selecting",
]

GETS = 100
TENANTS = 20
PLAIN = "plain"

Work = Callable[[], object]
Rows = list[dict[str, Any]]
# Makes ready, yields what is timed, and cleans up.
Contest = Callable[[Engine, Any, Rows], AbstractContextManager[Work]]

encryptor = Encryptor()  # configured by the run


class Base(DeclarativeBase):
    pass


class Plain(Base):
    __tablename__ = "plain"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    clinic_id: Mapped[str]
    name: Mapped[str] = mapped_column(String)
    ssn: Mapped[str] = mapped_column(String)
    born: Mapped[date] = mapped_column(Date)
    balance: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    visits: Mapped[int] = mapped_column(Integer)


def protected(keys: Encryptor, ending: str, base: Any) -> tuple[Any, Any]:
    """Return the table's models with its five columns protected: in the columns alone, and bound to row and tenant.

    Args:
        keys: what encrypts them.
        ending: of the tables' names.
        base: whose models they are.
    """

    class ColumnBound(base):  # type: ignore[misc]
        __tablename__ = f"column_bound{ending}"
        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        clinic_id: Mapped[str]
        name: Mapped[str] = mapped_column(Encrypted(String, keys))
        ssn: Mapped[str] = mapped_column(Encrypted(String, keys))
        born: Mapped[date] = mapped_column(Encrypted(Date, keys))
        balance: Mapped[Decimal] = mapped_column(Encrypted(Numeric(12, 2), keys))
        visits: Mapped[int] = mapped_column(Encrypted(Integer, keys))

    @encrypted(keys, row="id", tenant="clinic_id")
    class RowBound(base):  # type: ignore[misc]
        __tablename__ = f"row_bound{ending}"
        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        clinic_id: Mapped[str]
        name: Mapped[str] = mapped_column(Encrypted(String))
        ssn: Mapped[str] = mapped_column(Encrypted(String))
        born: Mapped[date] = mapped_column(Encrypted(Date))
        balance: Mapped[Decimal] = mapped_column(Encrypted(Numeric(12, 2)))
        visits: Mapped[int] = mapped_column(Encrypted(Integer))

    return ColumnBound, RowBound


ColumnBound, RowBound = protected(encryptor, "", Base)

_FIRST_NAMES = ("Ann", "José", "Siân", "Björn", "Mei", "Olga", "Tariq", "Łucja")
_LAST_NAMES = ("Smith", "Núñez", "O'Hara", "Müller", "Tanaka", "Kowalska", "Iyer", "Featherstonehaugh")
_CENTURY = 36_525  # days
_protected = attrgetter("name", "ssn", "born", "balance", "visits")


def patients(count: int) -> Iterator[dict[str, Any]]:
    """Make rows, always the same ones; the first TENANTS of them have all the tenants that there are."""
    rng = random.Random(4)
    for number in range(count):
        digits = rng.randrange(10**9)
        yield {
            "id": UUID(int=rng.getrandbits(128)),
            "clinic_id": f"clinic-{number % TENANTS}",
            "name": f"{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}",
            "ssn": f"{digits // 10**6:03}-{digits // 10**4 % 100:02}-{digits % 10**4:04}",
            "born": date(1924, 1, 1) + timedelta(days=rng.randrange(_CENTURY)),
            "balance": Decimal(rng.randrange(-(10**5), 10**6)) / 100,
            "visits": rng.randrange(200),
        }


# Contests


def _empty_table(engine: Engine, model: Any) -> None:
    model.__table__.drop(engine, checkfirst=True)
    model.__table__.create(engine)


@contextmanager
def adding(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Make objects, add and commit them, into a fresh table."""
    _empty_table(engine, model)
    with Session(engine) as session:

        def work() -> None:
            session.add_all([model(**row) for row in rows])
            session.commit()

        yield work


@contextmanager
def loading(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Load all objects, and read no attribute."""
    with Session(engine) as session:
        yield lambda: session.scalars(select(model)).all()


@contextmanager
def reading(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Load all objects, and read the five attributes of each."""
    with Session(engine) as session:

        def work() -> object:
            loaded = session.scalars(select(model)).all()
            for patient in loaded:
                _protected(patient)
            return loaded

        yield work


@contextmanager
def getting(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Get GETS objects by their keys, one by one, and read the five attributes of each."""
    keys = [row["id"] for row in islice(cycle(rows), GETS)]
    random.shuffle(keys)
    with Session(engine) as session:

        def work() -> None:
            for key in keys:
                patient = session.get_one(model, key)
                _protected(patient)
                session.expunge(patient)  # or the next one might be had without the database

        yield work


@contextmanager
def inserting(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Insert rows through Core, into a fresh table."""
    _empty_table(engine, model)
    with engine.connect() as connection:

        def work() -> None:
            connection.execute(insert(model.__table__), rows)
            connection.commit()

        yield work


@contextmanager
def sealing(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Seal rows and insert them through Core, into a fresh table."""
    _empty_table(engine, model)
    with engine.connect() as connection:

        def work() -> None:
            connection.execute(insert(model.__table__), [seal(model, row) for row in rows])
            connection.commit()

        yield work


@contextmanager
def selecting(engine: Engine, model: Any, rows: Rows) -> Iterator[Work]:
    """Select all rows through Core."""
    with engine.connect() as connection:
        yield lambda: connection.execute(select(model.__table__)).all()


# Measures


@dataclass(frozen=True, slots=True)
class Form:
    """A form of the table in a measure.

    Attributes:
        name: what the report calls it.
        model: the mapped class.
        contest: what is timed.
    """

    name: str
    model: Any
    contest: Contest


@dataclass(frozen=True, slots=True)
class Measure:
    """Something to do with a table, in all its forms: the plain one first."""

    name: str
    forms: tuple[Form, ...]


def measures(peer: tuple[str, type[Base]] | None) -> Iterator[Measure]:
    """Yield what is done. Those that write come first: they leave the tables full.

    Args:
        peer: the name and the model of another library for the same, if there is one.
    """
    for name, how, contest, row_contest in (
        ("ORM add_all, commit", "decorated", adding, adding),
        ("Core insert", "decorated, seal()", inserting, sealing),
        ("ORM load", "decorated, unread", loading, loading),
        ("ORM load, read all", "decorated", reading, reading),
        ("ORM get, read all", "decorated", getting, getting),
        ("Core select", "decorated, unread", selecting, selecting),
    ):
        forms = [
            Form(PLAIN, Plain, contest),
            Form("column-bound", ColumnBound, contest),
            Form(how, RowBound, row_contest),
        ]
        yield Measure(name, (*forms, *([Form(*peer, contest)] if peer is not None else [])))
