"""Which values are under an old data key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyPolicy,
    KeyShreddedError,
    KeyState,
    LocalKeyProvider,
    Purpose,
)
from tests.conftest import Clock
from tests.support.doubles import CountingProvider, RowStore, refusal

ROTATE = 90 * 86_400.0
DELAY = 300.0
TTL = 900.0
POLICY = KeyPolicy(
    rotate_after=timedelta(seconds=ROTATE),
    propagation_delay=timedelta(seconds=DELAY),
    cache_ttl=timedelta(seconds=TTL),
)


@pytest.fixture
def encryptor(clock: Clock, provider: CountingProvider, rows: RowStore) -> Encryptor:
    """An Encryptor with a key store, under clocks that stand still."""
    return Encryptor(provider, rows, policy=POLICY)


def write(encryptor: Encryptor, tenant: str | None = None) -> bytes:
    """Encrypt something."""
    return encryptor.field("a.b", str).encrypt("x", tenant=tenant)


class TestStored:
    """Values whose data keys are in a key store."""

    @pytest.mark.parametrize("tenant", [None, "clinic-7"])
    def test_under_the_active_key(self, encryptor: Encryptor, tenant: str | None) -> None:
        """A value under the key that encrypts does not need it."""
        assert not encryptor.needs_reencrypt(write(encryptor, tenant))

    def test_after_a_rotation(self, clock: Clock, encryptor: Encryptor) -> None:
        """It needs it as soon as the next key encrypts, not while that one waits out its propagation delay."""
        value = write(encryptor)
        clock.advance(60)
        encryptor.data_keys.rotate()
        for _ in range(2):
            assert not encryptor.needs_reencrypt(value)
            assert not encryptor.needs_reencrypt(write(encryptor))
            clock.advance(DELAY / 2 - 1)
        clock.advance(2)
        assert encryptor.needs_reencrypt(value)
        assert not encryptor.needs_reencrypt(write(encryptor))

    def test_after_its_time(self, clock: Clock, encryptor: Encryptor) -> None:
        """It needs it when the key that followed it by its age encrypts."""
        value = write(encryptor)
        clock.advance(ROTATE - 1)
        assert not encryptor.needs_reencrypt(value)
        clock.advance(1)
        assert not encryptor.needs_reencrypt(value)
        write(encryptor)  # makes the next one
        assert not encryptor.needs_reencrypt(value)
        clock.advance(DELAY)
        assert encryptor.needs_reencrypt(value)

    def test_a_question_makes_no_key(
        self, clock: Clock, encryptor: Encryptor, provider: CountingProvider, rows: RowStore
    ) -> None:
        """Not even when the next one is due."""
        value = write(encryptor)
        clock.advance(2 * ROTATE)
        assert not encryptor.needs_reencrypt(value)
        assert (provider.wraps, len(rows.rows)) == (1, 1)

    @pytest.mark.parametrize("buffer", [bytearray, memoryview])
    def test_any_buffer(self, encryptor: Encryptor, buffer: Callable[[bytes], Any]) -> None:
        """What `decrypt` takes is taken here too."""
        assert not encryptor.needs_reencrypt(buffer(write(encryptor)))

    def test_of_what_another_process_rotated(
        self, clock: Clock, encryptor: Encryptor, provider: CountingProvider
    ) -> None:
        """A process learns of it within its cache_ttl."""
        value = write(encryptor)
        assert not encryptor.needs_reencrypt(value)
        assert encryptor.store is not None
        clock.advance(1)
        Encryptor(provider, encryptor.store, policy=POLICY).data_keys.rotate()
        clock.advance(max(TTL, DELAY))
        assert encryptor.needs_reencrypt(value)

    def test_under_a_retired_key(self, clock: Clock, encryptor: Encryptor, rows: RowStore) -> None:
        """It needs it as soon as the process has seen that."""
        value = write(encryptor)
        rows.retire(value[1:17])
        clock.advance(TTL)
        assert encryptor.needs_reencrypt(value)
        assert not encryptor.needs_reencrypt(write(encryptor))

    def test_under_a_key_that_was_retired_by_its_id(self, clock: Clock, encryptor: Encryptor) -> None:
        """Which is not done to the key that encrypts, nor to an index key; and a second time it changes nothing."""
        value = write(encryptor)
        with pytest.raises(ConfigurationError, match="rotate first"):
            encryptor.data_keys.retire(value[1:17])
        clock.advance(1)
        encryptor.data_keys.rotate()
        with pytest.raises(ConfigurationError, match="rotate first"):
            encryptor.data_keys.retire(value[1:17])
        clock.advance(DELAY)
        for _ in range(2):
            assert encryptor.data_keys.retire(value[1:17]).state is KeyState.RETIRED
        assert encryptor.needs_reencrypt(value)
        assert encryptor.field("a.b", str).decrypt(value) == "x"
        assert not encryptor.needs_reencrypt(write(encryptor))
        encryptor.blind_index("a.b").tag("x")
        (index_key,) = (
            id_ for id_, key in encryptor.data_keys.entries() if getattr(key, "purpose", 0) is Purpose.BLIND_INDEX
        )
        with pytest.raises(ConfigurationError, match="index key"):
            encryptor.data_keys.retire(index_key)

    def test_under_a_newer_key_that_is_retired(self, clock: Clock, encryptor: Encryptor, rows: RowStore) -> None:
        """So does what is under the older one: neither ever encrypts again, and another key is made at once."""
        older = write(encryptor)
        clock.advance(1)
        encryptor.data_keys.rotate()
        clock.advance(DELAY)
        newer = write(encryptor)
        rows.retire(newer[1:17])
        clock.advance(TTL)
        value = write(encryptor)
        assert value[1:17] not in (older[1:17], newer[1:17])
        assert [encryptor.needs_reencrypt(each) for each in (older, newer, value)] == [True, True, False]

    def test_under_a_key_that_is_not_active_yet(
        self, clock: Clock, encryptor: Encryptor, provider: CountingProvider, rows: RowStore
    ) -> None:
        """A value that a process with another clock wrote under the next key does not need it."""
        write(encryptor)
        clock.advance(60)
        record = encryptor.data_keys.rotate()
        alone = RowStore()
        alone.add(record)
        assert not encryptor.needs_reencrypt(write(Encryptor(provider, alone, policy=POLICY)))

    def test_of_two_first_keys(self, clock: Clock, encryptor: Encryptor, provider: CountingProvider) -> None:
        """Of two keys that were made at the same time, values under only one need it, and all agree on which."""
        other_rows = RowStore()
        other = Encryptor(provider, other_rows, policy=POLICY)
        values = [write(encryptor), write(other)]
        rows = encryptor.store
        assert isinstance(rows, RowStore)
        rows.rows |= other_rows.rows
        other_rows.rows |= rows.rows
        clock.advance(max(TTL, DELAY))
        answers = [[each.needs_reencrypt(value) for value in values] for each in (encryptor, other)]
        assert answers[0] == answers[1]
        assert sorted(answers[0]) == [False, True]

    def test_tenants_are_apart(self, clock: Clock, encryptor: Encryptor) -> None:
        """The rotation of one tenant's key does not count for the others."""
        values = {tenant: write(encryptor, tenant) for tenant in (None, "a", "b")}
        clock.advance(1)
        encryptor.data_keys.rotate("a")
        clock.advance(DELAY)
        assert {tenant: encryptor.needs_reencrypt(value) for tenant, value in values.items()} == {
            None: False,
            "a": True,
            "b": False,
        }

    def test_a_rewrap_is_no_reason(self, encryptor: Encryptor, provider: CountingProvider) -> None:
        """The data key is the same under another wrapping key."""
        value = write(encryptor)
        new = LocalKeyProvider.generate()
        assert encryptor.data_keys.rewrap(new).complete
        assert not Encryptor(new, encryptor.store, policy=POLICY).needs_reencrypt(value)

    def test_in_the_end_none_does(self, clock: Clock, encryptor: Encryptor) -> None:
        """What was decrypted and encrypted again needs it no more."""
        field = encryptor.field("a.b", str)
        values = [field.encrypt(str(number)) for number in range(3)]
        clock.advance(1)
        encryptor.data_keys.rotate()
        clock.advance(DELAY)
        assert all(encryptor.needs_reencrypt(value) for value in values)
        again = [field.encrypt(field.decrypt(value)) for value in values]
        assert not any(encryptor.needs_reencrypt(value) for value in again)
        assert [field.decrypt(value) for value in again] == ["0", "1", "2"]


class TestSelfContained:
    """Values that carry their data keys."""

    def test_by_age(self, clock: Clock, provider: CountingProvider) -> None:
        """A value under a key older than rotate_after needs it, in the process that wrote it and in others."""
        writer, reader = (Encryptor(provider, policy=POLICY) for _ in range(2))
        value = write(writer)
        for each in (writer, reader):
            assert not each.needs_reencrypt(value)
        clock.advance(ROTATE - 1)
        for each in (writer, reader):
            assert not each.needs_reencrypt(value)
        clock.advance(1)
        for each in (writer, reader):
            assert each.needs_reencrypt(value)
            assert not each.needs_reencrypt(write(each))

    def test_another_process_is_no_reason(self, clock: Clock, provider: CountingProvider) -> None:
        """That every process has keys of its own makes none of them old."""
        first, second = (Encryptor(provider, policy=POLICY) for _ in range(2))
        value = write(first)
        clock.advance(1000)
        write(second)
        assert not second.needs_reencrypt(value)


class TestRefusals:
    """It takes the data key, as decryption does."""

    @pytest.mark.parametrize("self_contained", [False, True], ids=["stored", "self-contained"])
    def test_what_is_no_value(self, provider: CountingProvider, self_contained: bool) -> None:
        """Bytes that cannot be a value are a DecryptionError."""
        encryptor = Encryptor(provider, None if self_contained else RowStore())
        value = write(encryptor)
        for data in (b"", b"x", b"\x00" + value[1:], b"\x07" + value[1:], value[:56]):
            with pytest.raises(DecryptionError):
                encryptor.needs_reencrypt(data)

    def test_a_changed_key_id(self, encryptor: Encryptor) -> None:
        """A key id that the store does not know is a KeyNotFoundError."""
        value = write(encryptor)
        with pytest.raises(KeyNotFoundError):
            encryptor.needs_reencrypt(value[:1] + bytes(16) + value[17:])

    def test_a_changed_record(self, provider: CountingProvider) -> None:
        """A self-contained value with any bit of its record changed is a DecryptionError: it cannot seem young."""
        value = write(Encryptor(provider))
        size = int.from_bytes(value[41:43], "big")
        for position in range(43, 43 + size):
            changed = value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]
            with pytest.raises(DecryptionError):
                Encryptor(provider).needs_reencrypt(changed)

    def test_an_edited_row(self, encryptor: Encryptor, provider: CountingProvider, rows: RowStore) -> None:
        """So is one whose record in the store was edited."""
        value = write(encryptor)
        row = rows.rows[value[1:17]]
        rows.rows[value[1:17]] = row._replace(record=row.record[:-1] + bytes([row.record[-1] ^ 1]))
        with pytest.raises(DecryptionError):
            Encryptor(provider, rows, policy=POLICY).needs_reencrypt(value)

    def test_foreign_keys(self, encryptor: Encryptor) -> None:
        """So is one under a wrapping key that this Encryptor does not have."""
        value = write(encryptor)
        with pytest.raises(DecryptionError):
            Encryptor(LocalKeyProvider.generate(), encryptor.store).needs_reencrypt(value)

    def test_a_refusing_provider(self, encryptor: Encryptor, provider: CountingProvider) -> None:
        """Who may not decrypt is not told either."""
        value = write(encryptor)
        provider.unwrap_failure = refusal
        with pytest.raises(KeyAccessDeniedError):
            Encryptor(provider, encryptor.store).needs_reencrypt(value)

    def test_a_shredded_tenant(self, encryptor: Encryptor) -> None:
        """There is nothing to encrypt again."""
        value = write(encryptor, "clinic-7")
        encryptor.data_keys.shred("clinic-7", "ann")
        with pytest.raises(KeyShreddedError):
            encryptor.needs_reencrypt(value)

    def test_it_asks_once(self, provider: CountingProvider, rows: RowStore) -> None:
        """A thousand values of one key cost one unwrap."""
        writer = Encryptor(provider, rows)
        values = [write(writer) for _ in range(1000)]
        reader = Encryptor(provider, rows)
        assert not any(reader.needs_reencrypt(value) for value in values)
        assert provider.unwraps == 1
