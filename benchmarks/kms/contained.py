"""fieldcrypt without a key store: every process has data keys of its own, and values carry them. Genuine keyrings.

Which value is read decides which data key is needed, and there are as many as processes, tenants and lives: every read
is drawn, and brought to the keyring. Values that were written by processes outside of the sample are under data keys
that are made when one of them is first read.
"""

from __future__ import annotations

import math
import random
from functools import partial

from benchmarks.kms.fleet import Fleet
from benchmarks.kms.sample import Sample
from benchmarks.kms.service import Kms, Latency
from benchmarks.kms.shared_keys import past_record
from benchmarks.kms.virtual_time import VirtualTime
from fieldcrypt import KeyRecord
from fieldcrypt.events import Events
from fieldcrypt.keys.keyring import Keyring

__all__ = ["simulate_contained"]


class _Values:
    """Whose data key a value that is read is under."""

    def __init__(self, fleet: Fleet, time: VirtualTime, kms: Kms, rng: random.Random) -> None:
        self._fleet = fleet
        self._time = time
        self._kms = kms
        self._rng = rng
        self._past: dict[tuple[int, int, int], KeyRecord] = {}
        self.living: list[_Life] = []
        longest = min(fleet.lifetime, fleet.policy.rotate_after.total_seconds())
        writes = fleet.rate * (1 - fleet.reads)
        # From one data key of a process and tenant to the next: a life, or longer if it is not written in every life.
        self._every = [longest / -math.expm1(-writes * share * longest) for share in fleet.popularity]

    def draw(self) -> KeyRecord | None:
        """Return the record that comes with a value, or None if there is no such value yet."""
        fleet, rng = self._fleet, self._rng
        tenant, age, writer = fleet.tenant(rng), fleet.age(rng), rng.randrange(fleet.processes)
        elapsed = self._time.elapsed - age
        if elapsed >= 0 and writer < len(self.living):
            return self.living[writer].records.get(tenant)
        if not fleet.history:
            return None
        number = math.floor(elapsed / self._every[tenant])
        if number >= 0:
            number = -1  # nobody had begun yet, or this is of somebody's first moments
        key = (tenant, writer, number)
        record = self._past.get(key)
        if record is None:
            record = self._past[key] = past_record(self._kms, tenant, self._time.now - age)
        return record


class _Life:
    """A process, from its start to its end.

    Attributes:
        records: by tenant, of the data key of its last value, or that of its predecessor.
    """

    def __init__(
        self,
        fleet: Fleet,
        time: VirtualTime,
        kms: Kms,
        values: _Values,
        region: int,
        end: float,
        records: dict[int, KeyRecord],
    ) -> None:
        self.records = records
        self._fleet = fleet
        self._time = time
        self._kms = kms
        self._values = values
        self._rng = values._rng
        self._end = end
        self._keyring = Keyring(kms.at(region), None, fleet.policy, Events(None))
        for tenant in range(fleet.tenants):
            self._next_write(tenant, time.now)
        self._next_read()

    def _next_write(self, tenant: int, after: float) -> None:
        rate = self._fleet.rate * (1 - self._fleet.reads) * self._fleet.popularity[tenant]
        time = after + self._rng.expovariate(rate) if rate > 0 else math.inf
        if time < self._end:
            self._time.at(time, partial(self._write, tenant))

    def _write(self, tenant: int) -> None:
        self._kms.using = "write"
        lease = self._keyring.for_encryption(str(tenant))
        self.records[tenant] = lease.key.record.stored
        self._next_write(tenant, max(lease.deadline, self._time.now))

    def _next_read(self) -> None:
        rate = self._fleet.rate * self._fleet.reads
        time = self._time.now + self._rng.expovariate(rate) if rate > 0 else math.inf
        if time < self._end:
            self._time.at(time, self._read)

    def _read(self) -> None:
        self._next_read()  # which does not wait for this one
        record = self._values.draw()
        if record is not None:
            self._kms.using = "read"
            self._keyring.for_decryption(record.key_id, record.to_bytes())


def simulate_contained(
    fleet: Fleet,
    latency: Latency,
    *,
    processes: int,
    window: float,
    seed: int,
    asks: int = 1_000_000,
    pause: float = 0.0,
    fraction: float | None = None,
) -> Sample:
    """Simulate some processes of a fleet that all start at the same moment (see `simulate_stored`)."""
    rng = random.Random(seed)
    with VirtualTime(seed, fraction) as time:
        kms = Kms(time, latency, rng)
        values = _Values(fleet, time, kms, rng)
        end = time.start + window

        def begin_anew() -> None:
            until = min(time.now + fleet.lifetime, end)
            written = [life.records for life in values.living] or [{} for _ in range(processes)]
            values.living = [
                _Life(fleet, time, kms, values, number % fleet.regions, until, records)
                for number, records in enumerate(written)
            ]
            if until + pause < end:
                time.at(until + pause, begin_anew)

        begin_anew()
        time.run(end, lambda: len(kms.calls) >= asks)
        watched = time.elapsed
    return Sample(fleet, processes, kms.calls, watched, min(2 * fleet.ttl, watched / 2))
