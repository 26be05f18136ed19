"""Rotation: which key encrypts, when the next one is made, and when it takes over."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fieldcrypt import Encryptor, Field, KeyPolicy, KeyRecord, KeyState, MemoryKeyStore, Purpose, WrappedKey
from fieldcrypt.keys.rotation import choose
from tests.conftest import Clock
from tests.doubles import CountingProvider, Failure, RowStore, outage, refusal, store_outage
from tests.strategies import relaxed

SSN = "078-05-1120"
DAY = 86_400.0
DELAY = 300.0
ROTATE = 90 * DAY
POLICY = KeyPolicy(rotate_after=timedelta(seconds=ROTATE), propagation_delay=timedelta(seconds=DELAY))
NOW = 1_800_000_000.0


def lists_of_records(ages: st.SearchStrategy[float]) -> st.SearchStrategy[list[KeyRecord]]:
    """Records of one tenant: some for other purposes, some retired, some from machines whose clocks go ahead."""
    return st.lists(
        st.builds(
            lambda key_id, age, purpose, state: KeyRecord(
                key_id, purpose, int(NOW - age), "A", (WrappedKey("k", b"x"),), bytes(32), state
            ),
            st.binary(min_size=16, max_size=16),
            ages,
            st.sampled_from([Purpose.ENCRYPTION, Purpose.ENCRYPTION, Purpose.BLIND_INDEX]),
            st.sampled_from([KeyState.ACTIVE, KeyState.ACTIVE, KeyState.RETIRED]),
        ),
        max_size=6,
        unique_by=lambda record: record.key_id,
    )


NEW = st.floats(-600, DELAY - 1)
# around the ages at which something changes
RECORDS = lists_of_records(
    st.one_of(NEW, *(st.floats(age - 600, age + 600) for age in (0.0, DELAY, ROTATE, 2 * ROTATE)))
)


def usable(records: list[KeyRecord]) -> list[KeyRecord]:
    """Those that may encrypt."""
    return [r for r in records if r.purpose is Purpose.ENCRYPTION and r.state is KeyState.ACTIVE]


class TestChoice:
    """The choice among records, as a function."""

    @given(RECORDS, st.randoms(use_true_random=False), st.booleans())
    @relaxed
    def test_order_does_not_count(self, records: list[KeyRecord], random: object, replicated: bool) -> None:
        """Whoever sees the same records chooses the same, in whatever order they come."""
        shuffled = sorted(records, key=lambda record: random.random())  # type: ignore[attr-defined]
        assert choose(shuffled, NOW, POLICY, replicated=replicated) == choose(
            records, NOW, POLICY, replicated=replicated
        )

    @given(RECORDS)
    @relaxed
    def test_only_active_keys_for_values_encrypt(self, records: list[KeyRecord]) -> None:
        """The choice is a usable record if there is one, and none if there is none; others change nothing."""
        choice = choose(records, NOW, POLICY)
        assert choice == choose(usable(records), NOW, POLICY)
        assert choice.record in usable(records) if usable(records) else choice.record is None

    @given(RECORDS)
    @relaxed
    def test_the_newest_that_has_arrived(self, records: list[KeyRecord]) -> None:
        """The newest key that has waited out the propagation delay encrypts."""
        arrived = [record for record in usable(records) if record.created <= NOW - DELAY]
        assume(arrived)
        chosen = choose(records, NOW, POLICY).record
        assert chosen in arrived
        assert chosen is not None
        assert chosen.created == max(record.created for record in arrived)

    @given(lists_of_records(NEW))
    @relaxed
    def test_the_oldest_if_none_has_arrived(self, records: list[KeyRecord]) -> None:
        """While no key has waited out the delay, the oldest encrypts."""
        assume(usable(records))
        chosen = choose(records, NOW, POLICY).record
        assert chosen is not None
        assert chosen.created == min(record.created for record in usable(records))

    @given(RECORDS)
    @relaxed
    def test_due(self, records: list[KeyRecord]) -> None:
        """The next key is due when the newest, arrived or waiting, has reached the age for it."""
        assume(usable(records))
        newest = max(record.created for record in usable(records))
        assert choose(records, NOW, POLICY).due is (NOW - newest >= ROTATE)

    @given(RECORDS, st.booleans(), st.floats(0, 1, exclude_max=True))
    @relaxed
    def test_a_choice_holds(self, records: list[KeyRecord], replicated: bool, part: float) -> None:
        """If nothing is due, the choice lies ahead of its end, and is the same at any time before it."""
        choice = choose(records, NOW, POLICY, replicated=replicated)
        assume(choice.record is not None and not choice.due)
        assert choice.until > NOW
        later = NOW + (choice.until - NOW) * part
        assume(later < choice.until)
        assert choose(records, later, POLICY, replicated=replicated) == choice

    @given(RECORDS)
    @relaxed
    def test_keys_of_one_process_do_not_wait(self, records: list[KeyRecord]) -> None:
        """Records that never leave the process encrypt as soon as they are made."""
        made = [record for record in usable(records) if record.created <= NOW]
        assume(made)
        chosen = choose(records, NOW, POLICY, replicated=False).record
        assert chosen is not None
        assert chosen.created == max(record.created for record in made)

    def test_the_first_has_to_be_made(self) -> None:
        """Without records there is nothing to choose, and nothing to wait for."""
        assert choose([], NOW, POLICY) == (None, False, None, NOW)


def new_field(provider: CountingProvider, store: RowStore | None) -> Field[str]:
    """A field in a process that has no keys yet."""
    return Encryptor(provider, store, POLICY).field("a.b", str)


def key_id(field: Field[str]) -> bytes:
    """The data key that encrypts for tenant A; what it encrypted can be read again."""
    value = field.encrypt(SSN, tenant="A")
    assert field.decrypt(value, tenant="A") == SSN
    return value[1:17]


class TestRotationInUse:
    """The choice at work, in processes that share a key store."""

    def test_the_first_key_does_not_wait(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """The first key of a tenant encrypts at once."""
        assert key_id(new_field(provider, rows)) in rows.rows

    def test_a_new_key_takes_over(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """After rotate_after a new key is made; all go on with the old one for the delay, and then take the new one."""
        one, other = (new_field(provider, rows) for _ in range(2))
        old = key_id(one)
        value = one.encrypt(SSN, tenant="A")
        clock.advance(ROTATE - 1)
        assert key_id(one) == key_id(other) == old
        assert len(rows.rows) == 1
        clock.advance(1)
        assert key_id(one) == key_id(other) == old
        (new,) = set(rows.rows) - {old}
        clock.advance(DELAY - 1)
        assert key_id(one) == key_id(other) == old
        clock.advance(1)
        assert key_id(one) == key_id(other) == new
        assert len(rows.rows) == 2
        for field in (one, other, new_field(provider, rows)):
            assert field.decrypt(value, tenant="A") == SSN

    def test_rotation_goes_on(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """A tenant gets a key for every rotate_after, and no more, from a process that is always at work."""
        field = new_field(provider, rows)
        seen = []
        for _ in range(4 * 90):
            seen.append(key_id(field))
            clock.advance(DAY)
        assert len(rows.rows) == 4
        assert sorted(set(seen), key=seen.index) == sorted(rows.rows, key=list(rows.rows).index)
        assert seen == sorted(seen, key=list(rows.rows).index)

    @pytest.mark.parametrize("failure", [outage, refusal, store_outage])
    def test_a_rotation_that_fails(
        self,
        clock: Clock,
        provider: CountingProvider,
        rows: RowStore,
        failure: Failure,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """If the new key cannot be made, the old one goes on, the log says so, and soon it is tried again."""
        field = new_field(provider, rows)
        old = key_id(field)
        clock.advance(ROTATE)
        if failure is store_outage:
            rows.add_failure = failure
        else:
            provider.wrap_failure = failure
        with caplog.at_level(logging.WARNING, "fieldcrypt"):
            assert key_id(field) == key_id(field) == old
        assert [message.split()[0] for message in caplog.messages].count("rotation_failed") == 1
        provider.wrap_failure = rows.add_failure = None
        clock.advance(60)
        assert key_id(field) == old
        assert len(rows.rows) == 2
        clock.advance(DELAY)
        assert key_id(field) != old

    def test_self_contained_keys_rotate_at_once(self, clock: Clock, provider: CountingProvider) -> None:
        """A key that travels in its values has nothing to wait for; old values are still read."""
        field = new_field(provider, None)
        value = field.encrypt(SSN, tenant="A")
        clock.advance(ROTATE - 1)
        assert key_id(field) == value[1:17]
        clock.advance(1)
        assert key_id(field) != value[1:17]
        assert field.decrypt(value, tenant="A") == SSN
        assert provider.wraps == 2

    def test_a_process_that_comes_late(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """A process that has just listed the keys takes a new key no later than when its cache_ttl ends."""
        one, other = (new_field(provider, rows) for _ in range(2))
        clock.advance(1)
        old = key_id(one)
        clock.advance(ROTATE - 2)
        assert key_id(other) == old
        clock.advance(2)
        assert key_id(one) == old
        clock.advance(POLICY.cache_ttl.total_seconds())
        assert key_id(one) == key_id(other) != old


class TestForgedRecords:
    """Whoever writes to the key store cannot keep keys from being rotated."""

    @pytest.mark.parametrize("created", [253_402_300_799, int(NOW) + 10 * 365 * 86_400])
    def test_a_record_of_the_far_future_does_not_stop_rotation(self, created: int) -> None:
        """It is passed over, as one that a wrong clock has made."""
        future = KeyRecord(bytes(16), Purpose.ENCRYPTION, created, "A", (WrappedKey("k", b"x"),), bytes(32))
        assert choose([future], NOW, POLICY).record is None

    def test_a_forged_successor_does_not_stop_rotation(self, clock: Clock, provider: CountingProvider) -> None:
        """A record that waits is opened before it counts as the next key."""
        store = MemoryKeyStore()
        field = Encryptor(provider, store, POLICY).field("a.b", str)
        value = field.encrypt("x", tenant="A")
        clock.advance(POLICY.rotate_after.total_seconds())
        forged = KeyRecord(bytes(16), Purpose.ENCRYPTION, int(clock.now), "A", (WrappedKey("k", b"x"),), bytes(32))
        store.add(forged)
        assert field.encrypt("x", tenant="A")[1:17] == value[1:17]
        assert provider.wraps == 2


class TestSomebodyAsksForIt:
    @pytest.mark.parametrize("failure", [None, outage])
    def test_a_record_that_does_not_open_does_not_put_it_off(
        self, clock: Clock, provider: CountingProvider, failure: Failure | None
    ) -> None:
        """The new key is dated now, whatever others say that are not authentic, and after those that are.

        Nor does one of which nobody says for now whether it is: its region may be cut off on purpose.
        """
        store = MemoryKeyStore()
        encryptor = Encryptor(provider, store)
        encryptor.field("t.c", str).encrypt("x", tenant="A")
        for number in range(1, 11):
            ahead = int(clock.now) + 86_000 + number
            wrapped = (WrappedKey("k", b"x"),)
            store.add(KeyRecord(bytes([number] * 16), Purpose.ENCRYPTION, ahead, "A", wrapped, bytes(32)))
        provider.unwrap_failure = failure
        made = encryptor.data_keys.rotate("A")
        assert made.created - clock.now <= 1
        assert encryptor.data_keys.rotate("A").created > made.created
