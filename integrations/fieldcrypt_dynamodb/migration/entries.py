"""Checkpoints as they are written down: an item for each step, and one for each segment of the table."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fieldcrypt import ConfigurationError, MigrationError
from fieldcrypt.spi.migration import WRITING, Counts, Run, at_work_error, is_free, rivals

__all__ = ["LEASE", "MOST_SEGMENTS", "Entries", "Segment", "StoredRun"]

LEASE = 30.0  # seconds after which a segment, or a run, of which nothing was heard is anybody's
MOST_SEGMENTS = 1_000  # of each of which there is a checkpoint
_SKEW = 5.0  # seconds that the clocks of two machines may differ

# What items have, by type. A run has counts of its own if it was done in one piece.
_COUNTS: dict[str, type] = dict.fromkeys(Counts._fields, int)
_RUN: dict[str, type] = {"about": str, "region": str, "segments": int, "total": int}
_RUN |= {"began": float, "held_until": float}
_MORE_OF_RUN = {"ended": float, "paused": bool, **_COUNTS}
_SEGMENT = {"worker": str, "leased_until": float, "finished": bool, "position": dict, **_COUNTS}
_FORMS: dict[type, str] = {str: "S", int: "N", float: "N", bool: "BOOL", dict: "M"}  # DynamoDB's of each type


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun(Run):
    """A step over a table.

    Attributes:
        item: as it is written down.
        region: the one that writes, and until when no other may take over.
        segments: into how many the table is divided.
    """

    item: Mapping[str, Any]
    region: str
    held_until: float
    segments: int

    def is_held(self) -> bool:
        """Return True if a region is at work at it; what is held longer than one can be is the mistake of a clock."""
        now = time.time()
        return self.ended is None and not self.paused and now <= self.held_until <= now + LEASE + _SKEW


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a table that one worker works at, as it is written down: a `Portion` of a run."""

    step: str
    number: int
    item: Mapping[str, Any]
    worker: str | None = None
    leased_until: float = 0.0
    finished: bool = False
    position: Mapping[str, Any] | None = None
    done: int = 0
    changed: int = 0
    failed: int = 0

    @property
    def counts(self) -> Counts:
        """What was counted in it."""
        return Counts(self.done, self.changed, self.failed)

    def is_free(self) -> bool:
        """Return True if nobody works at it."""
        return is_free(self.worker, self.leased_until, time.time(), LEASE)


class Entries:
    """All that is written down about a migration, by its items; MigrationError if one of them is not as it is written.

    Attributes:
        runs: by their steps.
    """

    def __init__(self, items: Sequence[Mapping[str, Any]], name: str) -> None:
        self._name = name
        self._segments = [self.segment(item) for item in items if "/" in item["part"]["S"]]
        self.runs = {item["part"]["S"]: self._run(item) for item in items if "/" not in item["part"]["S"]}

    def segments_of(self, step: str) -> list[Segment]:
        """Return the segments of a step."""
        return [each for each in self._segments if each.step == step]

    def left(self, run: StoredRun) -> list[Segment]:
        """Return the segments of a run of which something is left, also those that nobody has begun."""
        known = {each.number: each for each in self.segments_of(run.step)}
        every = (known.get(number) or Segment(run.step, number, {}) for number in range(run.segments))
        return [each for each in every if not each.finished]

    def refuse_rivals(self, step: str, region: str, *, restart: bool = False) -> None:
        """Refuse a step in a region while somebody is at work at another one that writes, or in another region.

        Args:
            restart: it is to be begun again, so that nobody may be at work at the step itself either.
        """
        away = [run for run in self.runs.values() if {step, run.step} <= WRITING and run.region != region]
        for run in sorted(away, key=lambda run: run.step):
            if run.is_held():
                raise ConfigurationError(
                    f"{self._name}: the {run.step} is being done in {run.region}, and one region writes to a global "
                    f"table: pause it there, or wait until nothing was heard of it for {LEASE:.0f} seconds"
                )
        not_meanwhile = rivals(step) | {run.step for run in away} | ({step} if restart else set())
        for segment in self._segments:
            if segment.step in not_meanwhile and not segment.finished and not segment.is_free():
                raise at_work_error(self._name, segment.step, str(segment.worker), LEASE)

    def segment(self, item: Mapping[str, Any]) -> Segment:
        """Return the segment of an item."""
        step, _, number = item["part"]["S"].partition("/")
        if not number.isdigit():
            raise self._odd_error(item, "part")
        return Segment(step, int(number), item, **self._values(item, {}, _SEGMENT))

    def _run(self, item: Mapping[str, Any]) -> StoredRun:
        step = item["part"]["S"]
        mine = self.segments_of(step)
        values: dict[str, Any] = {name: sum(getattr(each, name) for each in mine) for name in _COUNTS}
        values |= self._values(item, _RUN, _MORE_OF_RUN)
        if not 1 <= values["segments"] <= MOST_SEGMENTS:
            raise self._odd_error(item, "segments")
        workers = {each.worker for each in mine if each.worker is not None and not each.finished}
        return StoredRun(step=step, part=self._name, workers=tuple(sorted(workers)), item=item, **values)

    def _values(self, item: Mapping[str, Any], needed: dict[str, type], more: dict[str, type]) -> dict[str, Any]:
        """Return what an item has, in Python's form."""
        found = {}
        for name, kind in (needed | more).items():
            if name in needed or name in item:
                try:
                    found[name] = kind(item[name][_FORMS[kind]])
                except (KeyError, TypeError, ValueError):
                    raise self._odd_error(item, name) from None
        return found

    def _odd_error(self, item: Mapping[str, Any], name: str) -> MigrationError:
        return MigrationError(
            f"{self._name}: the checkpoint {item['part']['S']!r} has no {name!r} as one is written: somebody else "
            "wrote it. Delete this item of the table of checkpoints, and run the step again; what is done stays done"
        )
