"""Fixtures that several test files share. Servers are started once a run, on loopback, and stopped at its end."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import re
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import botocore.session
import pytest
import sqlalchemy
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool, Pool

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore, _system
from fieldcrypt.backends import backend
from fieldcrypt.testing import LocalAws
from tests.support.declared_metadata import declared_metadata
from tests.support.doubles import CountingProvider, Later, RowStore, until_idle
from tests.support.dynamodb import FIRST, SECOND, DynamoDb
from tests.support.mariadb import DATABASE, Installation, MariaDb
from tests.support.ministack import Ministack
from tests.support.postgres import Postgres, with_icu
from tests.support.wiretap import Secrets, wiretap

WITHOUT_MARIADB = "--without-mariadb"
WITHOUT_SERVERS = "--without-servers"
ALL_SERVERS = "--all-servers"
SERVERS = (("sqlite", "postgresql", "mariadb"), ("moto", "ministack"))  # as the names of tests have them
STDERR = 2  # itself, and not what pytest has in its place while tests run
SHUTDOWN = 60.0  # seconds that Python may take to end after the last test


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fieldcrypt")
    group.addoption(WITHOUT_MARIADB, action="store_true", help="leave out what needs MariaDB, and say so at the end")
    group.addoption(
        WITHOUT_SERVERS,
        action="store_true",
        help="leave out what needs PostgreSQL, MariaDB or ministack, and say so at the end",
    )
    group.addoption(ALL_SERVERS, action="store_true", help="run each test on all databases, and not on one of them")
    group.addoption("--spark", action="store_true", help="run what needs PySpark: see `make test-spark`")
    group.addoption("--aio", action="store_true", help="run what needs aioboto3, and nothing else: see `make test-aio`")
    group.addoption("--long", action="store_true", help="take many steps at random: see `make test-long`")
    group.addoption(
        "--doors",
        metavar="NAMES",
        help="try these ways to change rows alone: see tests/sqlalchemy/row_rule/row_machine.py",
    )
    group.addoption(
        "--seed",
        type=int,
        help="tell one story again: see tests/support/stories.py and tests/migration/test_property.py",
    )
    group.addoption("--sqlalchemy", metavar="SERIES", help="run with a SQLAlchemy of this series (2.0), or not at all")


def pytest_configure(config: pytest.Config) -> None:
    """See to it that the SQLAlchemy that is tested is the one that was meant."""
    series = config.getoption("--sqlalchemy")
    if series and not sqlalchemy.__version__.startswith(f"{series}."):
        raise pytest.UsageError(f"this is SQLAlchemy {sqlalchemy.__version__}, not {series}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Have no thread that a test left behind hold up the end of the run: show its stack, and end as the tests did."""
    if "MUTANT_UNDER_TEST" in os.environ:
        return  # mutmut runs the tests many times in one process
    faulthandler.dump_traceback_later(2 * SHUTDOWN, exit=True, file=STDERR)

    def end() -> None:
        faulthandler.dump_traceback(file=STDERR)
        sys.stdout.flush()
        os._exit(int(exitstatus))

    timer = threading.Timer(SHUTDOWN, end)
    timer.daemon = True
    timer.start()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what needs PySpark or aioboto3, unless the command asks for it."""
    spark = collection_path.name.startswith("test_spark") and not config.getoption("--spark")
    aio = collection_path.name == "aio" and not config.getoption("--aio")
    return True if spark or aio else None


def takes_all(config: pytest.Config) -> bool:
    """Return whether each test runs on all databases: also if some are left out, or tests are chosen by their names."""
    return any(map(config.getoption, (ALL_SERVERS, WITHOUT_SERVERS, WITHOUT_MARIADB, "--long", "--seed", "keyword")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what is told of several databases on one of them, always the same, unless the command asks for all."""
    if takes_all(config):
        return
    left_out: set[pytest.Item] = set()
    for servers in SERVERS:
        tests: defaultdict[str, list[pytest.Item]] = defaultdict(list)
        for item in items:
            tests[re.sub("|".join(servers), "", item.nodeid)].append(item)
        for test, variants in tests.items():
            of_each = [[item for item in variants if server in item.nodeid] for server in servers]
            if all(of_each):
                del of_each[crc32(test.encode()) % len(servers)]
                left_out.update(*of_each)
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=[*left_out])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what the tests ran with, and without."""
    terminalreporter.write_line(f"with SQLAlchemy {sqlalchemy.__version__}")
    terminalreporter.write_line(f"with the backend {backend()}")
    if not takes_all(config):
        terminalreporter.write_line("on one database each: `make test-servers` takes all")
    if not config.getoption("--spark"):
        terminalreporter.write_line("without Spark: `make test-spark` runs what needs it")
    if not config.getoption("--aio"):
        terminalreporter.write_line("without aioboto3: `make test-aio` runs what needs it, as `make test` does")
    if config.getoption(WITHOUT_SERVERS):
        terminalreporter.write_line("without PostgreSQL, MariaDB and ministack, as the command said", yellow=True)
    elif config.getoption(WITHOUT_MARIADB):
        terminalreporter.write_line("without MariaDB: what needs it was skipped, as the command said", yellow=True)


@pytest.fixture(autouse=True, scope="module")
def quick_collections() -> None:
    """Leave what other modules left out of garbage collections, of which one would take seconds in the end."""
    gc.collect()
    gc.freeze()


class Clock:
    """Both clocks of the core, standing still until moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.ahead = 0.0  # the wall clock, of the monotonic one

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self.ahead

    def advance(self, seconds: float) -> None:
        self.now += seconds

    def lose(self, seconds: float) -> None:
        """Have the machine stand still, or set the wall clock back: the monotonic clock knows nothing of it."""
        self.ahead += seconds


@pytest.fixture(scope="session", autouse=True)
def one_loader() -> Iterator[None]:
    """Have botocore read its models of AWS's services once, and not for every session.

    Models of PynamoDB and many clients have each their own, and reading takes a tenth of a second.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def entry_points(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have the entry points that pyproject.toml declares, however long ago this checkout was installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(declared_metadata(tmp_path_factory.mktemp("metadata"))))
        yield


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Clocks that only the test moves; work in the background is done at once, for real threads would not wait."""
    clock = Clock()
    monkeypatch.setattr(_system, "monotonic", clock)
    monkeypatch.setattr(_system, "wall_clock", clock.wall)
    monkeypatch.setattr(_system, "sleep", clock.advance)
    monkeypatch.setattr(_system, "start_thread", lambda work: work())
    return clock


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Iterator[Later]:
    """Clocks that go on, and can be put forward."""
    later = Later()
    monkeypatch.setattr(_system, "monotonic", later.monotonic)
    monkeypatch.setattr(_system, "wall_clock", later.wall_clock)
    yield later
    until_idle()


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
def servers(pytestconfig: pytest.Config) -> None:
    """What every server is that the tests start besides moto: skipped if the command said so."""
    if pytestconfig.getoption(WITHOUT_SERVERS):
        pytest.skip(WITHOUT_SERVERS)


@pytest.fixture(scope="session")
def ministack(servers: None) -> Iterator[Ministack]:
    """A DynamoDB whose global tables replicate; a test that makes tables deletes them."""
    with Ministack() as server:
        yield server


@pytest.fixture
def secrets() -> Iterator[Secrets]:
    """What a test must not send to AWS unencrypted: all that it encrypts, decrypts or tags, and what it adds."""
    with wiretap() as secrets:
        yield secrets


@pytest.fixture(autouse=True)
def secrets_are_kept(request: pytest.FixtureRequest) -> None:
    """Have every test watched that has something to send to."""
    if not {"aws", "ministack"}.isdisjoint(request.fixturenames):
        request.getfixturevalue("secrets")


@pytest.fixture
def moto(aws: LocalAws, secrets: Secrets) -> Iterator[DynamoDb]:
    """moto's DynamoDB, without tables; the tables that a test makes are deleted, and what it sends is watched."""
    with DynamoDb({region: aws.endpoint(region) for region in (FIRST, SECOND)}) as dynamodb:
        yield dynamodb


@pytest.fixture
def replicating(ministack: Ministack, secrets: Secrets) -> Iterator[DynamoDb]:
    """The same of ministack, whose tables can be replicated from region to region."""
    with DynamoDb(dict.fromkeys((FIRST, SECOND), ministack.url)) as dynamodb:
        yield dynamodb


DYNAMODBS = {"moto": "moto", "ministack": "replicating"}  # the fixtures


@pytest.fixture(params=DYNAMODBS)
def dynamodb(request: pytest.FixtureRequest) -> DynamoDb:
    """DynamoDB without tables, once of each kind."""
    dynamodb: DynamoDb = request.getfixturevalue(DYNAMODBS[request.param])
    return dynamodb


@pytest.fixture(scope="session")
def postgres(servers: None) -> Iterator[str]:
    """The SQLAlchemy URL of a PostgreSQL server."""
    with Postgres() as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_with_icu(servers: None) -> Iterator[str]:
    """The SQLAlchemy URL of a PostgreSQL server that has collations of ICU, and citext."""
    installation = with_icu()
    if installation is None:
        pytest.skip("there is no PostgreSQL with ICU: Debian's package postgresql has it")
    with Postgres(installation) as server:
        yield server.url


@pytest.fixture(scope="session")
def mariadb_installation(servers: None, pytestconfig: pytest.Config) -> Installation:
    """Where MariaDB is. A test that needs it fails if it is nowhere, and is skipped only if the command said so."""
    if pytestconfig.getoption(WITHOUT_MARIADB):
        pytest.skip(WITHOUT_MARIADB)
    return Installation.found()


@pytest.fixture(scope="session")
def mariadb(mariadb_installation: Installation) -> Iterator[str]:
    """The SQLAlchemy URL of a MariaDB server."""
    with MariaDb(mariadb_installation) as server:
        yield server.url


Database = Callable[[str], Engine]
AsyncDatabase = Callable[[str], AsyncEngine]

# The fixtures.
_SERVERS = {"postgresql": "postgres", "postgresql with ICU": "postgres_with_icu", "mariadb": "mariadb"}
_EMPTYING_POSTGRES = ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
_EMPTYING = {
    "sqlite": (),
    "postgresql": _EMPTYING_POSTGRES,
    "postgresql with ICU": _EMPTYING_POSTGRES,
    "mariadb": (f"DROP DATABASE {DATABASE}", f"CREATE DATABASE {DATABASE}", f"USE {DATABASE}"),
}
_ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Makes an engine on an empty database, the same one for the same kind: "sqlite", "postgresql" or "mariadb".

    Where collations matter there is "postgresql with ICU", too.
    """
    engines: dict[str, Engine] = {}

    def database(kind: str) -> Engine:
        if kind not in engines:
            sqlite = f"sqlite:///{tmp_path / 'test.sqlite'}"
            engine = create_engine(sqlite if kind == "sqlite" else request.getfixturevalue(_SERVERS[kind]))
            with engine.begin() as connection:
                for statement in _EMPTYING[kind]:
                    connection.exec_driver_sql(statement)
            engines[kind] = engine
        return engines[kind]

    yield database
    for engine in engines.values():
        engine.dispose()


@pytest.fixture
def async_database(database: Database) -> Iterator[AsyncDatabase]:
    """Makes an AsyncEngine on the same database as `database`: "sqlite" (aiosqlite) or "postgresql" (asyncpg).

    It keeps no connection open between uses, so it works in any number of event loops: `asyncio.run` as often as you
    like.
    """
    engines: list[AsyncEngine] = []

    def async_database(kind: str) -> AsyncEngine:
        url = database(kind).url.set(drivername=_ASYNC_DRIVERS[kind])
        engines.append(create_async_engine(url, poolclass=NullPool))
        return engines[-1]

    yield async_database
    for engine in engines:
        asyncio.run(engine.dispose())


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def engine(request: pytest.FixtureRequest, database: Database) -> Engine:
    """An empty database of each kind."""
    return database(request.param)


@pytest.fixture(autouse=True)
def connections_end_with_the_test() -> Iterator[None]:
    """Close what engines of examples and tests still hold open, which Python 3.13 and later complain of."""
    opened: dict[int, Any] = {}

    def note(connection: Any, _: Any) -> None:
        if not isinstance(connection, AdaptedConnection):  # those are closed in their event loop, or not at all
            opened[id(connection)] = connection

    def forget(connection: Any, _: Any = None) -> None:
        opened.pop(id(connection), None)

    hooks = {"connect": note, "close": forget, "close_detached": forget}
    for name, hook in hooks.items():
        event.listen(Pool, name, hook)
    yield
    for name, hook in hooks.items():
        event.remove(Pool, name, hook)
    for connection in opened.values():
        connection.close()
