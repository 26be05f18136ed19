"""SqlKeyStore from its first table to its last connection: how it is made, limited, reconnected and closed."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, event, inspect, select, update
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from fieldcrypt import ConfigurationError, KeyStoreError
from fieldcrypt_sqlalchemy import SqlKeyStore
from fieldcrypt_sqlalchemy.migration.journal.checkpoint_tables import ranges, runs
from fieldcrypt_sqlalchemy.migration.journal.checkpoints import Checkpoints
from tests.conftest import Database
from tests.keys.records import record, tombstone
from tests.support.doubles import PATIENCE
from tests.support.processes import ROOT, in_child
from tests.support.servers import until

AT_ONCE = 16
NAME = "fieldcrypt-lifecycle"  # of connections, for PostgreSQL's list of them
OURS = f"FROM pg_stat_activity WHERE application_name = '{NAME}'"
THREAD = "fieldcrypt key store"
DRIVERS = ["psycopg", "asyncpg"]

Make = Callable[..., Engine]


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    """A driver of PostgreSQL, of each kind."""
    name: str = request.param
    return name


@pytest.fixture
def make(database: Database) -> Make:
    """Makes an engine on PostgreSQL whose connections can be told from others."""

    def make(driver: str = "psycopg", database_name: str = "postgres", **options: object) -> Engine:
        url = database("postgresql").url.set(drivername=f"postgresql+{driver}", database=database_name)
        if driver == "asyncpg":
            return create_async_engine(
                url, connect_args={"server_settings": {"application_name": NAME}}, **options
            ).sync_engine
        return create_engine(url, connect_args={"application_name": NAME}, **options)

    return make


@pytest.fixture
def admin(database: Database) -> Iterator[Connection]:
    """A connection that sees those of others."""
    with database("postgresql").connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def backends(admin: Connection) -> list[int]:
    """The server's processes that serve the engines under test."""
    return [*admin.exec_driver_sql(f"SELECT pid {OURS} ORDER BY pid").scalars()]


def dispose(engine: Engine) -> None:
    """Dispose of an engine as its application does: over an asyncio driver in an event loop."""
    if engine.dialect.is_async:
        from sqlalchemy.ext.asyncio import AsyncEngine

        asyncio.run(AsyncEngine(engine).dispose())
    else:
        engine.dispose()


def threads() -> list[threading.Thread]:
    """Those of key stores."""
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


class TestTables:
    @pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb", "sqlite+aiosqlite", "postgresql+asyncpg"])
    def test_many_stores_make_the_table_at_once(self, database: Database, kind: str) -> None:
        """All succeed, as the workers of an application have to on its first deployment."""
        engine = database(kind.partition("+")[0])
        url = engine.url.set(drivername=kind) if "+" in kind else engine.url
        for number in range(3):
            meeting = Barrier(AT_ONCE, timeout=PATIENCE)

            def create(_: int, name: str = f"keys_{number}", meeting: Barrier = meeting) -> None:
                own = create_async_engine(url) if "+" in kind else create_engine(url)
                store = SqlKeyStore(own, name)
                meeting.wait()
                store.create_table()
                store.close()

            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(create, range(AT_ONCE)))
            engine.dispose()  # a connection to SQLite goes on describing the tables that it has seen
            (index,) = inspect(engine).get_indexes(f"keys_{number}")
            assert index["column_names"] == ["tenant"]

    def test_many_migrations_make_their_tables_at_once(self, engine: Engine) -> None:
        """Both tables are there for each of them."""
        meeting = Barrier(AT_ONCE, timeout=PATIENCE)

        def create(number: int) -> None:
            own = create_engine(engine.url)
            meeting.wait()
            Checkpoints(own, str(number)).create()
            with own.connect() as connection:
                assert [connection.execute(select(table)).all() for table in (runs, ranges)] == [[], []]
            own.dispose()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(create, range(AT_ONCE)))

    def test_what_the_database_refuses_is_told(self, make: Make, admin: Connection) -> None:
        """Looking again is for tables that are there; it hides nothing else."""
        store = SqlKeyStore(make(), schema="missing")
        with pytest.raises(KeyStoreError, match=r'schema "missing" does not exist$'):  # and no advice to do this again
            store.create_table()

    def test_the_table_among_an_application_s_own(self, database: Database) -> None:
        """`create_all` makes it; a store finds it by its name, or is given it."""
        metadata = MetaData()
        table = SqlKeyStore.define(metadata, "our_keys")
        metadata.create_all(database("sqlite"))
        SqlKeyStore(database("sqlite"), "our_keys").add(record(1))
        assert SqlKeyStore(database("sqlite"), table).get(record(1).key_id) == record(1)

    def test_another_table_is_refused(self, database: Database) -> None:
        """When the store is made, not when the first key is wanted."""
        with pytest.raises(ConfigurationError, match=r"people is not a table of a key store: SqlKeyStore.define\(\)"):
            SqlKeyStore(database("sqlite"), Table("people", MetaData()))


class TestClosing:
    def test_a_database_can_be_dropped_after_its_engine_was_disposed(
        self, make: Make, admin: Connection, driver: str
    ) -> None:
        """The store's connections end with the engine's: who tears down a test database need not know of them."""
        admin.exec_driver_sql("CREATE DATABASE passing")
        engine = make(driver, "passing")
        store = SqlKeyStore(engine)
        store.create_table()
        dispose(engine)
        until(lambda: not backends(admin), "the server has noticed")
        admin.exec_driver_sql("DROP DATABASE passing")
        assert not threads()

    def test_a_closed_store_opens_again(self, make: Make, admin: Connection, driver: str) -> None:
        """At the next use; and can be closed again, and twice."""
        store = SqlKeyStore(make(driver))
        store.close()
        for number in range(3):
            store.create_table()
            store.add(record(number))
            assert len(backends(admin)) == 1
            store.close()
            store.close()
            until(lambda: not backends(admin), "the server has noticed")
            assert not threads()

    def test_it_is_closed_in_an_event_loop(self, make: Make) -> None:
        """From the thread of an application's loop, which goes on."""
        store = SqlKeyStore(make("asyncpg"))

        async def application() -> list[threading.Thread]:
            await asyncio.to_thread(store.create_table)
            store.close()
            return threads()

        assert asyncio.run(application()) == []

    def test_an_engine_with_options_is_its_owner(self, make: Make, admin: Connection) -> None:
        """Engines that `execution_options` returned share a pool, and are disposed together."""
        engine = make()
        store = SqlKeyStore(engine.execution_options(isolation_level="SERIALIZABLE"))
        store.create_table()
        assert len(backends(admin)) == 1
        engine.dispose()
        until(lambda: not backends(admin), "the server has noticed")

    def test_an_engine_s_statements_pay_nothing_for_it(self, make: Make) -> None:
        """To listen to an engine would have it look for listeners at every step of every statement."""
        engine = make()
        event.listen(engine, "engine_disposed", lambda _: None)
        assert vars(engine)["_has_events"]  # which is what SQLAlchemy does, still
        engine = make()
        SqlKeyStore(engine)
        assert "_has_events" not in vars(engine)

    def test_who_listens_is_heard_still(self, make: Make) -> None:
        """Listeners that the application added before are not silenced."""
        engine, heard = make(), []
        event.listen(engine, "before_cursor_execute", lambda *arguments: heard.append(arguments[2]))
        SqlKeyStore(engine)
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        assert heard == ["SELECT 1"]
        engine.dispose()

    def test_a_call_under_way_is_not_disturbed(self, make: Make, admin: Connection, driver: str) -> None:
        """It ends as it would have, and its connection after it."""
        store = SqlKeyStore(make(driver))
        store.create_table()
        store.add(record(1))
        locked = admin.engine.connect()
        locked.execute(update(store.table).values(tenant="elsewhere"))
        with ThreadPoolExecutor(1) as pool:
            replaced = pool.submit(store.replace, record(1), tombstone(record(1)))
            waiting = f"SELECT count(*) {OURS} AND wait_event_type = 'Lock'"
            until(lambda: admin.exec_driver_sql(waiting).scalar() == 1, "the call waits for the row")
            store.close()
            locked.rollback()
            assert replaced.result(PATIENCE) is True
        locked.close()
        until(lambda: not backends(admin), "the connection was closed after the call")
        until(lambda: not threads(), "the thread has ended")

    def test_many_calls_and_closings_at_once(self, make: Make, driver: str) -> None:
        """No call fails or is left waiting, whenever the store is closed."""
        store = SqlKeyStore(make(driver))
        store.create_table()
        store.add(record(1))
        ended = threading.Event()

        def call() -> int:
            calls = 0
            while not ended.is_set():
                assert store.get(record(1).key_id) == record(1)
                calls += 1
            return calls

        with ThreadPoolExecutor(3) as pool:
            calling = [pool.submit(call) for _ in range(3)]
            for _ in range(30):
                time.sleep(0.01)
                store.close()
            ended.set()
            assert all(each.result(PATIENCE) for each in calling)
        store.close()

    def test_a_forked_child_leaves_its_parent_s_connections_alone(
        self, make: Make, admin: Connection, driver: str
    ) -> None:
        """Whatever is disposed of or closed there; and what it opens itself it closes."""
        engine = make(driver)
        store = SqlKeyStore(engine)
        store.create_table()
        store.add(record(1))
        before = backends(admin)

        def child() -> bytes:
            engine.dispose(close=False)
            store.close()
            gc.collect()
            found = store.get(record(1).key_id).key_id
            store.close()
            return found

        assert in_child(child) == record(1).key_id
        assert store.get(record(1).key_id) == record(1)
        assert backends(admin) == before
        store.close()

    def test_it_closes_in_silence(self, make: Make, driver: str) -> None:
        """With all warnings on, and turned into errors: nothing is left for the garbage collector to complain of."""
        url = make(driver).url.render_as_string(hide_password=False)
        program = f"""
import asyncio, gc
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from fieldcrypt_sqlalchemy import SqlKeyStore
engine = {"create_async_engine" if driver == "asyncpg" else "create_engine"}({url!r})
stores = [SqlKeyStore(engine) for _ in range(3)]
for store in stores:
    store.create_table()
ended = engine.dispose()
if ended is not None:
    asyncio.run(ended)
del store, stores[:], engine
gc.collect()
"""
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", program]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class TestConnections:
    def test_there_are_no_more_than_were_allowed(self, make: Make, admin: Connection, driver: str) -> None:
        """However many threads call at once; and they stay, for the next calls."""
        store = SqlKeyStore(make(driver), max_connections=2)
        store.create_table()
        with ThreadPoolExecutor(8) as pool:
            assert [*pool.map(lambda _: store.list("t"), range(100))] == [[]] * 100
        assert len(backends(admin)) == 2
        store.close()

    def test_one_call_at_a_time_needs_one(self, make: Make, admin: Connection, driver: str) -> None:
        """More are opened only when they are needed."""
        store = SqlKeyStore(make(driver))
        store.create_table()
        for _ in range(5):
            store.list("t")
        assert len(backends(admin)) == 1
        store.close()

    def test_an_engine_without_a_pool_has_a_store_without_one(self, make: Make, admin: Connection, driver: str) -> None:
        """NullPool is for those who want no idle connections: behind a pooler, or where processes are frozen."""
        store = SqlKeyStore(make(driver, poolclass=NullPool))
        store.create_table()
        until(lambda: not backends(admin), "the server has noticed")
        store.close()

    def test_a_store_without_connections_is_refused(self, database: Database) -> None:
        """Zero would mean any number to SQLAlchemy, and none to others."""
        with pytest.raises(ConfigurationError, match="max_connections=0"):
            SqlKeyStore(database("sqlite"), max_connections=0)

    def test_listeners_count_whenever_they_were_added(self, make: Make, admin: Connection, driver: str) -> None:
        """Before the store was made, after it, and after its first connection: each call has what they set."""
        engine = make(driver)
        admin.exec_driver_sql("DROP SCHEMA IF EXISTS hidden CASCADE")
        admin.exec_driver_sql("CREATE SCHEMA hidden")
        SqlKeyStore(admin.engine, schema="hidden").create_table()
        store = SqlKeyStore(engine)
        with pytest.raises(KeyStoreError, match="does not exist"):
            store.list(None)

        @event.listens_for(engine, "connect")
        def find_it(connection: object, _: object) -> None:
            cursor = connection.cursor()  # type: ignore[attr-defined]
            cursor.execute("SET search_path TO hidden")
            cursor.close()
            connection.commit()  # type: ignore[attr-defined]

        assert store.list(None) == []
        store.close()

    def test_who_makes_the_connections_makes_the_store_s(self, make: Make) -> None:
        """`do_connect` is how tokens take the place of passwords; it may be listened to later as well."""
        engine, made = make(), []
        store = SqlKeyStore(engine)
        event.listen(engine, "do_connect", lambda *_: made.append(1))
        store.create_table()
        assert made == [1]
        store.close()

    @pytest.mark.parametrize("kind", ["psycopg", "asyncpg", "mariadb"])
    def test_an_idle_connection_that_the_server_closed_fails_no_call(
        self, make: Make, database: Database, admin: Connection, kind: str
    ) -> None:
        """A store is asked once in minutes, so it is its connections that servers and proxies close."""
        engine = database("mariadb") if kind == "mariadb" else make(kind)
        store = SqlKeyStore(engine)
        store.create_table()
        calls: dict[str, Callable[[], object]] = {
            "add": lambda: store.add(record(1)),
            "get": lambda: store.get(record(1).key_id),
            "list": lambda: store.list("t"),
            "key_ids": lambda: list(store.key_ids()),
            "replace": lambda: store.replace(record(1), tombstone(record(1))),
        }
        for call in calls.values():
            if kind == "mariadb":
                kill_others(engine)
            else:
                admin.exec_driver_sql(f"SELECT pg_terminate_backend(pid, 5000) {OURS}")
            call()
        store.close()

    @pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
    def test_a_record_that_another_transaction_replaces_is_not_replaced(
        self, make: Make, admin: Connection, isolation: str, driver: str
    ) -> None:
        """In isolations where the database ends the later one with an error: False, as everywhere else."""
        store = SqlKeyStore(make(driver, isolation_level=isolation))
        store.create_table()
        store.add(record(1))
        other = admin.engine.connect()
        other.execute(update(store.table).values(tenant="t"))
        with ThreadPoolExecutor(1) as pool:
            replaced = pool.submit(store.replace, record(1), tombstone(record(1)))
            waiting = f"SELECT count(*) {OURS} AND wait_event_type = 'Lock'"
            until(lambda: admin.exec_driver_sql(waiting).scalar() == 1, "the call waits for the row")
            other.commit()
            assert replaced.result(PATIENCE) is False
        other.close()
        store.close()


def kill_others(engine: Engine) -> None:
    """End all connections of a MariaDB server but this one."""
    with engine.connect() as connection:
        own = connection.exec_driver_sql("SELECT connection_id()").scalar()
        for (identity,) in connection.exec_driver_sql(
            "SELECT id FROM information_schema.processlist WHERE user <> 'system user'"
        ).all():
            if identity != own:
                connection.exec_driver_sql(f"KILL {identity}")
