"""What those who watch are told: every event when it happens, to the right Encryptor, and never a secret."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Field,
    KeyAccessDeniedError,
    KeyPolicy,
    KeyProviderChain,
    KeyProviderError,
    KeyRecord,
    KeyShreddedError,
    KeyStore,
    LocalKeyProvider,
    MemoryKeyStore,
    Purpose,
    WrappedKey,
    _system,
)
from fieldcrypt.events import Event, EventKind, report
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws
from tests.conftest import Clock
from tests.core.test_secrecy import spellings
from tests.kms.regions import ARN, AWAY, HOME, REGIONS, FlakyClient, Region
from tests.support.doubles import (
    CountingProvider,
    Failure,
    Later,
    RowStore,
    SeveralKeysProvider,
    outage,
    refusal,
    store_outage,
    until_idle,
)
from tests.support.processes import in_child

SSN = "078-05-1120"
TTL = 900.0
DAY = 86_400.0
POLICY = KeyPolicy()


class Recorder:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def kinds(self) -> list[str]:
        """What happened since this was last asked."""
        seen = [event.kind.value for event in self.events]
        self.events.clear()
        return seen

    def of(self, kind: EventKind) -> list[Event]:
        return [event for event in self.events if event.kind is kind]


class ReportingProvider(CountingProvider):
    """A local key provider that reports its calls, as a key service's does."""

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        report(Event(EventKind.KMS_CALL, place="here", operation="Encrypt", seconds=0.5))
        return super().wrap(data_key, context)

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        report(Event(EventKind.KMS_CALL, place="here", operation="Decrypt", seconds=0.25))
        return super().unwrap(wraps, context)


@pytest.fixture
def recorder() -> Recorder:
    """Sees all events of one Encryptor."""
    return Recorder()


@pytest.fixture
def encryptor(provider: CountingProvider, rows: RowStore, recorder: Recorder) -> Encryptor:
    """An Encryptor that is watched."""
    return Encryptor(provider, rows, POLICY, recorder)


@pytest.fixture
def field(encryptor: Encryptor) -> Field[str]:
    """A field of that Encryptor."""
    return encryptor.field("a.b", str)


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
        field = Encryptor(provider, store, POLICY, recorder).field("a.b", str)
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


class TestTheLog:
    """The logger `fieldcrypt`."""

    LEVELS = {  # noqa: RUF012 (a table)
        logging.DEBUG: {
            *("cache_hit", "cache_miss", "kms_call", "key_unwrapped", "plaintext_read", "old_value_read"),
        },
        logging.INFO: {"key_created", "key_rotated", "key_rewrapped", "key_repaired", "key_shredded", "key_late"},
        logging.WARNING: {
            *("failed_over", "wrap_missing", "key_unconfirmed", "key_missing", "key_lost", "rotation_failed"),
            "record_put_back",
        },
        logging.ERROR: {"record_refused", "denied", "value_refused"},
    }

    @pytest.mark.parametrize("kind", EventKind)
    def test_levels(self, kind: EventKind, caplog: pytest.LogCaptureFixture) -> None:
        """What happens all the time is DEBUG, what happened INFO, what to look at WARNING, what to act on ERROR."""
        with caplog.at_level(logging.DEBUG, "fieldcrypt"):
            report(Event(kind, "00" * 16, "A", cause="because"))
        (record,) = caplog.records
        assert kind.value in self.LEVELS[record.levelno]
        assert (record.name, record.getMessage()) == (
            "fieldcrypt",
            f"{kind.value} key_id='{'00' * 16}' tenant='A' cause='because'",
        )

    def test_what_it_knows_is_in_attributes_too(self, caplog: pytest.LogCaptureFixture) -> None:
        """Logs of JSON need not take the line apart."""
        event = Event(EventKind.KMS_CALL, tenant="A\n", place="eu-west-1", operation="Decrypt", seconds=0.25)
        with caplog.at_level(logging.DEBUG, "fieldcrypt"):
            report(event)
        (record,) = caplog.records
        known = {name: value for name, value in event._asdict().items() if value is not None and name != "kind"}
        assert {"event": "kms_call", **known}.items() <= vars(record).items()
        assert "key_id" not in vars(record)

    def test_no_line_is_forged(self, field: Field[str], caplog: pytest.LogCaptureFixture) -> None:
        """A tenant with line ends, or escapes of a terminal, stays in its line, quoted."""
        tenant = "A\r\nERROR fieldcrypt denied\x1b[2J\u2028"
        with caplog.at_level(logging.DEBUG, "fieldcrypt"):
            field.decrypt(field.encrypt(SSN, tenant=tenant))
        assert caplog.messages
        for message in caplog.messages:
            assert message.splitlines() == [message]
            assert "\x1b" not in message

    def test_nor_by_an_error(self, caplog: pytest.LogCaptureFixture) -> None:
        """What a key service says is quoted as well."""
        with caplog.at_level(logging.DEBUG, "fieldcrypt"):
            report(Event(EventKind.DENIED, place="x\ny", operation="a\nb", cause="no\nERROR fieldcrypt denied"))
        (message,) = caplog.messages
        assert message.splitlines() == [message]


class TestObservers:
    """Who watches disturbs nothing."""

    def test_one_that_fails(self, provider: CountingProvider, rows: RowStore, caplog: pytest.LogCaptureFixture) -> None:
        """Its error is logged without its words, which could be anything, and everything else goes on."""

        def broken(event: Event) -> None:
            raise RuntimeError(SSN)

        encryptor = Encryptor(provider, rows, observer=broken)
        field = encryptor.field("a.b", str)
        assert field.decrypt(field.encrypt(SSN, tenant="A")) == SSN
        assert encryptor.data_keys.shred("A", "a test") == 1
        assert "the observer of events failed: RuntimeError" in caplog.messages
        assert SSN not in caplog.text
        assert encryptor.stats().events["key_shredded"] == 1

    def test_one_that_takes_any_name(self, provider: CountingProvider) -> None:
        """Whatever can be called with an event will do: a list's `append`, for example."""
        seen: list[Event] = []
        Encryptor(provider, observer=seen.append).field("a.b", str).encrypt(SSN)
        assert [event.kind for event in seen] == [EventKind.KEY_CREATED]


class TestWhose:
    """Two Encryptors that share a key provider each see what was done for them."""

    @pytest.fixture
    def later(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Later]:
        """Clocks that can be put forward."""
        later = Later()
        monkeypatch.setattr(_system, "monotonic", later.monotonic)
        yield later
        until_idle()

    @pytest.fixture
    def pair(self) -> list[tuple[Encryptor, Recorder]]:
        """Two Encryptors over one provider that reports its calls."""
        provider = ReportingProvider()
        recorders = [Recorder(), Recorder()]
        return [(Encryptor(provider, RowStore(), observer=recorder), recorder) for recorder in recorders]

    def test_in_many_threads(self, pair: list[tuple[Encryptor, Recorder]]) -> None:
        """Threads that serve both, one after the other, mix nothing up."""
        fields = [encryptor.field("a.b", str) for encryptor, _ in pair]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: fields[i % 2].encrypt(SSN, tenant=f"{i % 2}-{i}"), range(100)))
        for number, (encryptor, recorder) in enumerate(pair):
            made = recorder.of(EventKind.KEY_CREATED)
            assert len(made) == encryptor.stats().calls["here"].calls == 50
            assert {(event.tenant or "")[0] for event in made} == {str(number)}

    def test_in_the_background(self, pair: list[tuple[Encryptor, Recorder]], later: Later) -> None:
        """A check of a key is a call for the Encryptor whose key it is."""
        (encryptor, recorder), (_, other) = pair
        field = encryptor.field("a.b", str)
        field.encrypt(SSN)
        recorder.kinds()
        later.advance(0.91 * TTL)
        field.encrypt(SSN)
        until_idle()
        assert [event.operation for event in recorder.of(EventKind.KMS_CALL)] == ["Decrypt"]
        assert other.events == []

    def test_in_threads_that_rewrap(self, pair: list[tuple[Encryptor, Recorder]]) -> None:
        """Calls of the old and of the new provider are told to the Encryptor whose keys are rewrapped."""
        (encryptor, _), (_, other) = pair
        field = encryptor.field("a.b", str)
        for i in range(20):
            field.encrypt(SSN, tenant=f"clinic-{i}")
        recorder = Recorder()
        chain = KeyProviderChain(ReportingProvider(), encryptor.provider)
        Encryptor(chain, encryptor.store, observer=recorder).data_keys.rewrap()
        assert len(recorder.of(EventKind.KEY_REWRAPPED)) == 20
        assert len(recorder.of(EventKind.KMS_CALL)) == 60  # unwrap, wrap, unwrap to see that it works
        assert other.events == []

    def test_in_threads_that_warm_up(self, pair: list[tuple[Encryptor, Recorder]]) -> None:
        """The unwraps of `warm_up` are told to the Encryptor that is warmed up."""
        (encryptor, _), (_, other) = pair
        tenants = [f"clinic-{i}" for i in range(20)]
        field = encryptor.field("a.b", str)
        for tenant in tenants:
            field.encrypt(SSN, tenant=tenant)
        recorder = Recorder()
        Encryptor(encryptor.provider, encryptor.store, observer=recorder).warm_up(tenants)
        assert len(recorder.of(EventKind.KMS_CALL)) == len(recorder.of(EventKind.KEY_UNWRAPPED)) == 20
        assert other.events == []

    def test_in_a_forked_child(self, pair: list[tuple[Encryptor, Recorder]]) -> None:
        """A child counts from zero, and its parent does not count for it."""
        encryptor, _ = pair[0]
        field = encryptor.field("a.b", str)
        field.encrypt(SSN, tenant="A")
        before = encryptor.stats()

        def child() -> bytes:
            fresh = encryptor.stats()
            field.encrypt(SSN, tenant="B")
            counted = encryptor.stats()
            return json.dumps([fresh.events, list(fresh.calls), counted.events, counted.live_keys]).encode()

        assert json.loads(in_child(child)) == [{}, [], {"kms_call": 1, "key_created": 1}, 2]
        assert encryptor.stats() == before


class TestSecrets:
    """No event, log line or count has plaintext or key material."""

    def test_a_whole_life(
        self,
        aws: LocalAws,
        clock: Clock,
        recorder: Recorder,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Keys are made, unwrapped, rotated, rewrapped, shredded, denied, and regions are lost."""
        secrets, genuine = [SSN.encode()], _system.random_bytes

        def recorded(size: int) -> bytes:
            drawn = genuine(size)
            if size == 32:
                secrets.append(drawn)
            return drawn

        monkeypatch.setattr(_system, "random_bytes", recorded)
        caplog.set_level(logging.DEBUG, "fieldcrypt")
        first, second = aws.create_key(), aws.create_key()
        options: dict[str, Any] = {"client_factory": aws.kms, "deadline": timedelta(seconds=5)}
        store: KeyStore = MemoryKeyStore()

        def kms(key: str) -> AwsKmsKeyProvider:
            return AwsKmsKeyProvider(key, [HOME, AWAY], **options)

        def start(key: str) -> tuple[Encryptor, Field[str]]:
            encryptor = Encryptor(kms(key), store, POLICY, recorder)
            return encryptor, encryptor.field("patients.ssn", str)

        encryptor, field = start(first)
        values = [field.encrypt(SSN, tenant=tenant) for tenant in ("A", "B")]
        encryptor.data_keys.rotate("A")
        clock.advance(POLICY.rotate_after.total_seconds() + 1)
        values.append(field.encrypt(SSN, tenant="A"))
        aws.cut(HOME)
        try:
            other, others_field = start(first)
            assert [others_field.decrypt(value) for value in values] == [SSN] * 3
        finally:
            aws.restore(HOME)
        Encryptor(KeyProviderChain(kms(second), kms(first)), store, POLICY, recorder).data_keys.rewrap()
        third, thirds_field = start(second)
        assert thirds_field.decrypt(values[0]) == SSN
        third.data_keys.shred("B", "a test")
        with pytest.raises(KeyShreddedError):
            thirds_field.decrypt(values[1])
        aws.kms(HOME).disable_key(KeyId=second.rpartition("/")[2])
        with pytest.raises(KeyAccessDeniedError):
            start(second)[1].decrypt(values[0])
        with pytest.raises(DecryptionError):
            thirds_field.decrypt(values[0][:-1] + bytes([values[0][-1] ^ 1]))
        seen = {event.kind.value for event in recorder.events}
        assert seen >= {"key_created", "key_rotated", "key_rewrapped", "key_shredded", "denied", "failed_over"}
        assert len(secrets) >= 5
        shown = repr(recorder.events) + caplog.text + repr([each.stats() for each in (encryptor, other, third)])
        for secret in secrets:
            assert not [spelt for spelt in spellings(secret) if spelt in shown]
        assert SSN not in shown
