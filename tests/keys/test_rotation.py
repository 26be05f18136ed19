"""Rotation: which key encrypts, when the next one is made, and when it takes over."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fieldcrypt import (
    Encryptor,
    Field,
    KeyPolicy,
    KeyRecord,
    KeyState,
    KeyStoreError,
    MemoryKeyStore,
    Purpose,
    WrappedKey,
)
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.rotation import Choice, choose, encrypts_from, next_created
from tests.conftest import Clock
from tests.support.doubles import CountingProvider, Failure, RowStore, outage, refusal, store_outage
from tests.support.strategies import relaxed

SSN = "078-05-1120"
DAY = 86_400.0
DELAY = 300.0
ROTATE = 90 * DAY
POLICY = KeyPolicy(rotate_after=timedelta(seconds=ROTATE), propagation_delay=timedelta(seconds=DELAY))
NOW = 1_800_000_000.0


def authentic(created: float, state: KeyState = KeyState.ACTIVE) -> AuthenticRecord:
    """The record of a new data key, opened."""
    data_key = DataKey.generate()
    record = KeyRecord(data_key.key_id, Purpose.ENCRYPTION, int(created), "A", (WrappedKey("k", b"x"),))
    return AuthenticRecord(data_key.seal(record), data_key).in_state(state)


def newest_first(records: list[AuthenticRecord]) -> list[AuthenticRecord]:
    return sorted(records, key=lambda record: record.age, reverse=True)


def lists_of_records(*ages: float) -> st.SearchStrategy[list[AuthenticRecord]]:
    """Records of one tenant, around these ages: some retired, some from machines whose clocks go ahead."""
    states = st.sampled_from([KeyState.ACTIVE, KeyState.ACTIVE, KeyState.RETIRED])
    times = st.one_of(*(st.floats(age - 600, age + 600) for age in ages))
    return st.lists(st.builds(lambda age, state: authentic(NOW - age, state), times, states), max_size=6).map(
        newest_first
    )


RECORDS = lists_of_records(0.0, DELAY, ROTATE, 2 * ROTATE)  # the ages at which something changes
YOUNG = lists_of_records(0.0)


def arrived(record: AuthenticRecord) -> bool:
    return record.created <= NOW - DELAY or record.created > NOW + 60


def active(records: list[AuthenticRecord]) -> list[AuthenticRecord]:
    return [record for record in records if record.state is KeyState.ACTIVE]


class TestChoice:
    """The choice among authentic records, as a function."""

    @given(RECORDS)
    @relaxed
    def test_the_newest_that_has_arrived_or_a_newer_one(self, records: list[AuthenticRecord]) -> None:
        """The newest of whatever state that has waited encrypts; if it may not, the oldest newer one that may does."""
        there = [record for record in records if arrived(record)]
        newer = records[: records.index(there[0])] if there else records
        wanted = there[0] if there and active(there[:1]) else next(iter(active(newer[::-1])), None)
        assert choose(records, NOW, POLICY).record == wanted

    @given(RECORDS)
    @relaxed
    def test_none_is_opened_that_does_not_decide(self, records: list[AuthenticRecord]) -> None:
        """No more records are asked for than up to the first that has waited."""
        asked = []
        choose((asked.append(record) or record for record in records), NOW, POLICY)  # type: ignore[func-returns-value]
        assert not [record for record in asked[:-1] if arrived(record)]

    @given(RECORDS)
    @relaxed
    def test_due(self, records: list[AuthenticRecord]) -> None:
        """The next key is due when the newest has reached the age for it."""
        assume(records)
        assert choose(records, NOW, POLICY).due is (NOW - records[0].created >= ROTATE)

    @given(RECORDS, st.booleans(), st.floats(0, 1, exclude_max=True))
    @relaxed
    def test_a_choice_holds(self, records: list[AuthenticRecord], replicated: bool, part: float) -> None:
        """If nothing is due, the choice lies ahead of its end, and is the same at any time before it."""
        choice = choose(records, NOW, POLICY, replicated=replicated)
        assume(choice.record is not None and not choice.due)
        assert choice.until > NOW
        later = NOW + (choice.until - NOW) * part
        assume(later < choice.until)
        assert choose(records, later, POLICY, replicated=replicated) == choice

    @given(YOUNG)
    @relaxed
    def test_keys_of_one_process_do_not_wait(self, records: list[AuthenticRecord]) -> None:
        """Records that never leave the process encrypt as soon as they are made."""
        records = [record for record in active(records) if record.created <= NOW]
        assume(records)
        assert choose(records, NOW, POLICY, replicated=False).record == records[0]

    @given(RECORDS, st.integers(-600, int(2 * ROTATE)))
    @relaxed
    def test_none_from_before_the_earliest_encrypts(self, records: list[AuthenticRecord], age: int) -> None:
        """What was made before `not_before` counts as if it were retired."""
        policy = KeyPolicy(
            rotate_after=POLICY.rotate_after,
            propagation_delay=POLICY.propagation_delay,
            not_before=datetime.fromtimestamp(NOW - age, UTC),
        )
        retired = [each.in_state(KeyState.RETIRED) if each.created < NOW - age else each for each in records]
        assert choose(records, NOW, policy).record == choose(retired, NOW, POLICY).record

    @given(RECORDS)
    @relaxed
    def test_a_new_key_is_the_newest(self, records: list[AuthenticRecord]) -> None:
        """Who asks for a key gets one that is newer than all, and encrypts no later than a delay and a minute on."""
        created = next_created(records[0] if records else None, NOW, POLICY)
        made = authentic(created)
        assert newest_first([*records, made])[0] == made
        at = encrypts_from(created, NOW, POLICY)
        assert at <= NOW + DELAY + 61
        assert choose([made, *records], at, POLICY).record == made

    def test_the_first_has_to_be_made(self) -> None:
        """Without records there is nothing to choose, and nothing to wait for."""
        assert choose([], NOW, POLICY) == Choice(None, None, due=False, waiting=(), until=NOW)

    def test_nothing_is_newer_than_the_last_second(self) -> None:
        """A key that somebody who may wrap dates at the end of all years is an error in words, and no ValueError."""
        with pytest.raises(KeyStoreError, match="9999"):
            next_created(authentic(253_402_300_799), NOW, POLICY)


def new_field(provider: CountingProvider, store: RowStore | None) -> Field[str]:
    """A field in a process that has no keys yet."""
    return Encryptor(provider, store, policy=POLICY).field("a.b", str)


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


class TestWhatItCosts:
    """Unwraps, each of which is a call of the key service."""

    @pytest.fixture
    def old(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> Encryptor:
        """A process of a tenant that has twenty data keys."""
        encryptor = Encryptor(provider, rows, policy=POLICY)
        encryptor.field("a.b", str).encrypt(SSN, tenant="A")
        for _ in range(19):
            clock.advance(DAY)
            encryptor.data_keys.rotate("A")
        clock.advance(DAY)
        return encryptor

    def test_a_new_process_opens_the_newest_key_alone(
        self, old: Encryptor, provider: CountingProvider, rows: RowStore
    ) -> None:
        """However many there are."""
        before = provider.unwraps
        key_id(new_field(provider, rows))
        assert (len(rows.rows), provider.unwraps - before) == (20, 1)

    def test_and_the_one_that_waits(self, old: Encryptor, provider: CountingProvider, rows: RowStore) -> None:
        """Which it needs soon anyway."""
        old.data_keys.rotate("A")
        before = provider.unwraps
        key_id(new_field(provider, rows))
        assert provider.unwraps - before == 2

    def test_a_rotation_opens_none(self, old: Encryptor, provider: CountingProvider, rows: RowStore) -> None:
        """Unless some are dated now or later."""
        before = provider.unwraps
        Encryptor(provider, rows, policy=POLICY).data_keys.rotate("A")
        assert provider.unwraps == before


class TestForgedRecords:
    """Whoever writes to the key store cannot keep keys from being rotated."""

    def test_a_forged_successor_does_not_stop_rotation(self, clock: Clock, provider: CountingProvider) -> None:
        """A record that waits is opened before it counts as the next key."""
        store = MemoryKeyStore()
        field = Encryptor(provider, store, policy=POLICY).field("a.b", str)
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
