"""One row of what both backends were asked to reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.compare import times

__all__ = ["NATIVE", "PURE", "Row"]

PURE, NATIVE = "python", "native"  # the names of the backends, as an Encryptor takes them


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one work, by both backends, beside what they should be.

    Attributes:
        work: what was done.
        plain: what the figures are compared with, and what that took.
        names: of the figures, in their order: "encrypt" and "decrypt", or whose they are.
        found: the figures, by backend; those of one that is not there are missing.
        goals: what they should be, by backend, one for each figure; of a backend without one nothing was asked.
        more_is_better: True if a goal is the least that a figure should be, and not the most.
        show: how a figure is written.
    """

    work: str
    plain: str
    names: tuple[str, ...]
    found: Mapping[str, tuple[float, ...]]
    goals: Mapping[str, tuple[float, ...]]
    more_is_better: bool = False
    show: Callable[[float], str] = times

    def holds(self, backend: str) -> bool | None:
        """Return True if a backend reaches its goal, or None if it was not measured, or nothing was asked of it."""
        if backend not in self.found or backend not in self.goals:
            return None
        pairs = zip(self.found[backend], self.goals[backend], strict=True)
        # As they are written: a goal of 1.35 is reached by what is shown as 1.35.
        return all(round(found - goal, 2) * (1 if self.more_is_better else -1) >= 0 for found, goal in pairs)

    def cells(self) -> tuple[str, ...]:
        """Return the row of a table."""
        found = (cell for backend in (PURE, NATIVE) for cell in (self._found(backend), self._goal(backend)))
        return (self.work, self.plain, *found, self._verdict())

    def figures(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return {
            "work": self.work,
            "plain": self.plain,
            "names": self.names,
            "found": self.found,
            "goals": self.goals,
            "more is better": self.more_is_better,
            "holds": {backend: self.holds(backend) for backend in (PURE, NATIVE)},
        }

    def _found(self, backend: str) -> str:
        return " / ".join(map(self.show, self.found.get(backend, ()))) or "–"

    def _goal(self, backend: str) -> str:
        goals = self.goals.get(backend, ())
        shown = goals[:1] if len(set(goals)) == 1 else goals
        return " / ".join(map(self.show, shown)) + (" and more" if goals and self.more_is_better else "") or "–"

    def _verdict(self) -> str:
        verdicts = {name: self.holds(backend) for name, backend in (("pure", PURE), ("native", NATIVE))}
        missed = [name for name, holds in verdicts.items() if holds is False]
        if missed:
            return f"no: {' and '.join(missed)}"
        return "yes" if True in verdicts.values() else "–"
