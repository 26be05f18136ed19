"""A fleet of processes and what it does: how many values, of which tenants, how old, and until when a process lives."""

from __future__ import annotations

import math
import random
from bisect import bisect
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from fieldcrypt import KeyPolicy

__all__ = ["DAY", "HOUR", "MONTH", "Fleet"]

HOUR = 3600.0  # seconds, as all times here
DAY = 24 * HOUR
MONTH = 30 * DAY
_BUSIEST = 40  # tenants


@dataclass(frozen=True)
class Fleet:
    """Processes that write and read values at random times, each independently of the others.

    Attributes:
        processes: in all regions together, as many in each.
        values: written or read by all of them in a month.
        regions: each with a replica of the KMS key, and of the key store.
        tenants: each with data keys of its own; every process serves all of them.
        reads: the share of values that are read.
        skew: tenant n is used in proportion to 1/n**skew: 0 is alike, 1 is Zipf's law.
        lifetime: after which a process is replaced by a new one, as by a deployment.
        recent: the share of reads that want something new, of an age that is exponential with mean `recent_age`; the
            others want any value of the last `history` with equal odds.
        lag: until what is written in one region is in the others.
        store_time: that it takes to read from the key store, or to write to it.
        policy: of every process.
    """

    processes: int
    values: float
    regions: int = 1
    tenants: int = 1
    reads: float = 0.8
    skew: float = 1.0
    lifetime: float = DAY
    recent: float = 0.9
    recent_age: float = DAY
    history: float = 360 * DAY
    lag: float = 1.0
    store_time: float = 0.005
    policy: KeyPolicy = KeyPolicy()  # noqa: RUF009 (it cannot be changed)

    @property
    def rate(self) -> float:
        """How many values a process writes or reads in a second."""
        return self.values / MONTH / self.processes

    @property
    def ttl(self) -> float:
        """How long a process uses a data key before it asks KMS again, in seconds."""
        return self.policy.cache_ttl.total_seconds()

    @property
    def data_keys(self) -> int:
        """How many data keys there are with a key store: of each tenant those that its values of all ages are under."""
        return self.tenants * (1 + math.ceil(self.history / self.policy.rotate_after.total_seconds()))

    @property
    def crowded(self) -> bool:
        """True if a process may come to more data keys within a `cache_ttl` than it may hold."""
        uses = self.rate * self.ttl
        return min(self.data_keys, uses + 6 * math.sqrt(uses)) > self.policy.max_cached_keys

    @cached_property
    def popularity(self) -> list[float]:
        """Of each tenant, its share of all values."""
        weights = [rank**-self.skew for rank in range(1, self.tenants + 1)]
        total = sum(weights)
        return [weight / total for weight in weights]

    @cached_property
    def _cumulative(self) -> list[float]:
        return list(accumulate(self.popularity))

    def some_tenants(self, one_in: float, rng: random.Random) -> dict[int, float]:
        """Choose tenants to stand for all of them.

        Args:
            one_in: every so many-eth is chosen, but the busiest all are: they do more than others.
            rng: says with which to begin.

        Returns:
            For how many tenants each of them stands.
        """
        busiest = min(_BUSIEST, self.tenants)
        offset = rng.random()
        wanted = int((self.tenants - busiest) / one_in)
        chosen = [busiest + int((place + offset) * one_in) for place in range(wanted)]
        weight = (self.tenants - busiest) / wanted if wanted else 0.0
        return dict.fromkeys(range(busiest), 1.0) | dict.fromkeys(chosen, weight)

    def tenant(self, rng: random.Random) -> int:
        """Draw the tenant of a value."""
        return min(bisect(self._cumulative, rng.random()), self.tenants - 1)

    def age(self, rng: random.Random) -> float:
        """Draw how old a value is that is read."""
        if rng.random() < self.recent:
            return rng.expovariate(1 / self.recent_age)
        return rng.random() * self.history

    def share_aged(self, youngest: float, oldest: float) -> float:
        """Return the share of reads that want a value of such an age."""
        youngest, oldest = max(youngest, 0.0), max(oldest, 0.0)
        new = math.exp(-youngest / self.recent_age) - math.exp(-oldest / self.recent_age)
        old = (min(oldest, self.history) - min(youngest, self.history)) / self.history if self.history else 0.0
        return self.recent * new + (1 - self.recent) * old
