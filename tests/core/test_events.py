"""What happens to keys is told when it happens, and every call of a key service."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Field,
    KeyAccessDeniedError,
    KeyProviderChain,
    KeyProviderError,
    KeyRecord,
    KeyShreddedError,
    LocalKeyProvider,
    MemoryKeyStore,
    Purpose,
    WrappedKey,
)
from fieldcrypt.events import Event, EventKind
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from tests.conftest import Clock
from tests.core.recorder import POLICY, SSN, TTL, Recorder
from tests.core.recorder import encryptor as encryptor
from tests.core.recorder import field as field
from tests.core.recorder import recorder as recorder
from tests.kms.regions import ARN, AWAY, HOME, REGIONS, FlakyClient, Region
from tests.support.doubles import (
    CountingProvider,
    Failure,
    RowStore,
    SeveralKeysProvider,
    outage,
    refusal,
    store_outage,
)


class TestWhen:
    """Each event is reported when it happens, and then only; the order is that of what happens."""

    def test_a_key_is_made(self, field: Field[str], recorder: Recorder) -> None:
        """The first value of a tenant makes its key; others are no event."""
        field.encrypt(SSN, tenant="A")
        (made,) = recorder.of(EventKind.KEY_CREATED)
        assert (len(made.key_id or ""), made.tenant) == (32, "A")
        assert recorder.kinds() == ["key_created"]
        for _ in range(100):
            field.decrypt(field.encrypt(SSN, tenant="A"))
        assert recorder.kinds() == ["cache_hit"]  # the first reader's

    def test_a_key_is_unwrapped(self, provider: CountingProvider, rows: RowStore, recorder: Recorder) -> None:
        """The first field that needs a key misses it, the next one hits, and who is prepared does not ask."""
        value = Encryptor(provider, rows).field("a.b", str).encrypt(SSN, tenant="A")
        encryptor = Encryptor(provider, rows, observer=recorder)
        for expected in (["cache_miss", "key_unwrapped"], ["cache_hit"], ["cache_hit"]):
            field = encryptor.field("a.b", str)
            for _ in range(10):
                assert field.decrypt(value) == SSN
            assert {(event.key_id, event.tenant or "A") for event in recorder.events} == {(value[1:17].hex(), "A")}
            assert recorder.kinds() == expected

    def test_a_key_is_followed(self, clock: Clock, field: Field[str], rows: RowStore, recorder: Recorder) -> None:
        """The new key is made, and follows; that it takes over later is no event."""
        old = field.encrypt(SSN)[1:17]
        recorder.kinds()
        clock.advance(POLICY.rotate_after.total_seconds())
        field.encrypt(SSN)
        (new,) = set(rows.rows) - {old}
        assert {event.key_id for event in recorder.of(EventKind.KEY_ROTATED)} == {new.hex()}
        kinds = recorder.kinds()
        assert [kind for kind in kinds if kind not in ("cache_miss", "cache_hit", "key_unwrapped")] == [
            "key_created",
            "key_rotated",
        ]

    def test_a_key_is_followed_by_hand(
        self, clock: Clock, encryptor: Encryptor, field: Field[str], recorder: Recorder
    ) -> None:
        """`rotate` says so too."""
        field.encrypt(SSN, tenant="A")
        clock.advance(5)
        recorder.kinds()
        record = encryptor.data_keys.rotate("A")
        assert {event.key_id for event in recorder.events} == {record.key_id.hex()}
        assert recorder.kinds() == ["key_created", "key_rotated"]

    @pytest.mark.parametrize("failure", [outage, refusal, store_outage])
    def test_rotation_fails(
        self,
        clock: Clock,
        field: Field[str],
        provider: CountingProvider,
        rows: RowStore,
        recorder: Recorder,
        failure: Failure,
    ) -> None:
        """It is said with the cause, and a refusal as a refusal as well."""
        old = field.encrypt(SSN)[1:17]
        clock.advance(POLICY.rotate_after.total_seconds())
        recorder.kinds()
        if failure is store_outage:
            rows.add_failure = failure
        else:
            provider.wrap_failure = failure
        field.encrypt(SSN)
        (failed,) = recorder.of(EventKind.ROTATION_FAILED)
        assert (failed.key_id, failed.cause) == (old.hex(), str(failure()))
        assert len(recorder.of(EventKind.DENIED)) == (1 if failure is refusal else 0)
        assert not recorder.of(EventKind.KEY_ROTATED)

    def test_a_refusal(self, field: Field[str], provider: CountingProvider, recorder: Recorder) -> None:
        """To wrap or to unwrap: said once for each time that it was said."""
        provider.wrap_failure = refusal
        with pytest.raises(KeyAccessDeniedError):
            field.encrypt(SSN, tenant="A")
        (denied,) = recorder.of(EventKind.DENIED)
        assert (denied.tenant, denied.cause) == ("A", "the key is disabled")
        assert recorder.kinds() == ["denied"]

    def test_a_refusal_in_the_background(
        self, clock: Clock, field: Field[str], provider: CountingProvider, recorder: Recorder
    ) -> None:
        """It is one refusal, and not an outage."""
        value = field.encrypt(SSN)
        field.decrypt(value)
        recorder.kinds()
        provider.unwrap_failure = refusal
        clock.advance(0.91 * TTL)
        with pytest.raises(KeyAccessDeniedError):
            field.decrypt(value)
        assert not recorder.of(EventKind.KEY_UNCONFIRMED)
        assert len(recorder.of(EventKind.DENIED)) == 2  # one of the check, one of the reader whose key it ended

    @pytest.mark.parametrize("failure", [outage, store_outage])
    def test_an_outage(
        self,
        clock: Clock,
        field: Field[str],
        provider: CountingProvider,
        rows: RowStore,
        recorder: Recorder,
        failure: Failure,
    ) -> None:
        """Going on without store or provider is said at every attempt, and no more often."""
        value = field.encrypt(SSN, tenant="A")
        field.decrypt(value)
        recorder.kinds()
        if failure is outage:
            provider.unwrap_failure = failure
        else:
            rows.go_down()
        clock.advance(0.91 * TTL)
        for _ in range(50):
            field.decrypt(value)
        (unconfirmed,) = recorder.of(EventKind.KEY_UNCONFIRMED)
        assert (unconfirmed.key_id, unconfirmed.tenant) == (value[1:17].hex(), "A")
        assert unconfirmed.cause == str(failure())

    def test_a_record_that_is_not_authentic(self, clock: Clock, provider: CountingProvider) -> None:
        """A forged record that would keep the next key from being made is refused, and said."""
        recorder, store = Recorder(), MemoryKeyStore()
        field = Encryptor(provider, store, policy=POLICY, observer=recorder).field("a.b", str)
        field.encrypt(SSN, tenant="A")
        clock.advance(POLICY.rotate_after.total_seconds())
        wraps = (WrappedKey("k", b"x"),)
        store.add(KeyRecord(bytes(16), Purpose.ENCRYPTION, int(clock.now), "A", wraps, bytes(32)))
        field.encrypt(SSN, tenant="A")
        assert {event.key_id for event in recorder.of(EventKind.RECORD_REFUSED)} == {bytes(16).hex()}

    def test_a_record_that_was_edited(
        self, clock: Clock, field: Field[str], rows: RowStore, recorder: Recorder
    ) -> None:
        """A live key whose record was changed ends; that is no outage."""
        value = field.encrypt(SSN, tenant="A")
        field.decrypt(value)
        row = rows.rows[value[1:17]]
        rows.rows[value[1:17]] = row._replace(record=row.record[:-1] + bytes([row.record[-1] ^ 1]))
        clock.advance(0.91 * TTL)
        recorder.kinds()
        with pytest.raises(DecryptionError):
            field.decrypt(value)
        assert [event.key_id for event in recorder.of(EventKind.RECORD_REFUSED)] == [value[1:17].hex()]
        assert not recorder.of(EventKind.KEY_UNCONFIRMED)

    def test_a_key_is_shredded_elsewhere(
        self, clock: Clock, provider: CountingProvider, rows: RowStore, field: Field[str], recorder: Recorder
    ) -> None:
        """A live key that the store has lost is lost, which is no outage."""
        value = field.encrypt(SSN, tenant="A")
        field.decrypt(value)
        Encryptor(provider, rows).data_keys.shred("A", "a test")
        clock.advance(0.91 * TTL)
        recorder.kinds()
        with pytest.raises(KeyShreddedError):
            field.decrypt(value)
        assert [event.key_id for event in recorder.of(EventKind.KEY_LOST)] == [value[1:17].hex()]
        assert not recorder.of(EventKind.KEY_UNCONFIRMED)

    @pytest.mark.parametrize("use", ["encrypts", "tags"])
    def test_a_tenant_is_shredded_elsewhere(
        self,
        clock: Clock,
        provider: CountingProvider,
        rows: RowStore,
        encryptor: Encryptor,
        recorder: Recorder,
        use: str,
    ) -> None:
        """Who looks for a newer key finds its tombstones, which is no outage either."""
        uses = {"encrypts": encryptor.field("a.b", str).encrypt, "tags": encryptor.blind_index("a.b", str).tag}
        uses[use](SSN, tenant="A")
        Encryptor(provider, rows).data_keys.shred("A", "a test")
        clock.advance(0.91 * TTL)
        recorder.kinds()
        with pytest.raises(KeyShreddedError):
            uses[use](SSN, tenant="A")
        assert [event.tenant for event in recorder.of(EventKind.KEY_LOST)] == ["A"]
        assert not recorder.of(EventKind.KEY_UNCONFIRMED)

    def test_a_tenant_is_shredded(self, encryptor: Encryptor, field: Field[str], recorder: Recorder) -> None:
        """Each of its keys is named, once."""
        field.encrypt(SSN, tenant="A")
        encryptor.data_keys.rotate("A")
        field.encrypt(SSN, tenant="B")
        recorder.kinds()
        for expected in (2, 0):
            encryptor.data_keys.shred("A", "a test")
            assert {event.tenant for event in recorder.events} <= {"A"}
            assert recorder.kinds() == ["key_shredded"] * expected

    def test_keys_are_rewrapped(
        self, provider: CountingProvider, rows: RowStore, field: Field[str], recorder: Recorder
    ) -> None:
        """Each key that is changed is named, once."""
        for tenant in ("A", "B"):
            field.encrypt(SSN, tenant=tenant)
        recorder.kinds()
        moving = Encryptor(KeyProviderChain(CountingProvider(), provider), rows, observer=recorder)
        for expected in (2, 0):
            moving.data_keys.rewrap(dry_run=True)
            assert recorder.kinds() == []
            assert moving.data_keys.rewrap().changed == expected
            assert recorder.kinds() == ["key_rewrapped"] * expected

    def test_keys_are_repaired(self, rows: RowStore, recorder: Recorder) -> None:
        """A key that gets the wrap that it lacked is named."""
        keys = SeveralKeysProvider(LocalKeyProvider.generate(), LocalKeyProvider.generate())
        keys.away = {keys.keys[1]}
        encryptor = Encryptor(keys, rows, observer=recorder)
        encryptor.field("a.b", str).encrypt(SSN)
        keys.away = set()
        recorder.kinds()
        for expected in (1, 0):
            encryptor.data_keys.repair()
            assert recorder.kinds() == ["key_repaired"] * expected


class TestKeyService:
    """Requests to KMS: where, what, how long, and how they ended."""

    @pytest.fixture
    def regions(self) -> dict[str, Region]:
        """Three regions that work."""
        return {region: Region() for region in REGIONS}

    @pytest.fixture
    def watched(self, regions: dict[str, Region], recorder: Recorder) -> Callable[[], None]:
        """Unwraps one data key in these regions, which is not authentic in the end."""
        kms = AwsKmsKeyProvider(
            ARN,
            REGIONS,
            client_factory=lambda region: FlakyClient(regions[region]),
            cooldown=timedelta(seconds=30),
        )
        wraps = (WrappedKey(ARN, b"x"),)
        store = MemoryKeyStore()
        store.add(KeyRecord(bytes(16), Purpose.ENCRYPTION, 1, None, wraps, bytes(32)))
        self.encryptor = Encryptor(kms, store, observer=recorder)
        field = self.encryptor.field("a.b", str)

        def unwrap() -> None:
            with pytest.raises((DecryptionError, KeyProviderError)):
                field.decrypt(b"\x01" + bytes(80))

        return unwrap

    def test_a_call(self, watched: Callable[[], None], regions: dict[str, Region], recorder: Recorder) -> None:
        """One that succeeds has no cause."""
        regions[HOME].before_answer = lambda: time.sleep(0.01)
        watched()
        (call,) = recorder.of(EventKind.KMS_CALL)
        assert call._replace(seconds=None) == Event(EventKind.KMS_CALL, place=HOME, operation="Decrypt")
        assert 0.01 <= (call.seconds or 0) < 5
        assert not recorder.of(EventKind.FAILED_OVER)

    def test_a_call_that_fails(
        self, watched: Callable[[], None], regions: dict[str, Region], recorder: Recorder
    ) -> None:
        """It has its cause, and that another region served is said with the reason."""
        regions[HOME].away = True
        watched()
        calls = recorder.of(EventKind.KMS_CALL)
        assert [(call.place, call.cause) for call in calls] == [(HOME, "EndpointConnectionError"), (AWAY, None)]
        assert all(call.seconds is not None for call in calls)
        (failed_over,) = recorder.of(EventKind.FAILED_OVER)
        assert (failed_over.place, failed_over.operation) == (AWAY, "Decrypt")
        assert f"{HOME}: Could not connect" in (failed_over.cause or "")

    def test_a_second_attempt_is_no_failover(
        self, watched: Callable[[], None], regions: dict[str, Region], recorder: Recorder
    ) -> None:
        """Where the first region serves in the end, no other did."""
        for region in regions.values():
            region.away = True

        def recover() -> None:
            regions[HOME].away = regions[HOME].calls < 2

        regions[HOME].before_answer = recover
        watched()
        assert [call.place for call in recorder.of(EventKind.KMS_CALL)] == [*REGIONS, HOME]
        assert not recorder.of(EventKind.FAILED_OVER)

    def test_counts_by_region(self, watched: Callable[[], None], regions: dict[str, Region]) -> None:
        """`stats` has calls, failures and seconds of each region, and how often what happened."""
        regions[HOME].away = True
        for _ in range(3):
            watched()
            self.encryptor.forget()  # that its record is not authentic
        stats = self.encryptor.stats()
        assert {region: (calls.calls, calls.failures) for region, calls in stats.calls.items()} == {
            HOME: (1, 1),
            AWAY: (3, 0),
        }
        assert all(0 <= calls.seconds < 5 for calls in stats.calls.values())
        assert stats.events == {"cache_miss": 3, "kms_call": 4, "failed_over": 1, "value_refused": 3}
        assert stats.live_keys == 0
