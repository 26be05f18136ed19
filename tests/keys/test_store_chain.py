"""The key stores of several regions, of which one is the own."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    Event,
    EventKind,
    FileKeyStore,
    KeyNotFoundError,
    KeyRecord,
    KeyShreddedError,
    KeyStore,
    KeyStoreChain,
    KeyStoreError,
    Tombstone,
)
from tests.conftest import Clock
from tests.support.doubles import CountingProvider, Row, RowStore, make_record, store_outage

SSN = "078-05-1120"


class Distant(RowStore):
    """A key store that takes its time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def get(self, key_id: bytes) -> Any:
        self.clock.advance(0.1)
        return super().get(key_id)


@pytest.fixture
def own() -> RowStore:
    return RowStore()


@pytest.fixture
def second(clock: Clock) -> Distant:
    return Distant(clock)


@pytest.fixture
def third(clock: Clock) -> Distant:
    return Distant(clock)


@pytest.fixture
def chain(own: RowStore, second: Distant, third: Distant) -> KeyStoreChain:
    return KeyStoreChain(own, second, third)


@pytest.fixture
def record(provider: CountingProvider) -> KeyRecord:
    return make_record(provider.inner, "clinic")


@pytest.fixture
def stone(record: KeyRecord) -> Tombstone:
    """What is left of the record's key."""
    return Tombstone(record.key_id, record.purpose, record.created, record.tenant, record.created, "ann", 1)


class TestReading:
    def test_the_own_store_is_enough(
        self, chain: KeyStoreChain, own: RowStore, second: Distant, third: Distant, record: KeyRecord
    ) -> None:
        """What it has is not asked of the others."""
        own.add(record)
        assert chain.get(record.key_id) == record
        assert (second.reads, third.reads) == (0, 0)

    @pytest.mark.parametrize("where", ["second", "third"])
    def test_what_is_not_here_is_read_elsewhere(
        self, chain: KeyStoreChain, second: Distant, third: Distant, record: KeyRecord, where: str
    ) -> None:
        """In whichever store it is."""
        {"second": second, "third": third}[where].add(record)
        assert chain.get(record.key_id) == record

    def test_the_first_that_has_it_decides(
        self, chain: KeyStoreChain, second: Distant, third: Distant, record: KeyRecord
    ) -> None:
        """A record may have been changed in one region and not yet in the other."""
        second.add(record)
        third.add(record)
        third.retire(record.key_id)
        assert chain.get(record.key_id) == record

    def test_a_tombstone_elsewhere_counts_more_than_a_record_elsewhere(
        self, chain: KeyStoreChain, second: Distant, third: Distant, record: KeyRecord, stone: Tombstone
    ) -> None:
        """A key that was shredded in one region must not come back from another that has not heard of it."""
        second.add(record)
        third.add(stone)
        assert chain.get(record.key_id) == stone

    def test_a_tombstone_here_is_final(
        self, chain: KeyStoreChain, own: RowStore, second: Distant, record: KeyRecord, stone: Tombstone
    ) -> None:
        """Though another region has the record still."""
        own.add(stone)
        second.add(record)
        assert chain.get(record.key_id) == stone

    def test_an_outage_elsewhere_does_not_matter(
        self, chain: KeyStoreChain, second: Distant, third: Distant, record: KeyRecord
    ) -> None:
        """If another store has the record."""
        second.go_down()
        third.add(record)
        assert chain.get(record.key_id) == record

    def test_an_outage_elsewhere_does_not_hold_up_readers(
        self, chain: KeyStoreChain, second: Distant, third: Distant, record: KeyRecord, clock: Clock
    ) -> None:
        """What could not be reached is left alone for ten times as long as that took, and then asked again."""
        second.go_down()
        third.add(record)
        for _ in range(5):
            assert chain.get(record.key_id) == record
        assert (second.reads, third.reads) == (1, 5)
        clock.advance(1)
        assert chain.get(record.key_id) == record
        assert second.reads == 2

    def test_what_is_nowhere_is_not_found(self, chain: KeyStoreChain, third: Distant) -> None:
        """The error says what each store said, also one that could not be reached."""
        third.go_down()
        with pytest.raises(KeyNotFoundError, match=r"no row for 0+; no row for 0+; the table does not answer"):
            chain.get(bytes(16))

    def test_others_help_out_if_the_own_store_is_down(
        self, chain: KeyStoreChain, own: RowStore, third: Distant, record: KeyRecord
    ) -> None:
        """Reading goes on."""
        own.go_down()
        third.add(record)
        assert chain.get(record.key_id) == record

    def test_the_own_store_being_down_proves_nothing(self, chain: KeyStoreChain, own: RowStore) -> None:
        """What is nowhere else may be there, so this is an outage and not a loss."""
        own.go_down()
        with pytest.raises(KeyStoreError, match="does not answer") as caught:
            chain.get(bytes(16))
        assert not isinstance(caught.value, KeyNotFoundError)


class TestWriting:
    def test_only_the_own_store_is_written_to(
        self, chain: KeyStoreChain, own: RowStore, second: Distant, third: Distant, record: KeyRecord, stone: Tombstone
    ) -> None:
        """The database replicates what has to be elsewhere."""
        chain.add(record)
        assert chain.replace(record, stone)
        assert list(own.rows) == [record.key_id]
        assert not second.rows
        assert not third.rows

    def test_only_the_own_store_is_listed(self, chain: KeyStoreChain, own: RowStore, second: Distant) -> None:
        """By tenant, and all key ids."""
        second.rows[bytes(16)] = Row("clinic", "active", b"")
        assert not list(chain.list("clinic"))
        assert not list(chain.key_ids())

    def test_an_own_store_that_is_down_cannot_be_written_to(
        self, chain: KeyStoreChain, own: RowStore, record: KeyRecord
    ) -> None:
        """No new key is kept where this region will not see it."""
        own.go_down()
        with pytest.raises(KeyStoreError, match="does not answer"):
            chain.add(record)


class TestValues:
    """With an Encryptor whose own region has no records yet."""

    def test_a_value_is_read_before_its_key_record_is_here(
        self, chain: KeyStoreChain, second: Distant, provider: CountingProvider, clock: Clock
    ) -> None:
        """Without waiting for it, and it is told where it was found."""
        data = Encryptor(provider, second).field("a.b", str).encrypt(SSN)
        events: list[Event] = []
        start = clock.now
        assert Encryptor(provider, chain, observer=events.append).field("a.b", str).decrypt(data) == SSN
        assert clock.now - start == pytest.approx(0.2)  # both others are asked
        (event,) = [event for event in events if event.kind is EventKind.FAILED_OVER]
        assert (event.key_id, event.place) == (data[1:17].hex(), repr(second))

    def test_a_key_shredded_elsewhere_is_not_brought_back(
        self, chain: KeyStoreChain, own: RowStore, second: Distant, third: Distant, provider: CountingProvider
    ) -> None:
        """The error is that of a shredded key, whichever of the regions knows of it."""
        data = Encryptor(provider, second).field("a.b", str).encrypt(SSN, tenant="gone")
        third.rows.update(second.rows)
        Encryptor(provider, third).data_keys.shred("gone", by="ann")
        with pytest.raises(KeyShreddedError):
            Encryptor(provider, chain).field("a.b", str).decrypt(data)

    def test_a_forged_record_is_refused(
        self, chain: KeyStoreChain, second: Distant, provider: CountingProvider
    ) -> None:
        """Wherever it comes from, it is opened before it counts."""
        data = Encryptor(provider, second).field("a.b", str).encrypt(SSN)
        foreign = make_record(CountingProvider().inner)
        second.rows[data[1:17]] = Row(None, "active", foreign.to_bytes())
        with pytest.raises(DecryptionError):
            Encryptor(provider, chain).field("a.b", str).decrypt(data)

    def test_planted_values_leave_other_regions_in_peace(
        self, chain: KeyStoreChain, second: Distant, provider: CountingProvider, clock: Clock
    ) -> None:
        """Of values whose keys are nowhere, few cost a look elsewhere: a tenth of the time at most."""
        field, start, idle = Encryptor(provider, chain).field("a.b", str), clock.now, 0.0
        for number in range(1_000):
            with pytest.raises(KeyNotFoundError):
                field.decrypt(b"\x01" + number.to_bytes(16, "big") + bytes(50))
            clock.advance(0.1)
            idle += 0.1
        elsewhere = second.reads * 0.2
        assert elsewhere <= (clock.now - start) / 10 + 0.2

    def test_late_values_do_not_use_up_the_patience(
        self, chain: KeyStoreChain, second: Distant, provider: CountingProvider
    ) -> None:
        """What is found elsewhere was not looked for in vain."""
        writer = Encryptor(provider, second).field("a.b", str)
        reader = Encryptor(provider, chain).field("a.b", str)
        for number in range(20):
            assert reader.decrypt(writer.encrypt(SSN, tenant=f"clinic-{number}")) == SSN

    def test_the_own_store_being_down_is_no_reason_to_be_impatient(
        self, chain: KeyStoreChain, own: RowStore, second: Distant, record: KeyRecord
    ) -> None:
        """Then the others are asked for everything, whatever was planted."""
        own.get_failure = store_outage
        second.add(record)
        with pytest.raises(KeyStoreError):
            chain.get(bytes(16))
        assert chain.get(record.key_id) == record


def test_it_pickles(tmp_path: Path) -> None:
    """If its stores do."""
    chain = KeyStoreChain(FileKeyStore.create(tmp_path / "a"), FileKeyStore.create(tmp_path / "b"))
    assert repr(pickle.loads(pickle.dumps(chain))) == repr(chain)


def test_it_is_a_key_store(chain: KeyStoreChain) -> None:
    """So that an Encryptor takes it."""
    assert isinstance(chain, KeyStore)


@pytest.mark.parametrize("stores", [(RowStore(),), (RowStore(), "x"), (RowStore, RowStore())])
def test_it_takes_two_stores_or_more(stores: Any) -> None:
    """One needs no chain, and classes are no stores."""
    with pytest.raises(ConfigurationError, match="key store"):
        KeyStoreChain(*stores)
