"""Fetching encrypted columns in PostgreSQL's binary format, which changes nothing else of a result."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    Engine,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Uuid,
    create_engine,
    event,
    select,
    text,
)
from sqlalchemy.dialects.postgresql.psycopg import PGExecutionContext_psycopg
from sqlalchemy.exc import DataError
from sqlalchemy.types import REAL

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted
from tests.conftest import Database

SECRET = "078-05-1120"
BINARY = 1
WIND = "CREATE TYPE wind AS ENUM ('calm', 'storm')"

ALIKE: dict[Any, Any] = {
    BigInteger: 2**62,
    Boolean: True,
    Date: dt.date(1, 1, 1),
    DateTime: dt.datetime(1582, 10, 4, 23, 59, 59, 999999),
    DateTime(timezone=True): dt.datetime(2026, 3, 29, 1, 59, 59, 1, tzinfo=dt.UTC),
    Double: 0.1 + 0.2,
    Integer: -1,
    LargeBinary: b"\x00\\x00\xff",
    Numeric: Decimal("-12345678901234567890.000000012300"),
    Numeric(12, 2, asdecimal=False): 1.25,
    SmallInteger: -(2**15),
    String(20): "Zoë\\x00",
    Text: "",
    Time: dt.time(23, 59, 59, 999999),
    Uuid: UUID(int=1),
    Uuid(as_uuid=False): str(UUID(int=2)),
}
UNLIKE: dict[Any, Any] = {
    Float(24): 0.1,
    Interval: dt.timedelta(days=-40, microseconds=1),
    REAL: 3.14,
}


@pytest.fixture
def formats(database: Database) -> list[int]:
    """Of each result."""
    found: list[int] = []
    event.listen(database("postgresql"), "after_cursor_execute", lambda *arguments: found.append(arguments[1].format))
    return found


def table(*columns: Any) -> Table:
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    return Table("t", MetaData(), *columns, Column("secret", Encrypted(String, encryptor)))


def read(connection: Connection, found: Table, formats: list[int]) -> list[tuple[Any, int]]:
    """Return what each of three executions reads, and the format of its result."""
    results = []
    for _ in range(3):
        formats.clear()
        results.append((connection.execute(select(found)).one(), formats[-1]))
    return results


@pytest.mark.parametrize("type_", [*ALIKE, *UNLIKE])
def test_beside_any_type_the_same_is_read_each_time(database: Database, formats: list[int], type_: Any) -> None:
    value = (ALIKE | UNLIKE)[type_]
    found = table(Column("v", type_), Column("none", type_))
    with database("postgresql").begin() as connection:
        found.create(connection)
        connection.execute(found.insert(), {"v": value, "secret": SECRET})
        (first, _), (second, later), (third, _) = read(connection, found, formats)
        assert first == second == third == (value, None, SECRET)
        assert type(first.v) is type(second.v)
        assert (later == BINARY) is (type_ in ALIKE)


@pytest.fixture
def windy(database: Database) -> Callable[[str], tuple[Engine, Table]]:
    """Makes a table whose column `v` is text to the model, and in the database of a type of the caller's."""

    def windy(type_: str) -> tuple[Engine, Table]:
        found = table(Column("v", String))
        engine = database("postgresql")
        with engine.begin() as connection:
            connection.execute(text(WIND))
            connection.execute(text(f"CREATE TABLE t (v {type_}, secret bytea)"))
            connection.execute(found.insert(), {"v": None, "secret": SECRET})
            connection.execute(text("UPDATE t SET v = 'calm'"))
        return engine, found

    return windy


@pytest.mark.parametrize("type_", ["wind", "wind[]", "oidvector", "tsvector"])
def test_types_that_the_model_does_not_know_of_are_read_as_ever(
    windy: Callable[[str], tuple[Engine, Table]], formats: list[int], type_: str
) -> None:
    """psycopg returns text of a type that it does not know in one format, and bytes in the other."""
    value = {"wind[]": "{calm}", "oidvector": "1 2"}.get(type_, "calm")
    engine, found = windy("text")
    with engine.begin() as connection:
        connection.execute(text("UPDATE t SET v = :value"), {"value": value})
        connection.execute(text(f"ALTER TABLE t ALTER v TYPE {type_} USING v::{type_}"))
        (first, _), (second, _), (third, later) = read(connection, found, formats)
        assert first == second == third
        assert not isinstance(first.v, bytes)
        assert later != BINARY


def test_a_statement_whose_columns_change_their_types_fails_once(
    windy: Callable[[str], tuple[Engine, Table]], formats: list[int]
) -> None:
    """As PostgreSQL's own prepared statements do; otherwise it would read bytes for text."""
    engine, found = windy("text")
    with engine.connect() as connection:
        assert [format_ for _, format_ in read(connection, found, formats)][-1] == BINARY
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE t ALTER v TYPE wind USING v::wind"))
    engine.dispose()  # with the prepared statements
    with engine.connect() as connection, pytest.raises(DataError, match="execute this again"):
        connection.execute(select(found))
    with engine.connect() as connection:
        assert [row for row, _ in read(connection, found, formats)] == 3 * [("calm", SECRET)]


def test_types_that_stay_alike_may_change(windy: Callable[[str], tuple[Engine, Table]], formats: list[int]) -> None:
    engine, found = windy("text")
    with engine.connect() as connection:
        read(connection, found, formats)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE t ALTER v TYPE varchar(7)"))
    engine.dispose()
    with engine.connect() as connection:
        assert read(connection, found, formats) == 3 * [(("calm", SECRET), BINARY)]


def test_a_loader_of_the_application_s_own_is_heeded(
    windy: Callable[[str], tuple[Engine, Table]], formats: list[int]
) -> None:
    class Loud(psycopg.adapt.Loader):
        def load(self, data: Any) -> Any:
            return bytes(data).decode().upper()

    engine, found = windy("text")
    with engine.connect() as connection:
        assert connection.connection.driver_connection is not None
        connection.connection.driver_connection.adapters.register_loader("text", Loud)
        assert [row for row, _ in read(connection, found, formats)] == 3 * [("CALM", SECRET)]
        connection.invalidate()


def test_rows_are_streamed_in_it_too(windy: Callable[[str], tuple[Engine, Table]], formats: list[int]) -> None:
    engine, found = windy("text")
    with engine.connect() as connection:
        for _ in range(3):
            streamed = connection.execution_options(yield_per=1).execute(select(found))
            assert streamed.all() == [("calm", SECRET)]
        assert formats[-1] == BINARY


def test_without_encrypted_columns_nothing_changes(
    windy: Callable[[str], tuple[Engine, Table]], formats: list[int]
) -> None:
    engine, found = windy("text")
    with engine.connect() as connection:
        for _ in range(3):
            assert connection.execute(select(found.c.v)).all() == [("calm",)]
            assert formats[-1] != BINARY


def test_a_cursor_on_the_client_s_side_reads_text(windy: Callable[[str], tuple[Engine, Table]]) -> None:
    """psycopg's ClientCursor, which poolers need, refuses binary results."""
    engine, found = windy("text")
    by_client = create_engine(engine.url, connect_args={"cursor_factory": psycopg.ClientCursor})
    with by_client.connect() as connection:
        for _ in range(3):
            assert connection.execute(select(found)).all() == [("calm", SECRET)]
    by_client.dispose()


class _Wrapped:
    """A cursor around one of psycopg's, as those of AWS's wrapper are."""

    def __init__(self, cursor: Any) -> None:
        self.target_cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target_cursor, name)

    def execute(self, *arguments: Any) -> _Wrapped:
        self.target_cursor.execute(*arguments)
        return self


class _Context(PGExecutionContext_psycopg):
    def create_cursor(self) -> Any:
        return _Wrapped(super().create_cursor())


def test_a_wrapper_s_cursor_reads_in_the_format_of_the_one_within(
    windy: Callable[[str], tuple[Engine, Table]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is set on the wrapper alone would tell psycopg nothing."""
    engine, found = windy("text")
    monkeypatch.setattr(engine.dialect, "driver", "aws_wrapper_psycopg")
    monkeypatch.setattr(engine.dialect, "execution_ctx_cls", _Context)
    seen: list[int] = []
    event.listen(engine, "after_cursor_execute", lambda *arguments: seen.append(arguments[1].target_cursor.format))
    with engine.connect() as connection:
        for _ in range(3):
            assert connection.execute(select(found)).all() == [("calm", SECRET)]
    assert seen[-1] == BINARY
