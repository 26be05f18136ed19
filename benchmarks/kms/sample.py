"""What a sample of a fleet's processes asked of KMS, and what that means for the whole fleet."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.kms.fleet import MONTH, Fleet
from benchmarks.kms.service import Call, Latency, Tariff

__all__ = ["Outcome", "Sample"]

_ONCE_A_DAY = 4.23  # standard deviations that a Poisson count exceeds in one second of a day


@dataclass(frozen=True, slots=True)
class Sample:
    """The calls of some of a fleet's processes, which all began at the same moment, with nothing in memory.

    Attributes:
        fleet: of which they are some.
        processes: how many.
        calls: of all of them.
        window: how long they were watched, in seconds.
        cold: for how long they are taken to have been starting up.
        tenants: for how many tenants each stands whose calls these are; if None, they are those of all.
    """

    fleet: Fleet
    processes: int
    calls: Sequence[Call]
    window: float
    cold: float
    tenants: Mapping[int, float] | None = None

    @property
    def scale(self) -> float:
        """How many processes each of them stands for."""
        return self.fleet.processes / self.processes

    def stands_for(self, call: Call) -> float:
        """Return for how many calls of a process at that moment, of all tenants, one of these stands."""
        return 1.0 if self.tenants is None else self.tenants[call.tenant]

    def in_a_life(self, call: Call) -> float:
        """Return for how many calls of a process in its life one of these stands."""
        settled = (self.fleet.lifetime - self.cold) / (self.window - self.cold)
        return self.stands_for(call) * (1.0 if call.time < self.cold else settled)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fleet asks of KMS.

    Attributes:
        calls: in a month.
        by_region: the same, region by region.
        dollars: in a month.
        steady: calls per second and region, while no process starts.
        peak: calls in the busiest second of a day, in a region, while no process starts.
        deployed: calls in the busiest second after the whole fleet began again, in a region.
        over: the share of all seconds in which there are more calls than the quota.
        waiting: the share of reads that wait for KMS.
        p99, p999: how long reads wait for KMS, in seconds.
    """

    calls: float
    by_region: tuple[float, ...]
    dollars: float
    steady: float
    peak: float
    deployed: float
    over: float
    waiting: float
    p99: float
    p999: float

    @classmethod
    def of(cls, sample: Sample, starting: Sample, tariff: Tariff) -> Outcome:
        """Draw conclusions from processes that were watched for long, and from more of them while they started."""
        fleet = sample.fleet
        lives = MONTH / fleet.lifetime * sample.scale
        weights = [0.0] * fleet.regions
        for call in sample.calls:
            weights[call.region] += sample.in_a_life(call)
        if sample.processes % fleet.regions:  # they are not spread as the fleet is
            weights = [sum(weights) / fleet.regions] * fleet.regions
        total = sum(weights) * lives
        settled = sum(sample.stands_for(call) for call in sample.calls if call.time >= sample.cold)
        steady = settled / (sample.window - sample.cold) * sample.scale / fleet.regions
        counts: dict[int, float] = defaultdict(float)
        for call in starting.calls:
            counts[int(call.time)] += starting.stands_for(call)
        seconds = [count * starting.scale / fleet.regions for count in counts.values()]
        over = exceeding(steady, tariff.quota) + sum(rate > tariff.quota for rate in seconds) / fleet.lifetime
        waiting, p99, p999 = _waits(sample)
        return cls(
            calls=total,
            by_region=tuple(weight * lives for weight in weights),
            dollars=total / 10_000 * tariff.price,
            steady=steady,
            peak=busiest(steady),
            deployed=max(seconds, default=0.0),
            over=min(over, 1.0),
            waiting=waiting,
            p99=p99,
            p999=p999,
        )

    @classmethod
    def of_one_call_a_value(cls, fleet: Fleet, tariff: Tariff, latency: Latency) -> Outcome:
        """Return what it is if nothing is cached: each value is a call, and every second is alike."""
        rate = fleet.values / MONTH / fleet.regions
        return cls(
            calls=fleet.values,
            by_region=(fleet.values / fleet.regions,) * fleet.regions,
            dollars=fleet.values / 10_000 * tariff.price,
            steady=rate,
            peak=busiest(rate),
            deployed=busiest(rate),
            over=exceeding(rate, tariff.quota),
            waiting=1.0,
            p99=latency.percentile(2.3263),
            p999=latency.percentile(3.0902),
        )


def busiest(rate: float) -> float:
    """Return the calls in the busiest second of a day, if calls come independently at a rate per second.

    The calls of many processes that are out of step do.
    """
    return rate + _ONCE_A_DAY * math.sqrt(rate)


def exceeding(rate: float, quota: float) -> float:
    """Return the share of seconds with more calls than the quota, if they come independently at a rate."""
    if rate <= 0:
        return 0.0
    return 0.5 * math.erfc((quota + 0.5 - rate) / math.sqrt(2 * rate))


def _waits(sample: Sample) -> tuple[float, float, float]:
    """Return which share of reads waits, and for how long, at the 99th and the 99.9th percentile."""
    fleet = sample.fleet
    reads = fleet.rate * fleet.reads
    waits: list[tuple[float, float]] = []
    for call in sample.calls:
        if call.waits:
            weight = sample.in_a_life(call)
            if call.waits == "read":
                waits.append((call.seconds, weight))
            # Those who want the same tenant meanwhile wait for the rest of the call.
            joining = reads * fleet.popularity[call.tenant] * call.seconds
            waits.append((call.seconds / 2, weight * joining))
    total = reads * fleet.lifetime * sample.processes
    share = min(sum(weight for _, weight in waits) / total, 1.0) if total else 0.0
    return share, _quantile(waits, 0.01 * total), _quantile(waits, 0.001 * total)


def _quantile(waits: list[tuple[float, float]], above: float) -> float:
    """Return the wait that is exceeded by waits of so much weight."""
    for seconds, weight in sorted(waits, reverse=True):
        above -= weight
        if above < 0:
            return seconds
    return 0.0
