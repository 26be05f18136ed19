"""Claims in every key store: put where none is, replaced as they were read, and passed over by all else."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text

from fieldcrypt import Encryptor, FileKeyStore, KeyStoreChain, LocalKeyProvider, MemoryKeyStore, Purpose, Tombstone
from fieldcrypt.cli.doctor import Verdict, examine
from fieldcrypt.keys.record.claim import claim_place
from fieldcrypt.keys.stores.store import ClaimingKeyStore, keeping_claims
from fieldcrypt.testing import LocalAws
from fieldcrypt_dynamodb import DynamoKeyStore
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.conftest import AsyncDatabase, Database
from tests.support.doubles import RowStore

REGION = "us-east-1"
PLACE = claim_place(Purpose.ENCRYPTION, "a")
STORES = ["memory", "file", "sqlite", "postgresql", "mariadb", "async sqlite", "async postgresql", "dynamodb", "chain"]


@pytest.fixture
def dynamo(aws: LocalAws) -> Iterator[DynamoKeyStore]:
    """An empty table on moto."""
    client = aws.client("dynamodb", REGION)
    store = DynamoKeyStore("claiming-keys", lambda _: client)
    store.create_table()
    yield store
    client.delete_table(TableName=store.table)


@pytest.fixture(params=STORES)
def store(
    request: pytest.FixtureRequest, tmp_path: Path, database: Database, async_database: AsyncDatabase
) -> ClaimingKeyStore:
    """An empty key store of each kind that keeps claims."""
    kind = request.param
    if kind == "memory":
        return MemoryKeyStore()
    if kind == "file":
        return FileKeyStore.create(tmp_path / "keys.sqlite")
    if kind == "dynamodb":
        dynamo: DynamoKeyStore = request.getfixturevalue("dynamo")
        return dynamo
    if kind == "chain":
        chain = KeyStoreChain(MemoryKeyStore(), MemoryKeyStore())
        own = keeping_claims(chain)
        assert own is not None
        assert own is chain.own
        return own
    name = kind.removeprefix("async ")
    sql = SqlKeyStore(async_database(name) if name != kind else database(name))
    sql.create_table()
    return sql


class TestStores:
    def test_a_claim_is_put_where_none_is(self, store: ClaimingKeyStore) -> None:
        """And read back, whatever bytes it is."""
        claim = bytes(range(256)) * 20
        assert store.keeps_claims
        assert store.get_claim(PLACE) is None
        assert store.put_claim(PLACE, claim, None)
        assert store.get_claim(PLACE) == claim
        assert store.get_claim(claim_place(Purpose.BLIND_INDEX, "a")) is None

    def test_it_is_replaced_only_as_it_was_read(self, store: ClaimingKeyStore) -> None:
        """Neither by who saw none, nor by who saw another one; nor is one made where there is none any more."""
        assert not store.put_claim(PLACE, b"new", b"gone")
        assert store.put_claim(PLACE, b"first", None)
        assert not store.put_claim(PLACE, b"late", None)
        assert not store.put_claim(PLACE, b"late", b"other")
        assert store.get_claim(PLACE) == b"first"
        assert store.put_claim(PLACE, b"second", b"first")
        assert store.get_claim(PLACE) == b"second"

    def test_one_of_many_at_the_same_moment_gets_the_place(self, store: ClaimingKeyStore) -> None:
        """Where there is none, and where there is one that all have seen."""
        for _ in range(2):
            seen, barrier = store.get_claim(PLACE), Barrier(4)

            def put(number: int, seen: bytes | None = seen, barrier: Barrier = barrier) -> bool:
                barrier.wait()
                return store.put_claim(PLACE, os.urandom(200) + bytes([number]), seen)

            with ThreadPoolExecutor(4) as pool:
                assert sum(pool.map(put, range(4))) == 1

    def test_nobody_else_sees_it(self, store: ClaimingKeyStore) -> None:
        """It is no record: not listed, for no tenant or none, and not among the key ids."""
        encryptor = Encryptor(LocalKeyProvider.generate(), store)
        tenants: list[Any] = ["a", None]
        for tenant in tenants:
            encryptor.field("a.b", str).encrypt("x", tenant=tenant)
            assert store.get_claim(claim_place(Purpose.ENCRYPTION, tenant)) is not None
            assert len(store.list(tenant)) == 1
        assert sorted(store.key_ids()) == sorted(record.key_id for each in tenants for record in store.list(each))
        assert encryptor.data_keys.count() == 2


class TestProgramsThatKnowNoClaims:
    """What they do with a store in which there are some: read here as the first version reads."""

    def test_a_scan_of_dynamodb_finds_a_tombstone_of_nobody(self, dynamo: DynamoKeyStore) -> None:
        """Rewrap and doctor pass over those; no list of a tenant has it."""
        Encryptor(LocalKeyProvider.generate(), dynamo).field("a.b", str).encrypt("x", tenant="a")
        client: Any = dynamo._client()
        pages = client.get_paginator("scan").paginate(TableName=dynamo.table, ProjectionExpression="key_id")
        found = [dynamo.get(item["key_id"]["B"]) for page in pages for item in page["Items"]]
        (stone,) = (each for each in found if isinstance(each, Tombstone))
        assert (stone.key_id, stone.tenant) == (PLACE, f"first key:{PLACE.hex()}")
        assert dynamo.list(stone.tenant) == []

    def test_a_file_of_before_gets_its_table_when_it_is_needed(self, tmp_path: Path) -> None:
        """Which the first version never looks at."""
        store = FileKeyStore.create(tmp_path / "keys.sqlite")
        encryptor = Encryptor(LocalKeyProvider.generate(), store)
        encryptor.field("a.b", str).encrypt("x", tenant="a")
        with closing(sqlite3.connect(tmp_path / "keys.sqlite")) as connection:
            connection.execute("DROP TABLE claims")
        assert store.get_claim(PLACE) is None
        encryptor.field("a.b", str).encrypt("x", tenant="b")
        assert store.get_claim(claim_place(Purpose.ENCRYPTION, "b")) is not None

    def test_a_database_of_before_goes_on_without(self, database: Database) -> None:
        """Until `create_table` is called again, which makes the table of claims alone."""
        engine = database("sqlite")
        sql = SqlKeyStore(engine)
        sql.create_table()
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE fieldcrypt_data_keys_claims"))
        field = Encryptor(LocalKeyProvider.generate(), sql).field("a.b", str)
        assert field.decrypt(field.encrypt("x", tenant="a")) == "x"
        assert not sql.keeps_claims
        sql.create_table()
        assert field.decrypt(field.encrypt("x", tenant="b")) == "x"
        assert sql.get_claim(claim_place(Purpose.ENCRYPTION, "b")) is not None

    def test_doctor_warns_of_such_a_database(self, database: Database) -> None:
        """And of no other."""
        engine = database("sqlite")
        sql = SqlKeyStore(engine)
        sql.create_table()
        encryptor = Encryptor(LocalKeyProvider.generate(), sql)
        encryptor.field("a.b", str).encrypt("x", tenant="a")

        def warnings() -> list[str]:
            found = examine(
                encryptor, tenant=None, reads_only=False, on_place=lambda _: None, on_progress=lambda *_: None
            )
            return [finding.check for finding in found if finding.verdict is Verdict.WARNING]

        assert warnings() == []
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE fieldcrypt_data_keys_claims"))
        encryptor.configure(encryptor.provider, SqlKeyStore(engine))
        assert warnings() == ["first keys"]

    def test_a_key_store_that_somebody_wrote_goes_on_without(self, rows: RowStore) -> None:
        """So does a chain in front of it."""
        for store in (rows, KeyStoreChain(rows, MemoryKeyStore())):
            field = Encryptor(LocalKeyProvider.generate(), store).field("a.b", str)
            assert field.decrypt(field.encrypt("x", tenant=str(store))) == "x"


class TestWhatIsNoClaimIsNotInTheWay:
    """Whoever writes to the key store can put anything into the place; the tenant's first key is made all the same."""

    @pytest.mark.parametrize("junk", ["'text'", "17", "x''"])
    def test_in_a_file(self, tmp_path: Path, junk: str) -> None:
        """SQLite takes values of any type."""
        store = FileKeyStore.create(tmp_path / "keys.sqlite")
        store.put_claim(PLACE, b"", None)
        with closing(sqlite3.connect(tmp_path / "keys.sqlite")) as connection, connection:
            connection.execute(f"UPDATE claims SET claim = {junk}")
        _one_key(store)

    @pytest.mark.parametrize("junk", ["'text'", "17", "x''"])
    def test_in_sqlite(self, database: Database, junk: str) -> None:
        """Also by way of SQLAlchemy."""
        engine = database("sqlite")
        store = SqlKeyStore(engine)
        store.create_table()
        store.put_claim(PLACE, b"", None)
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE fieldcrypt_data_keys_claims SET claim = {junk}"))
        _one_key(store)

    @pytest.mark.parametrize("junk", [{}, {"claim": {"S": "text"}}, {"claim": {"B": b"junk"}, "tenant": {"S": "junk"}}])
    def test_in_dynamodb(self, dynamo: DynamoKeyStore, junk: dict[str, Any]) -> None:
        """An item without a claim, or with one of another type."""
        dynamo.key_ids()
        dynamo.get_claim(PLACE)
        client: Any = dynamo._client()
        client.put_item(TableName=dynamo.table, Item={"key_id": {"B": PLACE}, **junk})
        _one_key(dynamo)


def _one_key(store: ClaimingKeyStore) -> None:
    provider = LocalKeyProvider.generate()
    for _ in range(2):
        Encryptor(provider, store).field("a.b", str).encrypt("x", tenant="a")
    assert len(store.list("a")) == 1
