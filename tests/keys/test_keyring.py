"""Live keys: how often store and provider are asked, and what happens when they do not answer or say no."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Field,
    FieldcryptError,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyPolicy,
    KeyProviderError,
    KeyRecord,
    KeyStoreError,
    MemoryKeyStore,
    Tombstone,
)
from fieldcrypt.format.envelope import infix
from tests.conftest import Clock
from tests.support.doubles import (
    PATIENCE,
    CountingProvider,
    Gate,
    RowStore,
    make_record,
    outage,
    refusal,
    store_outage,
    until_waiting,
)

SSN = "078-05-1120"
TTL = 900.0
GRACE = 3600.0
RETRY = 5.0
UNCHECKED = 0.74  # of TTL; then keys in use are checked ahead of its end
POLICY = KeyPolicy(cache_ttl=timedelta(seconds=TTL), grace=timedelta(seconds=GRACE))


def new_field(provider: CountingProvider, store: RowStore | None, policy: KeyPolicy = POLICY) -> Field[str]:
    """A field in a process that has no keys yet."""
    return Encryptor(provider, store, policy=policy).field("a.b", str)


class ConfusedStore(MemoryKeyStore):
    """A key store that gives a record for another one."""

    instead: KeyRecord | Tombstone | None = None

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        return self.instead or super().get(key_id)


class TestCalls:
    """How often store and provider are asked."""

    def test_threads_that_need_one_key(self, provider: CountingProvider, store: RowStore | None) -> None:
        """32 threads that need the same key at the same time cause one unwrap."""
        value = new_field(provider, store).encrypt(SSN)
        field, gate = new_field(provider, store), Gate()
        provider.before_unwrap = gate.wait
        values: list[str] = []
        threads = [Thread(target=lambda: values.append(field.decrypt(value))) for _ in range(32)]
        for thread in threads:
            thread.start()
        until_waiting(threads)
        gate.open()
        for thread in threads:
            thread.join()
        assert values == [SSN] * 32
        assert provider.unwraps == 1

    def test_threads_that_share_a_failure(self, provider: CountingProvider, store: RowStore | None) -> None:
        """Threads that wait for a key share the failure to get it, and the next one tries again."""
        value = new_field(provider, store).encrypt(SSN)
        field, gate = new_field(provider, store), Gate()
        provider.before_unwrap, provider.unwrap_failure = gate.wait, outage
        errors: list[Exception] = []

        def work() -> None:
            try:
                field.decrypt(value)
            except KeyProviderError as error:
                errors.append(error)

        threads = [Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        until_waiting(threads)
        gate.open()
        for thread in threads:
            thread.join()
        assert (len(errors), provider.unwraps) == (8, 1)
        provider.unwrap_failure = None
        assert field.decrypt(value) == SSN

    def test_threads_that_need_different_keys(self, provider: CountingProvider, store: RowStore | None) -> None:
        """Nobody waits for the key of another tenant."""
        slow, quick = (new_field(provider, store).encrypt(SSN, tenant=tenant) for tenant in ("slow", "quick"))
        field, gate = new_field(provider, store), Gate()
        provider.before_unwrap = gate.wait
        thread = Thread(target=field.decrypt, args=(slow,))
        thread.start()
        until_waiting([thread])
        provider.before_unwrap = None
        assert field.decrypt(quick) == SSN
        gate.open()
        thread.join()

    def test_nothing_is_asked_before_the_first_value(self, provider: CountingProvider, rows: RowStore) -> None:
        """Making Encryptors and fields asks nobody anything."""
        new_field(provider, rows)
        assert (provider.wraps, provider.unwraps, rows.reads) == (0, 0, 0)

    def test_within_cache_ttl(
        self, clock: Clock, provider: CountingProvider, rows: RowStore, store: RowStore | None
    ) -> None:
        """Before it is time for a check nobody is asked, then once, for any number of values of any number of fields.

        "Time" is some time before cache_ttl is over.
        """
        encryptor = Encryptor(provider, store, policy=POLICY)
        fields = [encryptor.field(name, str) for name in ("a.a", "a.b", "a.c")]
        values = [field.encrypt(SSN) for field in fields]
        clock.advance(TTL)  # a key that was made just now is looked for in the store more often
        for field, value in zip(fields, values, strict=True):
            field.decrypt(value)
            field.encrypt(SSN)

        def use() -> tuple[int, int]:
            before = provider.unwraps, rows.reads
            for _ in range(3):
                for field, value in zip(fields, values, strict=True):
                    assert field.decrypt(value) == SSN
                    assert field.decrypt(field.encrypt(SSN)) == SSN
            return provider.unwraps - before[0], rows.reads - before[1]

        assert use() == (0, 0)
        clock.advance(TTL * UNCHECKED)
        assert use() == (0, 0)
        clock.advance(TTL * (1 - UNCHECKED))
        # Stored: one `get` with the unwrap, and one `list` to see whether there is a newer key to encrypt under.
        assert use() == (1, 2 if store else 0)
        clock.advance(TTL * UNCHECKED)
        assert use() == (0, 0)

    def test_no_cache(self, clock: Clock, provider: CountingProvider, store: RowStore | None) -> None:
        """With a cache_ttl of zero every value is confirmed anew, and everything works."""
        field = new_field(provider, store, KeyPolicy(cache_ttl=timedelta(0)))
        values = [field.encrypt(SSN) for _ in range(3)]
        assert len({value[1:17] for value in values}) == 1
        before = provider.unwraps
        assert [field.decrypt(value) for value in values] == [SSN] * 3
        assert provider.unwraps == before + 3
        provider.unwrap_failure = refusal
        with pytest.raises(KeyAccessDeniedError):
            field.decrypt(values[0])

    def test_evicted_keys_are_fetched_again(self, provider: CountingProvider, store: RowStore | None) -> None:
        """A process keeps max_cached_keys keys; those that lost their place decrypt by another unwrap."""
        writer = new_field(provider, store)
        values = [writer.encrypt(SSN, tenant=f"clinic-{i}") for i in range(10)]
        reader = new_field(provider, store, KeyPolicy(max_cached_keys=4))
        for expected in (10, 20):
            assert [reader.decrypt(value) for value in values] == [SSN] * 10
            assert provider.unwraps == expected
        # The last four are those that are kept.
        assert [reader.decrypt(value) for value in values[6:]] == [SSN] * 4
        assert provider.unwraps == 20

    def test_more_tenants_than_keys(self, provider: CountingProvider, rows: RowStore) -> None:
        """A process that writes for more tenants than it keeps keys makes no second key for any of them."""
        field = new_field(provider, rows, KeyPolicy(max_cached_keys=2))
        for _ in range(3):
            for i in range(7):
                assert field.decrypt(field.encrypt(SSN, tenant=f"clinic-{i}"), tenant=f"clinic-{i}") == SSN
        assert provider.wraps == len(rows.rows) == 7


class TestOutages:
    """Store or provider cannot be reached."""

    @pytest.mark.parametrize("what", ["provider", "store"])
    def test_grace(self, clock: Clock, provider: CountingProvider, rows: RowStore, what: str) -> None:
        """A live key goes on for the grace and not a moment longer, to decrypt and to encrypt."""
        field = new_field(provider, rows)
        value = field.encrypt(SSN)
        clock.advance(TTL)
        if what == "provider":
            provider.unwrap_failure = provider.wrap_failure = outage
        else:
            rows.go_down()
        for moment in (0.0, RETRY, GRACE / 2, GRACE - 0.001):
            clock.now = 1_800_000_000.0 + TTL + moment
            assert field.decrypt(value) == SSN
            assert field.decrypt(field.encrypt(SSN)) == SSN
        clock.now = 1_800_000_000.0 + TTL + GRACE
        for use in (lambda: field.decrypt(value), lambda: field.encrypt(SSN)):
            with pytest.raises(KeyProviderError if what == "provider" else KeyStoreError):
                use()

    def test_grace_of_self_contained_values(self, clock: Clock, provider: CountingProvider) -> None:
        """Keys of self-contained values have the same grace."""
        field = new_field(provider, None)
        value = field.encrypt(SSN)
        provider.unwrap_failure = provider.wrap_failure = outage
        clock.advance(TTL + GRACE - 0.001)
        assert field.decrypt(value) == field.decrypt(field.encrypt(SSN)) == SSN
        clock.advance(0.001)
        for use in (lambda: field.decrypt(value), lambda: field.encrypt(SSN)):
            with pytest.raises(KeyProviderError):
                use()

    def test_a_key_that_is_not_live_has_no_grace(self, provider: CountingProvider, store: RowStore | None) -> None:
        """A key that the process never had cannot be used without the provider."""
        value = new_field(provider, store).encrypt(SSN)
        provider.unwrap_failure = provider.wrap_failure = outage
        field = new_field(provider, store)
        with pytest.raises(KeyProviderError):
            field.decrypt(value)
        with pytest.raises(KeyProviderError):
            field.encrypt(SSN)

    def test_the_sick_are_asked_seldom(self, clock: Clock, provider: CountingProvider, store: RowStore | None) -> None:
        """While the provider cannot be reached, it is asked every few seconds and not for every value."""
        field = new_field(provider, store)
        value = field.encrypt(SSN)
        clock.advance(TTL)
        provider.unwrap_failure = outage
        for expected in (1, 2, 3):
            assert [field.decrypt(value) for _ in range(50)] == [SSN] * 50
            assert provider.unwraps == expected
            clock.advance(RETRY)

    def test_recovery(self, clock: Clock, provider: CountingProvider, store: RowStore | None) -> None:
        """When the provider is back, the key lives for another cache_ttl, after an outage beyond all grace too."""
        field = new_field(provider, store)
        value = field.encrypt(SSN)
        for length in (TTL + 1, TTL + GRACE + 1):
            provider.unwrap_failure = outage
            clock.advance(length)
            for use in (lambda: field.decrypt(value), lambda: field.encrypt(SSN)):
                if length == TTL + 1:
                    use()
                else:
                    with pytest.raises(KeyProviderError):
                        use()
            provider.unwrap_failure = None
            clock.advance(RETRY)
            assert field.decrypt(value) == field.decrypt(field.encrypt(SSN)) == SSN
            provider.unwrap_failure = outage
            clock.advance(TTL * UNCHECKED)
            before = provider.unwraps
            assert field.decrypt(value) == field.decrypt(field.encrypt(SSN)) == SSN
            assert provider.unwraps == before
            provider.unwrap_failure = None
            clock.advance(RETRY)
            assert field.decrypt(value) == SSN

    def test_one_waits_for_the_sick(self, clock: Clock, provider: CountingProvider, store: RowStore | None) -> None:
        """While one thread waits for a provider that failed before, the others go on with the key."""
        field = new_field(provider, store)
        value = field.encrypt(SSN)
        clock.advance(TTL)
        provider.unwrap_failure = outage
        assert field.decrypt(value) == SSN
        clock.advance(RETRY)
        gate = Gate()
        provider.before_unwrap = gate.wait
        thread = Thread(target=field.decrypt, args=(value,))
        thread.start()
        until_waiting([thread])
        assert field.decrypt(value) == SSN
        gate.open()
        thread.join()


class TestRefusals:
    """Provider or store say no."""

    def test_the_end_is_at_once(self, clock: Clock, provider: CountingProvider, store: RowStore | None) -> None:
        """A refusal ends a key without grace, for decryption, and in the same moment for encryption."""
        field = new_field(provider, store)
        value = field.encrypt(SSN)
        clock.advance(TTL)
        provider.unwrap_failure = refusal
        for use in (lambda: field.decrypt(value), lambda: field.encrypt(SSN), lambda: field.decrypt(value)):
            with pytest.raises(KeyAccessDeniedError):
                use()

    @pytest.mark.parametrize("hears_first", ["decrypt", "encrypt"])
    def test_a_refusal_ends_the_grace(
        self, clock: Clock, provider: CountingProvider, store: RowStore | None, hears_first: str
    ) -> None:
        """A refusal in the middle of an outage ends the key for both directions, whichever hears it."""
        field = new_field(provider, store)
        value = field.encrypt(SSN)
        uses: list[Callable[[], object]] = [lambda: field.decrypt(value), lambda: field.encrypt(SSN)]
        if hears_first == "encrypt":
            uses.reverse()
        clock.advance(TTL)
        provider.unwrap_failure = outage
        for use in uses:
            use()
        clock.advance(RETRY)
        provider.unwrap_failure = refusal
        for use in uses:
            with pytest.raises(KeyAccessDeniedError):
                use()

    def test_a_refusal_while_others_write(
        self, clock: Clock, provider: CountingProvider, store: RowStore | None
    ) -> None:
        """A refusal also ends the key for those who took it while the answer was still awaited."""
        field = new_field(provider, store)
        value = field.encrypt(SSN)
        clock.advance(TTL)
        provider.unwrap_failure = outage
        assert field.decrypt(value) == SSN
        clock.advance(RETRY)
        provider.unwrap_failure, gate = refusal, Gate()
        provider.before_unwrap = gate.wait
        errors: list[Exception] = []

        def read() -> None:
            try:
                field.decrypt(value)
            except KeyAccessDeniedError as error:
                errors.append(error)

        reader = Thread(target=read)
        reader.start()
        until_waiting([reader])
        assert field.decrypt(field.encrypt(SSN)) == SSN
        gate.open()
        reader.join()
        assert len(errors) == 1
        with pytest.raises(KeyAccessDeniedError):
            field.encrypt(SSN)

    def test_a_refusal_for_one_that_was_evicted(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """A refusal to unwrap a key ends encryption under it, too, when the key had lost its place in the cache."""
        field = new_field(provider, rows, KeyPolicy(max_cached_keys=1))
        of_b = field.encrypt(SSN, tenant="B")
        of_a = field.encrypt(SSN, tenant="A")
        assert field.decrypt(of_b) == SSN
        provider.unwrap_failure = refusal
        with pytest.raises(KeyAccessDeniedError):
            field.decrypt(of_a)
        with pytest.raises(KeyAccessDeniedError):
            field.encrypt(SSN, tenant="A")

    def test_a_refusal_can_be_withdrawn(self, clock: Clock, provider: CountingProvider, store: RowStore | None) -> None:
        """When the provider says yes again, the same key goes on."""
        field = new_field(provider, store)
        value = field.encrypt(SSN)
        clock.advance(TTL)
        provider.unwrap_failure = refusal
        with pytest.raises(KeyAccessDeniedError):
            field.encrypt(SSN)
        provider.unwrap_failure = None
        assert field.decrypt(value) == SSN
        assert field.encrypt(SSN)[1:17] == value[1:17]

    def test_a_deleted_key(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """To delete its record ends no key that is in use, for it is put back; it ends one that nobody has."""
        field, other = new_field(provider, rows), new_field(provider, rows)
        value = field.encrypt(SSN, tenant="A")
        rows.rows.clear()
        with pytest.raises(KeyNotFoundError):
            other.decrypt(value)
        clock.advance(TTL)
        assert field.decrypt(field.encrypt(SSN, tenant="A")) == SSN
        assert other.decrypt(value) == SSN

    @pytest.mark.usefixtures("clock")
    def test_a_deleted_key_in_a_self_contained_value(self, provider: CountingProvider, rows: RowStore) -> None:
        """A self-contained value that brings the record of a deleted key does not open stored values of that key."""
        value = new_field(provider, rows).encrypt(SSN)
        record = rows.rows.pop(value[1:17]).record
        field = new_field(provider, rows)
        with pytest.raises(DecryptionError):
            field.decrypt(b"\x02" + value[1:41] + infix(record) + value[41:])
        with pytest.raises(KeyNotFoundError):
            field.decrypt(value)

    def test_a_store_that_gives_another_key(self, clock: Clock, provider: CountingProvider) -> None:
        """A genuine record of one key does not confirm another one: that one ends with its grace at the latest."""
        store = ConfusedStore()
        field = Encryptor(provider, store, policy=POLICY).field("a.b", str)
        of_a, of_b = field.encrypt(SSN, tenant="A"), field.encrypt(SSN, tenant="B")
        store.instead = store.get(of_b[1:17])
        clock.advance(TTL)
        with suppress(FieldcryptError):
            assert field.decrypt(of_a, tenant="A") == SSN
        clock.advance(GRACE)
        with pytest.raises(FieldcryptError):
            field.decrypt(of_a)
        with pytest.raises(FieldcryptError):
            Encryptor(provider, store, policy=POLICY).field("a.b", str).decrypt(of_a)

    def test_what_is_written_with_a_store_that_gives_another_key(
        self, clock: Clock, provider: CountingProvider
    ) -> None:
        """A store that confuses two keys of a tenant does not bring about values that nobody can read."""
        store = ConfusedStore()
        field = Encryptor(provider, store, policy=POLICY).field("a.b", str)
        value = field.encrypt(SSN, tenant="A")
        other = make_record(provider.inner, "A", created=int(clock.now) - 1)
        store.add(other)
        store.instead = other
        clock.advance(TTL)
        with suppress(FieldcryptError):
            field.decrypt(value)
        try:
            value = field.encrypt(SSN, tenant="A")
        except FieldcryptError:
            return
        store.instead = None
        assert Encryptor(provider, store, policy=POLICY).field("a.b", str).decrypt(value) == SSN


class TestMakingKeys:
    """A key is kept before it is used, and nobody's key is lost."""

    def test_a_key_that_cannot_be_kept(self, provider: CountingProvider, rows: RowStore) -> None:
        """If the store does not take the new key, nothing is encrypted under it, then or later."""
        field = new_field(provider, rows)
        rows.add_failure = store_outage
        for _ in range(3):
            with pytest.raises(KeyStoreError):
                field.encrypt(SSN)
        rows.add_failure = None
        assert field.encrypt(SSN)[1:17] in rows.rows

    def test_a_key_that_cannot_be_wrapped(self, provider: CountingProvider, store: RowStore | None) -> None:
        """Without the provider there is no first key, and the next attempt makes it."""
        field = new_field(provider, store)
        provider.wrap_failure = outage
        with pytest.raises(KeyProviderError):
            field.encrypt(SSN)
        provider.wrap_failure = None
        assert field.decrypt(field.encrypt(SSN)) == SSN

    def test_threads_make_one_key(self, provider: CountingProvider, store: RowStore | None) -> None:
        """Threads that write a tenant's first values at the same time make one key together."""
        field, gate = new_field(provider, store), Gate()
        provider.before_wrap = gate.wait
        values: list[bytes] = []
        threads = [Thread(target=lambda: values.append(field.encrypt(SSN, tenant="A"))) for _ in range(16)]
        for thread in threads:
            thread.start()
        until_waiting(threads)
        gate.open()
        for thread in threads:
            thread.join()
        assert len(values) == 16
        assert provider.wraps == len({value[1:17] for value in values}) == 1

    def test_two_processes_make_the_first_key(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """Of two first keys, made at the same time, both live; all read both, and soon both write under one."""
        fields = [new_field(provider, rows) for _ in range(2)]
        meeting = Barrier(2, timeout=PATIENCE)
        rows.before_add = meeting.wait
        with ThreadPoolExecutor(2) as pool:
            values: list[Any] = list(pool.map(lambda field: field.encrypt(SSN, tenant="A"), fields))
        rows.before_add = None
        assert set(rows.rows) == {value[1:17] for value in values}
        assert len(rows.rows) == 2
        for field in (*fields, new_field(provider, rows)):
            assert [field.decrypt(value, tenant="A") for value in values] == [SSN] * 2
        clock.advance(TTL)
        assert len({field.encrypt(SSN, tenant="A")[1:17] for field in fields}) == 1
        assert provider.wraps == 2


class TestRetiredKeys:
    """The store says that a key may no longer encrypt."""

    def test_they_decrypt_only(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """A retired key opens its values, and new values get a new key."""
        field = new_field(provider, rows)
        value = field.encrypt(SSN)
        rows.retire(value[1:17])
        clock.advance(TTL)
        for writer in (field, new_field(provider, rows)):
            assert writer.encrypt(SSN)[1:17] != value[1:17]
            assert writer.decrypt(value) == SSN
        assert provider.wraps == 2

    def test_nor_while_the_store_answers_in_part(
        self, clock: Clock, provider: CountingProvider, rows: RowStore
    ) -> None:
        """A key that the store calls retired does not encrypt, even if a tenant's keys cannot be listed."""
        field = new_field(provider, rows)
        value = field.encrypt(SSN)
        rows.retire(value[1:17])
        rows.list_failure = store_outage
        clock.advance(TTL)
        with pytest.raises(KeyStoreError):
            field.encrypt(SSN)
        assert field.decrypt(value) == SSN
