"""Fixtures that several test files share. Servers are started once a run, on loopback, and stopped at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import Pool

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore, _system
from fieldcrypt.testing import LocalAws
from tests.doubles import CountingProvider, RowStore
from tests.postgres import Postgres


class Clock:
    """Both clocks of the core, standing still until moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Clocks that only the test moves; work in the background is done at once, for real threads would not wait."""
    clock = Clock()
    monkeypatch.setattr(_system, "monotonic", clock)
    monkeypatch.setattr(_system, "wall_clock", clock)
    monkeypatch.setattr(_system, "start_thread", lambda work: work())
    return clock


@pytest.fixture(params=["stored", "self-contained"])
def encryptor(request: pytest.FixtureRequest) -> Encryptor:
    """An Encryptor with a local key, once for each form of values."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore() if request.param == "stored" else None)


@pytest.fixture
def provider() -> CountingProvider:
    """A provider that counts, and fails on request."""
    return CountingProvider()


@pytest.fixture
def rows() -> RowStore:
    """A key store whose rows can be edited."""
    return RowStore()


@pytest.fixture(params=["stored", "self-contained"])
def store(request: pytest.FixtureRequest, rows: RowStore) -> RowStore | None:
    """The key store, or None for self-contained values."""
    return rows if request.param == "stored" else None


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """Two regions of AWS over HTTP; a test that cuts a region restores it."""
    with LocalAws() as aws:
        yield aws


@pytest.fixture(scope="session")
def kms_key(aws: LocalAws) -> str:
    """The ARN of a multi-Region key in both regions."""
    return aws.create_key()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The SQLAlchemy URL of a PostgreSQL server."""
    with Postgres() as server:
        yield server.url


Database = Callable[[str], Engine]


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Makes an engine on an empty database, the same one for the same kind: "sqlite" or "postgresql"."""
    engines: dict[str, Engine] = {}

    def database(kind: str) -> Engine:
        if kind not in engines:
            sqlite = f"sqlite:///{tmp_path / 'test.sqlite'}"
            engine = create_engine(sqlite if kind == "sqlite" else request.getfixturevalue("postgres"))
            if kind == "postgresql":
                with engine.begin() as connection:
                    connection.exec_driver_sql("DROP SCHEMA public CASCADE")
                    connection.exec_driver_sql("CREATE SCHEMA public")
            engines[kind] = engine
        return engines[kind]

    yield database
    for engine in engines.values():
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, database: Database) -> Engine:
    """An empty database of each kind."""
    return database(request.param)


@pytest.fixture(autouse=True)
def connections_end_with_the_test() -> Iterator[None]:
    """Close what engines of examples and tests still hold open, which Python 3.13 and later complain of."""
    opened: list[Any] = []

    def note(connection: Any, _: Any) -> None:
        opened.append(connection)

    event.listen(Pool, "connect", note)
    yield
    event.remove(Pool, "connect", note)
    for connection in opened:
        connection.close()
