"""Contestants that encrypt and decrypt, measured in one run and shown beside one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import measure
from benchmarks.measure import Result

__all__ = ["VERBS", "Line", "Work", "compare", "microseconds", "times"]

VERBS = ("encrypt", "decrypt")

Work = Mapping[str, Callable[[], object]]  # what a contestant does, for each of the verbs


@dataclass(frozen=True, slots=True)
class Line:
    """What a contestant took for both verbs, beside what the floor took in the same rounds."""

    name: str
    results: Mapping[str, Result]
    floors: Mapping[str, Result]

    def ratio(self, verb: str) -> float:
        return self.results[verb].ratio(self.floors[verb])

    def spread(self, verb: str) -> tuple[float, float]:
        return self.results[verb].spread(self.floors[verb])

    def cells(self) -> tuple[str, ...]:
        """Microseconds, and the ratio with its quartiles, of both verbs."""
        cells: list[str] = []
        for verb in VERBS:
            low, high = self.spread(verb)
            spread = f"({times(low)}–{times(high)})"
            cells += microseconds(self.results[verb].median), f"{times(self.ratio(verb))} {spread}"
        return tuple(cells)

    def figures(self) -> dict[str, Any]:
        return {
            verb: {
                "us": self.results[verb].median,
                "ratio": self.ratio(verb),
                "quartiles": self.spread(verb),
            }
            for verb in VERBS
        }


def microseconds(value: float) -> str:
    """Show a time with three digits that count."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def times(ratio: float) -> str:
    """Show a ratio."""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}" if ratio < 100 else f"{ratio:,.0f}"


def compare(work: Mapping[str, Work], floor: str, seconds: float) -> dict[str, Line]:
    """Measure contestants in one run.

    Args:
        work: what each of them does, by name.
        floor: the name of the one that the others are compared with.
        seconds: how long to go on.
    """
    found = measure.run({f"{verb} {name}": of[verb] for name, of in work.items() for verb in VERBS}, seconds)
    floors = {verb: found[f"{verb} {floor}"] for verb in VERBS}
    return {name: Line(name, {verb: found[f"{verb} {name}"] for verb in VERBS}, floors) for name in work}
