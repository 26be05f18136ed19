"""Checkpoints as they are written down: an item for each step, and one for each segment of the table."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import MigrationError
from fieldcrypt.migration.engine.journal import WRITING, Counts, Run, at_work, is_free, rivals

__all__ = ["LEASE", "MOST_SEGMENTS", "Entries", "Segment", "StoredRun"]

LEASE = 30.0  # seconds after which a segment, or a run, of which nothing was heard is anybody's
MOST_SEGMENTS = 1_000  # of each of which there is a checkpoint
_SKEW = 5.0  # seconds that the clocks of two machines may differ

_NEEDED: Any = object()
_FORMS: dict[type, str] = {str: "S", float: "N", int: "N", bool: "BOOL", dict: "M"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun(Run):
    """A step over a table.

    Attributes:
        item: as it is written down.
        region: the one that writes.
        segments: into how many the table is divided.
        held_until: when another region may take over.
    """

    item: Mapping[str, Any]
    region: str
    segments: int
    held_until: float

    def is_held(self) -> bool:
        """Return True if a region is at work at it; what is held longer than one can be is the mistake of a clock."""
        now = time.time()
        return self.ended is None and not self.paused and now <= self.held_until <= now + LEASE + _SKEW


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a table that one worker works at.

    Attributes:
        step, number: which one.
        item: as it is written down.
        worker, leased_until: whose it is, and until when.
        is_finished: nothing is left of it.
    """

    step: str
    number: int
    item: Mapping[str, Any]
    worker: str | None
    leased_until: float
    is_finished: bool

    def is_free(self) -> bool:
        """Return True if nobody works at it."""
        return is_free(self.worker, self.leased_until, time.time(), LEASE)


class Entries:
    """All that is written down about a migration.

    Args:
        items: as DynamoDB has them.
        name: the migration's.

    Raises:
        MigrationError: one of them is none of ours.
    """

    def __init__(self, items: Sequence[Mapping[str, Any]], name: str) -> None:
        self._name = name
        self._segments = [self._segment(item) for item in items if "/" in item["part"]["S"]]
        self.runs = {item["part"]["S"]: self._run(item) for item in items if "/" not in item["part"]["S"]}

    def of(self, step: str) -> list[Segment]:
        """Return the segments of a step."""
        return [each for each in self._segments if each.step == step]

    def refuse_rivals(self, step: str, region: str, *, restart: bool = False) -> None:
        """Refuse a step while somebody is at work at what must not be done at the same time.

        Args:
            step, region: what is to be done, and where.
            restart: it is to be begun again, so that nobody may be at work at the step itself.

        Raises:
            ConfigurationError: somebody is: at another step that writes, or in another region.
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
            if segment.step in not_meanwhile and not segment.is_finished and not segment.is_free():
                raise at_work(self._name, segment.step, str(segment.worker), LEASE)

    def counts(self, item: Mapping[str, Any]) -> Counts:
        """Return what an item has counted."""
        return Counts(*(self.read(item, name, int, 0) for name in Counts._fields))

    def read(self, item: Mapping[str, Any], name: str, kind: type, default: Any = _NEEDED) -> Any:
        """Return an attribute of an item in Python's form.

        Raises:
            MigrationError: it is of another kind; or it is needed, and absent.
        """
        if name not in item and default is not _NEEDED:
            return default
        try:
            return kind(item[name][_FORMS[kind]])
        except (KeyError, TypeError, ValueError):
            pass
        raise self._odd(item, name)

    def _run(self, item: Mapping[str, Any]) -> StoredRun:
        step = item["part"]["S"]
        mine = self.of(step)
        counted = map(self.counts, [item] if "done" in item else [each.item for each in mine])
        done, changed, failed = (sum(each) for each in zip(Counts(0, 0, 0), *counted, strict=True))
        run = StoredRun(
            step,
            self._name,
            self.read(item, "about", str),
            self.read(item, "total", int),
            done,
            changed,
            failed,
            self.read(item, "began", float),
            self.read(item, "ended", float, None),
            self.read(item, "paused", bool, False),
            tuple(sorted({each.worker for each in mine if each.worker is not None and not each.is_finished})),
            item=item,
            region=self.read(item, "region", str),
            segments=self.read(item, "segments", int),
            held_until=self.read(item, "held_until", float),
        )
        if not 1 <= run.segments <= MOST_SEGMENTS:
            raise self._odd(item, "segments")
        return run

    def _segment(self, item: Mapping[str, Any]) -> Segment:
        step, _, number = item["part"]["S"].partition("/")
        if not number.isdigit():
            raise self._odd(item, "part")
        worker, until = self.read(item, "worker", str, None), self.read(item, "leased_until", float, 0.0)
        return Segment(step, int(number), item, worker, until, self.read(item, "finished", bool, False))

    def _odd(self, item: Mapping[str, Any], name: str) -> MigrationError:
        return MigrationError(
            f"{self._name}: the checkpoint {item['part']['S']!r} has no {name!r} as one is written: somebody else "
            "wrote it. Delete this item of the table of checkpoints, and run the step again; what is done stays done"
        )
