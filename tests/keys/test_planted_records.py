"""Values that carry a key record which nobody can open: how much whoever plants them can have others pay."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from threading import Thread

import pytest

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Field,
    FieldcryptError,
    KeyAccessDeniedError,
    KeyPolicy,
    KeyProviderError,
    NotWrappedHereError,
)
from tests.conftest import Clock
from tests.support.doubles import CountingProvider, Failure, PublicKeyProvider, RowStore, Toll, outage, refusal
from tests.support.processes import in_child

SSN = "078-05-1120"
PER_SECOND = 5  # the policy's default
WRAPPED = 85  # a byte within the wrapped data key of a value of no tenant


def genuine(provider: CountingProvider) -> bytes:
    """Return a value of a process of its own."""
    return Encryptor(provider).field("a.b", str).encrypt(SSN)


def planted(value: bytes, number: int = 1) -> bytes:
    """Return a value with another record that the key service refuses."""
    changed = bytearray(value)
    changed[WRAPPED : WRAPPED + 4] = number.to_bytes(4, "big")
    return bytes(changed)


def reader(provider: CountingProvider, store: RowStore | None = None, policy: KeyPolicy | None = None) -> Field[str]:
    """Return a field of a process that has no keys yet, and reads self-contained values."""
    encryptor = Encryptor(provider, store, policy=policy or KeyPolicy(), read_self_contained=True)
    return encryptor.field("a.b", str)


def read(field: Field[str], data: bytes) -> type[FieldcryptError]:
    """Return how a planted value is refused."""
    with pytest.raises(FieldcryptError) as caught:
        field.decrypt(data)
    return caught.type


def test_one_costs_one_call(provider: CountingProvider, store: RowStore | None, clock: Clock) -> None:
    """However often it is read, and after a day."""
    value = genuine(provider)
    field = reader(provider, store)
    for _ in range(1_000):
        assert read(field, planted(value)) is DecryptionError
    clock.advance(86_400)
    assert read(field, planted(value)) is DecryptionError
    assert provider.unwraps == 1
    assert store is None or store.reads == 1
    assert field.decrypt(value) == SSN


def test_many_cost_so_many_a_second(provider: CountingProvider, store: RowStore | None, clock: Clock) -> None:
    """Of calls of key service and key store, whatever is read; the others raise an error that is worth a retry."""
    value = genuine(provider)
    field = reader(provider, store)
    for second in range(1, 4):
        refused = [read(field, planted(value, 1_000 * second + number)) for number in range(200)]
        assert [refused.count(kind) for kind in (DecryptionError, KeyProviderError)] == [PER_SECOND, 200 - PER_SECOND]
        assert provider.unwraps == second * PER_SECOND
        assert store is None or store.reads == second * PER_SECOND
        with pytest.raises(KeyProviderError, match=r"KeyPolicy\.unknown_records_per_second") as caught:
            field.decrypt(planted(value))
        assert caught.value.retryable
        clock.advance(1)


def test_many_threads_have_no_more(provider: CountingProvider) -> None:
    """All that read at one moment share what there is."""
    value = genuine(provider)
    field = reader(provider)
    provider.before_unwrap = lambda: time.sleep(0.01)
    start = threading.Barrier(40)

    def work(number: int) -> None:
        start.wait()
        read(field, planted(value, number))

    began = time.monotonic()
    in_threads(work, 40)
    assert PER_SECOND <= provider.unwraps <= PER_SECOND * (1 + time.monotonic() - began) + 1


def in_threads(work: Callable[[int], object], count: int) -> None:
    errors: list[BaseException] = []

    def noting(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [Thread(target=noting, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_the_policy_says_how_many(provider: CountingProvider, clock: Clock) -> None:
    """A job that expects many has more."""
    value = genuine(provider)
    field = reader(provider, policy=KeyPolicy(unknown_records_per_second=20))
    assert [read(field, planted(value, number)) for number in range(20)] == [DecryptionError] * 20
    assert read(field, planted(value, 20)) is KeyProviderError


def test_genuine_ones_have_no_limit(provider: CountingProvider, clock: Clock) -> None:
    """A reader of values of a hundred processes opens a key of each at once."""
    values = [genuine(provider) for _ in range(100)]
    field = reader(provider)
    assert [field.decrypt(value) for value in values] == [SSN] * 100
    assert provider.unwraps == 100


def test_genuine_ones_wait_for_each_other(provider: CountingProvider) -> None:
    """Of many threads that read values of as many processes, none fails."""
    values = [genuine(provider) for _ in range(40)]
    field, start = reader(provider), threading.Barrier(40)
    provider.before_unwrap = lambda: time.sleep(0.005)

    def work(number: int) -> None:
        start.wait()
        assert field.decrypt(values[number]) == SSN

    in_threads(work, 40)
    assert provider.unwraps == 40


@pytest.mark.parametrize("kind", [PublicKeyProvider, CountingProvider], ids=["public key", "own keys only"])
def test_what_others_can_wrap_counts(clock: Clock, kind: type[CountingProvider]) -> None:
    """A record under a public key opens, or under one that others may use, and may have been planted all the same."""
    provider = kind()
    values = [genuine(provider) for _ in range(10)]
    policy = KeyPolicy(own_keys_only=kind is CountingProvider)
    field = Encryptor(provider, policy=policy).field(
        "a.b", str, accept_public_key=True, accept_foreign_keys=policy.own_keys_only
    )
    assert [field.decrypt(value) for value in values[:PER_SECOND]] == [SSN] * PER_SECOND
    with pytest.raises(KeyProviderError, match="unknown_records_per_second"):
        field.decrypt(values[PER_SECOND])
    clock.advance(1)
    assert [field.decrypt(value) for value in values[PER_SECOND:]] == [SSN] * PER_SECOND
    assert provider.unwraps == 10


@pytest.mark.parametrize("failure", [outage, refusal, NotWrappedHereError], ids=["outage", "denied", "foreign"])
def test_only_what_is_not_authentic_is_remembered(provider: CountingProvider, clock: Clock, failure: Failure) -> None:
    """What the key service could not open then, it may open later."""
    value = genuine(provider)
    field = reader(provider)
    provider.unwrap_failure = failure
    for _ in range(3):
        read(field, value)
    provider.unwrap_failure = None
    assert field.decrypt(value) == SSN


@pytest.mark.parametrize(("failure", "kind"), [(outage, KeyProviderError), (refusal, KeyAccessDeniedError)])
def test_what_the_key_service_said_is_told_again(
    provider: CountingProvider, clock: Clock, failure: Failure, kind: type[FieldcryptError]
) -> None:
    """Where no more is tried in this second: a refusal stays one, and nobody is told to try again."""
    value, other = genuine(provider), genuine(provider)
    field = reader(provider)
    provider.unwrap_failure = failure
    for _ in range(20):
        with pytest.raises(kind, match=str(failure())):
            field.decrypt(value)
    assert provider.unwraps == PER_SECOND
    with pytest.raises(KeyProviderError, match="unknown_records_per_second"):
        field.decrypt(other)


def test_foreign_ones_cost_nothing_and_do_not_count(provider: CountingProvider, clock: Clock) -> None:
    """What is under no key of the provider is told by its name, so that a wrong configuration shows as what it is."""
    foreign = [genuine(CountingProvider()) for _ in range(20)]
    field = reader(provider)
    assert [read(field, value) for value in foreign] == [DecryptionError] * 20


def test_foreign_ones_cost_a_key_store_so_many_a_second(
    provider: CountingProvider, rows: RowStore, clock: Clock
) -> None:
    """Which is asked before: there they count."""
    field = reader(provider, rows)
    refused = [read(field, genuine(CountingProvider())) for _ in range(20)]
    assert refused == [DecryptionError] * PER_SECOND + [KeyProviderError] * (20 - PER_SECOND)
    assert rows.reads == PER_SECOND


def test_another_provider_is_asked_again(provider: CountingProvider) -> None:
    """What one refused another may open: nothing is remembered over a new configuration."""
    value = genuine(provider)
    encryptor = Encryptor(CountingProvider())
    field = encryptor.field("a.b", str)
    assert read(field, value) is DecryptionError
    encryptor.configure(provider)
    assert field.decrypt(value) == SSN


def test_a_child_waits_for_nobody(provider: CountingProvider) -> None:
    """A process that forks while others are at work with all tokens has a child with its own."""
    values = [genuine(provider) for _ in range(PER_SECOND + 1)]
    field, hanging = reader(provider), Toll()
    provider.before_unwrap = hanging.wait
    threads = [Thread(target=field.decrypt, args=(value,)) for value in values[1:]]
    for thread in threads:
        thread.start()
    hanging.until_reached(PER_SECOND)

    def child() -> bytes:
        provider.before_unwrap = None
        return field.decrypt(values[0]).encode()

    try:
        assert in_child(child) == SSN.encode()
    finally:
        hanging.open()
        for thread in threads:
            thread.join()


class TestStored:
    """Records in the key store that somebody has spoiled there, or that are named by values of another kind."""

    def test_a_spoiled_one_costs_one_call_in_cache_ttl(self, provider: CountingProvider, clock: Clock) -> None:
        """However many values name it; and it is opened at once when it is as it was."""
        rows = RowStore()
        value = Encryptor(provider, rows).field("a.b", str).encrypt(SSN)
        key_id, field = value[1:17], reader(provider, rows)
        was = rows.rows[key_id]
        rows.rows[key_id] = was._replace(record=was.record[:-1] + bytes([was.record[-1] ^ 1]))
        assert [read(field, value) for _ in range(1_000)] == [DecryptionError] * 1_000
        assert provider.unwraps == 1
        clock.advance(901)
        assert read(field, value) is DecryptionError
        assert provider.unwraps == 2
        rows.rows[key_id] = was
        assert field.decrypt(value) == SSN

    def test_one_of_an_index_key_costs_one_call_and_no_search(self, provider: CountingProvider) -> None:
        """A value that names the key of tags is refused, and tags are made all the same."""
        rows = RowStore()
        encryptor = Encryptor(provider, rows)
        value = encryptor.field("a.b", str).encrypt(SSN)
        tag = encryptor.blind_index("a.b").tag(SSN)
        (index_key,) = (key_id for key_id in rows.rows if key_id != value[1:17])
        named = value[:1] + index_key + value[17:]
        encryptor.forget()
        provider.unwraps = 0
        assert [read(encryptor.field("a.b", str), named) for _ in range(100)] == [DecryptionError] * 100
        assert provider.unwraps == 1
        assert encryptor.blind_index("a.b").tag(SSN) == tag
