"""What fieldcrypt hooks into SQLAlchemy: nobody gets past it, and who has nothing to protect hardly notices."""

from __future__ import annotations

import asyncio
import inspect
import logging
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    event,
    func,
    insert,
    lambda_stmt,
    select,
    text,
    update,
)
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ObjectNotExecutableError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import fieldcrypt_sqlalchemy
from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted, ProtectedColumnError, blind_index
from tests.conftest import Database

SECRET = "078-05-1120"
PACKAGE = str(pathlib.Path(fieldcrypt_sqlalchemy.__file__).parent)

ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    ssn: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR))
    mail: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR, index="mail_tag"))
    mail_tag: Mapped[bytes | None] = blind_index()


PEOPLE: Table = Person.__table__  # type: ignore[assignment]
PLACES = Table("places", MetaData(), Column("id", Integer, primary_key=True), Column("city", String))
REFUSED = select(Person.id).where(text("ssn = :x").bindparams(x=SECRET))


def _unwrapped(function: Any) -> Any:
    """Return the function that SQLAlchemy has under this name."""
    return inspect.getclosurevars(function).nonlocals["execute_single"]


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://")
    Base.metadata.create_all(made)
    PLACES.metadata.create_all(made)
    yield made
    made.dispose()


class TestBystanders:
    """Statements without protected columns."""

    def test_no_listener_of_connections_is_set_up_for_all_engines(self) -> None:
        """Such a listener makes SQLAlchemy take a longer way for every statement of the process."""
        program = (
            "import fieldcrypt_sqlalchemy; from sqlalchemy import Connection, Engine; "
            "assert not any(getattr(each, '_has_events', False) for each in (Engine, Connection))"
        )
        subprocess.run([sys.executable, "-c", program], check=True)

    def test_a_statement_runs_two_functions_of_fieldcrypt(self, engine: Engine) -> None:
        """One before it is logged, and one before the driver has it: once it is cached, nothing else."""
        statement = select(PLACES.c.city).where(PLACES.c.id == 1)
        calls: list[str] = []

        def profile(frame: Any, kind: str, _: Any) -> None:
            if kind == "call" and frame.f_code.co_filename.startswith(PACKAGE):
                calls.append(frame.f_code.co_name)

        with engine.connect() as connection:
            connection.execute(statement).all()
            sys.setprofile(profile)
            try:
                connection.execute(statement).all()
            finally:
                sys.setprofile(None)
        assert calls == ["_exec_single_context", "on_execute"]


class TestOrder:
    """A statement that is refused is refused before anybody else has it."""

    @pytest.mark.parametrize("name", ["do_execute", "before_cursor_execute"])
    def test_a_listener_of_the_application_is_not_told(self, engine: Engine, name: str) -> None:
        """Nor can it have the statement executed by returning True."""
        told: list[Any] = []

        def listener(*arguments: Any) -> bool:
            told.append(arguments)
            return True

        event.listen(engine, name, listener, insert=True)
        with engine.connect() as connection, pytest.raises(ProtectedColumnError):
            connection.execute(REFUSED)
        assert told == []

    def test_the_log_does_not_show_it(self, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
        """SQLAlchemy logs a statement, with its parameters, before it executes it."""
        engine.echo = True
        with caplog.at_level(logging.DEBUG), engine.connect() as connection, pytest.raises(ProtectedColumnError):
            connection.execute(REFUSED)
        assert SECRET not in caplog.text

    def test_it_is_refused_without_the_first_look(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        """If SQLAlchemy finds another way to the driver, the listeners of the dialect still stand before that."""
        monkeypatch.setattr(Connection, "_exec_single_context", _unwrapped(Connection._exec_single_context))
        sent: list[Any] = []
        event.listen(engine, "do_execute", lambda *arguments: sent.append(arguments))
        with engine.connect() as connection, pytest.raises(ProtectedColumnError):
            connection.execute(REFUSED)
        assert sent == []

    @pytest.mark.parametrize(
        ("statement", "rows"),
        [
            (select(Person.id).where(text(f"ssn = '{SECRET}'")), None),
            (update(PEOPLE).values(ssn=func.upper(bindparam("x"))), [{"x": SECRET}, {"x": SECRET}]),
        ],
        ids=["without parameters", "for several rows"],
    )
    def test_each_way_of_execution_has_a_listener(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch, statement: Any, rows: Any
    ) -> None:
        """Statements without parameters, and for several rows of them, have events of their own."""
        monkeypatch.setattr(Connection, "_exec_single_context", _unwrapped(Connection._exec_single_context))
        with engine.connect() as connection, pytest.raises(ProtectedColumnError):
            connection.execute(statement, rows, execution_options={"no_parameters": rows is None})


class TestPreparation:
    """What writes searchable columns is prepared before it is compiled, or refused."""

    def test_a_lambda_that_writes_is_refused(self, engine: Engine) -> None:
        """SQLAlchemy compiles it from within, where no tags could be added."""
        statement = lambda_stmt(lambda: insert(PEOPLE))
        with engine.connect() as connection, pytest.raises(ProtectedColumnError, match=r"Execute the insert\(\)"):
            connection.execute(statement, {"id": 1, "mail": "a@example.org"})

    def test_a_statement_that_is_compiled_already_is_refused(self, engine: Engine) -> None:
        """SQLAlchemy 2.0 executes it; 2.1 does not."""
        compiled = insert(PEOPLE).compile(engine, column_keys=["id", "mail"])
        with (
            engine.connect() as connection,
            pytest.raises((ProtectedColumnError, ObjectNotExecutableError)),
        ):
            connection.execute(compiled, {"id": 1, "mail": "a@example.org"})  # type: ignore[call-overload]

    def test_it_is_refused_if_the_way_of_execution_has_another_name(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Were the method that is wrapped not called any more, nothing would get to the database without its tag."""
        monkeypatch.delattr(Insert, "_execute_on_connection")
        with engine.connect() as connection, pytest.raises(ProtectedColumnError, match="Nothing was sent"):
            connection.execute(insert(PEOPLE), {"id": 1, "mail": "a@example.org"})

    def test_objects_that_an_insert_returns_have_tags(self, engine: Engine) -> None:
        """An ORM statement around an INSERT is prepared like the INSERT."""
        given = insert(Person).values(id=1, mail="a@example.org").returning(Person)
        with Session(engine) as session:
            person = session.scalars(select(Person).from_statement(given)).one()
            assert person.mail == "a@example.org"
            session.commit()
            assert session.scalars(select(Person).where(Person.mail == "a@example.org")).one() is person


class TestListenersOfOthers:
    """Listeners of an application that execute a statement themselves go on doing so."""

    def test_a_listener_that_executes_psycopgs_statement_has_its_turn_once(self, database: Database) -> None:
        """fieldcrypt executes these statements itself, to see the result; others come first."""
        engine = database("postgresql")
        Base.metadata.create_all(engine)
        turns: list[str] = []

        def listener(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
            turns.append(statement)
            cursor.execute(statement, parameters)
            return True

        with Session(engine) as session:
            session.add(Person(id=1, ssn="a"))
            session.commit()
            event.listen(engine, "do_execute", listener)
            for count in (1, 2):
                assert session.execute(select(Person.ssn)).all() == [("a",)]
                assert len(turns) == count

    def test_the_same_of_an_asyncio_driver(self, tmp_path: pathlib.Path) -> None:
        """There data keys are fetched after the statement."""
        turns: list[str] = []

        def listener(cursor: Any, statement: str, *_: Any) -> None:
            turns.append(statement)

        async def story() -> None:
            engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'db'}")
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
                await connection.execute(insert(Person), {"id": 1, "ssn": "a"})
                event.listen(engine.sync_engine, "do_execute", listener)
                assert (await connection.execute(select(Person.ssn))).all() == [("a",)]
            await engine.dispose()

        asyncio.run(story())
        assert len(turns) == 1


@pytest.mark.parametrize(
    "statement",
    [
        select(Person.id, Person.ssn),
        select(Person.id, Person.ssn).from_statement(text("SELECT id, ssn FROM people")),
        text("SELECT id, ssn FROM people").columns(Person.id, Person.ssn),
    ],
)
def test_rows_are_hidden_from_the_log_from_the_first_statement_on(
    engine: Engine, caplog: pytest.LogCaptureFixture, statement: Any
) -> None:
    """SQLAlchemy prints them at level DEBUG, as the application gets them."""
    with engine.begin() as connection:
        connection.execute(insert(Person), {"id": 1, "ssn": SECRET})
    engine.echo = "debug"
    with caplog.at_level(logging.DEBUG), engine.connect() as connection:
        assert connection.execute(statement).all() == [(1, SECRET)]
    assert "Row (1, '[protected]')" in caplog.text
    assert SECRET not in caplog.text
