"""The first index key and those that follow it: all processes tag under one, and find what older ones tagged."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import (
    ConfigurationError,
    Encryptor,
    FieldcryptError,
    FileKeyStore,
    KeyNotFoundError,
    KeyRecord,
    KeyState,
    KeyStoreError,
    LocalKeyProvider,
    Tombstone,
)
from tests.conftest import Clock
from tests.search.index_process import DELAY, EMAIL, GROWN_UP, INDEX, POLICY, SETTLING, TTL, Process
from tests.support.doubles import CountingProvider, LaggingStore, Row, RowStore, make_record, outage, store_outage
from tests.support.processes import start, tag_and_search
from tests.support.strategies import relaxed


class TestFirstKey:
    """The first key is used at once: by claims one is made, and without them two may be."""

    def test_a_key_that_another_process_made_is_found_at_once(self, process: Process, other: Process) -> None:
        """That there is none is not remembered."""
        assert process.tags() == []
        tag = other.tag()
        assert process.tags() == [tag]
        assert process.tag() == tag

    def test_two_processes_agree_on_one_at_the_same_moment(self, tmp_path: Path) -> None:
        """Each wraps one before it sees the other's; both tag and search under the one that was claimed first."""
        key = os.urandom(32).hex()
        files = [str(tmp_path / name) for name in ("one", "two")]
        store = str(tmp_path / "keys.sqlite")
        FileKeyStore.create(store)
        with (
            start(tag_and_search, store, key, *files) as one,
            start(tag_and_search, store, key, *reversed(files)) as two,
        ):
            one.go()
            two.go()
            tag = one.line()
            assert two.line() == tag
            assert Encryptor(LocalKeyProvider(bytes.fromhex(key)), FileKeyStore(store)).data_keys.count() == 1
            assert [*one.finished(), *two.finished()] == [tag, tag]

    def test_in_time_all_tag_under_one(self, clock: Clock, provider: CountingProvider, rows: RowStore) -> None:
        """Both keys stay, and the rows of both are found."""
        one, two = Process(provider, rows), Process(provider, rows)

        def meanwhile() -> None:
            provider.before_wrap = None
            two.tag()

        provider.before_wrap = meanwhile
        one.tag()
        assert len(rows.rows) == 2
        tags = set(one.tags())
        assert (len(tags), set(two.tags())) == (2, tags)
        for _ in range(3):
            clock.advance(SETTLING)
            assert one.tag() == two.tag() == Process(provider, rows).tag()
            assert set(one.tags()) == set(two.tags()) == tags

    def test_a_list_that_lags_behind_does_not_lose_it(
        self, clock: Clock, provider: CountingProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who made the key goes on under it, though an index of the store does not show it yet."""
        store = LaggingStore()
        process = Process(provider, store)
        store.listed = []
        tag = process.tag()
        for _ in range(3):
            clock.advance(6)
            assert (process.tag(), process.tags()) == (tag, [tag])
        assert len(store.rows) == 1

    def test_young_keys_cost_a_list_each_search_and_no_more(
        self, process: Process, clock: Clock, rows: RowStore, provider: CountingProvider
    ) -> None:
        """Until others cannot come to light any more; after that a search asks nobody."""
        process.tag()
        calls = (provider.wraps, provider.unwraps)
        process.tags()
        before = rows.reads
        process.tags()
        assert rows.reads == before + 1
        clock.advance(GROWN_UP)
        process.tags()
        before = rows.reads
        process.tags()
        assert rows.reads == before
        assert (provider.wraps, provider.unwraps) == calls

    def test_a_search_does_not_do_without(self, process: Process, rows: RowStore) -> None:
        """While keys may come to light, one that cannot look for them fails: half an answer looks like a whole one."""
        process.tag()
        rows.list_failure = store_outage
        with pytest.raises(KeyStoreError):
            process.tags()
        assert process.tag()


class TestRotation:
    def test_a_new_key_tags_once_it_has_settled(self, process: Process, other: Process, clock: Clock) -> None:
        """Until then all tag under the old one; from the beginning, who knows it searches under both."""
        old = process.tag()
        clock.advance(GROWN_UP)
        assert other.tags() == [old]
        process.rotate()
        assert process.tag() == other.tag() == old
        new = process.tags()[1]
        assert other.tags() == [old]  # it has a list that still holds, and nobody tags under the new one yet
        clock.advance(SETTLING - 1)
        assert process.tag() == other.tag() == old
        assert set(other.tags()) == {old, new}
        clock.advance(1)
        assert process.tag() == other.tag() == new
        assert process.tags() == other.tags() == [new, old]

    def test_it_changes_on_time_without_key_store(self, process: Process, clock: Clock, rows: RowStore) -> None:
        """A process that knows the new key does not go on under the old one because it cannot ask."""
        old = process.tag()
        clock.advance(GROWN_UP)
        process.rotate()
        clock.advance(SETTLING - 10)
        assert process.tag() == old
        rows.list_failure = store_outage
        clock.advance(10)
        assert process.tag() != old

    def test_a_rotation_right_after_the_first_key_waits_all_the_same(self, process: Process, clock: Clock) -> None:
        """Its key is dated so that it does not look like one that was made at the same time."""
        old = process.tag()
        process.rotate()
        process.rotate()
        clock.advance(SETTLING - 1)
        assert process.tag() == old
        clock.advance(2 * GROWN_UP + 3)
        assert process.tag() == process.tags()[0] != old
        assert len(process.tags()) == 3

    def test_it_is_explicit(self, process: Process, clock: Clock, provider: CountingProvider) -> None:
        """Age alone makes no new key: every row would have to be tagged anew."""
        tag = process.tag()
        clock.advance(10 * 365 * 86_400)
        assert (process.tag(), provider.wraps) == (tag, 1)

    def test_old_keys_are_retired_when_all_is_tagged_anew(
        self, process: Process, other: Process, clock: Clock, rows: RowStore
    ) -> None:
        """Then nobody asks for their tags; the records stay, so that it can be undone."""
        old = process.tag()
        other.tag()
        clock.advance(GROWN_UP)
        process.rotate()
        clock.advance(SETTLING + GROWN_UP)
        new = process.tag()
        (retired,) = process.retire()
        assert retired.state is KeyState.RETIRED
        assert process.tags() == [new]
        clock.advance(TTL)
        assert (other.tags(), other.tag()) == ([new], new)
        assert process.retire() == []
        assert len(rows.rows) == 2
        assert old != new

    def test_it_is_too_early_while_others_may_tag_under_them(self, process: Process, clock: Clock) -> None:
        """The error says when."""
        process.tag()
        clock.advance(GROWN_UP)
        process.rotate()
        process.tags()
        clock.advance(SETTLING + 2 * DELAY + 59)
        with pytest.raises(ConfigurationError, match=r"tag all rows again on 2027-01-15 .* at the earliest"):
            process.retire()
        assert len(process.tags()) == 2
        clock.advance(1)
        assert len(process.retire()) == 1

    def test_a_single_key_is_not_retired(self, process: Process) -> None:
        """There would be none left."""
        process.tag()
        assert process.retire() == []
        with pytest.raises(KeyNotFoundError, match="no index key of tenant 'b'"):
            process.encryptor.data_keys.retire_index_keys("b")

    def test_forged_keys_are_not_retired_for(
        self, process: Process, clock: Clock, rows: RowStore, provider: CountingProvider
    ) -> None:
        """A record that claims to be newer than all others, and is not authentic, does not decide what is old."""
        tag = process.tag()
        rows.add(make_record(LocalKeyProvider.generate(), "a", purpose=INDEX, created=int(clock.now) + 5000))
        clock.advance(86_400)
        assert process.retire() == []
        assert process.tags() == [tag]

    def test_rewrapping_takes_index_keys_along(self, process: Process, provider: CountingProvider) -> None:
        """And leaves them index keys, retired or not."""
        tag = process.tag()
        new = LocalKeyProvider.generate()

        class Both(CountingProvider):
            def unwrap(self, wraps: Any, context: Any) -> bytes:
                theirs = [wrap for wrap in wraps if wrap.name in new.wrapping_keys()]
                return new.unwrap(theirs, context) if theirs else provider.unwrap(wraps, context)

        both = Both()
        both.inner = provider.inner
        assert process.encryptor.store is not None
        moving = Encryptor(both, process.encryptor.store, policy=POLICY)
        assert moving.data_keys.rewrap(new).changed == 1
        assert Encryptor(new, process.encryptor.store).blind_index("a.b").tags(EMAIL, tenant="a") == [tag]

    def test_a_public_key_rotates_nothing(self, process: Process, rows: RowStore, provider: CountingProvider) -> None:
        """There are no index keys with one."""
        process.tag()
        provider.public_key_wrapping = True
        for use in (process.rotate, process.retire):
            with pytest.raises(ConfigurationError, match="symmetric"):
                use()


class Region(RowStore):
    """The key store of one region: what others add arrives here some time later."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.others: list[Region] = []
        self.lag = 0.0
        self._clock = clock
        self._coming: list[tuple[float, KeyRecord | Tombstone]] = []

    def add(self, record: KeyRecord | Tombstone) -> None:
        super().add(record)
        for region in self.others:
            region._coming.append((self._clock.now + region.lag, record))

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        done = super().replace(old, new)
        for region in self.others:
            region._coming.append((self._clock.now + region.lag, new))
        return done

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        self._receive()
        return super().get(key_id)

    def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
        self._receive()
        return super().list(tenant)

    def _receive(self) -> None:
        for when, record in [coming for coming in self._coming if coming[0] <= self._clock.now]:
            self._coming.remove((when, record))
            self.rows[record.key_id] = Row(record.tenant, record.state.value, record.to_bytes())


class TestRegions:
    """Two regions, each of which has what the other one adds as late as the policy allows for."""

    @pytest.fixture
    def regions(self, clock: Clock) -> tuple[Region, Region]:
        """Their key stores."""
        one, two = Region(clock), Region(clock)
        one.others, two.others = [two], [one]
        one.lag = two.lag = DELAY
        return one, two

    def test_the_last_first_key_is_found(
        self, clock: Clock, provider: CountingProvider, regions: tuple[Region, Region]
    ) -> None:
        """Made just before the other region's would have been seen, it arrives two delays after that was made."""
        here, there = (Process(provider, region) for region in regions)
        first = here.tag()
        clock.advance(DELAY - 1)
        assert here.tags() == [first]
        second = there.tag()
        for _ in range(int(DELAY) // 10):
            clock.advance(10)
            here.tags()
        assert set(here.tags()) == set(there.tags()) == {first, second}
        clock.advance(SETTLING)
        assert here.tag() == there.tag() == first

    def test_a_search_with_an_outdated_list_ends_before_a_new_key_tags(
        self, clock: Clock, provider: CountingProvider, regions: tuple[Region, Region]
    ) -> None:
        """The worst case: the list was read just before the new key arrived, and cannot be read again."""
        here, there = (Process(provider, region) for region in regions)
        old = here.tag()
        clock.advance(GROWN_UP)
        here.rotate()
        clock.advance(DELAY - 1)
        assert there.tags() == [old]
        regions[1].list_failure = store_outage
        failed = False
        for _ in range(int(SETTLING) // 20 + 10):
            clock.advance(20)
            tag = here.tag()
            try:
                assert tag in there.tags()
            except KeyStoreError:
                failed = True
        assert failed
        assert tag != old

    def test_a_list_that_was_read_too_early_stays_so(
        self, clock: Clock, provider: CountingProvider, regions: tuple[Region, Region]
    ) -> None:
        """Time alone does not make it complete: in an outage the other region's first key does not come to light."""
        here, there = (Process(provider, region) for region in regions)
        here.tag()
        regions[0].go_down()
        there.tag()
        clock.advance(1000)
        here.tag()
        with pytest.raises(KeyStoreError):
            here.tags()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tag"), st.integers(0, 2)),
        st.tuples(st.just("tag"), st.integers(0, 2)),
        st.tuples(st.just("rotate"), st.integers(0, 2)),
        st.tuples(st.just("retire"), st.integers(0, 2)),
        st.tuples(st.just("store down"), st.integers(0, 2)),
        st.tuples(st.just("provider down"), st.integers(0, 2)),
        st.tuples(st.just("up"), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.sampled_from([1, 100, 400, 700, 850, 1000, 3000, 4000, 5000, 6000])),
    ),
    max_size=40,
)


@given(STEPS, st.tuples(*[st.sampled_from([0, 50, int(DELAY)])] * 3))
@relaxed
def test_what_was_tagged_is_found_or_the_search_fails(
    clock: Clock, steps: list[tuple[str, int]], lags: tuple[int, int, int]
) -> None:
    """Three regions tag, rotate, retire, and lose their key store or key service, in any order.

    Whatever any of them tagged, each of them finds as soon as the row can have arrived, or says that it cannot search.
    The rows of a retired key count as tagged anew.
    """
    key = LocalKeyProvider.generate()
    processes, regions = [], []
    for lag in lags:
        provider, region = CountingProvider(), Region(clock)
        provider.inner, region.lag = key, lag
        regions.append(region)
        processes.append((Process(provider, region), provider))
    for region in regions:
        region.others = [other for other in regions if other is not region]
    tagged: dict[bytes, float] = {}  # tag -> since when

    def attempt(work: Callable[[], Any]) -> Any:
        with suppress(FieldcryptError):
            return work()

    for step, number in steps:
        process, provider = processes[number % 3]
        if step == "tag" and (tag := attempt(process.tag)) is not None:
            tagged[tag] = clock.now
        elif step == "rotate":
            attempt(process.rotate)
        elif step == "retire" and attempt(process.retire):
            tagged = dict.fromkeys(attempt(process.tags)[:1], clock.now)
            clock.advance(DELAY)
        elif step == "store down":
            regions[number].go_down()
        elif step == "provider down":
            provider.unwrap_failure = provider.wrap_failure = outage
        elif step == "up":
            provider.unwrap_failure = provider.wrap_failure = None
            regions[number].get_failure = regions[number].list_failure = regions[number].add_failure = None
        elif step == "wait":
            clock.advance(number)
        for (searching, _), lag in zip(processes, lags, strict=True):
            found = attempt(searching.tags)
            if found is not None:
                assert {tag for tag, since in tagged.items() if since + lag <= clock.now} <= set(found)
