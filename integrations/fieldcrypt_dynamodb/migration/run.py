"""A step over a table, and the segments of it that workers claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["COUNTS", "Run", "Segment", "number", "run_of"]

COUNTS = ("done", "changed", "failed")


@dataclass(frozen=True, slots=True)
class Run:
    """A step over a table.

    Attributes:
        step: which one.
        about: what it was begun for, in words.
        region: the one that writes.
        segments: into how many the table is divided.
        total: items, about, at its beginning.
        done, changed, failed: of them, so far.
        began, ended: when; None if it has not.
        paused: somebody asked all to stop.
        held_until: when another region may take over.
    """

    step: str
    about: str
    region: str
    segments: int
    total: int
    done: int
    changed: int
    failed: int
    began: float
    ended: float | None
    paused: bool
    held_until: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a table that one worker works at.

    Attributes:
        run, number: which one.
        position: the key that is done last; None: none is.
        counts: items of it that were looked at, that were changed, and that could not be.
    """

    run: Run
    number: int
    position: Mapping[str, Any] | None
    counts: tuple[int, int, int]

    @property
    def place(self) -> tuple[int, int]:
        """Its number, and of how many."""
        return self.number, self.run.segments


def run_of(item: Mapping[str, Any], segments: Sequence[Mapping[str, Any]]) -> Run:
    """Return a run as it is written down, with what its segments have counted."""
    done, changed, failed = (sum(int(each[name]["N"]) for each in (item, *segments) if name in each) for name in COUNTS)
    return Run(
        step=item["part"]["S"],
        about=item["about"]["S"],
        region=item["region"]["S"],
        segments=int(item["segments"]["N"]),
        total=int(item["total"]["N"]),
        done=done,
        changed=changed,
        failed=failed,
        began=float(item["began"]["N"]),
        ended=float(item["ended"]["N"]) if "ended" in item else None,
        paused=bool(item.get("paused", {}).get("BOOL", False)),
        held_until=float(item["held_until"]["N"]),
    )


def number(value: float) -> dict[str, str]:
    """Return a time as it is written down."""
    return {"N": f"{value:.6f}"}
