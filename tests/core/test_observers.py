"""What those who watch are told: each what its own Encryptor does, the log in lines, and never a secret."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Field,
    KeyAccessDeniedError,
    KeyProviderChain,
    KeyShreddedError,
    KeyStore,
    MemoryKeyStore,
    _system,
)
from fieldcrypt.events import Event, EventKind, report
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws
from tests.conftest import Clock
from tests.core.recorder import POLICY, SSN, TTL, Recorder, ReportingProvider
from tests.core.recorder import encryptor as encryptor
from tests.core.recorder import field as field
from tests.core.recorder import recorder as recorder
from tests.kms.regions import AWAY, HOME
from tests.support.doubles import CountingProvider, Later, RowStore, until_idle
from tests.support.processes import in_child
from tests.support.spellings import spellings


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
        logging.ERROR: {"record_refused", "denied", "value_refused", "canary_read"},
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
        for number, (watched, observer) in enumerate(pair):
            made = observer.of(EventKind.KEY_CREATED)
            assert len(made) == watched.stats().calls["here"].calls == 50
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
            encryptor = Encryptor(kms(key), store, policy=POLICY, observer=recorder)
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
        Encryptor(KeyProviderChain(kms(second), kms(first)), store, policy=POLICY, observer=recorder).data_keys.rewrap()
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
