"""SqlKeyStore on real databases, DynamoKeyStore on both DynamoDBs that there are here."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, update
from sqlalchemy.dialects import mssql, mysql, oracle
from sqlalchemy.schema import CreateTable

from fieldcrypt import (
    ConfigurationError,
    Encryptor,
    KeyStore,
    KeyStoreError,
    LocalKeyProvider,
)
from fieldcrypt.testing import LocalAws
from fieldcrypt_dynamodb import DynamoKeyStore
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.conftest import DYNAMODBS, Database
from tests.keys.records import record
from tests.keys.store_contract import Records
from tests.support.dynamodb import FIRST, SECOND, DynamoDb
from tests.support.outages import lost

KEY = bytes(range(32))


@pytest.fixture(params=["sqlite", "postgresql", "mariadb", *DYNAMODBS])
def store(request: pytest.FixtureRequest, database: Database) -> KeyStore:
    """An empty key store of each kind."""
    store: SqlKeyStore | DynamoKeyStore
    if request.param in DYNAMODBS:
        dynamodb: DynamoDb = request.getfixturevalue(DYNAMODBS[request.param])
        store = DynamoKeyStore("data-keys", dynamodb.client)
    else:
        store = SqlKeyStore(database(request.param))
    store.create_table()
    return store


class TestEveryStore(Records):
    """Key stores of databases."""


class TestSql:
    def test_a_store_that_is_down_says_so(self, tmp_path: Path) -> None:
        """As a KeyStoreError, with the table's name."""
        store = SqlKeyStore(create_engine(f"sqlite:///{tmp_path}/missing/x.sqlite"))
        with pytest.raises(KeyStoreError, match="fieldcrypt_data_keys"):
            store.get(bytes(16))

    def test_a_missing_table_says_so(self, tmp_path: Path) -> None:
        """`create_table` has not been called."""
        with pytest.raises(KeyStoreError, match="no such table"):
            SqlKeyStore(create_engine(f"sqlite:///{tmp_path}/x.sqlite")).list(None)

    @pytest.mark.parametrize(
        "change", [{"record": b"junk"}, {"tenant": "clinic-8"}, {"state": "gone"}, {"key_id": "not hexadecimal"}]
    )
    def test_an_edited_row_is_refused(self, database: Database, change: dict[str, Any]) -> None:
        """Whatever column it was that someone edited."""
        store = SqlKeyStore(database("sqlite"))
        store.create_table()
        store.add(record(1, "clinic-7"))
        with database("sqlite").begin() as connection:
            connection.execute(update(store.table).values(**change))
        with pytest.raises(KeyStoreError):
            store.list(change.get("tenant", "clinic-7"))

    @pytest.mark.parametrize(
        "edit",
        [
            "record = 'text'",
            "record = 1.5",
            "record = 1000000000000000",
            "state = x'00'",
            "key_id = 7",
            "key_id = x'00'",
        ],
    )
    def test_a_row_of_another_type_is_refused(self, database: Database, edit: str) -> None:
        """SQLite takes any value in any column."""
        store = SqlKeyStore(database("sqlite"))
        store.create_table()
        store.add(record(1, "clinic-7"))
        with database("sqlite").begin() as connection:
            connection.exec_driver_sql(f"UPDATE {store.table.name} SET {edit}")
        with pytest.raises(KeyStoreError):
            store.list("clinic-7")

    @pytest.mark.parametrize("dialect", [mysql.dialect, oracle.dialect, mssql.dialect])
    def test_the_table_can_be_made_on_other_databases(self, dialect: Any, database: Database) -> None:
        """Key and index are texts of limited length, which all of them can index."""
        ddl = str(CreateTable(SqlKeyStore(database("sqlite")).table).compile(dialect=dialect()))
        assert "VARCHAR" in ddl
        assert "PRIMARY KEY (key_id)" in ddl

    def test_it_takes_an_engine(self) -> None:
        """Not a URL, not a session."""
        with pytest.raises(ConfigurationError, match="Engine"):
            SqlKeyStore("sqlite://")  # type: ignore[arg-type]

    def test_a_rolled_back_application_does_not_take_the_key_with_it(self, database: Database) -> None:
        """The store commits by itself: another transaction may already have encrypted under the key."""
        engine = database("postgresql")
        store = SqlKeyStore(engine)
        store.create_table()
        field = Encryptor(LocalKeyProvider(KEY), store).field("a.b", str)
        with engine.connect() as connection, connection.begin() as transaction:
            connection.exec_driver_sql("CREATE TABLE other (x int)")
            value = field.encrypt("x")
            transaction.rollback()
        assert Encryptor(LocalKeyProvider(KEY), store).field("a.b", str).decrypt(value) == "x"

    def test_it_does_not_wait_for_the_applications_connections(self, database: Database) -> None:
        """The application's pool is used up by transactions that wait for a key."""
        engine = create_engine(database("postgresql").url, pool_size=1, max_overflow=0, pool_timeout=1)
        store = SqlKeyStore(engine)
        store.create_table()
        with engine.connect():
            assert Encryptor(LocalKeyProvider(KEY), store).field("a.b", str).encrypt("x")

    def test_a_database_in_memory_is_refused(self) -> None:
        """Its one connection would commit, or roll back, the application's transaction with the key."""
        with pytest.raises(ConfigurationError, match="MemoryKeyStore"):
            SqlKeyStore(create_engine("sqlite://"))

    def test_a_forked_child_makes_connections_of_its_own(self, database: Database) -> None:
        """Two processes on one connection would read each other's answers."""
        store = SqlKeyStore(database("postgresql"))
        store.create_table()
        store.add(record(1, "t"))
        _inherited.append(store)
        context = multiprocessing.get_context("fork")
        with context.Pool(2) as pool:
            assert pool.map(_count_inherited, range(20)) == [1] * 20
        assert len(store.list("t")) == 1

    def test_two_processes_making_the_first_key_lose_nothing(self, database: Database) -> None:
        """Both keys live in the store, and each process reads what the other wrote."""
        engine = database("postgresql")
        SqlKeyStore(engine).create_table()
        url = engine.url.render_as_string(hide_password=False)
        context = multiprocessing.get_context("spawn")
        with context.Pool(4) as pool:
            values = pool.map(_write_one, [url] * 4)
        reader = Encryptor(LocalKeyProvider(KEY), SqlKeyStore(engine)).field("a.b", str)
        assert [reader.decrypt(value, tenant="new") for value in values] == ["x"] * 4


_inherited: list[SqlKeyStore] = []


def _count_inherited(_: int) -> int:
    return len(_inherited[-1].list("t"))


def _write_one(url: str) -> bytes:
    store = SqlKeyStore(create_engine(url))
    return Encryptor(LocalKeyProvider(KEY), store).field("a.b", str).encrypt("x", tenant="new")


class TestDynamo:
    def test_a_table_that_is_missing_says_so(self, dynamodb: DynamoDb) -> None:
        """As a KeyStoreError, with the table's name."""
        store = DynamoKeyStore("nowhere", dynamodb.client)
        with pytest.raises(KeyStoreError, match="nowhere"):
            store.get(bytes(16))

    def test_a_lost_region_says_so(self, aws: LocalAws) -> None:
        """As a KeyStoreError, not as an exception of botocore."""
        store = DynamoKeyStore("data-keys", lambda _: aws.client("dynamodb", SECOND))
        with lost(aws, SECOND), pytest.raises(KeyStoreError, match="data-keys"):
            store.list(None)

    def test_an_item_that_is_no_record_is_refused(self, dynamodb: DynamoDb) -> None:
        """Someone put something else into the table."""
        store = DynamoKeyStore("data-keys", dynamodb.client)
        store.create_table()
        dynamodb.client().put_item(TableName="data-keys", Item={"key_id": {"B": bytes(16)}})
        with pytest.raises(KeyStoreError, match="no key record"):
            store.get(bytes(16))

    def test_it_takes_a_name(self) -> None:
        """Not a boto3 Table."""
        with pytest.raises(ConfigurationError, match="name"):
            DynamoKeyStore("")

    def test_a_factory_is_given_the_region(self, dynamodb: DynamoDb) -> None:
        """As that of a KMS provider is."""
        DynamoKeyStore("data-keys", dynamodb.client, region=SECOND).create_table()
        assert dynamodb.client(SECOND).list_tables()["TableNames"] == ["data-keys"]

    def test_a_factory_keeps_the_region_that_it_has_by_default(self, dynamodb: DynamoDb) -> None:
        """None in its place would be boto3's own region, with another table of that name."""
        DynamoKeyStore("data-keys", lambda region=SECOND: dynamodb.client(region)).create_table()  # type: ignore[misc]
        assert dynamodb.client(SECOND).list_tables()["TableNames"] == ["data-keys"]

    def test_a_factory_that_takes_no_region_is_refused(self, dynamodb: DynamoDb) -> None:
        """At first use, so that pickles of 0.1 load; the error says how one is written."""
        store = DynamoKeyStore("data-keys", lambda: dynamodb.client())  # type: ignore[misc,arg-type]
        with pytest.raises(ConfigurationError, match="lambda region: boto3"):
            store.get(bytes(16))

    def test_it_can_be_in_another_region(self, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> None:
        """Than the one that boto3 is configured for."""
        monkeypatch.setenv("AWS_DEFAULT_REGION", FIRST)
        monkeypatch.setenv("AWS_ENDPOINT_URL", dynamodb.endpoints[SECOND])
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        DynamoKeyStore("data-keys", region=SECOND).create_table()
        tables = {region: dynamodb.client(region).list_tables()["TableNames"] for region in (FIRST, SECOND)}
        assert tables == {FIRST: [], SECOND: ["data-keys"]}
