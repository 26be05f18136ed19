"""Rows of decorated models that somebody moved meanwhile, or that the database takes for others.

Nothing that was committed becomes unreadable, and nothing is lost in silence: not under drivers that do not tell how
many rows each of several statements has found, and not in databases for which "abc" and "ABC " are one key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, String, bindparam, insert, select, update
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from fieldcrypt import Encryptor, FieldcryptError, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted, seal
from tests.conftest import AsyncDatabase, Database

ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())

Work = Callable[[Session], Any]
InSession = Callable[[Work], Any]


class Base(DeclarativeBase):
    pass


@encrypted(ENCRYPTOR, row="number", tenant="clinic")
class Patient(Base):
    """Bound to a number that is no primary key, so that it can change without the row being another one."""

    __tablename__ = "stale_patients"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[str] = mapped_column(String(20), unique=True)
    clinic: Mapped[str] = mapped_column(String(20))
    name: Mapped[str | None] = mapped_column(String(20))
    ssn: Mapped[str] = mapped_column(Encrypted(String))
    email: Mapped[str | None] = mapped_column(Encrypted(String, index="email_tag"))
    email_tag: Mapped[bytes | None] = blind_index()


def _patients(count: int) -> list[Patient]:
    return [Patient(id=n, number=f"n{n}", clinic="c1", ssn=f"ssn {n}", email=f"email {n}") for n in range(count)]


def _read(session: Session) -> dict[int, tuple[str, str | None]]:
    return {patient.id: (patient.ssn, patient.email) for patient in session.scalars(select(Patient))}


DRIVERS = {
    "pysqlite": "sqlite",
    "aiosqlite": "sqlite",
    "psycopg": "postgresql",
    "asyncpg": "postgresql",
    "pymysql": "mariadb",
}


@pytest.fixture(params=DRIVERS)
def engine(request: pytest.FixtureRequest, database: Database) -> Engine:
    """Three patients, in a database that is reached by one driver after the other."""
    engine = database(
        {"psycopg": "postgresql", "asyncpg": "postgresql", "pymysql": "mariadb"}.get(request.param, "sqlite")
    )
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(_patients(3))
        session.commit()
    return engine


@pytest.fixture
def in_session(request: pytest.FixtureRequest, engine: Engine, async_database: AsyncDatabase) -> InSession:
    """Does something in a session of the driver, and commits."""
    driver = request.node.callspec.params["engine"]

    def sync(work: Work) -> None:
        with Session(engine) as session:
            work(session)
            session.commit()

    def asynchronous(work: Work) -> None:
        async def story() -> None:
            async with AsyncSession(async_database(engine.dialect.name)) as session:
                await session.run_sync(work)
                await session.commit()

        asyncio.run(story())

    return asynchronous if driver in ("aiosqlite", "asyncpg") else sync


class TestMovedMeanwhile:
    @pytest.mark.parametrize("moved", [0, 1, 2])
    @pytest.mark.parametrize("attribute", ["clinic", "number"])
    def test_a_flush_of_several_objects_tells_that_one_of_them_was_moved(
        self, attribute: str, moved: int, engine: Engine, in_session: InSession
    ) -> None:
        """Whichever it is: StaleDataError, and nothing of the flush is done."""

        def work(session: Session) -> None:
            patients = session.scalars(select(Patient).order_by(Patient.id)).all()
            _move(engine, moved, attribute)
            for patient in patients:
                patient.ssn = f"changed {patient.id}"
            session.flush()

        with pytest.raises(StaleDataError):
            in_session(work)
        with Session(engine) as session:
            assert _read(session) == {n: (f"ssn {n}", f"email {n}") for n in range(3)}

    @pytest.mark.parametrize("changed", [0, 1, 2])
    def test_a_move_of_several_objects_tells_that_a_value_of_one_was_changed(
        self, changed: int, engine: Engine, in_session: InSession
    ) -> None:
        """What was loaded before would be written over it."""

        def work(session: Session) -> None:
            patients = session.scalars(select(Patient).order_by(Patient.id)).all()
            with Session(engine) as other:
                other.get_one(Patient, changed).email = "changed"
                other.commit()
            for patient in patients:
                patient.clinic = "c2"
            session.flush()

        with pytest.raises(StaleDataError):
            in_session(work)
        with Session(engine) as session:
            assert _read(session) == {n: (f"ssn {n}", "changed" if n == changed else f"email {n}") for n in range(3)}

    def test_a_move_of_what_was_moved_meanwhile_is_told(self, engine: Engine, in_session: InSession) -> None:
        """Two sessions move a row to two tenants; the second one does not win in silence."""

        def work(session: Session) -> None:
            patients = session.scalars(select(Patient).order_by(Patient.id)).all()
            _move(engine, 1, "clinic")
            for patient in patients:
                patient.clinic = "c2"
            session.flush()

        with pytest.raises(StaleDataError):
            in_session(work)
        with Session(engine) as session:
            assert _read(session) == {n: (f"ssn {n}", f"email {n}") for n in range(3)}
            assert session.get_one(Patient, 1).clinic == "c9"

    def test_changes_of_plain_attributes_bother_nobody(self, engine: Engine, in_session: InSession) -> None:
        """Of rows that were moved meanwhile: no protected value is written, so both changes hold."""

        def work(session: Session) -> None:
            patients = session.scalars(select(Patient).order_by(Patient.id)).all()
            _move(engine, 1, "clinic")
            for patient in patients:
                patient.name = "changed"

        in_session(work)
        with Session(engine) as session:
            assert _read(session) == {n: (f"ssn {n}", f"email {n}") for n in range(3)}
            assert {patient.name for patient in session.scalars(select(Patient))} == {"changed"}

    def test_changes_of_several_objects_that_nobody_moved_are_written(
        self, engine: Engine, in_session: InSession
    ) -> None:
        """Values and moves, in one flush."""

        def work(session: Session) -> None:
            for patient in session.scalars(select(Patient)):
                patient.ssn = f"changed {patient.id}"
                patient.clinic = "c2" if patient.id else "c1"

        in_session(work)
        with Session(engine) as session:
            assert _read(session) == {n: (f"changed {n}", f"email {n}") for n in range(3)}
            assert session.scalars(select(Patient.id).where(Patient.email == "email 2")).all() == [2]


def _move(engine: Engine, id: int, attribute: str) -> None:
    """Move a row in a session of its own, as another process does."""
    with Session(engine) as session:
        setattr(session.get_one(Patient, id), attribute, "c9")
        session.commit()


# Keys that are equal for the database


def _model(collation: str | None) -> Any:
    class Folding(DeclarativeBase):
        pass

    @encrypted(ENCRYPTOR, row="id", tenant="clinic")
    class Account(Folding):
        __tablename__ = "accounts"
        id: Mapped[str] = mapped_column(String(20, collation=collation), primary_key=True)
        clinic: Mapped[str] = mapped_column(String(20, collation=collation))
        ssn: Mapped[str] = mapped_column(Encrypted(String))
        email: Mapped[str | None] = mapped_column(Encrypted(String, index="email_tag"))
        email_tag: Mapped[bytes | None] = blind_index()

    return Account


FOLDING = {"mariadb": _model(None), "NOCASE": _model("NOCASE"), "RTRIM": _model("RTRIM")}  # the last two of SQLite
OTHER_KEYS = [("mariadb", "ABC"), ("mariadb", "abc "), ("NOCASE", "ABC"), ("RTRIM", "abc ")]
OTHER_TENANTS = [("mariadb", "C1"), ("mariadb", "c1 "), ("NOCASE", "C1"), ("RTRIM", "c1 ")]


def _upsert(session: Session, model: Any, row: dict[str, Any], names: tuple[str, ...], *, literal: bool) -> None:
    dialect: Any = mysql if session.get_bind().dialect.name in ("mysql", "mariadb") else sqlite
    statement = dialect.insert(model).values(row)
    source: Any = row if literal else (statement.inserted if dialect is mysql else statement.excluded)
    changes = {name: source[name] for name in names}
    if dialect is mysql:
        session.execute(statement.on_duplicate_key_update(changes))
    else:
        session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changes))


def _by_object(session: Session, model: Any, row: dict[str, Any]) -> None:
    """Load a row by the key in another spelling, and change it."""
    account = session.get(model, row["id"])
    if account is not None:
        account.ssn = "new"


def _core(session: Session, statement: Any, parameters: Any = None) -> None:
    session.connection().execute(statement, parameters)


VALUES = ("ssn", "email")
ALL = (*VALUES, "id", "clinic")

# What writes values that are sealed for a row, by the key of that row.
DOORS: dict[str, Callable[[Session, Any, dict[str, Any]], Any]] = {
    "upsert, inserted values": lambda s, m, row: _upsert(s, m, row, VALUES, literal=False),
    "upsert, literal values": lambda s, m, row: _upsert(s, m, row, VALUES, literal=True),
    "upsert, one value": lambda s, m, row: _upsert(s, m, row, ("ssn",), literal=False),
    "upsert, inserted values and key": lambda s, m, row: _upsert(s, m, row, ALL, literal=False),
    "upsert, literal values and key": lambda s, m, row: _upsert(s, m, row, ALL, literal=True),
    "update by key": lambda s, m, row: s.execute(update(m).where(m.id == row["id"]).values(ssn=row["ssn"])),
    "update by key and tenant": lambda s, m, row: s.execute(
        update(m).where(m.id == row["id"], m.clinic == row["clinic"]).values(ssn=row["ssn"], email=row["email"])
    ),
    "update of a Core table": lambda s, m, row: _core(
        s, update(m.__table__).where(m.id == row["id"], m.clinic == row["clinic"]).values(ssn=row["ssn"])
    ),
    "update by parameters": lambda s, m, row: _core(
        s, update(m.__table__).where(m.id == row["id"], m.clinic == row["clinic"]), {"ssn": row["ssn"]}
    ),
    "update of many": lambda s, m, row: _core(
        s,
        update(m.__table__).where(m.id == bindparam("key"), m.clinic == bindparam("tenant")),
        [{"key": key, "tenant": row["clinic"], "ssn": row["ssn"]} for key in (row["id"], "none")],
    ),
    "bulk update": lambda s, m, row: s.execute(update(m), [{"id": row["id"], "ssn": row["ssn"]}]),
    "bulk update of all": lambda s, m, row: s.execute(update(m), [row]),
    "bulk update mappings": lambda s, m, row: s.bulk_update_mappings(m, [{"id": row["id"], "ssn": row["ssn"]}]),
    "bulk save": lambda s, m, row: s.bulk_save_objects([m(id=row["id"], clinic=row["clinic"], ssn="new")]),
    "insert": lambda s, m, row: s.execute(insert(m), [row]),
    "add": lambda s, m, row: s.add(m(id=row["id"], clinic=row["clinic"], ssn="new")),
    "merge": lambda s, m, row: s.merge(m(id=row["id"], clinic=row["clinic"], ssn="new")),
    "get and change": _by_object,
}


def _written(database: Database, kind: str, door: str, row: dict[str, str]) -> tuple[Engine, Any, bool]:
    """Write through a door to a table that has one row; return whether that was done."""
    model = FOLDING[kind]
    engine = database("mariadb" if kind == "mariadb" else "sqlite")
    model.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(model(id="abc", clinic="c1", ssn="old", email="old"))
        session.commit()
    with Session(engine) as session:
        try:
            DOORS[door](session, model, seal(model, {**row, "ssn": "new", "email": "new"}))
            session.commit()
        except (FieldcryptError, IntegrityError, StaleDataError):
            return engine, model, False
    return engine, model, True


@pytest.mark.parametrize("door", DOORS)
class TestKeysThatTheDatabaseTakesForOne:
    @pytest.mark.parametrize(("kind", "other"), OTHER_KEYS)
    def test_a_value_for_one_key_does_not_get_into_the_row_of_another(
        self, door: str, kind: str, other: str, database: Database
    ) -> None:
        """What is there can be read and is found, whether the statement was refused or not."""
        engine, model, _ = _written(database, kind, door, {"id": other, "clinic": "c1"})
        _check(engine, model)

    @pytest.mark.parametrize(("kind", "other"), OTHER_TENANTS)
    def test_a_value_for_one_tenant_does_not_get_into_the_row_of_another(
        self, door: str, kind: str, other: str, database: Database
    ) -> None:
        """The same for tenants."""
        engine, model, _ = _written(database, kind, door, {"id": "abc", "clinic": other})
        _check(engine, model)

    def test_a_value_for_the_very_key_is_written(self, door: str, database: Database) -> None:
        """Unless the statement does not tell the tenant, or says that the row is new."""
        engine, model, done = _written(database, "mariadb", door, {"id": "abc", "clinic": "c1"})
        _check(engine, model)
        right = {"update by key and tenant", "update of a Core table", "update by parameters", "bulk update of all"}
        assert done or door not in right | {"update of many", "merge", "get and change"}
        with Session(engine) as session:
            assert session.scalars(select(model)).one().ssn == ("new" if done else "old")


def _check(engine: Engine, model: Any) -> None:
    """Read every row, and find it by its value."""
    with Session(engine) as session:
        accounts = session.scalars(select(model)).all()
        assert accounts
        for account in accounts:
            assert account.ssn in ("old", "new")
            if account.email is not None:
                assert account.email in ("old", "new")
                assert account in session.scalars(select(model).where(model.email == account.email)).all()
