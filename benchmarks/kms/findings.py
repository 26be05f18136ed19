"""What is measured, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.kms.agreement import ALL, Agreement, compare, small_fleet
from benchmarks.kms.contestants import CONTESTANTS, STORED, Effort, outcome
from benchmarks.kms.fleet import Fleet
from benchmarks.kms.sample import Outcome
from benchmarks.kms.scenarios import AXES, FLEETS, ONE_KEY, REMEDIES
from benchmarks.kms.service import Latency, Tariff
from benchmarks.kms.stored import simulate_stored
from benchmarks.section import Options

__all__ = ["FULL", "QUICK", "Findings", "Moment", "Scale", "find"]

_AGREEMENT, _FLEETS, _AGAIN, _REMEDIES, _MOMENTS = 0.25, 0.25, 0.07, 0.08, 0.02  # of the time; growth has the rest
_ROTATION = 2400.0  # seconds after the start, in the table of moments


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done.

    Attributes:
        asks: calls of KMS that are simulated of each fleet.
        growing: the same for each point of a curve.
        every: of the points of a curve, every which one.
        life: of the processes of the small real fleet, in seconds.
        lives: how many they have.
        processes: that share a data key, in the table of moments.
    """

    asks: int
    growing: int
    every: int
    life: float
    lives: int
    processes: int


FULL = Scale(asks=1_400, growing=400, every=1, life=5.0, lives=2, processes=300)
QUICK = Scale(asks=500, growing=150, every=3, life=4.0, lives=1, processes=100)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time at which all processes may want the same at once.

    Attributes:
        name: what happens.
        busiest: calls in the busiest second of it.
    """

    name: str
    busiest: float


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found.

    Attributes:
        fleets: by the name of the fleet and the contestant.
        again: of fieldcrypt with a key store, with other processes and other chance.
        remedies: the same, for the largest fleet as it could be.
        growth: by axis, contestant, and how much there is of what grows.
        moments: of a fleet with one data key.
        agreement: of simulation and reality.
    """

    tariff: Tariff
    latency: Latency
    fleets: Mapping[str, Mapping[str, Outcome]]
    again: Mapping[str, Outcome]
    remedies: Mapping[str, Outcome]
    growth: Mapping[str, Mapping[str, Mapping[int, Outcome]]]
    moments: tuple[Moment, ...]
    agreement: tuple[Agreement, ...]


def find(options: Options, tariff: Tariff, latency: Latency) -> Findings:
    """Simulate everything, and compare a small fleet with a real one."""
    scale = QUICK if options.quick else FULL
    options.advance(0.0, "a small fleet, really")
    agreement = compare(small_fleet(scale.life), scale.lives, seed=1)
    if not all(one.agrees for one in agreement if one.operation == ALL):
        # A machine that has much else to do holds processes up: one more try.
        agreement = compare(small_fleet(scale.life), scale.lives, seed=2)
    options.advance(_AGREEMENT, "fleets")
    known: dict[tuple[Fleet, str, Effort], Outcome] = {}

    def of(contestant: str, fleet: Fleet, effort: Effort) -> Outcome:
        key = (fleet, contestant, effort)
        if key not in known:
            known[key] = outcome(contestant, fleet, effort, tariff, latency)
        return known[key]

    fleets: dict[str, dict[str, Outcome]] = {}
    for name, fleet in FLEETS.items():
        fleets[name] = {contestant: of(contestant, fleet, Effort(scale.asks)) for contestant in CONTESTANTS}
        options.advance(_FLEETS / len(FLEETS), f"{name}")
    again = {name: of(STORED, fleet, Effort(2 * scale.asks, seed=2)) for name, fleet in FLEETS.items()}
    options.advance(_AGAIN, "what helps")
    remedies = {remedy.name: _times(of(STORED, remedy.fleet, Effort(scale.asks)), remedy.parts) for remedy in REMEDIES}
    options.advance(_REMEDIES, "one data key")
    moments = _moments(scale.processes, latency)
    options.advance(_MOMENTS, "growth")
    rest = 1 - _AGREEMENT - _FLEETS - _AGAIN - _REMEDIES - _MOMENTS
    growth: dict[str, dict[str, dict[int, Outcome]]] = {}
    for axis in AXES:
        points = {x: axis.fleets[x] for x in list(axis.fleets)[:: -scale.every]}
        curves = growth[axis.name] = {contestant: {} for contestant in CONTESTANTS}
        for x, fleet in sorted(points.items()):
            for contestant in CONTESTANTS:
                curves[contestant][x] = of(contestant, fleet, Effort(scale.growing, starting=False))
            options.advance(rest / len(AXES) / len(points), f"{axis.name}")
    return Findings(tariff, latency, fleets, again, remedies, growth, moments, tuple(agreement))


def _times(outcome: Outcome, parts: int) -> Outcome:
    """Return what several such fleets side by side ask of KMS."""
    return replace(
        outcome,
        calls=outcome.calls * parts,
        by_region=tuple(calls * parts for calls in outcome.by_region),
        dollars=outcome.dollars * parts,
        steady=outcome.steady * parts,
        peak=outcome.peak * parts,
        deployed=outcome.deployed * parts,
    )


def _moments(processes: int, latency: Latency) -> tuple[Moment, ...]:
    fleet = replace(ONE_KEY, history=1.0)  # of one key, at first
    sample = simulate_stored(fleet, latency, processes=processes, window=_ROTATION + 600, seed=1, together=_ROTATION)
    seconds = Counter(int(call.time) for call in sample.calls)

    def busiest(first: float, last: float) -> float:
        return sample.scale * max((count for second, count in seconds.items() if first <= second < last), default=0)

    ttl = fleet.ttl
    return (
        Moment("all processes begin in the same second", busiest(0, 60)),
        Moment("they check the key for the first time", busiest(0.7 * ttl, ttl)),
        Moment("and for the second time", busiest(1.45 * ttl, 2 * ttl)),
        Moment("the key is rotated", busiest(_ROTATION - 5, _ROTATION + 60)),
    )
