"""Records that a key store has lost, in a failover or a restore, while processes have their keys."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from fieldcrypt import (
    Encryptor,
    Event,
    EventKind,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyPolicy,
    KeyShreddedError,
    KeyState,
    KeyStoreChain,
    KeyStoreError,
    Purpose,
    Tombstone,
)
from tests.conftest import Clock
from tests.support.doubles import (
    CountingProvider,
    Failure,
    PublicKeyProvider,
    Row,
    RowStore,
    refusal,
    store_outage,
)

SSN = "078-05-1120"
TTL, GRACE = 900.0, 3600.0
POLICY = KeyPolicy(cache_ttl=timedelta(seconds=TTL), grace=timedelta(seconds=GRACE))
LOOK = 30.0  # seconds, between looks for a record that is young, or after an error of the store
YOUNG = 600.0


class Process:
    """An Encryptor with keys of its own, and what it does for a tenant."""

    def __init__(self, provider: CountingProvider, store: Any) -> None:
        self.events: list[Event] = []
        self.encryptor = Encryptor(provider, store, policy=POLICY, observer=self.events.append)
        self._field = self.encryptor.field("a.b", str)
        self._index = self.encryptor.blind_index("a.b")

    def write(self, tenant: str | None = "a") -> bytes:
        return self._field.encrypt(SSN, tenant=tenant)

    def read(self, value: bytes) -> str:
        return self._field.decrypt(value)

    def tag(self) -> bytes:
        return self._index.tag(SSN, tenant="a")

    def count(self, kind: EventKind = EventKind.RECORD_PUT_BACK) -> int:
        return [event.kind for event in self.events].count(kind)


@pytest.fixture
def process(clock: Clock, provider: CountingProvider, rows: RowStore) -> Process:
    return Process(provider, rows)


@pytest.fixture
def other(clock: Clock, provider: CountingProvider, rows: RowStore) -> Process:
    """Another process at the same store."""
    return Process(provider, rows)


Use = Callable[[Process, bytes], object]
USES: list[Use] = [lambda process, _: process.write(), lambda process, value: process.read(value)]
each_use = pytest.mark.parametrize("use", USES, ids=["writer", "reader"])


class TestPuttingBack:
    @each_use
    def test_who_uses_the_key_puts_its_record_back(
        self, process: Process, other: Process, rows: RowStore, clock: Clock, use: Use
    ) -> None:
        """As it was; what is written meanwhile is read by everybody, and no other key is made."""
        before = process.write()
        kept = dict(rows.rows)
        rows.rows.clear()
        meanwhile = process.write()
        clock.advance(LOOK)
        use(process, before)
        assert rows.rows == kept
        assert [other.read(value) for value in (before, meanwhile, process.write())] == [SSN] * 3

    def test_it_is_told(self, process: Process, rows: RowStore, clock: Clock) -> None:
        """Once, with the data key and its tenant."""
        value = process.write()
        rows.rows.clear()
        for _ in range(3):
            clock.advance(LOOK)
            process.read(process.write())
        (told,) = [event for event in process.events if event.kind is EventKind.RECORD_PUT_BACK]
        assert (told.key_id, told.tenant) == (value[1:17].hex(), "a")

    def test_index_keys_are_put_back(self, process: Process, other: Process, rows: RowStore, clock: Clock) -> None:
        """So that others make the same tags."""
        tag = process.tag()
        rows.rows.clear()
        clock.advance(LOOK)
        assert process.tag() == other.tag() == tag

    def test_it_is_put_back_again_and_again(
        self, process: Process, other: Process, rows: RowStore, clock: Clock
    ) -> None:
        """Whoever deletes records takes no value away that is in use."""
        value = process.write()
        for _ in range(50):
            rows.rows.clear()
            clock.advance(TTL)
            process.read(value)
            assert other.read(value) == SSN

    def test_several_processes_do_it_at_once(
        self, process: Process, other: Process, rows: RowStore, clock: Clock
    ) -> None:
        """One adds it, the other finds it; neither fails."""
        value = process.write()
        other.read(value)
        row = rows.rows.pop(value[1:17])
        clock.advance(LOOK)
        rows.before_add = lambda: rows.rows.setdefault(value[1:17], row)
        assert process.read(value) == SSN
        assert (process.count(), process.count(EventKind.KEY_UNCONFIRMED)) == (0, 0)

    def test_a_key_that_was_retired_stays_so(self, process: Process, rows: RowStore, clock: Clock) -> None:
        """Its state comes back with it."""
        value = process.write()
        process.encryptor.data_keys.rotate("a")
        clock.advance(YOUNG)
        process.write()
        process.encryptor.data_keys.retire(value[1:17])
        clock.advance(TTL)
        process.read(value)
        rows.rows.clear()
        clock.advance(TTL)
        process.read(value)
        assert rows.rows[value[1:17]].state == KeyState.RETIRED.value

    def test_a_service_that_only_writes_does_it(self, clock: Clock, rows: RowStore) -> None:
        """It can open no record, and has the one that it made."""
        provider = PublicKeyProvider()
        provider.write_only = True
        writer = Encryptor(provider, rows, policy=POLICY).field("a.b", str)
        value = writer.encrypt(SSN)
        kept = dict(rows.rows)
        rows.rows.clear()
        clock.advance(LOOK)
        assert writer.encrypt(SSN)[1:17] == value[1:17]
        assert rows.rows == kept

    def test_a_key_that_the_provider_denies_ends_all_the_same(
        self, process: Process, provider: CountingProvider, rows: RowStore, clock: Clock
    ) -> None:
        """Its record is back in the store, for the day on which the provider says yes."""
        value = process.write()
        rows.rows.clear()
        provider.unwrap_failure = refusal
        clock.advance(TTL)
        with pytest.raises(KeyAccessDeniedError):
            process.read(value)
        assert value[1:17] in rows.rows

    def test_a_record_that_somebody_edited_is_not_lost(self, process: Process, rows: RowStore, clock: Clock) -> None:
        """It is refused, and told as that."""
        value = process.write()
        record = rows.rows[value[1:17]].record
        rows.rows[value[1:17]] = Row("a", "active", record[:-1] + bytes([record[-1] ^ 1]))
        clock.advance(LOOK)
        process.write()
        assert process.count() == 0
        assert process.count(EventKind.RECORD_REFUSED) > 0


class TestTombstones:
    def test_a_key_that_was_shredded_is_not_put_back(
        self, process: Process, other: Process, rows: RowStore, clock: Clock
    ) -> None:
        """A tombstone is no loss."""
        value = process.write()
        other.encryptor.data_keys.shred("a", by="ann")
        clock.advance(LOOK)
        for use in USES:
            with pytest.raises(KeyShreddedError):
                use(process, value)
        assert rows.rows[value[1:17]].state == "shredded"

    @each_use
    def test_nor_is_one_whose_tenant_was_shredded(
        self, process: Process, other: Process, rows: RowStore, clock: Clock, use: Use
    ) -> None:
        """Though its own record was lost before somebody could bury it."""
        value = process.write()
        process.encryptor.data_keys.rotate("a")
        del rows.rows[value[1:17]]
        other.encryptor.data_keys.shred("a", by="ann")
        clock.advance(TTL)
        with pytest.raises(KeyShreddedError):
            use(process, value)
        assert value[1:17] not in rows.rows

    def test_tombstones_of_no_tenant_are_forged(self, process: Process, rows: RowStore, clock: Clock) -> None:
        """They keep nobody from putting back what is no tenant's: no such key can be shredded."""
        value = process.write(None)
        rows.rows.clear()
        rows.add(Tombstone(bytes(16), Purpose.ENCRYPTION, 0, None, 0, "nobody", 1))
        clock.advance(LOOK)
        assert process.read(value) == SSN
        assert value[1:17] in rows.rows


def ask_for_a_value(process: Process) -> None:
    """Ask the store for a record."""
    process.read(b"\1" + bytes(70))


def ask_for_a_tenant(process: Process) -> None:
    """Ask the store for a list."""
    process.encryptor.data_keys.rotate("nobody")


class TestWhenItIsNoticed:
    def test_a_key_that_is_young_is_looked_for_often(
        self, process: Process, provider: CountingProvider, rows: RowStore, clock: Clock
    ) -> None:
        """Without a call of the key service, for some minutes after it was made."""
        value = process.write()
        reads, unwraps = rows.reads, provider.unwraps
        for _ in range(10):
            clock.advance(LOOK)
            process.read(value)
        assert (rows.reads - reads, provider.unwraps - unwraps) == (10, 0)

    def test_other_keys_are_not(self, process: Process, other: Process, rows: RowStore, clock: Clock) -> None:
        """The store is asked for them once in a cache_ttl."""
        value = process.write()
        clock.advance(YOUNG + 1)
        other.read(value)
        reads = rows.reads
        for _ in range(10):
            clock.advance(LOOK)
            other.read(value)
        assert rows.reads == reads

    @pytest.mark.parametrize("ask", [ask_for_a_value, ask_for_a_tenant])
    def test_all_keys_are_looked_for_after_an_error_of_the_store(
        self,
        process: Process,
        other: Process,
        provider: CountingProvider,
        rows: RowStore,
        clock: Clock,
        ask: Callable[[Process], object],
    ) -> None:
        """When it answers again: it may be another server."""
        values = [process.write(tenant) for tenant in ("a", "b")]
        clock.advance(YOUNG + 1)
        assert [other.read(value) for value in values] == [SSN] * 2
        rows.rows.clear()
        unwraps = provider.unwraps
        rows.go_down()
        with pytest.raises(KeyStoreError, match="does not answer"):
            ask(other)
        rows.get_failure = rows.list_failure = rows.add_failure = None
        with pytest.raises(KeyNotFoundError):
            ask(other)
        clock.advance(LOOK)
        assert [other.read(value) for value in values] == [SSN] * 2
        assert {value[1:17] for value in values} == set(rows.rows)
        assert provider.unwraps == unwraps

    @pytest.mark.parametrize("use", [Process.write, Process.tag], ids=["data key", "index key"])
    def test_keys_that_were_written_under_are_looked_for_though_nobody_uses_them(
        self, process: Process, rows: RowStore, clock: Clock, use: Callable[[Process], bytes]
    ) -> None:
        """Their last values may have been written after the loss, and the process may end."""
        use(process)
        kept = dict(rows.rows)
        rows.rows.clear()
        rows.go_down()
        with pytest.raises(KeyStoreError, match="does not answer"):
            ask_for_a_tenant(process)
        rows.get_failure = rows.list_failure = rows.add_failure = None
        with pytest.raises(KeyNotFoundError):
            ask_for_a_tenant(process)
        assert rows.rows == kept

    def test_a_store_that_fails_now_and_then_is_not_asked_for_all_keys_each_time(
        self, process: Process, rows: RowStore, clock: Clock
    ) -> None:
        """It may fail because it is asked too often."""
        for number in range(20):
            process.write(str(number))
        reads = rows.reads
        for _ in range(100):
            clock.advance(0.1)
            for failure in (store_outage, None):
                rows.get_failure = failure
                with suppress(KeyStoreError):
                    process.read(b"\1" + bytes([rows.reads % 256]) * 70)
        assert rows.reads - reads < 100 * 2 + 2 * 20

    def test_a_look_does_not_prolong_a_key(
        self, process: Process, provider: CountingProvider, rows: RowStore, clock: Clock
    ) -> None:
        """The key service is asked once in a cache_ttl, however often the store is looked at."""
        value, began = process.write(), clock.now
        provider.unwrap_failure = refusal
        while not process.count(EventKind.DENIED):
            with suppress(KeyAccessDeniedError):
                process.read(value)
            clock.advance(LOOK)
        assert clock.now - began < TTL


class TestByHand:
    """After a restore, before the processes are restarted."""

    def test_all_live_keys_are_put_back(self, process: Process, other: Process, rows: RowStore, clock: Clock) -> None:
        """Whatever they are used for; those that are there are left alone."""
        values = [process.write("a"), process.write("b")]
        process.tag()
        clock.advance(YOUNG + 1)
        other.read(values[1])
        kept = dict(rows.rows)
        for key_id in list(rows.rows)[:2]:
            del rows.rows[key_id]
        assert (process.encryptor.data_keys.put_back(), process.encryptor.data_keys.put_back()) == (2, 0)
        assert rows.rows == kept

    def test_one_that_is_not_taken_does_not_hold_up_the_others(
        self, process: Process, rows: RowStore, clock: Clock
    ) -> None:
        """And it is told, with the reason."""
        for tenant in ("a", "b", "c"):
            process.write(tenant)
        rows.rows.clear()
        failures = iter([store_outage, None, None])
        rows.before_add = lambda: setattr(rows, "add_failure", next(failures))
        with pytest.raises(KeyStoreError, match=r"has lost the record .* does not answer"):
            process.encryptor.data_keys.put_back()
        assert len(rows.rows) == 2

    def test_a_shredded_key_ends(self, process: Process, other: Process, rows: RowStore, clock: Clock) -> None:
        """Nothing of it is put back."""
        value = process.write()
        other.encryptor.data_keys.shred("a", by="ann")
        assert process.encryptor.data_keys.put_back() == 0
        for use in USES:
            with pytest.raises(KeyShreddedError):
                use(process, value)


class TestAStoreThatDoesNotTakeIt:
    """A replica that is read-only, say."""

    @pytest.fixture
    def value(self, process: Process, rows: RowStore, clock: Clock) -> bytes:
        """Its key's record was lost, and cannot be added."""
        value = process.write()
        rows.rows.clear()
        rows.add_failure = store_outage
        clock.advance(LOOK)
        process.read(value)
        return value

    def test_nothing_more_is_encrypted_under_the_key(self, process: Process, value: bytes) -> None:
        """Nobody else could read it."""
        with pytest.raises(KeyStoreError, match="has lost the record"):
            process.write()

    def test_it_is_read_for_the_grace(self, process: Process, clock: Clock, value: bytes) -> None:
        """And told all the time."""
        clock.advance(TTL + GRACE / 2)
        assert process.read(value) == SSN
        assert process.count(EventKind.KEY_UNCONFIRMED) > 1
        clock.advance(GRACE)
        with pytest.raises(KeyStoreError, match="has lost the record"):
            process.read(value)

    def test_the_last_copy_is_kept(
        self, process: Process, other: Process, rows: RowStore, clock: Clock, value: bytes
    ) -> None:
        """It is put back when the store takes it, long after the key's end."""
        clock.advance(10 * (TTL + GRACE))
        with pytest.raises(KeyStoreError):
            process.read(value)
        rows.add_failure = None
        assert process.read(value) == other.read(value) == process.read(process.write()) == SSN

    def test_junk_of_its_tenant_does_not_take_the_last_copy(
        self, process: Process, other: Process, rows: RowStore, clock: Clock
    ) -> None:
        """Whether the tenant was shredded cannot be said while somebody's row spoils the list."""
        value = process.write()
        rows.rows.clear()
        rows.rows[bytes(16)] = Row("a", "active", b"junk")
        clock.advance(10 * (TTL + GRACE))
        with pytest.raises(KeyStoreError):
            process.read(value)
        rows.rows.clear()
        assert process.read(value) == other.read(value) == SSN

    def test_to_forget_it_is_told(self, process: Process, value: bytes) -> None:
        """Then it is lost."""
        process.encryptor.forget()
        (told,) = [event for event in process.events if event.kind is EventKind.KEY_LOST]
        assert told.key_id == value[1:17].hex()

    def test_so_is_its_place_taken_by_another(self, provider: CountingProvider, rows: RowStore, clock: Clock) -> None:
        """In a process that keeps few keys."""
        events: list[Event] = []
        field = Encryptor(provider, rows, policy=KeyPolicy(max_cached_keys=1), observer=events.append).field("a.b", str)
        values = [Process(provider, rows).write(tenant) for tenant in ("a", "b")]
        field.decrypt(values[0])
        row = rows.rows.pop(values[0][1:17])
        rows.add_failure = store_outage
        clock.advance(LOOK)
        field.decrypt(values[0])
        field.decrypt(values[1])
        assert [event.key_id for event in events if event.kind is EventKind.KEY_LOST] == [values[0][1:17].hex()]
        assert row.tenant == "a"


class TestOtherRegions:
    """A record that is not here may be on its way, or buried elsewhere."""

    @pytest.mark.parametrize("failure", [store_outage, None], ids=["away", "well"])
    def test_it_is_put_back_if_no_region_has_it(
        self, clock: Clock, provider: CountingProvider, rows: RowStore, failure: Failure | None
    ) -> None:
        """Where a region cannot be asked, the key goes on for its grace as in an outage."""
        elsewhere = RowStore()
        value = Process(provider, elsewhere).write()
        process = Process(provider, KeyStoreChain(rows, elsewhere))
        assert process.read(value) == SSN
        elsewhere.rows.clear()
        elsewhere.get_failure = failure
        clock.advance(TTL)
        assert process.read(value) == SSN
        assert (value[1:17] in rows.rows) is (failure is None)
        assert process.count(EventKind.KEY_UNCONFIRMED) == (failure is not None)
