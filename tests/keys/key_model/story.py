"""What is true of a story so far: its world, its processes, and what is checked whenever one of them writes."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant

from fieldcrypt import (
    Encryptor,
    KeyPolicy,
    KeyProviderError,
    KeyShreddedError,
    KeyStoreError,
    _system,
)
from tests.keys.key_model.oracle import Known, newest_that_waited
from tests.keys.key_model.world import World

__all__ = ["CALM", "DELAY", "MANY", "ROTATE", "STALE", "STORMY", "TTL", "Process", "Story"]

DELAY, TTL, GRACE, ROTATE = 30, 60, 120, 86_400
STALE = 2 * TTL + GRACE  # no choice of a process is older
MANY = 12  # records that do not open, with which a choice still comes to its end
CALM, STORMY = ("calm",), ("gust", "gale")


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
        self.encryptor = Encryptor(self.provider, world.regions[region], policy=policy)
        self.field = self.encryptor.field("a.b", str)

    def writes(self, tenant: str) -> bytes:
        return self.field.encrypt("x", tenant=tenant)


class Story(RuleBasedStateMachine):
    """A machine without rules."""

    tally: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.world = World(DELAY)
        self.clock_ahead = 0  # of whoever acts now
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(_system, "monotonic", lambda: float(self.world.now))
        self._patch.setattr(_system, "wall_clock", lambda: float(self.world.now + self.clock_ahead))
        self._patch.setattr(_system, "start_thread", lambda work: work())
        self.processes = [Process(self.world, region, None) for region in (0, 0, 1, 1)]
        self.floors: defaultdict[tuple[int, str], list[tuple[float, Known | None]]] = defaultdict(list)
        self.at_once: set[bytes] = set()  # keys that encrypted as soon as they were made
        self.values: list[tuple[str, bytes]] = []  # of calm tenants
        self.asked_for: Counter[str] = Counter()  # data keys of a tenant
        self.shredded: dict[str, float] = {}  # calm tenants, and when
        self.tally["steps"] -= 1  # for the count before the first rule

    def teardown(self) -> None:
        self._patch.undo()

    def attempt(self, what: str, process: Process, tenant: str) -> bytes | None:
        """Return what a process writes, or None if it cannot, for a reason that there really is."""
        self.look()
        made, now, region = set(self.world.genuine), self.world.now, process.region
        try:
            value = process.writes(tenant)
        except KeyShreddedError:
            assert self.world.shredded(region, tenant)
            self.count(what, "shredded")
        except KeyProviderError:
            assert region in self.world.down
            self.count(what, "outage")
        except KeyStoreError as error:
            early = "made recently" in str(error)
            assert tenant in STORMY
            assert early or region in self.world.down
            self.count(what, "another one later" if early else "outage")
        else:
            self.count(what, "done")
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

    def dates(self) -> list[int]:
        return sorted(genuine.created for genuine in self.world.genuine.values() if genuine.tenant in STORMY)

    def look(self) -> None:
        """Note how old a key may be at the most that somebody chooses now."""
        for region in (0, 1):
            for tenant in (*CALM, *STORMY):
                newest = newest_that_waited(self.world.authentic(region, tenant), self.world.now, DELAY)
                notes = self.floors[region, tenant]
                notes.append((self.world.now, newest))
                notes[:] = [note for note in notes if note[0] >= self.world.now - STALE]

    def floor(self, region: int, tenant: str) -> Known | None:
        """Return the oldest of the keys below which nobody chose since the oldest choice that may still be in use."""
        notes = [newest for _, newest in self.floors[region, tenant]]
        return None if not notes or None in notes else min(each for each in notes if each is not None)

    @invariant()
    def counted(self) -> None:
        self.tally["steps"] += 1

    def count(self, what: str, outcome: str) -> None:
        self.tally[f"{what}: {outcome}"] += 1
