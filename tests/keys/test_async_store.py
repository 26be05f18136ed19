"""SqlKeyStore over asyncio drivers: the same store, called from any thread, with an event loop of its own."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from fieldcrypt import ConfigurationError, Encryptor, KeyStoreError, LocalKeyProvider
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.conftest import Database
from tests.keys.records import MANY, assert_all, record, row
from tests.keys.store_contract import KeyIds, Records, Replace
from tests.support.doubles import PATIENCE
from tests.support.processes import ROOT, in_child
from tests.support.servers import until

KINDS = {"aiosqlite": "sqlite", "asyncpg": "postgresql"}
URL = "FIELDCRYPT_TEST_ASYNC_DATABASE"  # in the environment, which other processes inherit
NAME = "fieldcrypt-test"  # of connections, for PostgreSQL's list of them
THREAD = "fieldcrypt key store"


def engine_of_environment() -> AsyncEngine:
    """Another process can import this."""
    return create_async_engine(os.environ[URL])


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncEngine:
    """An engine on an empty database, which opens no connection of its own."""
    url = database(KINDS[request.param]).url
    url = url.set(drivername=f"{url.get_backend_name()}+{request.param}")
    monkeypatch.setenv(URL, url.render_as_string(hide_password=False))
    options = {"server_settings": {"application_name": NAME}} if request.param == "asyncpg" else {}
    return create_async_engine(url, connect_args=options)


@pytest.fixture
def store(engine: AsyncEngine) -> SqlKeyStore:
    """An empty key store."""
    store = SqlKeyStore(engine)
    store.create_table()
    return store


def loops() -> set[threading.Thread]:
    """The threads in which event loops of key stores run."""
    return {thread for thread in threading.enumerate() if thread.name == THREAD}


class TestRecords(Records):
    """What every store promises."""


class TestReplace(Replace):
    """Compare and swap."""


class TestKeyIds(KeyIds):
    """All key ids, each once."""

    def test_more_than_two_pages(self, store: SqlKeyStore, engine: AsyncEngine, database: Database) -> None:
        """They are read page by page."""
        with database(engine.dialect.name).begin() as connection:
            connection.execute(insert(store.table), [row(record(number)) for number in range(MANY)])
        assert_all(store, range(MANY))


class TestCalls:
    def test_many_threads_share_one_loop(self, engine: AsyncEngine) -> None:
        """Also if all of them are the first."""
        SqlKeyStore(engine).create_table()
        store, others = SqlKeyStore(engine), loops()
        meeting = Barrier(20, timeout=PATIENCE)

        def add_and_get(number: int) -> bool:
            meeting.wait()
            store.add(record(number))
            return store.get(record(number).key_id) == record(number) and len(loops() - others) == 1

        with ThreadPoolExecutor(20) as pool:
            assert all(pool.map(add_and_get, range(20)))
        assert len(store.list("t")) == 20

    def test_a_store_begins_nothing_before_its_first_call(self, engine: AsyncEngine) -> None:
        """Neither a thread nor a connection: it is made while modules are imported."""
        others = loops()
        store = SqlKeyStore(engine)
        assert not loops() - others
        store.create_table()
        assert len(loops() - others) == 1

    def test_an_engine_s_front_and_what_is_behind_it_are_both_taken(self, engine: AsyncEngine) -> None:
        """An AsyncEngine's `sync_engine` has an asyncio driver as well."""
        store = SqlKeyStore(engine.sync_engine)
        store.create_table()
        store.add(record(1))
        assert SqlKeyStore(engine).get(record(1).key_id) == record(1)

    def test_a_call_in_an_application_s_event_loop_returns(self, engine: AsyncEngine, store: SqlKeyStore) -> None:
        """It holds that loop up, as every call does, and waits for nothing that is done there."""

        async def application() -> str:
            async with engine.connect() as connection:  # of the application's loop
                field = Encryptor(LocalKeyProvider.generate(), store).field("a.b", str)
                value = field.encrypt("x", tenant="t")
                await connection.execute(select(store.table))
            await engine.dispose()
            return field.decrypt(value, tenant="t")

        assert asyncio.run(application()) == "x"

    def test_it_does_not_wait_for_the_application_s_connections(self, engine: AsyncEngine, store: SqlKeyStore) -> None:
        """The application's pool is used up by transactions that wait for a key."""
        small = create_async_engine(
            engine.url, poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0, pool_timeout=1
        )

        async def application() -> str:
            async with small.connect():
                field = Encryptor(LocalKeyProvider.generate(), SqlKeyStore(small)).field("a.b", str)
                value = await asyncio.to_thread(field.encrypt, "x")
            await small.dispose()
            return field.decrypt(value)

        assert asyncio.run(application()) == "x"

    def test_it_ends_with_the_store(self, engine: AsyncEngine) -> None:
        """When nobody holds the store, its thread ends, having closed its connections."""
        closed, others = [], loops()
        event.listen(engine.sync_engine, "close", lambda *_: closed.append(threading.current_thread().name))
        store = SqlKeyStore(engine)
        store.create_table()
        del store
        gc.collect()
        until(lambda: not loops() - others, "the loop has ended")
        assert closed == [THREAD]


class TestProcesses:
    def test_a_forked_child_has_a_loop_of_its_own(self, store: SqlKeyStore) -> None:
        """Two processes in one event loop would take each other's answers; the parent goes on, too."""
        for number in range(3):
            store.add(record(number))

            def child(number: int = number) -> bytes:
                gc.collect()
                store.add(record(number + 100))
                return b"".join(sorted(store.key_ids()))

            seen = in_child(child)
            assert seen == b"".join(sorted(store.key_ids()))
            assert seen.endswith(record(number + 100).key_id)

    def test_many_forked_children_at_once(self, store: SqlKeyStore) -> None:
        """While threads of the parent are in the middle of calls."""
        store.add(record(1))
        _inherited.append(store)
        ended = threading.Event()

        def keep_calling() -> int:
            calls = 0
            while not ended.is_set():
                assert store.get(record(1).key_id) == record(1)
                calls += 1
            return calls

        with ThreadPoolExecutor(2) as threads:
            calling = [threads.submit(keep_calling) for _ in range(2)]
            with multiprocessing.get_context("fork").Pool(2) as pool:
                assert pool.map(_count_inherited, range(20)) == [1] * 20
            ended.set()
            assert all(each.result(PATIENCE) for each in calling)
        _inherited.clear()

    def test_a_store_by_a_function_is_pickled(self, engine: AsyncEngine) -> None:
        """As a reference to the function, which makes an engine where it arrives."""
        store = SqlKeyStore(engine_of_environment, "keys_of_ours")
        store.create_table()
        store.add(record(1))
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.map(_key_ids, [store]) == [[record(1).key_id]]
        assert str(engine.url.database).encode() not in pickle.dumps(store)

    def test_a_store_by_an_engine_is_not(self, store: SqlKeyStore) -> None:
        """The Engine's URL may hold a password."""
        with pytest.raises(TypeError, match="function of a module"):
            pickle.dumps(store)

    def test_processes_end_in_silence(self, store: SqlKeyStore) -> None:
        """Parent and forked child, with connections open and all warnings on; neither disturbs the other."""
        program = """
import os, sys
from tests.keys.test_async_store import SqlKeyStore, engine_of_environment, record
store = SqlKeyStore(engine_of_environment)
store.add(record(1))
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
assert store.get(record(1).key_id) == record(1)
"""
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning", "-c", program],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


_inherited: list[SqlKeyStore] = []


def _count_inherited(_: int) -> int:
    return len(_inherited[-1].list("t"))


def _key_ids(store: SqlKeyStore) -> list[bytes]:
    return list(store.key_ids())


class TestErrors:
    def test_a_server_that_is_down(self) -> None:
        """What asyncio raises becomes a KeyStoreError with the table's name."""
        store = SqlKeyStore(create_async_engine("postgresql+asyncpg://ann@127.0.0.1:1/clinic"))
        with pytest.raises(KeyStoreError, match=r"fieldcrypt_data_keys cannot be used: .*refused|Connect call failed"):
            store.get(bytes(16))

    def test_a_file_that_cannot_be_opened(self, tmp_path: Path) -> None:
        """What SQLite raises becomes one, too."""
        store = SqlKeyStore(create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/missing/x.sqlite"))
        with pytest.raises(KeyStoreError, match="fieldcrypt_data_keys cannot be used: unable to open"):
            store.get(bytes(16))

    def test_a_server_that_refuses(self, database: Database) -> None:
        """What asyncpg raises while it connects becomes one, too."""
        url = database("postgresql").url.set(drivername="postgresql+asyncpg", database="elsewhere")
        with pytest.raises(KeyStoreError, match=r'fieldcrypt_data_keys cannot be used: .*"elsewhere" does not exist'):
            SqlKeyStore(create_async_engine(url)).list(None)

    def test_a_missing_table(self, engine: AsyncEngine) -> None:
        """The message says what makes it, as for other drivers."""
        store = SqlKeyStore(engine)
        for use in (lambda: store.list(None), lambda: store.add(record(1)), lambda: list(store.key_ids())):
            with pytest.raises(KeyStoreError, match=r"fieldcrypt_data_keys.*; create_table\(\) makes it"):
                use()

    @pytest.mark.parametrize("engine", ["asyncpg"], indirect=True)  # SQLite has no server that could lose one
    def test_a_connection_that_was_lost(self, store: SqlKeyStore, database: Database) -> None:
        """The next call has another one, and tells nobody."""
        store.add(record(1))
        with database("postgresql").begin() as connection:
            connection.execute(
                text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{NAME}'")
            )
        assert store.get(record(1).key_id) == record(1)

    def test_a_database_in_memory_is_refused(self) -> None:
        """Its one connection would commit, or roll back, the application's transaction with the key."""
        with pytest.raises(ConfigurationError, match="MemoryKeyStore"):
            SqlKeyStore(create_async_engine("sqlite+aiosqlite://"))
