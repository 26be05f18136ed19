"""What every key store promises: tests for a class that has a fixture `store`."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from fieldcrypt import (
    Encryptor,
    KeyNotFoundError,
    KeyRecord,
    KeyState,
    KeyStore,
    KeyStoreError,
    LocalKeyProvider,
    Tombstone,
)
from fieldcrypt_dynamodb import DynamoKeyStore
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.keys.records import record, rewrapped, tombstone
from tests.support.doubles import PATIENCE

KEY = bytes(range(32))


class Records:
    """Records come back as they were, by key id and by tenant."""

    @pytest.mark.parametrize("tenant", [None, "clinic-7", "Κλινική 7", "x" * 255, "no tenant", "tenant:x"])
    def test_a_record_comes_back_as_it_was(self, store: KeyStore, tenant: str | None) -> None:
        """By its key id, and in the list of its tenant."""
        store.add(record(1, tenant))
        assert store.get(record(1, tenant).key_id) == record(1, tenant)
        assert list(store.list(tenant)) == [record(1, tenant)]

    def test_tenants_are_told_apart_exactly(self, store: KeyStore) -> None:
        """By case, trailing space and absence, whatever the database's collation makes of them."""
        tenants = [None, "a", "A", "a ", "ä"]
        for number, tenant in enumerate(tenants):
            store.add(record(number, tenant))
        for number, tenant in enumerate(tenants):
            assert list(store.list(tenant)) == [record(number, tenant)]

    def test_many_records_of_a_tenant_are_all_listed(self, store: KeyStore) -> None:
        """Beyond a page of the database, too."""
        records = [record(number, "t") for number in range(300)]
        for each in records:
            store.add(each)
        assert sorted(store.list("t")) == records

    def test_a_key_id_is_never_taken_twice(self, store: KeyStore) -> None:
        """The first record stays: what it encrypted would be lost with it."""
        store.add(record(1, "first"))
        with pytest.raises(KeyStoreError, match="already has"):
            store.add(record(1, "second"))
        assert store.get(record(1, None).key_id).tenant == "first"

    def test_an_unknown_key_id_is_not_found(self, store: KeyStore) -> None:
        """The error names it."""
        with pytest.raises(KeyNotFoundError, match="00000000000000000000000000000009"):
            store.get(record(9, None).key_id)

    def test_tables_can_be_made_again(self, store: KeyStore) -> None:
        """Every process may ask for the table at start-up."""
        assert isinstance(store, (SqlKeyStore, DynamoKeyStore))
        store.add(record(1, None))
        store.create_table()
        assert store.get(record(1, None).key_id)

    def test_a_record_is_there_for_a_second_encryptor(self, store: KeyStore) -> None:
        """Two processes with one provider and one store read each other's values."""
        writer = Encryptor(LocalKeyProvider(KEY), store).field("a.b", str)
        reader = Encryptor(LocalKeyProvider(KEY), store).field("a.b", str)
        assert reader.decrypt(writer.encrypt("x", tenant="t"), tenant="t") == "x"


class Replace:
    """Compare and swap."""

    def test_a_record_takes_its_place(self, store: KeyStore) -> None:
        """The new record is read back by key id and tenant, and the others stay."""
        store.add(record(1))
        store.add(record(2))
        assert store.replace(record(1), rewrapped(record(1)))
        assert store.get(record(1).key_id) == rewrapped(record(1))
        assert set(store.list("t")) == {rewrapped(record(1)), record(2)}

    def test_a_tombstone_takes_its_place(self, store: KeyStore) -> None:
        """A tombstone comes back from `get` and from `list`."""
        store.add(record(1))
        store.add(record(2))
        assert store.replace(record(1), tombstone(record(1)))
        assert store.get(record(1).key_id) == tombstone(record(1))
        assert set(store.list("t")) == {tombstone(record(1)), record(2)}

    def test_records_of_no_tenant(self, store: KeyStore) -> None:
        """They are replaced as well, and stay listed under none."""
        store.add(record(1, None))
        assert store.replace(record(1, None), rewrapped(record(1, None)))
        assert list(store.list(None)) == [rewrapped(record(1, None))]

    def test_states_change_both_ways(self, store: KeyStore) -> None:
        """The state is replaced with the record."""
        active, retired = record(1), record(1)._replace(state=KeyState.RETIRED)
        store.add(active)
        assert store.replace(active, retired)
        assert store.get(active.key_id) == retired
        assert store.replace(retired, active)
        assert store.get(active.key_id) == active

    @pytest.mark.parametrize(
        "old",
        [
            rewrapped(record(1)),
            record(1)._replace(tag=bytes([7]) * 32),
            record(1)._replace(created=1),
            record(1)._replace(state=KeyState.RETIRED),
            record(9),
        ],
        ids=["other wraps", "other tag", "other time", "other state", "missing"],
    )
    def test_what_was_not_read_is_not_replaced(self, store: KeyStore, old: KeyRecord) -> None:
        """If the store holds something else, `replace` says False and nothing changes."""
        store.add(record(1))
        for new in (rewrapped(old, b"third"), tombstone(old)):
            assert not store.replace(old, new)
            assert list(store.list("t")) == [record(1)]
            assert list(store.key_ids()) == [record(1).key_id]

    def test_a_tombstone_stays(self, store: KeyStore) -> None:
        """What was shredded meanwhile is not brought back by who read it before, nor shredded twice."""
        store.add(record(1))
        store.replace(record(1), tombstone(record(1)))
        assert not store.replace(record(1), rewrapped(record(1)))
        assert not store.replace(record(1), record(1))
        assert not store.replace(record(1), tombstone(record(1), "bob"))
        assert store.get(record(1).key_id) == tombstone(record(1))

    def test_a_tombstones_place_is_taken(self, store: KeyStore) -> None:
        """The record cannot be added again."""
        store.add(record(1))
        store.replace(record(1), tombstone(record(1)))
        with pytest.raises(KeyStoreError, match=r"taken|already has"):
            store.add(record(1))
        assert store.get(record(1).key_id) == tombstone(record(1))

    def test_an_empty_store(self, store: KeyStore) -> None:
        """There is nothing to replace."""
        assert not store.replace(record(1), rewrapped(record(1)))
        with pytest.raises(KeyNotFoundError):
            store.get(record(1).key_id)

    def test_the_same_again(self, store: KeyStore) -> None:
        """Replacing a record by itself works and changes nothing."""
        store.add(record(1))
        assert store.replace(record(1), record(1))
        assert store.get(record(1).key_id) == record(1)

    @pytest.mark.parametrize("rival", ["record", "tombstone"])
    def test_one_of_two_wins(self, store: KeyStore, rival: str) -> None:
        """Of two threads that replace one record at the same time one is told True, and its record is there."""
        for number in range(20):
            old = record(number)
            store.add(old)
            news: list[KeyRecord | Tombstone] = [
                rewrapped(old, b"one"),
                rewrapped(old, b"other") if rival == "record" else tombstone(old),
            ]
            meeting = Barrier(2, timeout=PATIENCE)

            def replace(
                new: KeyRecord | Tombstone, old: KeyRecord = old, meeting: Barrier = meeting
            ) -> KeyRecord | Tombstone | None:
                meeting.wait()
                return new if store.replace(old, new) else None

            with ThreadPoolExecutor(2) as pool:
                winners = [new for new in pool.map(replace, news) if new is not None]
            assert winners == [store.get(old.key_id)]


class KeyIds:
    """All key ids, each once."""

    def test_an_empty_store(self, store: KeyStore) -> None:
        """It has none."""
        assert list(store.key_ids()) == []

    def test_all_tenants_and_tombstones(self, store: KeyStore) -> None:
        """Records of every tenant and of none count, tombstones too."""
        records = [record(number, tenant) for number, tenant in enumerate([None, "a", "b"])]
        for each in records:
            store.add(each)
        store.replace(records[1], tombstone(records[1]))
        assert Counter(store.key_ids()) == Counter(each.key_id for each in records)

    def test_changes_on_the_way(self, store: KeyStore) -> None:
        """Records that are replaced while the ids are read come neither twice nor not at all."""
        records = [record(number) for number in range(20)]
        for each in records:
            store.add(each)
        seen = []
        for key_id in store.key_ids():
            seen.append(key_id)
            number = int.from_bytes(key_id, "big")
            assert store.replace(records[number], tombstone(records[number]))
        assert sorted(seen) == [each.key_id for each in records]

    def test_the_store_is_free_on_the_way(self, store: KeyStore) -> None:
        """Who stops in the middle holds nobody up."""
        for number in range(3):
            store.add(record(number))
        key_ids = store.key_ids()
        next(key_ids)
        store.add(record(7))
        assert store.replace(record(1), tombstone(record(1)))
