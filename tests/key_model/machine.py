"""Random stories of tenants: nobody touches the keys of calm ones but our processes; those of stormy ones anybody does.

What has to be true is said where it is checked. Which key encrypts is SPEC section 6, in the words of `oracle`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fieldcrypt import (
    ConfigurationError,
    Encryptor,
    KeyNotFoundError,
    KeyPolicy,
    KeyProviderError,
    KeyShreddedError,
    KeyState,
    KeyStoreError,
    _system,
)
from tests.doubles import Row
from tests.key_model.oracle import Known, chosen, newest_that_waited
from tests.key_model.world import World

__all__ = ["KeyMachine"]

DELAY, TTL, GRACE, ROTATE = 30, 60, 120, 86_400
STALE = 2 * TTL + GRACE  # no choice of a process is older
MANY = 12  # records that do not open, with which a choice still comes to its end
CALM, STORMY = ("calm",), ("gust", "gale")
REGIONS = st.sampled_from([0, 1])
TENANTS = st.sampled_from([*CALM, *STORMY])
STORMY_TENANTS = st.sampled_from(STORMY)
AHEAD = st.sampled_from([-ROTATE, -DELAY, -1, 0, 1, DELAY, 61, 3_600, 80_000, 10 * 365 * 86_400])


class Process:
    """One that stays, with the keys that it has."""

    def __init__(self, world: World, region: int, not_before: float | None) -> None:
        self.region = region
        self.not_before = float("-inf") if not_before is None else not_before
        policy = KeyPolicy(
            cache_ttl=timedelta(seconds=TTL),
            grace=timedelta(seconds=GRACE),
            rotate_after=timedelta(seconds=ROTATE),
            propagation_delay=timedelta(seconds=DELAY),
            replication_wait=timedelta(0),
            not_before=None if not_before is None else datetime.fromtimestamp(not_before, UTC),
        )
        self.provider = world.provider(region)
        self.encryptor = Encryptor(self.provider, world.regions[region], policy)
        self.field = self.encryptor.field("a.b", str)

    def writes(self, tenant: str) -> bytes:
        return self.field.encrypt("x", tenant=tenant)


class KeyMachine(RuleBasedStateMachine):
    """Choosing, making, rotating, retiring and shredding; whoever writes to the stores or cuts off a key service."""

    tally: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.world = World(DELAY)
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(_system, "monotonic", lambda: float(self.world.now))
        self._patch.setattr(_system, "wall_clock", lambda: float(self.world.now))
        self._patch.setattr(_system, "start_thread", lambda work: work())
        self.processes = [Process(self.world, region, None) for region in (0, 0, 1, 1)]
        self.floors: defaultdict[tuple[int, str], list[tuple[float, Known | None]]] = defaultdict(list)
        self.at_once: set[bytes] = set()  # keys that encrypted as soon as they were made
        self.values: list[tuple[str, bytes]] = []  # of calm tenants
        self.asked_for: Counter[str] = Counter()  # data keys of a tenant
        self.shredded: dict[str, float] = {}  # calm tenants, and when

    def teardown(self) -> None:
        self._patch.undo()

    # What our processes do

    @rule(place=st.integers(0, 3), tenant=TENANTS, lag=st.integers(0, DELAY))
    def write(self, place: int, tenant: str, lag: int) -> None:
        """A process that may have keys at hand encrypts under none that is older than what it could not but know."""
        self.world.lag, process = lag, self.processes[place]
        if tenant in CALM and process.not_before > float("-inf"):
            return  # it replaces keys that others go on with
        value = self._attempt("write", process, tenant)
        if value is not None:
            genuine = self.world.genuine[value[1:17]]  # made by one of us
            assert genuine.tenant == tenant
            assert genuine.created >= process.not_before
            floor = self._floor(process.region, tenant)
            assert floor is None or (genuine.created, value[1:17]) >= floor[:2]

    @rule(region=REGIONS, tenant=TENANTS, lag=st.integers(0, DELAY), protected=st.booleans())
    def write_from_nothing(self, region: int, tenant: str, lag: int, protected: bool) -> None:
        """A process that has no keys encrypts under the very key that the rule names, or says why not."""
        self.world.lag = lag
        dates = self._dates() if protected and tenant in STORMY else []
        process = Process(self.world, region, dates[len(dates) // 2] if dates else None)
        records, made = self.world.authentic(region, tenant), set(self.world.genuine)
        wanted = chosen(records, self.world.now, DELAY, process.not_before)
        closed = self.world.shredded(region, tenant)
        value = self._attempt("write from nothing", process, tenant)
        if value is None:
            assert closed or region in self.world.down
            return
        assert not closed
        assert process.provider.unwraps <= MANY + len(records) + 1
        used = value[1:17]
        if wanted is not None:
            assert used == wanted.key_id
        else:
            assert used not in made
            newest = max(records, default=None)
            wished = self.world.now if newest is None else newest.created + 1
            assert self.world.genuine[used].created == max(wished, process.not_before)
            assert tenant in STORMY or not records

    @rule(region=REGIONS, tenant=TENANTS, lag=st.integers(0, DELAY))
    def rotate(self, region: int, tenant: str, lag: int) -> None:
        """The new key is dated now, or after those that are authentic; whatever else there is."""
        self.world.lag = lag
        dates = [known.created for known in self.world.authentic(region, tenant)]
        process = Process(self.world, region, None)
        try:
            made = process.encryptor.data_keys.rotate(tenant)
        except KeyShreddedError:
            assert self.world.shredded(region, tenant)
        except KeyNotFoundError:
            assert not dates
        except KeyProviderError:
            assert region in self.world.down
        else:
            self._count("rotate", "done")
            self.asked_for[tenant] += 1
            assert made.created == max(self.world.now, max(dates, default=0) + 1)

    @rule(region=REGIONS, tenant=TENANTS, lag=st.integers(0, DELAY))
    def replace_and_retire(self, region: int, tenant: str, lag: int) -> None:
        """What somebody does who wants to be rid of a key: each step as above and below."""
        self.write_from_nothing(region, tenant, lag, protected=False)
        self.wait(1)
        self.rotate(region, tenant, lag)
        self.wait(DELAY)
        self.retire(region, tenant, 0)

    @rule(region=REGIONS, tenant=TENANTS, which=st.integers(0, 9))
    def retire(self, region: int, tenant: str, which: int) -> None:
        """A key is given up only if it is genuine, and an authentic one that followed it encrypts."""
        records = sorted(self.world.authentic(region, tenant))
        opened = [known.key_id for known in records]  # the oldest first
        rows = self.world.regions[region].rows
        key_ids = [*opened, *(each for each, row in rows.items() if row.tenant == tenant and each not in opened)]
        key_ids = [each for each in key_ids if rows[each].state != KeyState.RETIRED.value]
        if not key_ids:
            return
        key_id = key_ids[which % len(key_ids)]
        encrypts = chosen(records, self.world.now, DELAY, float("-inf"))
        try:
            Process(self.world, region, None).encryptor.data_keys.retire(key_id)
        except (ConfigurationError, KeyStoreError, KeyProviderError) as error:
            self._count("retire", type(error).__name__)
            return
        self._count("retire", "done")
        (record,) = [known for known in records if known.key_id == key_id]
        assert encrypts is not None
        assert record < encrypts

    @rule(region=REGIONS, tenant=TENANTS, really=st.integers(0, 2))
    def shred(self, region: int, tenant: str, really: int) -> None:
        """Nothing is encrypted for the tenant afterwards, nor read."""
        if really:
            return
        process = Process(self.world, region, None)
        try:
            process.encryptor.data_keys.shred(tenant, "somebody")
        except KeyStoreError:
            return
        self._count("shred", "done")
        if tenant in CALM:
            self.shredded.setdefault(tenant, self.world.now)
        assert self._attempt("write", process, tenant) is None

    @rule(region=REGIONS, which=st.integers(0, 1_000))
    def read(self, region: int, which: int) -> None:
        """A calm tenant's value is read everywhere: at once, or if its key did not wait, after a delay."""
        if not self.values or region in self.world.down:
            return
        tenant, value = self.values[which % len(self.values)]
        key_id = value[1:17]
        row = self.world.regions[region].rows.get(key_id)
        try:
            text = Process(self.world, region, None).field.decrypt(value, tenant=tenant)
        except KeyShreddedError:
            assert row is not None
            assert row.state == KeyState.SHREDDED.value
        except KeyNotFoundError:
            assert key_id in self.at_once
            assert self.world.now < self.world.genuine[key_id].made + DELAY
        else:
            self._count("read", "done")
            assert text == "x"
            assert row is not None
            assert row.state != KeyState.SHREDDED.value

    @rule(place=st.integers(0, 3), fresh=st.booleans(), earliest=st.integers(-1, 5))
    def restart(self, place: int, fresh: bool, earliest: int) -> None:
        """A process ends, and another one begins, with or without a time before which no key counts."""
        dates = self._dates()
        not_before = None if fresh or not dates else dates[earliest % len(dates)]
        self.processes[place] = Process(self.world, self.processes[place].region, not_before)

    @rule(seconds=st.sampled_from([1, 1, 10, DELAY - 1, DELAY, DELAY + 1, TTL, STALE, 3_600, ROTATE, 2 * ROTATE]))
    def wait(self, seconds: int) -> None:
        self._look()
        self.world.advance(seconds)

    @rule(region=REGIONS)
    def cut_off_or_mend(self, region: int) -> None:
        """The key service of a region can be reached no more, or again."""
        self.world.down ^= {region}

    # What somebody does who writes to the key store, to the stormy tenants

    @rule(region=REGIONS, tenant=STORMY_TENANTS, ahead=AHEAD, key_id=st.binary(min_size=16, max_size=16))
    def plant(self, region: int, tenant: str, ahead: int, key_id: bytes) -> None:
        """A record that does not open."""
        rows = self.world.regions[region].rows
        if len([each for each in rows if each not in self.world.genuine]) < MANY // 2:
            rows.setdefault(key_id, self.world.junk(tenant, key_id, self.world.now + ahead))

    @rule(region=REGIONS, which=st.integers(0, 1_000), ahead=AHEAD)
    def change_date(self, region: int, which: int, ahead: int) -> None:
        edited = [
            each
            for each, row in self.world.regions[region].rows.items()
            if each in self.world.genuine and row.record != self.world.genuine[each].record
        ]
        key_id = self._stormy(region, which)
        if key_id is not None and len(edited) < MANY // 2:
            self._put(region, key_id, self.world.redated(key_id, self.world.now + ahead))

    @rule(region=REGIONS, which=st.integers(0, 1_000), state=st.sampled_from([KeyState.ACTIVE, KeyState.RETIRED]))
    def set_state(self, region: int, which: int, state: KeyState) -> None:
        key_id = self._stormy(region, which)
        if key_id is not None and self.world.regions[region].rows[key_id].state != KeyState.SHREDDED.value:
            self._put(region, key_id, self.world.regions[region].rows[key_id]._replace(state=state.value))

    @rule(region=REGIONS, which=st.integers(0, 1_000))
    def delete(self, region: int, which: int) -> None:
        key_id = self._stormy(region, which)
        if key_id is not None:
            self._put(region, key_id, None)

    @rule(region=REGIONS, which=st.integers(0, 1_000))
    def put_back(self, region: int, which: int) -> None:
        """Any row that there ever was, over whatever is there now: a tombstone, for example."""
        rows = [(key_id, row) for key_id, row in self.world.rows if row.tenant in STORMY]
        if rows:
            self._put(region, *rows[which % len(rows)])

    # What is checked, and noted for that

    def _attempt(self, what: str, process: Process, tenant: str) -> bytes | None:
        """Return what a process writes, or None if it cannot, for a reason that there really is."""
        self._look()
        made, now, region = set(self.world.genuine), self.world.now, process.region
        try:
            value = process.writes(tenant)
        except KeyShreddedError:
            assert self.world.shredded(region, tenant)
            self._count(what, "shredded")
        except KeyProviderError:
            assert region in self.world.down
            self._count(what, "outage")
        except KeyStoreError as error:
            early = "a short while ago" in str(error)
            assert tenant in STORMY
            assert early or region in self.world.down
            self._count(what, "another one later" if early else "outage")
        else:
            self._count(what, "done")
            if tenant in CALM:
                if value[1:17] not in made:
                    self.at_once.add(value[1:17])
                self.values.append((tenant, value))
                assert now <= self.shredded.get(tenant, now) + DELAY + STALE
                self._check_number_of_keys(tenant)
            assert process.field.decrypt(value, tenant=tenant) == "x"
            return value
        return None

    def _check_number_of_keys(self, tenant: str) -> None:
        """Without an attacker each region makes one first key, and one each time the newest is old."""
        made = [genuine.made for genuine in self.world.genuine.values() if genuine.tenant == tenant]
        assert len(made) <= 2 * (1 + (self.world.now - min(made)) // ROTATE) + self.asked_for[tenant]

    def _dates(self) -> list[int]:
        return sorted(genuine.created for genuine in self.world.genuine.values() if genuine.tenant in STORMY)

    def _look(self) -> None:
        """Note how old a key may be at the most that somebody chooses now."""
        for region in (0, 1):
            for tenant in (*CALM, *STORMY):
                newest = newest_that_waited(self.world.authentic(region, tenant), self.world.now, DELAY)
                notes = self.floors[region, tenant]
                notes.append((self.world.now, newest))
                notes[:] = [note for note in notes if note[0] >= self.world.now - STALE]

    def _floor(self, region: int, tenant: str) -> Known | None:
        """Return the oldest of the keys below which nobody chose since the oldest choice that may still be in use."""
        notes = [newest for _, newest in self.floors[region, tenant]]
        return None if not notes or None in notes else min(each for each in notes if each is not None)

    def _stormy(self, region: int, which: int) -> bytes | None:
        rows = sorted(key_id for key_id, row in self.world.regions[region].rows.items() if row.tenant in STORMY)
        genuine = [key_id for key_id in rows if key_id in self.world.genuine]
        return genuine[which % len(genuine)] if genuine else None

    def _put(self, region: int, key_id: bytes, row: Row | None) -> None:
        self._look()
        rows = self.world.regions[region].rows
        rows.pop(key_id, None)
        if row is not None:
            rows[key_id] = row
        self._look()

    @invariant()
    def counted(self) -> None:
        self.tally["steps"] += 1

    def _count(self, what: str, outcome: str) -> None:
        self.tally[f"{what}: {outcome}"] += 1
