"""Live keys while they are used: checked ahead of their end by threads that nobody waits for, ended for all at once."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from fieldcrypt import (
    Encryptor,
    Field,
    KeyAccessDeniedError,
    KeyPolicy,
    KeyProviderError,
    KeyShreddedError,
    MemoryKeyStore,
)
from fieldcrypt.keys.live.live_key import CachedKey
from tests.conftest import Clock
from tests.keys.live import CHECKED, GRACE, POLICY, SSN, THREADS, TTL, new_field
from tests.support.doubles import (
    PATIENCE,
    CountingProvider,
    Later,
    RowStore,
    Toll,
    background_threads,
    outage,
    refusal,
    until_idle,
    until_waiting,
)


def reads(field: Field[str], value: bytes) -> Callable[[], object]:
    return lambda: field.decrypt(value)


def writes(field: Field[str], _: bytes) -> Callable[[], object]:
    return lambda: field.encrypt(SSN)


USES = pytest.mark.parametrize("use_of", [reads, writes], ids=["reader", "writer"])


class TestRefreshAhead:
    """A key in use is checked before its time is over, by a thread of its own."""

    @USES
    def test_nobody_is_held_up(
        self, later: Later, provider: CountingProvider, store: RowStore | None, use_of: Callable[..., Any]
    ) -> None:
        """Who uses a key when it is time for a check goes on, though the provider hangs."""
        field, hanging = new_field(provider, store), Toll()
        use = use_of(field, field.encrypt(SSN))
        use()
        provider.before_unwrap = hanging.wait
        later.advance(CHECKED)
        use()
        hanging.until_reached()
        use()
        hanging.open()

    def test_nobody_is_held_up_by_the_store(self, later: Later, provider: CountingProvider) -> None:
        """The same if it is the key store that hangs, for readers and writers."""
        hanging = Toll()

        class HangingStore(RowStore):
            hangs = False

            def get(self, key_id: bytes) -> Any:
                if self.hangs:
                    hanging.wait()
                return super().get(key_id)

            def list(self, tenant: str | None) -> Any:
                if self.hangs:
                    hanging.wait()
                return super().list(tenant)

        store = HangingStore()
        field = new_field(provider, store)
        value = field.encrypt(SSN)
        store.hangs = True
        later.advance(CHECKED)
        assert field.decrypt(value) == field.decrypt(field.encrypt(SSN)) == SSN
        hanging.until_reached(2)
        assert field.decrypt(value) == field.decrypt(field.encrypt(SSN)) == SSN
        hanging.open()

    def test_one_check_for_all(self, later: Later, provider: CountingProvider, store: RowStore | None) -> None:
        """However many threads and fields use a key, one thread checks it, once."""
        encryptor, hanging = Encryptor(provider, store, policy=POLICY), Toll()
        fields = [encryptor.field("a.b", str) for _ in range(3)]
        value = fields[0].encrypt(SSN)
        before, provider.before_unwrap = provider.unwraps, hanging.wait
        later.advance(CHECKED)
        read: list[str] = []
        threads = [Thread(target=lambda field=field: read.append(field.decrypt(value))) for field in fields * 10]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        hanging.until_reached()
        assert (len(read), provider.unwraps - before, len(background_threads())) == (30, 1, 1)
        hanging.open()

    def test_few_threads_for_many_keys(self, later: Later, provider: CountingProvider, store: RowStore | None) -> None:
        """Many keys that are due at once are checked by four threads, all of them in the end."""
        field, hanging = new_field(provider, store), Toll()
        values = [field.encrypt(SSN, tenant=f"clinic-{i}") for i in range(20)]
        before, provider.before_unwrap = provider.unwraps, hanging.wait
        later.advance(CHECKED)
        assert [field.decrypt(value) for value in values] == [SSN] * 20
        hanging.until_reached(THREADS)
        assert (provider.unwraps - before, len(background_threads())) == (THREADS, THREADS)
        hanging.open()
        until_idle()
        assert provider.unwraps - before == 20

    def test_a_key_that_was_checked_lives_on(
        self, later: Later, provider: CountingProvider, store: RowStore | None
    ) -> None:
        """After the check the key has another cache_ttl, and nobody has waited: not at its old end either."""
        field = new_field(provider, store)
        value = field.encrypt(SSN)
        later.advance(CHECKED)
        field.decrypt(value)
        until_idle()
        before, hanging = provider.unwraps, Toll()
        provider.before_unwrap = hanging.wait
        later.advance(0.7 * TTL)
        assert field.decrypt(value) == SSN
        assert provider.unwraps == before
        hanging.open()

    def test_nobody_waits_for_days(self, later: Later, provider: CountingProvider, store: RowStore | None) -> None:
        """No caller ever unwraps a key that is used all the time: threads in the background do."""
        field = new_field(provider, store)
        value = field.encrypt(SSN)
        askers: set[str] = set()
        provider.before_unwrap = lambda: askers.add(threading.current_thread().name)
        before = provider.unwraps
        for _ in range(200):
            later.advance(0.1 * TTL)
            assert field.decrypt(value) == field.decrypt(field.encrypt(SSN)) == SSN
            until_idle()
        assert askers == {"fieldcrypt"}
        assert 20 <= provider.unwraps - before <= 30  # 20 cache_ttl long, and a check at 75 to 90 percent of each

    def test_a_fleet_that_fetched_a_key_together_does_not_check_it_together(
        self, clock: Clock, provider: CountingProvider, rows: RowStore
    ) -> None:
        """Processes that were deployed at the same moment spread their checks, or KMS would see them all at once."""
        value = new_field(provider, rows).encrypt(SSN)
        fleet = [new_field(provider, rows) for _ in range(40)]
        for field in fleet:
            field.decrypt(value)
        calls = []
        for _ in range(100):
            before = provider.unwraps
            clock.advance(0.01 * TTL)
            for field in fleet:
                field.decrypt(value)
            calls.append(provider.unwraps - before)
        assert sum(calls) >= len(fleet)
        assert max(calls) <= len(fleet) / 2

    @USES
    @pytest.mark.parametrize("failure", [refusal, outage])
    def test_what_the_check_finds_out(
        self,
        later: Later,
        provider: CountingProvider,
        store: RowStore | None,
        use_of: Callable[..., Any],
        failure: Callable[[], Exception],
    ) -> None:
        """A refusal in the background ends the key for all, at once; an outage ends it for nobody."""
        encryptor = Encryptor(provider, store, policy=POLICY)
        fields = [encryptor.field("a.b", str) for _ in range(2)]
        value = fields[0].encrypt(SSN)
        uses = [use(field, value) for use in (reads, writes) for field in fields]
        for use in uses:
            use()
        provider.unwrap_failure = failure
        later.advance(CHECKED)
        with suppress(KeyAccessDeniedError):  # if the answer is there before the reader has turned round
            use_of(fields[0], value)()
        until_idle()
        for use in uses:
            if failure is refusal:
                with pytest.raises(KeyAccessDeniedError):
                    use()
            else:
                use()

    def test_the_grace_is_bounded(self, later: Later, provider: CountingProvider, store: RowStore | None) -> None:
        """In an outage the key goes on for cache_ttl and grace after it was last confirmed, and then ends."""
        field = new_field(provider, store)
        value = field.encrypt(SSN)
        provider.unwrap_failure = provider.wrap_failure = outage
        for passed in (CHECKED, TTL - CHECKED + 1, GRACE / 2, GRACE / 2 - 30):
            later.advance(passed)
            assert field.decrypt(value) == field.decrypt(field.encrypt(SSN)) == SSN
            until_idle()
        later.advance(30)
        for use in (lambda: field.decrypt(value), lambda: field.encrypt(SSN)):
            with pytest.raises(KeyProviderError):
                use()

    def test_an_idle_key_is_not_checked(self, later: Later, provider: CountingProvider, store: RowStore | None) -> None:
        """A key that nobody uses costs no call; who uses it after its end waits for the check."""
        field = new_field(provider, store)
        value = field.encrypt(SSN)
        before = provider.unwraps
        later.advance(10 * TTL)
        assert (provider.unwraps, background_threads()) == (before, [])
        askers: set[str] = set()
        provider.before_unwrap = lambda: askers.add(threading.current_thread().name)
        assert field.decrypt(value) == SSN
        assert (provider.unwraps, askers) == (before + 1, {threading.current_thread().name})

    def test_rotation_holds_nobody_up(self, later: Later, provider: CountingProvider, rows: RowStore) -> None:
        """The writer that crosses rotate_after goes on under the old key while the new one is made."""
        rotate, delay = 600.0, 60.0
        policy = KeyPolicy(rotate_after=timedelta(seconds=rotate), propagation_delay=timedelta(seconds=delay))
        field, hanging = new_field(provider, rows, policy), Toll()
        old = field.encrypt(SSN)[1:17]
        provider.before_wrap = hanging.wait
        later.advance(rotate + 1)
        assert field.encrypt(SSN)[1:17] == old
        hanging.until_reached()
        assert field.encrypt(SSN)[1:17] == old
        hanging.open()
        until_idle()
        (new,) = set(rows.rows) - {old}
        later.advance(delay + 1)
        field.encrypt(SSN)
        until_idle()
        assert field.encrypt(SSN)[1:17] == new
        assert provider.wraps == 2


class TestTheEndOfAKey:
    """Where a key ends it ends for all fields, prepared as they may be."""

    def test_an_evicted_key(self, provider: CountingProvider, store: RowStore | None) -> None:
        """No field goes on with a key that lost its place: it asks for it anew, and can be refused."""
        policy = KeyPolicy(cache_ttl=timedelta(seconds=TTL), max_cached_keys=1)
        encryptor = Encryptor(provider, store, policy=policy)
        fields = [encryptor.field("a.b", str) for _ in range(2)]
        values = [field.encrypt(SSN, tenant="A") for field in fields]
        assert [field.decrypt(value) for field, value in zip(fields, values, strict=True)] == [SSN] * 2
        fields[0].encrypt(SSN, tenant="B")
        provider.unwrap_failure = provider.wrap_failure = refusal
        for field, value in zip(fields, values, strict=True):
            with pytest.raises(KeyAccessDeniedError):
                field.encrypt(SSN, tenant="A")
            with pytest.raises(KeyAccessDeniedError):
                field.decrypt(value)

    def test_a_key_that_was_followed(self, later: Later, provider: CountingProvider, rows: RowStore) -> None:
        """When the next key takes over, it does so in all fields, whichever noticed first."""
        policy = KeyPolicy(cache_ttl=timedelta(seconds=TTL), propagation_delay=timedelta(seconds=60))
        encryptor = Encryptor(provider, rows, policy=policy)
        fields = [encryptor.field(name, str) for name in ("a.a", "a.b", "a.c")]
        old = {field.encrypt(SSN)[1:17] for field in fields}
        new = encryptor.data_keys.rotate().key_id
        for field in fields:
            field.encrypt(SSN)
        until_idle()
        later.advance(61)
        fields[0].encrypt(SSN)
        until_idle()
        assert {new} == {field.encrypt(SSN)[1:17] for field in fields} != old

    def test_a_key_that_was_shredded(self, provider: CountingProvider, rows: RowStore) -> None:
        """Fields that were prepared neither read nor write for the tenant in the next moment."""
        encryptor = Encryptor(provider, rows, policy=POLICY)
        fields = [encryptor.field("a.b", str) for _ in range(2)]
        values = [field.encrypt(SSN, tenant="A") for field in fields]
        assert [field.decrypt(value) for field, value in zip(fields, values, strict=True)] == [SSN] * 2
        encryptor.data_keys.shred("A", "a test")
        for field, value in zip(fields, values, strict=True):
            with pytest.raises(KeyShreddedError):
                field.encrypt(SSN, tenant="A")
            with pytest.raises(KeyShreddedError):
                field.decrypt(value)

    @pytest.mark.parametrize("live", [True, False], ids=["checked", "fetched"])
    def test_a_key_that_is_shredded_while_it_is_unwrapped(
        self, later: Later, provider: CountingProvider, rows: RowStore, live: bool
    ) -> None:
        """An answer of the provider that was on its way does not bring a shredded key back."""
        encryptor, hanging = Encryptor(provider, rows, policy=POLICY), Toll()
        field = encryptor.field("a.b", str)
        value = new_field(provider, rows).encrypt(SSN, tenant="A")
        if live:
            field.decrypt(value)
            later.advance(CHECKED)
        provider.before_unwrap = hanging.wait
        errors: list[Exception] = []

        def read() -> None:
            try:
                field.decrypt(value)
            except KeyShreddedError as error:
                errors.append(error)

        reader = Thread(target=read)
        reader.start()
        hanging.until_reached()
        if live:  # then nobody waits for the answer
            reader.join(PATIENCE)
        encryptor.data_keys.shred("A", "a test")
        hanging.open()
        reader.join(PATIENCE)
        until_idle()
        assert len(errors) == (0 if live else 1)
        with pytest.raises(KeyShreddedError):
            field.decrypt(value)

    def test_a_check_that_waits_its_turn_does_not_bring_a_key_back(
        self, later: Later, provider: CountingProvider, rows: RowStore
    ) -> None:
        """A key that ended while its check was waiting for a thread is not asked for again."""
        encryptor, hanging = Encryptor(provider, rows, policy=POLICY), Toll()
        field = encryptor.field("a.b", str)
        values = [field.encrypt(SSN, tenant=f"clinic-{i}") for i in range(THREADS + 1)]
        before, provider.before_unwrap = provider.unwraps, hanging.wait
        later.advance(CHECKED)
        assert [field.decrypt(value) for value in values] == [SSN] * (THREADS + 1)
        hanging.until_reached(THREADS)
        encryptor.data_keys.shred(f"clinic-{THREADS}", "a test")
        hanging.open()
        until_idle()
        assert provider.unwraps - before == THREADS
        with pytest.raises(KeyShreddedError):
            field.decrypt(values[-1])

    def test_threads_under_a_refusal(self, later: Later, provider: CountingProvider, store: RowStore | None) -> None:
        """When a refusal has come, no thread that begins afterwards reads or writes, however many were at it."""
        field, refused = new_field(provider, store), threading.Event()
        value = field.encrypt(SSN)
        late: list[str] = []

        def use() -> None:
            for _ in range(100_000):
                after = refused.is_set()
                try:
                    field.decrypt(field.encrypt(SSN))
                    field.decrypt(value)
                except KeyProviderError:  # or that so many unknown keys are not asked for
                    return
                if after:
                    late.append(SSN)

        threads = [Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        provider.unwrap_failure = refusal
        later.advance(CHECKED)
        with suppress(KeyProviderError):
            while True:
                field.decrypt(value)
        refused.set()
        for thread in threads:
            thread.join(PATIENCE)
        assert late == []


class TestPlaces:
    """A process keeps max_cached_keys keys."""

    def test_the_key_used_least_recently_goes_first(self, provider: CountingProvider, store: RowStore | None) -> None:
        """A key that a field asked for lately stays, though it was fetched first."""
        writer = new_field(provider, store)
        values = [writer.encrypt(SSN, tenant=f"clinic-{i}") for i in range(5)]
        encryptor = Encryptor(provider, store, policy=KeyPolicy(max_cached_keys=3))

        def unwraps(i: int) -> int:
            before = provider.unwraps
            assert encryptor.field("a.b", str).decrypt(values[i]) == SSN
            return provider.unwraps - before

        assert [unwraps(i) for i in (0, 1, 2)] == [1, 1, 1]
        assert [unwraps(0), unwraps(3)] == [0, 1]
        assert [unwraps(0), unwraps(2), unwraps(3)] == [0, 0, 0]
        assert unwraps(1) == 1

    def test_what_lost_its_place_does_not_stay_in_memory(self, provider: CountingProvider) -> None:
        """A field that has met many tenants holds on to few of their keys."""
        encryptor = Encryptor(provider, MemoryKeyStore(), policy=KeyPolicy(max_cached_keys=3))
        field, index = encryptor.field("a.b", str), encryptor.blind_index("a.b")
        for i in range(40):
            field.decrypt(field.encrypt(SSN, tenant=f"met-{i}"))
            index.tag(SSN, tenant=f"met-{i}")
        gc.collect()
        held = [key for key in gc.get_objects() if isinstance(key, CachedKey)]
        assert 6 <= len([key for key in held if (key.record.tenant or "").startswith("met-")]) <= 24


def test_a_reader_waits_with_others_for_one_check(
    later: Later, provider: CountingProvider, store: RowStore | None
) -> None:
    """If a check still hangs when the key's time is over, those who need the key wait for it, and ask no one else."""
    field, hanging = new_field(provider, store), Toll()
    value = field.encrypt(SSN)
    before, provider.before_unwrap = provider.unwraps, hanging.wait
    later.advance(CHECKED)
    field.decrypt(value)
    hanging.until_reached()
    later.advance(TTL)
    threads = [Thread(target=field.decrypt, args=(value,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    until_waiting(threads)
    assert provider.unwraps == before + 1
    hanging.open()
    for thread in threads:
        thread.join(PATIENCE)
    assert provider.unwraps == before + 1
