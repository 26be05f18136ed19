"""`replace` and `key_ids` of every key store: what rewrap and shred stand on."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from fieldcrypt import (
    Encryptor,
    FileKeyStore,
    KeyRecord,
    KeyStore,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
    Tombstone,
)
from fieldcrypt.testing import LocalAws
from fieldcrypt_dynamodb import DynamoKeyStore
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.conftest import Database
from tests.keys.records import MANY, assert_all, record, rewrapped, row, tombstone
from tests.keys.store_contract import KeyIds, Replace
from tests.support.doubles import RowStore, make_record
from tests.support.processes import bury, start

REGION = "us-east-1"
PROVIDER = LocalKeyProvider.generate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that does not exist yet."""
    return tmp_path / "keys.sqlite"


@pytest.fixture
def dynamo(aws: LocalAws) -> Iterator[DynamoKeyStore]:
    """An empty table on moto."""
    client = aws.client("dynamodb", REGION)
    store = DynamoKeyStore("changing-keys", lambda _: client)
    store.create_table()
    yield store
    client.delete_table(TableName=store.table)


@pytest.fixture(params=["memory", "file", "sqlite", "postgresql", "mariadb", "dynamodb", "rows"])
def store(request: pytest.FixtureRequest, path: Path, database: Database) -> KeyStore:
    """An empty key store of each kind; the last one is that of other tests."""
    if request.param == "memory":
        return MemoryKeyStore()
    if request.param == "file":
        return FileKeyStore.create(path)
    if request.param == "rows":
        return RowStore()
    if request.param == "dynamodb":
        dynamo: KeyStore = request.getfixturevalue("dynamo")
        return dynamo
    sql = SqlKeyStore(database(request.param))
    sql.create_table()
    return sql


class TestReplace(Replace):
    """Compare and swap."""

    # Not on moto, which looks at the condition and writes without a lock between.
    @pytest.mark.parametrize("store", ["memory", "file", "sqlite", "postgresql", "mariadb", "rows"], indirect=True)
    @pytest.mark.parametrize("rival", ["record", "tombstone"])
    def test_one_of_two_wins(self, store: KeyStore, rival: str) -> None:
        """Of two threads that replace one record at the same time one is told True, and its record is there."""
        super().test_one_of_two_wins(store, rival)


class TestKeyIds(KeyIds):
    """All key ids, each once."""


class TestPages:
    """More key ids than are read at a time."""

    def test_memory(self) -> None:
        """A store in memory has them all."""
        store = MemoryKeyStore()
        for number in range(MANY):
            store.add(record(number))
        assert_all(store, range(MANY))

    @pytest.mark.parametrize("many", [999, 1000, 1001, 2000, MANY])
    def test_files(self, path: Path, many: int) -> None:
        """A file gives them page by page, whatever the number of those on the last page."""
        store = FileKeyStore.create(path)
        store.add(record(0))
        rows = [(each.key_id, "t", "active", each.to_bytes()) for each in map(record, range(1, many))]
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executemany("INSERT INTO data_keys (key_id, tenant, state, record) VALUES (?, ?, ?, ?)", rows)
        assert_all(store, range(many))

    @pytest.mark.parametrize("many", [999, 1000, 1001, 2000, MANY])
    @pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
    def test_sql(self, database: Database, kind: str, many: int) -> None:
        """So does a table."""
        store = SqlKeyStore(database(kind))
        store.create_table()
        with database(kind).begin() as connection:
            connection.execute(insert(store.table), [row(record(number)) for number in range(many)])
        assert_all(store, range(many))

    def test_dynamodb(self, aws: LocalAws, dynamo: DynamoKeyStore) -> None:
        """DynamoDB gives pages of a megabyte."""
        records = [rewrapped(record(number), bytes(60_000)) for number in range(40)]
        for each in records:
            dynamo.add(each)
        before = aws.calls["dynamodb", "Scan", REGION]
        assert_all(dynamo, range(40))
        assert aws.calls["dynamodb", "Scan", REGION] > before + 1


class TestFiles:
    """What is only true of files."""

    @pytest.mark.parametrize("count", [1, 7, 60])
    @pytest.mark.parametrize("secure", ["ON", "OFF"])
    def test_nothing_is_left_of_a_shredded_key(
        self, path: Path, count: int, secure: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No part of a wrapped key that was replaced by a tombstone is in the file, nor in a file beside it.

        Whatever is the default of the SQLite that Python was built with.
        """
        connect = sqlite3.connect

        def with_default(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **options)
            connection.execute(f"PRAGMA secure_delete = {secure}")
            return connection

        monkeypatch.setattr(sqlite3, "connect", with_default)
        store = FileKeyStore.create(path)
        records = [make_record(PROVIDER, "t") for _ in range(count)]
        for each in records:
            store.add(each)
        assert parts(records) <= windows(path)
        again = Encryptor(PROVIDER, store).data_keys.rewrap(LocalKeyProvider.generate())
        assert again.changed == count
        assert not parts(records) & windows(path)
        changed = [each for each in store.list("t") if isinstance(each, KeyRecord)]
        assert parts(changed) <= windows(path)
        assert Encryptor(PROVIDER, store).data_keys.shred("t", "ann") == count
        assert not parts(changed) & windows(path)
        assert [entry.name for entry in path.parent.iterdir()] == [path.name]

    def test_a_copy_in_the_gaps_of_a_page_goes_with_its_key(self, path: Path) -> None:
        """SQLite leaves one where it moves rows within its pages, and would never wipe it."""
        store = FileKeyStore.create(path)
        records = [make_record(PROVIDER, "t") for _ in range(2)]
        for each in records:
            store.add(each)
        copy = records[0].wraps[0].data
        content = path.read_bytes()
        gap = content.rindex(bytes(4 * len(copy))) + len(copy)
        path.write_bytes(content[:gap] + copy + content[gap + len(copy) :])
        assert set(store.list("t")) == set(records)
        assert Encryptor(PROVIDER, store).data_keys.shred("t", "ann") == len(records)
        assert not parts(records) & windows(path)

    @pytest.mark.parametrize(
        "content", [b"hello", b"not a database", b"SQLite format 3\x00" + bytes(100), b"\x00" * 8192]
    )
    def test_files_of_another_kind(self, path: Path, content: bytes) -> None:
        """A file that is no SQLite database is a KeyStoreError with its path, and keeps its content."""
        path.write_bytes(content)
        assert_refused(path)
        assert path.read_bytes() == content

    def test_databases_of_others(self, path: Path) -> None:
        """An SQLite database that is no key store is a KeyStoreError, and keeps its content."""
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE data_keys (key_id, tenant, state, record)")
        content = path.read_bytes()
        assert_refused(path)
        assert path.read_bytes() == content

    @pytest.mark.parametrize("keep", [1, 2, -1])
    def test_files_that_were_half_written(self, path: Path, keep: int) -> None:
        """A key store that lost its end is a KeyStoreError, and keeps what it has."""
        store = FileKeyStore.create(path)
        for number in range(60):
            store.add(record(number))
        content = path.read_bytes()[: keep * 4096]
        path.write_bytes(content)
        with pytest.raises(KeyStoreError, match=str(path)):
            store.replace(record(1), rewrapped(record(1)))
        with pytest.raises(KeyStoreError, match=str(path)):
            list(store.key_ids())
        assert path.read_bytes() == content

    def test_one_of_two_processes_wins(self, path: Path) -> None:
        """Two processes that bury the same keys at the same time bury each once."""
        store = FileKeyStore.create(path)
        for number in range(50):
            store.add(record(number))
        with start(bury, str(path), "one") as one, start(bury, str(path), "other") as other:
            one.go()
            other.go()
            buried = {"one": one.finished(), "other": other.finished()}
        assert Counter(buried["one"] + buried["other"]) == Counter(key_id.hex() for key_id in store.key_ids())
        for by, key_ids in buried.items():
            for key_id in key_ids:
                stone = store.get(bytes.fromhex(key_id))
                assert isinstance(stone, Tombstone)
                assert stone.by == by


PART = 16  # bytes of a wrapped key that would be something left of it


def parts(records: Sequence[KeyRecord]) -> set[bytes]:
    """The middle of each wrapped key, where the data key is."""
    return {wrap.data[24 : 24 + PART] for each in records for wrap in each.wraps}


def windows(path: Path) -> set[bytes]:
    """All that the files in a directory hold, in pieces as long as a part."""
    found = set()
    for entry in path.parent.iterdir():
        content = entry.read_bytes()
        found |= {content[start : start + PART] for start in range(len(content) - PART + 1)}
    return found


def assert_refused(path: Path) -> None:
    """Both are a KeyStoreError that names the file."""
    store = FileKeyStore(path)
    with pytest.raises(KeyStoreError, match=str(path)):
        store.replace(record(1), rewrapped(record(1)))
    with pytest.raises(KeyStoreError, match=str(path)):
        list(store.key_ids())


class TestSql:
    """What is only true of tables."""

    @pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
    def test_an_edited_key_id(self, database: Database, kind: str) -> None:
        """A key id that is none is a KeyStoreError."""
        store = SqlKeyStore(database(kind))
        store.create_table()
        store.add(record(1))
        with database(kind).begin() as connection:
            connection.execute(update(store.table).values(key_id="not hexadecimal"))
        with pytest.raises(KeyStoreError, match="no key record"):
            list(store.key_ids())

    @pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
    def test_a_missing_table(self, database: Database, kind: str) -> None:
        """`create_table` has not been called: both are a KeyStoreError."""
        store = SqlKeyStore(database(kind))
        with pytest.raises(KeyStoreError, match="fieldcrypt_data_keys"):
            store.replace(record(1), rewrapped(record(1)))
        with pytest.raises(KeyStoreError, match="fieldcrypt_data_keys"):
            list(store.key_ids())

    @pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
    def test_it_is_committed(self, database: Database, kind: str) -> None:
        """Another connection sees the new record when `replace` returns, and the application's rollback keeps it."""
        engine = database(kind)
        store = SqlKeyStore(engine)
        store.create_table()
        store.add(record(1))
        with engine.connect() as connection, connection.begin() as transaction:
            assert store.replace(record(1), tombstone(record(1)))
            transaction.rollback()
        assert SqlKeyStore(engine).get(record(1).key_id) == tombstone(record(1))


class TestDynamo:
    """What is only true of DynamoDB."""

    def test_a_missing_table(self, aws: LocalAws) -> None:
        """Both are a KeyStoreError, with the table's name."""
        store = DynamoKeyStore("nowhere", lambda _: aws.client("dynamodb", REGION))
        with pytest.raises(KeyStoreError, match="nowhere"):
            store.replace(record(1), rewrapped(record(1)))
        with pytest.raises(KeyStoreError, match="nowhere"):
            list(store.key_ids())
