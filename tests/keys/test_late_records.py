"""Values that arrive before the records of their data keys, and values whose keys never come."""

from __future__ import annotations

import threading
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from fieldcrypt import (
    Encryptor,
    Event,
    EventKind,
    KeyNotFoundError,
    KeyPolicy,
    KeyShreddedError,
    KeyStoreError,
    _system,
)
from tests.conftest import Clock
from tests.support.doubles import PATIENCE, CountingProvider, RowStore, Toll, until_waiting

SSN = "078-05-1120"
WAIT = 2.0  # the policy's default
REST = 30 * WAIT


class Region(RowStore):
    """A key store whose records arrive at a certain time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.arrival = float("-inf")
        self.asked: list[float] = []  # when, since the test began

    def get(self, key_id: bytes) -> Any:
        self.asked.append(self.clock.now)
        if self.clock.now < self.arrival:
            raise KeyNotFoundError(f"no row for {key_id.hex()} yet")
        return super().get(key_id)


@pytest.fixture
def region(clock: Clock) -> Region:
    return Region(clock)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def encryptor(provider: CountingProvider, region: Region, events: list[Event]) -> Encryptor:
    """In the region where records arrive late; it has no keys yet."""
    return Encryptor(provider, region, observer=events.append)


def written(provider: CountingProvider, store: RowStore, tenant: str | None = None) -> bytes:
    """Return a value of another process, whose key is in a store."""
    return Encryptor(provider, store).field("a.b", str).encrypt(SSN, tenant=tenant)


def planted(number: int) -> bytes:
    """Return what somebody has put into the data: the form of a value, under a key that is nowhere."""
    return b"\x01" + number.to_bytes(16, "big") + bytes(50)


class TestWaiting:
    @pytest.mark.parametrize("lag", [0.01, 0.4, 1.99])
    def test_a_record_that_arrives_in_time_is_read(
        self, encryptor: Encryptor, provider: CountingProvider, region: Region, clock: Clock, lag: float
    ) -> None:
        """The reader is held up and does not notice."""
        data = written(provider, region)
        region.arrival = clock.now + lag
        assert encryptor.field("a.b", str).decrypt(data) == SSN

    def test_what_was_late_is_told(
        self, encryptor: Encryptor, provider: CountingProvider, region: Region, clock: Clock, events: list[Event]
    ) -> None:
        """With the time that it took."""
        data = written(provider, region)
        start = clock.now
        region.arrival = start + 0.4
        encryptor.field("a.b", str).decrypt(data)
        (late,) = [event for event in events if event.kind is EventKind.KEY_LATE]
        assert late.key_id == data[1:17].hex()
        assert late.seconds == pytest.approx(clock.now - start)

    def test_what_never_comes_is_a_clear_error(self, encryptor: Encryptor, clock: Clock, events: list[Event]) -> None:
        """It says what the store said, what may be the reason and how long it was waited; and is told once."""
        start = clock.now
        with pytest.raises(KeyNotFoundError, match=r"no row for 0{31}1.*may not have been replicated.*waited 2\.0 s"):
            encryptor.field("a.b", str).decrypt(planted(1))
        assert clock.now - start == pytest.approx(WAIT)
        assert [event.kind for event in events].count(EventKind.KEY_MISSING) == 1

    def test_the_pauses_grow(self, encryptor: Encryptor, region: Region) -> None:
        """A store that has nothing is asked few times, and soon for the first time."""
        with pytest.raises(KeyNotFoundError):
            encryptor.field("a.b", str).decrypt(planted(1))
        pauses = [later - earlier for earlier, later in zip(region.asked, region.asked[1:], strict=False)]
        assert pauses[0] <= 0.1
        assert pauses[:-1] == sorted(pauses[:-1])
        assert len(pauses) <= 8

    def test_zero_switches_it_off(self, provider: CountingProvider, region: Region, clock: Clock) -> None:
        """Then the store's own error is the answer, at once."""
        start = clock.now
        field = Encryptor(provider, region, policy=KeyPolicy(replication_wait=timedelta(0))).field("a.b", str)
        with pytest.raises(KeyNotFoundError, match=r"^a\.b: no row for 0{31}1$"):
            field.decrypt(planted(1))
        assert (clock.now, len(region.asked)) == (start, 1)

    def test_a_tombstone_ends_it(
        self, encryptor: Encryptor, provider: CountingProvider, region: Region, clock: Clock
    ) -> None:
        """The key was shredded before its record was seen here."""
        data = written(provider, region, "gone")
        Encryptor(provider, region).data_keys.shred("gone", by="ann")
        start, region.arrival = clock.now, clock.now + 0.1
        with pytest.raises(KeyShreddedError):
            encryptor.field("a.b", str).decrypt(data)
        assert clock.now - start < WAIT / 2

    def test_an_outage_ends_it(self, encryptor: Encryptor, region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is reported as what it is."""
        monkeypatch.setattr(_system, "sleep", lambda _: region.go_down())
        with pytest.raises(KeyStoreError, match="the table does not answer"):
            encryptor.field("a.b", str).decrypt(planted(1))


class TestWhoWaits:
    def test_one_of_many_who_need_the_same_key(
        self, provider: CountingProvider, rows: RowStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One asks again, for all; and the key is unwrapped once."""
        elsewhere, pause, pauses = RowStore(), Toll(), []

        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            pause.wait()

        data = written(provider, elsewhere)
        monkeypatch.setattr(_system, "sleep", sleep)
        field = Encryptor(provider, rows).field("a.b", str)
        read: list[str] = []
        threads = [Thread(target=lambda: read.append(field.decrypt(data))) for _ in range(8)]
        for thread in threads:
            thread.start()
        until_waiting(threads)
        rows.rows.update(elsewhere.rows)
        asked = rows.reads
        pause.open()
        for thread in threads:
            thread.join(PATIENCE)
        assert read == [SSN] * 8
        assert (len(pauses), rows.reads - asked, provider.unwraps) == (1, 1, 1)

    def test_not_those_who_need_another_key(
        self, provider: CountingProvider, rows: RowStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A key that is there is had while somebody waits for one that is not."""
        data, pause = written(provider, rows), Toll()
        monkeypatch.setattr(_system, "sleep", lambda _: pause.wait())
        field = Encryptor(provider, rows).field("a.b", str)

        def read() -> None:
            with pytest.raises(KeyNotFoundError):
                field.decrypt(planted(1))

        thread = Thread(target=read)
        thread.start()
        pause.until_reached()
        assert field.decrypt(data) == SSN
        pause.open()
        thread.join(PATIENCE)

    def test_not_an_event_loop(
        self, provider: CountingProvider, rows: RowStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What has to wait is done where the field's `offload` does it."""
        slept: list[int] = []

        def sleep(_: float) -> None:
            slept.append(threading.get_ident())
            rows.rows.update(elsewhere.rows)

        def offload(work: Any) -> Any:
            results: list[Any] = []
            thread = Thread(target=lambda: results.append(work()))
            thread.start()
            thread.join(PATIENCE)
            return results[0]

        elsewhere = RowStore()
        data = written(provider, elsewhere)
        monkeypatch.setattr(_system, "sleep", sleep)
        assert Encryptor(provider, rows).field("a.b", str, offload=offload).decrypt(data) == SSN
        assert len(slept) == 1
        assert threading.get_ident() not in slept

    def test_not_writers(self, provider: CountingProvider, region: Region, clock: Clock) -> None:
        """Their tenant's key is listed, but has no record that could be read."""
        written(provider, region, "clinic")
        start, region.arrival = clock.now, clock.now + 1
        with pytest.raises(KeyNotFoundError):
            Encryptor(provider, region).field("a.b", str).encrypt(SSN, tenant="clinic")
        assert clock.now == start

    def test_not_blind_indexes(self, provider: CountingProvider, region: Region, clock: Clock) -> None:
        """The same for a key that tags are made with."""
        Encryptor(provider, region).blind_index("a.b").tag(SSN)
        start, region.arrival = clock.now, clock.now + 1
        with pytest.raises(KeyNotFoundError):
            Encryptor(provider, region).blind_index("a.b").tag(SSN)
        assert clock.now == start

    def test_not_readers_of_a_key_that_was_there(
        self, encryptor: Encryptor, provider: CountingProvider, region: Region, clock: Clock
    ) -> None:
        """It is not late, it was lost, and is put back."""
        data, field = written(provider, region), encryptor.field("a.b", str)
        field.decrypt(data)
        region.rows.clear()
        clock.advance(KeyPolicy().cache_ttl.total_seconds() + 1)
        start = clock.now
        assert field.decrypt(data) == SSN
        assert clock.now == start


class TestPlantedValues:
    """Whoever can write to the data can make any number of values whose keys are nowhere."""

    def test_a_reader_of_many_waits_once(self, encryptor: Encryptor, clock: Clock) -> None:
        """And learns of each at once from then on, and why."""
        field, start = encryptor.field("a.b", str), clock.now
        for number in range(1_000):
            with pytest.raises(KeyNotFoundError, match="waited 2" if number == 0 else "was not waited for"):
                field.decrypt(planted(number))
        assert clock.now - start == pytest.approx(WAIT)

    def test_they_take_a_thirtieth_of_the_time(self, encryptor: Encryptor, clock: Clock) -> None:
        """However long somebody goes on with it."""
        field, start, idle = encryptor.field("a.b", str), clock.now, 0.0
        for number in range(1_000):
            with pytest.raises(KeyNotFoundError):
                field.decrypt(planted(number))
            clock.advance(1)
            idle += 1
        assert clock.now - start - idle <= (clock.now - start) / 30 + WAIT

    def test_one_that_is_read_again_and_again_is_waited_for_once(self, encryptor: Encryptor, clock: Clock) -> None:
        """It must not use up the patience for those that are late."""
        field = encryptor.field("a.b", str)
        for _ in range(100):
            before = clock.now
            with pytest.raises(KeyNotFoundError):
                field.decrypt(planted(1))
            waited = clock.now - before
            clock.advance(REST)
        assert waited == 0

    def test_one_that_is_read_often_is_asked_for_once_a_second(
        self, encryptor: Encryptor, provider: CountingProvider, region: Region, clock: Clock
    ) -> None:
        """So that it costs the key store little; one that comes meanwhile is read a second later."""
        field, data = encryptor.field("a.b", str), written(provider, region)
        region.arrival = clock.now + WAIT + 0.5
        with pytest.raises(KeyNotFoundError):
            field.decrypt(data)
        asked = len(region.asked)
        clock.advance(1)
        region.arrival = clock.now + 0.5
        for _ in range(200):
            with pytest.raises(KeyNotFoundError, match="was not waited for"):
                field.decrypt(data)
        assert len(region.asked) == asked + 1
        clock.advance(1)
        assert field.decrypt(data) == SSN

    def test_late_records_are_waited_for_again_after_a_while(
        self, encryptor: Encryptor, provider: CountingProvider, region: Region, clock: Clock
    ) -> None:
        """A planted value does not end waiting for good."""
        field, data = encryptor.field("a.b", str), written(provider, region)
        with pytest.raises(KeyNotFoundError):
            field.decrypt(planted(1))
        region.arrival = clock.now + REST + 0.5
        with pytest.raises(KeyNotFoundError, match="was not waited for"):
            field.decrypt(data)
        clock.advance(REST)
        assert field.decrypt(data) == SSN

    def test_what_is_remembered_of_them_is_bounded(self, encryptor: Encryptor, clock: Clock) -> None:
        """The oldest is forgotten for the newest."""
        field = encryptor.field("a.b", str)
        for number in (*range(1_001), 0):
            before = clock.now
            with pytest.raises(KeyNotFoundError):
                field.decrypt(planted(number))
            waited = clock.now - before
            clock.advance(REST)
        assert waited == pytest.approx(WAIT)

    def test_values_under_live_keys_are_read_meanwhile(
        self, encryptor: Encryptor, provider: CountingProvider, region: Region, clock: Clock
    ) -> None:
        """And values under keys that are there, though nobody has read any yet."""
        field, data = encryptor.field("a.b", str), written(provider, region)
        with pytest.raises(KeyNotFoundError):
            field.decrypt(planted(1))
        before = clock.now
        assert field.decrypt(data) == field.decrypt(data) == SSN
        assert clock.now == before
