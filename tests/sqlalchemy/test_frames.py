"""Frames of fieldcrypt in tracebacks that SQLAlchemy is in hold no plaintext, whatever fails and where.

SQLAlchemy's own frames, and the application's, hold parameters and objects: those are theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, String, case, create_engine, func, insert, select, text, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor, KeyPolicy
from fieldcrypt_sqlalchemy import (
    Encrypted,
    ProtectedColumnError,
    TenantColumn,
    blind_index,
    encrypted,
    find,
    opened,
    seal,
)
from tests.support.doubles import CountingProvider, RowStore, outage
from tests.support.frames import held

SSN = "078-05-1120"
OTHER = "219-09-9999"
SHORT_WAIT = KeyPolicy(replication_wait=timedelta(0))


class World:
    """A plain model and a decorated one, whose keys and whose database fail on request."""

    def __init__(self) -> None:
        self.provider, self.store = CountingProvider(), RowStore()
        self.encryptor = encryptor = Encryptor(self.provider, self.store, SHORT_WAIT)
        self.engine: Engine = create_engine("sqlite://")

        class Base(DeclarativeBase):
            pass

        class Plain(Base):
            __tablename__ = "plain"
            id: Mapped[int] = mapped_column(primary_key=True)
            ssn: Mapped[str] = mapped_column(Encrypted(String, encryptor, index="ssn_tag"))
            number: Mapped[str | None] = mapped_column(String, unique=True)
            ssn_tag: Mapped[bytes] = blind_index()

        @encrypted(encryptor, row="id", tenant="clinic", fields="patients")
        class Patient(Base):
            __tablename__ = "patients"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            clinic: Mapped[str]
            ssn: Mapped[str] = mapped_column(Encrypted(String, index="ssn_tag"))
            notes: Mapped[str | None] = mapped_column(Encrypted(String))
            number: Mapped[str | None] = mapped_column(String, unique=True)
            ssn_tag: Mapped[bytes] = blind_index()

        self.plain: Any = Plain
        self.patient: Any = Patient
        Base.metadata.create_all(self.engine)

    def write(self) -> None:
        """Write a row of each."""
        with Session(self.engine) as session:
            session.add_all([self.plain(id=1, ssn=SSN, number="1")])
            session.add_all([self.patient(id=1, clinic="a", ssn=SSN, notes=SSN, number="1")])
            session.commit()


@pytest.fixture
def world() -> World:
    return World()


def _add(world: World, **values: Any) -> None:
    with Session(world.engine) as session:
        session.add(world.patient(**{"id": 2, "clinic": "a", "ssn": SSN, "notes": SSN} | values))
        session.flush()


def _add_plain(world: World, **values: Any) -> None:
    with Session(world.engine) as session:
        session.add(world.plain(**{"id": 2, "ssn": SSN} | {n: v for n, v in values.items() if n != "notes"}))
        session.flush()


def _execute(world: World, statement: Any, *rows: Any) -> None:
    with Session(world.engine) as session:
        session.execute(statement, *rows)


def _row(values: dict[str, Any]) -> dict[str, Any]:
    return {"id": 2, "clinic": "a", "ssn": SSN} | values


WRITES: dict[str, Callable[..., None]] = {
    "an object": _add,
    "a plain object": _add_plain,
    "an insert": lambda world, **values: _execute(world, insert(world.patient).values(_row(values))),
    "an insert of parameters": lambda world, **values: _execute(
        world, insert(world.patient), [_row(values), _row(values) | {"id": 3}]
    ),
    "a plain insert": lambda world, **values: _execute(
        world, insert(world.plain).values({"ssn": SSN, **{n: v for n, v in values.items() if n != "notes"}})
    ),
    "an insert of a Core table": lambda world, **values: _execute(
        world, insert(world.plain.__table__), [{"ssn": SSN, **{n: v for n, v in values.items() if n != "notes"}}]
    ),
    "an upsert": lambda world, **values: _execute(
        world,
        upsert(world.plain)
        .values({"id": 2, "ssn": SSN, **{n: v for n, v in values.items() if n != "notes"}})
        .on_conflict_do_nothing(),
    ),
    "a sealed row": lambda world, **values: _execute(world, insert(world.patient), seal(world.patient, _row(values))),
}


def raised(work: Callable[[], Any]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 (whatever it is)
        work()
    return caught.value


@pytest.mark.parametrize("write", WRITES)
class TestWriting:
    def test_a_key_store_that_is_down(self, world: World, write: str) -> None:
        """Before the first value."""
        world.store.go_down()
        assert held(raised(lambda: WRITES[write](world)), SSN) == []

    def test_a_key_service_that_is_away(self, world: World, write: str) -> None:
        """Likewise."""
        world.provider.wrap_failure = outage
        assert held(raised(lambda: WRITES[write](world)), SSN) == []

    def test_a_value_of_another_type(self, world: World, write: str) -> None:
        """Which names the column, and no value."""
        assert held(raised(lambda: WRITES[write](world, ssn=[SSN], notes=SSN)), SSN) == []

    def test_a_database_that_is_away(self, world: World, write: str) -> None:
        """The table is, for one."""
        with world.engine.begin() as connection:
            connection.execute(text("DROP TABLE patients"))
            connection.execute(text("DROP TABLE plain"))
        assert held(raised(lambda: WRITES[write](world)), SSN) == []


@pytest.mark.parametrize("write", [write for write in WRITES if write != "an upsert"])  # which does nothing then
def test_a_statement_that_the_database_refuses(world: World, write: str) -> None:
    """Because another row has the number."""
    world.write()
    assert held(raised(lambda: WRITES[write](world, number="1")), SSN) == []


def _update(world: World) -> None:
    with Session(world.engine) as session:
        patient: Any = session.get(world.patient, 1)
        patient.notes = OTHER
        session.flush()


def _move(world: World) -> None:
    with Session(world.engine) as session:
        patient: Any = session.get(world.patient, 1)
        patient.clinic = "b"
        session.flush()


def _read(world: World) -> None:
    with Session(world.engine) as session:
        patient: Any = session.get(world.patient, 1)
        patient.notes = OTHER
        _ = patient.ssn


def _read_plain(world: World) -> None:
    with Session(world.engine) as session:
        session.scalars(select(world.plain)).all()


def _opened(world: World) -> None:
    with Session(world.engine) as session:
        opened(session, select(world.patient.id, world.patient.clinic, world.patient.ssn))


def _find(world: World) -> None:
    with Session(world.engine) as session:
        find(session, select(world.patient).where(world.patient.ssn == SSN, world.patient.clinic == "a"))


def _search(world: World) -> None:
    with Session(world.engine) as session:
        session.scalars(select(world.plain).where(world.plain.ssn == SSN)).all()


READS: dict[str, Callable[[World], None]] = {
    "an update": _update,
    "a move": _move,
    "an attribute": _read,
    "a plain object": _read_plain,
    "opened rows": _opened,
    "found rows": _find,
    "a search": _search,
    "an update statement": lambda world: _execute(
        world, update(world.patient).where(world.patient.id == 1, world.patient.clinic == "b").values(ssn=OTHER)
    ),
}


@pytest.mark.parametrize("read", READS)
class TestReading:
    def test_keys_that_cannot_be_had(self, world: World, read: str) -> None:
        """Neither from the key store, nor from the key service."""
        world.write()
        world.encryptor.forget()
        world.store.go_down()
        assert held(raised(lambda: READS[read](world)), SSN, OTHER) == []


@pytest.mark.parametrize("read", [read for read in READS if read not in ("an update", "an update statement")])
def test_values_that_were_changed(world: World, read: str) -> None:
    """By somebody who can write to the database; updates read none of them."""
    world.write()
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE patients SET ssn = notes, notes = ssn"))
        connection.execute(text("UPDATE plain SET ssn = x'01020304'"))
    assert held(raised(lambda: READS[read](world)), SSN, OTHER) == []


REFUSED: dict[str, Callable[[World], Any]] = {
    "an operator": lambda world: world.plain.ssn.like(SSN),
    "an operator from the left": lambda world: SSN + world.plain.ssn,
    "a column without an index": lambda world: world.patient.notes == SSN,
    "a range": lambda world: world.plain.ssn < SSN,
    "a list with a value of another type": lambda world: world.plain.ssn.in_([SSN, 5]),
    "a list with None": lambda world: world.plain.ssn.in_([SSN, None]),
    "a part": lambda world: world.plain.ssn.part("last 4") == SSN,
    "a list for a part": lambda world: world.plain.ssn.part("last 4").in_([SSN]),
    "a part of the column's order": lambda world: world.plain.ssn.part("last 4") < SSN,
    "a tenant's": lambda world: TenantColumn(world.plain.__table__.c.ssn, "a") == SSN,
    "a tenant's part": lambda world: TenantColumn(world.plain.__table__.c.ssn, "a").part("last 4") == SSN,
    "a companion": lambda world: world.plain.ssn_tag == SSN,
    "a companion of one column": lambda world: world.plain.ssn_tag.equals(ssn=SSN),
    "an expression": lambda world: _execute(world, select(func.coalesce(world.plain.ssn, SSN))),
    "a case": lambda world: _execute(world, select(case((world.plain.id == 1, SSN), else_=world.plain.ssn))),
    "an update to an expression": lambda world: _execute(world, update(world.plain).values(ssn=func.lower(SSN))),
}


@pytest.mark.parametrize("search", REFUSED)
def test_searches_that_are_refused(world: World, search: str) -> None:
    """What somebody searched for is plaintext as well."""
    error = raised(lambda: REFUSED[search](world))
    assert isinstance(error, (ProtectedColumnError, TypeError))
    assert held(error, SSN) == []
