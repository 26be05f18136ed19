"""fieldcrypt with a key store: a genuine keyring for each process of a sample, asked when that can make a difference.

A field that has what the keyring gave it does not come back before its deadline. So between two uses of a data key that
are both before the deadline nothing happens, and they need not be looked at. As uses come independently, the first
one after the deadline is as far from it as any use is from any moment: it is drawn, and the keyring is asked then.

That is exact as long as a process does not come to more data keys within a `cache_ttl` than it may hold
(`KeyPolicy.max_cached_keys`). Then tenants have nothing to do with one another either, and some can stand for all.
Where it does, the keyring is asked for every single use of all tenants.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from benchmarks.kms.fleet import Fleet
from benchmarks.kms.sample import Sample
from benchmarks.kms.service import Kms, Latency
from benchmarks.kms.shared_keys import SharedKeys
from benchmarks.kms.virtual_time import VirtualTime
from fieldcrypt.events import Events
from fieldcrypt.keys.keyring import Keyring

__all__ = ["StoredProcess", "simulate_stored"]


class StoredProcess:
    """A process with a keyring over a key store.

    Args:
        fleet: whose policy it has.
        kms: where it wraps and unwraps.
        keys: where it finds and keeps data keys.
        region: in which it runs.
    """

    def __init__(self, fleet: Fleet, kms: Kms, keys: SharedKeys, region: int) -> None:
        self._kms = kms
        self._keyring = Keyring(kms.at(region), keys.at(region), fleet.policy, Events(None))

    def write(self, tenant: int) -> float:
        """Do what a field does that has to encrypt, and return until when it will not ask again."""
        self._kms.using = "write"
        return self._keyring.for_encryption(str(tenant)).deadline

    def read(self, key_id: bytes) -> float:
        """Do what a field does that has to decrypt, and return until when it will not ask again."""
        self._kms.using = "read"
        return self._keyring.for_decryption(key_id).deadline


@dataclass
class _World:
    fleet: Fleet
    time: VirtualTime
    kms: Kms
    keys: SharedKeys
    rng: random.Random
    end: float
    tenants: Mapping[int, float]
    skipping: bool  # uses before a deadline
    living: list[_Life] = field(default_factory=list)


class _Life:
    """The uses of a process, from its start to its end."""

    def __init__(self, world: _World, region: int, end: float) -> None:
        self._world = world
        self._region = region
        self._end = end
        self._process = StoredProcess(world.fleet, world.kms, world.keys, region)
        self._known: set[int] = set()
        for tenant in world.tenants:
            rate = world.fleet.rate * world.fleet.popularity[tenant]
            self._at(world.time.now + self._gap(rate), partial(self._begin, tenant))

    def _gap(self, rate: float) -> float:
        return self._world.rng.expovariate(rate) if rate > 0 else float("inf")

    def _at(self, time: float, work: partial[None]) -> None:
        if time < self._end:
            self._world.time.at(time, work)

    def _begin(self, tenant: int) -> None:
        """Use a tenant for the first time."""
        world = self._world
        self._known.add(tenant)
        now = world.time.now
        keys = world.keys.shares(tenant, now)
        if world.rng.random() >= world.fleet.reads:
            self._write(tenant)
        else:
            self._at(now + self._gap(self._writes(tenant)), partial(self._write, tenant))
            if keys:
                key_ids, shares = zip(*keys, strict=True)
                (drawn,) = world.rng.choices(key_ids, shares)
                self._read(tenant, drawn)
                keys = [(key_id, share) for key_id, share in keys if key_id != drawn]
        for key_id, _ in keys:
            self._next_read(tenant, key_id, now)

    def begin_to_read(self, tenant: int, key_id: bytes) -> None:
        """Take note that there are values under a new data key."""
        if tenant in self._known:
            self._next_read(tenant, key_id, self._world.time.now)

    def _writes(self, tenant: int) -> float:
        fleet = self._world.fleet
        return fleet.rate * (1 - fleet.reads) * fleet.popularity[tenant]

    def _write(self, tenant: int) -> None:
        deadline = self._process.write(tenant)
        self._at(self._from(deadline) + self._gap(self._writes(tenant)), partial(self._write, tenant))

    def _read(self, tenant: int, key_id: bytes) -> None:
        deadline = self._process.read(key_id)
        self._next_read(tenant, key_id, self._from(deadline))

    def _from(self, deadline: float) -> float:
        return max(deadline, self._world.time.now) if self._world.skipping else self._world.time.now

    def _next_read(self, tenant: int, key_id: bytes, after: float) -> None:
        """Draw the next use of a data key.

        How many want values under it changes slowly, as they age: that is looked at again after a while.
        """
        world, fleet = self._world, self._world.fleet
        while_alike = max(fleet.ttl, fleet.recent_age / 10)
        share = world.keys.share(tenant, key_id, after + fleet.ttl / 2)
        time = after + self._gap(fleet.rate * fleet.reads * fleet.popularity[tenant] * share)
        if time <= after + while_alike:
            self._at(time, partial(self._read, tenant, key_id))
        else:
            again = after + while_alike
            self._at(again, partial(self._next_read, tenant, key_id, again))


def simulate_stored(
    fleet: Fleet,
    latency: Latency,
    *,
    processes: int,
    window: float,
    seed: int,
    one_in: float = 1.0,
    asks: int = 1_000_000,
    together: float | None = None,
    pause: float = 0.0,
    fraction: float | None = None,
) -> Sample:
    """Simulate some processes of a fleet that all start at the same moment.

    Args:
        fleet: of which they are some.
        latency: of KMS.
        processes: how many.
        window: for how long, in seconds; those that end meanwhile are followed by new ones.
        seed: of all that is random.
        one_in: every how many-eth tenant to simulate, if some can stand for all (see `Fleet.some_tenants`).
        asks: where they cannot, after so many calls of KMS there were enough, and the window is shorter.
        together: when all tenants have to be rotated, in seconds from the start; if None, each at its own time.
        pause: how long after the end of a process another one takes its place.
        fraction: of a second, at which the first begins (see `VirtualTime`).
    """
    rng = random.Random(seed)
    with VirtualTime(seed, fraction) as time:
        kms = Kms(time, latency, rng)
        end = time.start + window

        def on_rotation(tenant: int, since: float) -> None:
            key_id = keys.newest(tenant)

            def begin() -> None:
                for life in world.living:
                    life.begin_to_read(tenant, key_id)

            time.at(since, begin)

        keys = SharedKeys(fleet, kms, time, seed, together, on_rotation)
        skipping = not fleet.crowded
        chosen = fleet.some_tenants(one_in if skipping else 1.0, rng)
        world = _World(fleet, time, kms, keys, rng, end, chosen, skipping)

        def begin_anew() -> None:
            until = min(time.now + fleet.lifetime, end)
            world.living = [_Life(world, number % fleet.regions, until) for number in range(processes)]
            if until + pause < end:
                time.at(until + pause, begin_anew)

        begin_anew()
        time.run(end, lambda: not skipping and len(kms.calls) >= asks)
        watched = time.elapsed
    return Sample(fleet, processes, kms.calls, watched, min(2 * fleet.ttl, watched / 2), chosen)
