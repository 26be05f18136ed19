"""Key stores in memory and in a file: what was added stays, whatever happens to processes."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from fieldcrypt import (
    Encryptor,
    FieldcryptError,
    FileKeyStore,
    KeyNotFoundError,
    KeyState,
    KeyStore,
    KeyStoreChain,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
)
from fieldcrypt._base.fork_guard import ForkGuard
from fieldcrypt.keys.stores.store import read_record
from tests.support.doubles import Gate, make_record, until_waiting
from tests.support.processes import add_records, encrypt_values, in_child, start

PROVIDER = LocalKeyProvider.generate()
TENANTS = [None, "a", "A", "a ", "ä", "a\u0308", "患者", "a\x00b", "%", "'; --", "None", "x" * 255]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that does not exist yet."""
    return tmp_path / "keys.sqlite"


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, path: Path) -> KeyStore:
    """An empty key store of each kind."""
    return MemoryKeyStore() if request.param == "memory" else FileKeyStore.create(path)


class TestEveryStore:
    """What the protocol promises."""

    def test_records_come_back(self, store: KeyStore) -> None:
        """A record is found by its id and by its tenant, and by no other; tenants differ in every character."""
        records = {tenant: [make_record(PROVIDER, tenant) for _ in range(2)] for tenant in TENANTS}
        for record in [record for both in records.values() for record in both]:
            store.add(record)
        for tenant, both in records.items():
            assert sorted(store.list(tenant)) == sorted(both)
            assert [store.get(record.key_id) for record in both] == both

    def test_states_come_back(self, store: KeyStore) -> None:
        """The state beside a record is kept with it."""
        record = make_record(PROVIDER)._replace(state=KeyState.RETIRED)
        store.add(record)
        assert store.get(record.key_id).state is KeyState.RETIRED
        assert [listed.state for listed in store.list(None)] == [KeyState.RETIRED]

    def test_an_empty_store(self, store: KeyStore) -> None:
        """An empty store lists nothing and says that it has no key."""
        assert list(store.list(None)) == list(store.list("a")) == []
        with pytest.raises(KeyNotFoundError):
            store.get(bytes(16))

    def test_unknown_keys(self, store: KeyStore) -> None:
        """A key id that is not there is a KeyNotFoundError that names it."""
        store.add(make_record(PROVIDER))
        with pytest.raises(KeyNotFoundError, match=bytes(16).hex()):
            store.get(bytes(16))

    def test_nothing_is_overwritten(self, store: KeyStore) -> None:
        """Adding another record under an id that is taken is a KeyStoreError, and the first one stays."""
        record = make_record(PROVIDER, "a")
        store.add(record)
        for second in (record, record._replace(tenant="b"), record._replace(tag=bytes(32), state=KeyState.RETIRED)):
            with pytest.raises(KeyStoreError, match="already has"):
                store.add(second)
        assert store.get(record.key_id) == record
        assert list(store.list("a")) == [record]
        assert list(store.list("b")) == []


class TestFiles:
    """One SQLite file, which is ours or is left alone."""

    def test_another_object_sees_it(self, path: Path) -> None:
        """A record is in the file when `add` returns: another store on the same path has it."""
        record = make_record(PROVIDER)
        FileKeyStore.create(path).add(record)
        assert FileKeyStore(str(path)).get(record.key_id) == record

    @pytest.mark.parametrize(
        "content", [b"hello", b"not a database", b"SQLite format 3\x00" + bytes(100), b"\x00" * 8192]
    )
    def test_files_of_another_kind(self, path: Path, content: bytes) -> None:
        """A file that is no SQLite database is a KeyStoreError with its path, and keeps its content."""
        path.write_bytes(content)
        assert_left_alone(path)

    def test_databases_of_others(self, path: Path) -> None:
        """An SQLite database that is no key store is a KeyStoreError with its path, and keeps its content."""
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE data_keys (key_id, tenant, state, record)")
        connection.close()
        assert_left_alone(path)

    @pytest.mark.parametrize("pages", [1, 2, -1])
    def test_truncated_files(self, path: Path, pages: int) -> None:
        """A key store that lost its end is a KeyStoreError with its path, and keeps what it has."""
        store = FileKeyStore.create(path)
        for i in range(50):
            store.add(make_record(PROVIDER, f"tenant {i}"))
        path.write_bytes(path.read_bytes()[: pages * 4096])
        assert_left_alone(path)

    def test_no_directory(self, tmp_path: Path) -> None:
        """A file in a directory that does not exist cannot be added to: a KeyStoreError with its path."""
        path = tmp_path / "missing" / "keys.sqlite"
        with pytest.raises(KeyStoreError, match=str(path)):
            FileKeyStore(path).add(make_record(PROVIDER))
        assert not path.parent.exists()

    def test_a_directory(self, tmp_path: Path) -> None:
        """A path that is a directory is a KeyStoreError with it."""
        for use in uses(FileKeyStore(tmp_path)):
            with pytest.raises(KeyStoreError, match=str(tmp_path)):
                use()

    @pytest.mark.parametrize("path", ["", ":memory:"])
    def test_what_sqlite_does_not_keep(self, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A path that SQLite takes for a temporary database loses no key: it is refused, or is a file of that name."""
        monkeypatch.chdir(tmp_path)
        record = make_record(PROVIDER)
        try:
            FileKeyStore(path).add(record)
        except (FieldcryptError, ValueError):
            return
        assert FileKeyStore(path).get(record.key_id) == record

    @pytest.mark.parametrize("value", ["'text'", "7", "1.5", "zeroblob(7)", "''"])
    @pytest.mark.parametrize("column", ["key_id", "tenant", "state", "record"])
    def test_edited_columns(self, path: Path, column: str, value: str) -> None:
        """Columns of the wrong type or content, which SQLite takes, are KeyStoreErrors."""
        store, record = FileKeyStore.create(path), make_record(PROVIDER, "a")
        store.add(record)
        connection = sqlite3.connect(path)
        connection.execute(f"UPDATE data_keys SET {column} = {value}")
        connection.commit()
        connection.close()
        with pytest.raises(KeyStoreError):
            store.get(record.key_id)
        if column == "key_id" and "zeroblob" not in value:
            with pytest.raises(KeyStoreError):
                list(store.key_ids())
        if column != "tenant":  # it is no longer listed under this one
            with pytest.raises(KeyStoreError):
                store.list("a")


def uses(store: FileKeyStore) -> list[Callable[[], object]]:
    """All that one can do with a store."""
    return [
        lambda: store.list(None),
        lambda: store.list("tenant 7"),
        lambda: store.get(bytes(16)),
        lambda: store.add(make_record(PROVIDER)),
    ]


def assert_left_alone(path: Path) -> None:
    """Every use of the file is a KeyStoreError that names it, and leaves no trace."""
    content = path.read_bytes()
    for use in uses(FileKeyStore(path)):
        with pytest.raises(KeyStoreError, match=str(path)):
            use()
    assert path.read_bytes() == content
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


class TestProcesses:
    """Processes on one file at the same time, and processes that die."""

    def test_a_reader_while_the_file_is_made(self, tmp_path: Path) -> None:
        """Who looks while another one adds the first key sees no key or that key, never an error."""
        for round_ in range(30):
            store, record = FileKeyStore.create(tmp_path / f"{round_}.sqlite"), make_record(PROVIDER)
            reading = Event()

            def add(store: FileKeyStore = store, record: object = record, reading: Event = reading) -> None:
                reading.wait()
                store.add(record)  # type: ignore[arg-type]

            writer = Thread(target=add)
            writer.start()
            try:
                while not store.list(None):
                    reading.set()
            finally:
                reading.set()
                writer.join()

    def test_two_writers(self, path: Path) -> None:
        """Two processes that add 50 records each at the same time lose none."""
        FileKeyStore.create(path)
        with start(add_records, str(path), "50") as one, start(add_records, str(path), "50") as other:
            one.go()
            other.go()
            added = one.finished() + other.finished()
        assert len(set(added)) == 100
        assert sorted(record.key_id.hex() for record in FileKeyStore(path).list(None)) == sorted(added)

    def test_killed_writers(self, path: Path) -> None:
        """A writer that is killed at any moment leaves a store that works and has all that it said it had added."""
        FileKeyStore.create(path)
        added: list[str] = []
        dice = random.Random(20261123)
        with ExitStack() as stack:
            writers = [stack.enter_context(start(add_records, str(path), "1000000")) for _ in range(10)]
            for writer in writers:
                writer.go()
                added += [writer.line() for _ in range(dice.randrange(1, 10))]
                time.sleep(dice.uniform(0, 0.01))
                writer.kill()
                added += writer.lines()
                store = FileKeyStore(path)
                assert {record.key_id.hex() for record in store.list(None)} >= set(added)
                store.add(make_record(PROVIDER))
        assert len(added) >= 10

    def test_two_processes_make_the_first_key(self, path: Path) -> None:
        """Two processes that begin with one tenant at the same time lose nothing of each other."""
        FileKeyStore.create(path)
        key = bytes(range(32))
        arguments = (str(path), key.hex(), "clinic-7", "50")
        with start(encrypt_values, *arguments) as one, start(encrypt_values, *arguments) as other:
            one.go()
            other.go()
            values = [one.finished(), other.finished()]
        field = Encryptor(LocalKeyProvider(key), FileKeyStore(path)).field("numbers.n", int)
        for written in values:
            assert [field.decrypt(bytes.fromhex(value), tenant="clinic-7") for value in written] == list(range(50))


def test_a_fork_while_threads_use_a_file(tmp_path: Path) -> None:
    """SQLite has locks that a child could find held by a thread that it does not have."""
    store = FileKeyStore.create(tmp_path / "keys.sqlite")
    record = make_record(PROVIDER)
    store.add(record)
    done = Event()

    def read() -> None:
        while not done.wait(random.random() / 1000):  # idle at times, so that not all wait for the interpreter's lock
            store.get(record.key_id)

    threads = [Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            assert in_child(lambda: store.get(record.key_id).to_bytes()) == record.to_bytes()
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_a_fork_waits_for_what_it_must_not_interrupt() -> None:
    """A child that was forked in the middle would have the locks of threads that it does not have."""
    guard, gate, forked = ForkGuard(), Gate(), []

    def hold() -> None:
        with guard.held():
            gate.wait()

    holder = Thread(target=hold)
    holder.start()
    until_waiting([holder])
    forker = Thread(target=lambda: forked.append(in_child(lambda: b"done")))
    forker.start()
    until_waiting([forker])
    assert not forked
    gate.open()
    for thread in (holder, forker):
        thread.join()
    assert forked == [b"done"]
    with guard.held():  # and afterwards all is as before
        pass


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_a_record(kind: type) -> None:
    """Drivers differ in what they give."""
    record = make_record(PROVIDER, "a")
    read = read_record(kind(record.key_id), kind(record.to_bytes()), tenant="a", state="active")
    assert read == record
    assert type(read.key_id) is bytes


@pytest.mark.parametrize("odd", [None, 7, 10**15, "text", 1.5, [1]])
def test_what_is_no_bytes_is_no_record(odd: Any) -> None:
    """Whichever of both it is, and whatever memory it would take to make bytes of it."""
    record = make_record(PROVIDER, "a")
    for key_id, data in ((odd, record.to_bytes()), (record.key_id, odd)):
        with pytest.raises(KeyStoreError, match="no key record"):
            read_record(key_id, data, tenant="a", state="active")


@pytest.mark.parametrize("answer", [None, b"record", ("key", "record")])
def test_a_store_that_gives_no_record(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's own store may be wrong in any way: a KeyStoreError names the data key."""
    store = MemoryKeyStore()
    value = Encryptor(PROVIDER, store).field("a.b", str).encrypt("x")
    monkeypatch.setattr(MemoryKeyStore, "get", lambda *_: answer)
    with pytest.raises(KeyStoreError, match=value[1:17].hex()):
        Encryptor(PROVIDER, store).field("a.b", str).decrypt(value)


class Handing:
    """A store that hands all calls on, as one that measures them may."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_store_may_hand_its_calls_on() -> None:
    """With every Python: `isinstance` finds its methods only up to 3.11."""
    store: Any = Handing(MemoryKeyStore())
    field = Encryptor(LocalKeyProvider.generate(), KeyStoreChain(store, MemoryKeyStore())).field("a.b", str)
    assert field.decrypt(field.encrypt("x")) == "x"
