"""How the benchmarks measure: everything interleaved in one run, in random order, and compared as ratios.

On a shared machine the speed changes from second to second, for all contestants alike. A round gives each of them a
short slice, in shuffled order; a ratio is taken within a round, and the median over the rounds is reported.
"""

from __future__ import annotations

import gc
import json
import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.environment import environment

__all__ = ["Result", "environment", "run", "write_json"]

Work = Callable[[], object]

SLICE = 0.001  # seconds that a contestant runs in one round: most are over before another process is let in


@dataclass(frozen=True, slots=True)
class Result:
    """The rounds of one contestant.

    Attributes:
        microseconds: time per call, one figure a round.
    """

    microseconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median time per call, in microseconds."""
        return statistics.median(self.microseconds)

    def ratio(self, floor: Result) -> float:
        """The median over the rounds of this time divided by the floor's time in the same round."""
        pairs = zip(self.microseconds, floor.microseconds, strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def spread(self, floor: Result) -> tuple[float, float]:
        """The quartiles of the ratio."""
        pairs = zip(self.microseconds, floor.microseconds, strict=True)
        first, _, third = statistics.quantiles((mine / theirs for mine, theirs in pairs), n=4)
        return first, third


def run(
    contestants: Mapping[str, Work], seconds: float, on_round: Callable[[], None] = lambda: None
) -> dict[str, Result]:
    """Measure contestants against one another.

    Args:
        contestants: name -> work; a call of the work is what is timed.
        seconds: how long to go on, in total.
        on_round: called after every round, for a progress bar.
    """
    counts = {name: _calls_per_slice(work) for name, work in contestants.items()}  # which warms them up as well
    times: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    end = perf_counter() + seconds
    gc.collect()
    while perf_counter() < end or len(times[order[0]]) < 5:
        random.shuffle(order)
        for name in order:
            times[name].append(_time(contestants[name], counts[name]) / counts[name] * 1e6)
        on_round()
    return {name: Result(tuple(values)) for name, values in times.items()}


def _time(work: Work, count: int) -> float:
    calls = range(count)
    start = perf_counter()
    for _ in calls:
        work()
    return perf_counter() - start


def _calls_per_slice(work: Work) -> int:
    work()  # what happens once (a key is unwrapped) is not part of the measure
    count = 1
    # The best of three: a pause is no slowness.
    while (best := min(_time(work, count) for _ in range(3))) < SLICE / 4:
        count *= 2
    return max(1, round(count * SLICE / best))


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Write figures, with the environment they were measured in."""
    path.write_text(json.dumps({"environment": environment(), **figures}, indent=2) + "\n")
