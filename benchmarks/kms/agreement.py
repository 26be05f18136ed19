"""Whether the simulation counts what really happens: a small fleet of real processes, and the same one simulated."""

from __future__ import annotations

import json
import math
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from benchmarks.kms.contained import simulate_contained
from benchmarks.kms.fleet import MONTH, Fleet
from benchmarks.kms.service import Call, Latency
from benchmarks.kms.stored import simulate_stored
from fieldcrypt import FileKeyStore, KeyPolicy
from fieldcrypt.testing import LocalAws
from fieldcrypt.testing.child_process import ChildProcess

__all__ = ["ALL", "BOTH", "TOLERANCE", "Agreement", "compare", "small_fleet"]

ALL, BOTH = "all", "both"

REGIONS = ("us-east-1", "eu-west-1")
TOLERANCE = 0.1
_FEW = 150
PAUSE = 1.0  # seconds between the end of processes and the beginning of others
FRACTION = 0.5  # of a second, at which they begin
_SIMULATIONS = 5  # their mean is taken, so that chance is in the real run alone
_SIMULATE = {"stored": simulate_stored, "contained": simulate_contained}


@dataclass(frozen=True, slots=True)
class Agreement:
    """Calls of one kind.

    Attributes:
        form: of the values: "stored", "contained", or BOTH.
        operation: of KMS, or ALL.
        real: how many there were.
        simulated: how many there are in the simulation, on average.
        counts: those of each simulation.
    """

    form: str
    operation: str
    real: int
    simulated: float
    counts: tuple[int, ...]

    @property
    def ratio(self) -> float:
        """Simulated over real."""
        return self.simulated / self.real if self.real else float("inf")

    @property
    def agrees(self) -> bool:
        """True if they differ by no more than a tenth, or if there are so few that they do by chance."""
        return self.real < _FEW or abs(self.ratio - 1) <= TOLERANCE


def small_fleet(life: float) -> Fleet:
    """Return a fleet that does in seconds what others do in hours: data keys that are checked, rotated and lost.

    Args:
        life: until all processes are replaced, in seconds.
    """
    processes, rate = 3, 40.0
    policy = KeyPolicy(
        cache_ttl=timedelta(seconds=2),
        grace=timedelta(0),
        rotate_after=timedelta(seconds=3),
        propagation_delay=timedelta(seconds=1),
    )
    return Fleet(
        processes,
        values=processes * rate * MONTH,
        regions=len(REGIONS),
        tenants=8,
        reads=0.5,
        lifetime=life,
        recent=1.0,
        recent_age=0.4,  # what is read is the last value that some process wrote
        history=0.0,
        lag=0.0,
        policy=policy,
    )


def compare(fleet: Fleet, lives: int, seed: int) -> list[Agreement]:
    """Run a fleet, simulate the same, and count the calls of KMS of both.

    Args:
        fleet: with no values from before.
        lives: how often all processes begin again.
        seed: of the real run; the simulations have others.
    """
    real, latency, store_time = _count_real(fleet, lives, seed)
    fleet = replace(fleet, store_time=store_time)
    window = lives * (fleet.lifetime + PAUSE)
    # One after another, all with the same number of processes as there really are.
    simulated = {
        form: [
            _operations(
                simulate(
                    fleet,
                    latency,
                    processes=fleet.processes,
                    window=window,
                    seed=1000 + number,
                    pause=PAUSE,
                    fraction=FRACTION,
                ).calls
            )
            for number in range(_SIMULATIONS)
        ]
        for form, simulate in _SIMULATE.items()
    }
    found = []
    for form, runs in simulated.items():
        for operation in ("Encrypt", "Decrypt", ALL):
            counts = tuple(run[operation] for run in runs)
            found.append(Agreement(form, operation, real[f"{form} {operation}"], statistics.mean(counts), counts))
    both = [one for one in found if one.operation == ALL]
    counts = tuple(map(sum, zip(*(one.counts for one in both), strict=True)))
    return [*found, Agreement(BOTH, ALL, sum(one.real for one in both), statistics.mean(counts), counts)]


def _operations(calls: Sequence[Call]) -> Counter[str]:
    counts = Counter(call.operation for call in calls)
    counts[ALL] = len(calls)
    return counts


def _count_real(fleet: Fleet, lives: int, seed: int) -> tuple[Counter[str], Latency, float]:
    calls: Counter[str] = Counter()
    seconds: list[float] = []
    store: list[float] = []
    with tempfile.TemporaryDirectory(prefix="fieldcrypt-kms-") as directory, LocalAws(REGIONS) as aws:
        endpoints = {region: aws.endpoint(region) for region in REGIONS}
        FileKeyStore.create(Path(directory) / "keys.sqlite")
        told = _scenario(fleet, aws.create_key(), endpoints, Path(directory))
        processes = ChildProcess("benchmarks.kms.worker", told)
        try:
            processes.answer()
            start = math.ceil(time.time() + PAUSE / 2) + FRACTION
            for life in range(lives):
                at = start + life * (fleet.lifetime + PAUSE)
                for counted in json.loads(processes.ask(f"live {seed + life} {at}")):
                    calls.update(counted["calls"])
                    seconds += counted["seconds"]
                    store += counted["store"]
        finally:
            processes.kill()
    for name, count in tuple(calls.items()):
        calls[f"{name.partition(' ')[0]} {ALL}"] += count
    percentiles = statistics.quantiles(seconds, n=100)
    return calls, Latency(p50=percentiles[49], p99=percentiles[98]), statistics.mean(store)


def _scenario(fleet: Fleet, key: str, endpoints: dict[str, str], directory: Path) -> str:
    """Write down what `benchmarks.kms.worker` has to know."""
    policy = {
        name: getattr(fleet.policy, name).total_seconds()
        for name in ("cache_ttl", "rotate_after", "propagation_delay", "grace")
    }
    names = ("processes", "values", "regions", "tenants", "reads", "lifetime")
    attributes = {name: getattr(fleet, name) for name in names}
    return json.dumps(
        {"fleet": attributes, "policy": policy, "key": key, "endpoints": endpoints, "directory": str(directory)}
    )
