"""Warming up: many data keys unwrapped at once, before the first value needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest

from fieldcrypt import (
    NO_TENANT,
    ConfigurationError,
    DecryptionError,
    Encryptor,
    FieldcryptError,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyPolicy,
    KeyProviderError,
    KeyShreddedError,
    LocalKeyProvider,
    MemoryKeyStore,
)
from tests.conftest import Clock
from tests.support.doubles import PATIENCE, CountingProvider, RowStore, Toll, outage, refusal

SSN = "078-05-1120"
TENANTS = [f"clinic-{i}" for i in range(8)]


def written(provider: CountingProvider, store: RowStore | None) -> dict[str, bytes]:
    """A value of each tenant, written by another process."""
    field = Encryptor(provider, store).field("a.b", str)
    return {tenant: field.encrypt(SSN, tenant=tenant) for tenant in TENANTS}


def calls(provider: CountingProvider, rows: RowStore) -> tuple[int, int, int]:
    return provider.wraps, provider.unwraps, rows.reads


class TestWhatIsReady:
    """What is live afterwards."""

    def test_tenants(self, provider: CountingProvider, rows: RowStore) -> None:
        """Neither reading nor writing for a tenant that was named asks provider or store anything."""
        values = written(provider, rows)
        encryptor = Encryptor(provider, rows)
        assert encryptor.warm_up(tenants=TENANTS) == len(TENANTS)
        field, before = encryptor.field("a.b", str), calls(provider, rows)
        for tenant, value in values.items():
            assert field.decrypt(value, tenant=tenant) == SSN
            assert field.decrypt(field.encrypt(SSN, tenant=tenant), tenant=tenant) == SSN
        assert calls(provider, rows) == before

    def test_values(self, provider: CountingProvider, rows: RowStore, store: RowStore | None) -> None:
        """Reading values of the data keys that were named by values asks nobody; they may carry their keys."""
        values = written(provider, store)
        encryptor = Encryptor(provider, store)
        assert encryptor.warm_up(values=values.values()) == len(TENANTS)
        field, before = encryptor.field("a.b", str), calls(provider, rows)
        assert [field.decrypt(value) for value in values.values()] == [SSN] * len(TENANTS)
        assert calls(provider, rows) == before

    def test_each_key_is_unwrapped_once(self, provider: CountingProvider, store: RowStore | None) -> None:
        """Many values of one key are one unwrap, and a second warm-up is none."""
        field = Encryptor(provider, store).field("a.b", str)
        values = [field.encrypt(SSN) for _ in range(100)]
        encryptor, before = Encryptor(provider, store), provider.unwraps
        assert [encryptor.warm_up(values=values) for _ in range(2)] == [1, 1]
        assert provider.unwraps - before == 1

    def test_the_old_keys_of_a_tenant_too(self, provider: CountingProvider, rows: RowStore) -> None:
        """All data keys of a tenant are unwrapped, for its old values are under old ones."""
        first = Encryptor(provider, rows)
        old = first.field("a.b", str).encrypt(SSN, tenant="A")
        first.data_keys.rotate("A")
        encryptor = Encryptor(provider, rows)
        assert encryptor.warm_up(["A"]) == 2
        before = calls(provider, rows)
        assert encryptor.field("a.b", str).decrypt(old) == SSN
        assert calls(provider, rows) == before

    @pytest.mark.parametrize("tenants", [[None], [NO_TENANT], [None, NO_TENANT]])
    def test_the_keys_of_no_tenant(self, provider: CountingProvider, rows: RowStore, tenants: list[Any]) -> None:
        """`None` and `NO_TENANT` stand for the data keys that belong to no tenant."""
        value = Encryptor(provider, rows).field("a.b", str).encrypt(SSN)
        encryptor = Encryptor(provider, rows)
        assert encryptor.warm_up(tenants) == 1
        before = calls(provider, rows)
        assert encryptor.field("a.b", str).decrypt(value) == SSN
        assert calls(provider, rows) == before

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_values_as_databases_give_them(self, kind: Callable[[bytes], bytes], provider: CountingProvider) -> None:
        """Values may be bytes, bytearrays or memoryviews, as for `Field.decrypt`."""
        value = Encryptor(provider).field("a.b", str).encrypt(SSN)
        encryptor = Encryptor(provider)
        assert encryptor.warm_up(values=[kind(value)]) == 1
        assert encryptor.field("a.b", str).decrypt(kind(value)) == SSN


class TestWhatIsNotDone:
    """It only unwraps."""

    def test_no_key_is_made(self, provider: CountingProvider, rows: RowStore) -> None:
        """A tenant without data keys has none afterwards."""
        assert Encryptor(provider, rows).warm_up(["new", None]) == 0
        assert (provider.wraps, rows.rows) == (0, {})

    def test_nor_is_one_that_is_due(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """A tenant whose next key is due gets it when it writes, and not before."""
        values = written(provider, rows)
        clock.advance(KeyPolicy().rotate_after.total_seconds())
        encryptor, before = Encryptor(provider, rows), provider.wraps
        assert encryptor.warm_up(TENANTS) == len(TENANTS)
        assert (provider.wraps, len(rows.rows)) == (before, len(values))
        encryptor.field("a.b", str).encrypt(SSN, tenant=TENANTS[0])
        assert provider.wraps == before + 1

    def test_nothing_asked_for_is_nothing_asked(self, provider: CountingProvider, rows: RowStore) -> None:
        """Without tenants and values nobody is called."""
        assert Encryptor(provider, rows).warm_up() == 0
        assert calls(provider, rows) == (0, 0, 0)

    def test_an_encryptor_without_keys(self) -> None:
        """One that was not configured says so."""
        with pytest.raises(ConfigurationError, match="configure"):
            Encryptor().warm_up(["A"])


class TestInParallel:
    """Unwraps do not wait for one another."""

    @pytest.mark.parametrize("named_by", ["tenants", "values"])
    def test_several_at_once(self, provider: CountingProvider, rows: RowStore, named_by: str) -> None:
        """Four unwraps that go on only when all four have begun do go on."""
        values, meeting = written(provider, rows), Barrier(4, timeout=PATIENCE)
        provider.before_unwrap = meeting.wait
        wanted = {"tenants": TENANTS} if named_by == "tenants" else {"values": values.values()}
        assert Encryptor(provider, rows).warm_up(**wanted) == len(TENANTS)

    def test_the_event_loop_goes_on(self, provider: CountingProvider, rows: RowStore) -> None:
        """While `warm_up_async` waits for a provider that hangs the loop goes round, and here ends the wait itself."""
        values, hanging = written(provider, rows), Toll()
        provider.before_unwrap = hanging.wait
        encryptor = Encryptor(provider, rows)

        async def rounds_until_done() -> tuple[int, int]:
            work = asyncio.create_task(encryptor.warm_up_async(TENANTS, values.values()))
            await asyncio.to_thread(hanging.until_reached)
            for _ in range(50):
                await asyncio.sleep(0.001)
            rounds = 0 if work.done() else 50
            hanging.open()
            return await work, rounds

        assert asyncio.run(rounds_until_done()) == (len(TENANTS), 50)


class TestErrors:
    """What cannot be had does not keep the rest from being had."""

    @pytest.mark.parametrize("failure", [outage, refusal])
    def test_the_error_of_a_key(
        self, provider: CountingProvider, store: RowStore | None, failure: Callable[[], Exception]
    ) -> None:
        """One key that cannot be unwrapped is an error, when all others have been."""
        values = written(provider, store)
        encryptor, attempts = Encryptor(provider, store), iter(range(100))

        def fail_once() -> None:
            provider.unwrap_failure = failure if next(attempts) == 0 else None

        provider.before_unwrap = fail_once
        with pytest.raises(KeyProviderError) as caught:
            encryptor.warm_up(values=values.values())
        assert isinstance(caught.value, KeyAccessDeniedError) is (failure is refusal)
        assert next(attempts) == len(TENANTS)

    def test_a_tenant_that_was_shredded(self, provider: CountingProvider, rows: RowStore) -> None:
        """The keys of the other tenants are live all the same, to read and to write."""
        values = written(provider, rows)
        Encryptor(provider, rows).data_keys.shred(TENANTS[0], "a test")
        encryptor = Encryptor(provider, rows)
        with pytest.raises(KeyShreddedError):
            encryptor.warm_up(TENANTS)
        field, before = encryptor.field("a.b", str), calls(provider, rows)
        for tenant in TENANTS[1:]:
            assert field.decrypt(values[tenant]) == field.decrypt(field.encrypt(SSN, tenant=tenant)) == SSN
        assert calls(provider, rows) == before

    def test_an_outage_is_told_before_a_tenant_that_was_shredded(
        self, provider: CountingProvider, rows: RowStore
    ) -> None:
        """Whichever comes first: who catches KeyShreddedError has the keys of all others, and misses no outage."""
        written(provider, rows)
        Encryptor(provider, rows).data_keys.shred(TENANTS[0], "a test")
        provider.unwrap_failure = outage
        with pytest.raises(KeyProviderError):
            Encryptor(provider, rows).warm_up(TENANTS)

    @pytest.mark.parametrize(
        "broken",
        [b"", b"\x07" + bytes(80), b"\x01short", b"\x02" + bytes(60)],
        ids=["empty", "unknown", "short", "without a record"],
    )
    def test_a_value_that_is_none(self, provider: CountingProvider, store: RowStore | None, broken: bytes) -> None:
        """What is no encrypted value is an error, when the keys of the others are live."""
        values = written(provider, store)
        encryptor, before = Encryptor(provider, store), provider.unwraps
        with pytest.raises(FieldcryptError):
            encryptor.warm_up(values=[broken, *values.values()])
        assert provider.unwraps - before == len(TENANTS)

    def test_a_key_that_the_store_lacks(self, provider: CountingProvider, rows: RowStore) -> None:
        """A value whose key is not in the store is an error that says so."""
        elsewhere = Encryptor(provider, MemoryKeyStore()).field("a.b", str).encrypt(SSN)
        with pytest.raises(KeyNotFoundError):
            Encryptor(provider, rows, policy=KeyPolicy(replication_wait=timedelta(0))).warm_up(values=[elsewhere])

    def test_a_key_of_others(self) -> None:
        """A self-contained value under a foreign wrapping key is not authentic."""
        value = Encryptor(LocalKeyProvider.generate()).field("a.b", str).encrypt(SSN)
        with pytest.raises(DecryptionError):
            Encryptor(LocalKeyProvider.generate()).warm_up(values=[value])
