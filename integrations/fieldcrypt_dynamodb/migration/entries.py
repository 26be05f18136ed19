"""Checkpoints as they are written down: an item for each step, and one for each segment of the table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fieldcrypt.migration import MigrationError
from fieldcrypt.migration.engine.journal import Counts, Run, is_free

__all__ = ["LEASE", "MOST_SEGMENTS", "Entries", "RunEntry", "Segment", "number", "part_of"]

LEASE = 30.0  # seconds after which a segment, or a run, of which nothing was heard is anybody's
MOST_SEGMENTS = 1_000  # of each of which there is a checkpoint
_SKEW = 5.0  # seconds that the clocks of two machines may differ

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A step over a table.

    Attributes:
        run: as the engine has it.
        item: as it is written down.
        region: the one that writes.
        segments: into how many the table is divided.
        held_until: when another region may take over.
    """

    run: Run
    item: Mapping[str, Any]
    region: str
    segments: int
    held_until: float

    def is_held(self) -> bool:
        """Return True if a region is at work at it; what is held longer than one can be is the mistake of a clock."""
        now = time.time()
        return self.run.ended is None and not self.run.paused and now <= self.held_until <= now + LEASE + _SKEW


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
    """

    def __init__(self, items: Sequence[Mapping[str, Any]], name: str) -> None:
        self.items, self._name = items, name
        self.segments = [self._segment(item) for item in items if "/" in item["part"]["S"]]
        self.runs = {item["part"]["S"]: self._run(item) for item in items if "/" not in item["part"]["S"]}

    def of(self, step: str) -> Iterator[Segment]:
        """Yield the segments of a step."""
        return (each for each in self.segments if each.step == step)

    def counts(self, item: Mapping[str, Any]) -> Counts:
        """Return what an item has counted."""
        return Counts(*(int(self._read(item, name, _number, 0.0)) for name in Counts._fields))

    def position(self, item: Mapping[str, Any]) -> Any:
        """Return the key that is done last of a segment; None: none is."""
        return self._read(item, "position", lambda value: value["M"], None)

    def _run(self, item: Mapping[str, Any]) -> RunEntry:
        step = item["part"]["S"]
        mine = list(self.of(step))
        counted = [item] if "done" in item else [each.item for each in mine]
        done, changed, failed = (sum(each) for each in zip(Counts(0, 0, 0), *map(self.counts, counted), strict=True))
        workers = {each.worker for each in mine if each.worker is not None and not each.is_finished}
        run = Run(
            step,
            self._name,
            self._read(item, "about", _text),
            int(self._read(item, "total", _number)),
            done,
            changed,
            failed,
            self._read(item, "began", _number),
            self._read(item, "ended", _number, None),
            self._read(item, "paused", _flag, False),
            tuple(sorted(workers)),
        )
        segments = int(self._read(item, "segments", _number))
        if not 1 <= segments <= MOST_SEGMENTS:
            raise self._odd(item, "segments")
        held_until = self._read(item, "held_until", _number)
        return RunEntry(run, item, self._read(item, "region", _text), segments, held_until)

    def _segment(self, item: Mapping[str, Any]) -> Segment:
        step, _, at = item["part"]["S"].partition("/")
        worker = self._read(item, "worker", _text, None)
        leased_until = self._read(item, "leased_until", _number, 0.0)
        if not at.isdigit():
            raise self._odd(item, "part")
        return Segment(step, int(at), item, worker, leased_until, self._read(item, "finished", _flag, False))

    def _read(self, item: Mapping[str, Any], name: str, how: Callable[[Any], T], *default: T) -> T:
        if name not in item and default:
            return default[0]
        try:
            return how(item[name])
        except (KeyError, TypeError, ValueError):
            pass
        raise self._odd(item, name)

    def _odd(self, item: Mapping[str, Any], name: str) -> MigrationError:
        return MigrationError(
            f"{self._name}: the checkpoint {item['part']['S']!r} has no {name!r} as one is written: somebody else "
            "wrote it. Delete this item of the table of checkpoints, and run the step again; what is done stays done"
        )


def part_of(step: str, at: int) -> str:
    """Return the key of a segment."""
    return f"{step}/{at:06}"


def number(value: float) -> dict[str, str]:
    """Return a time as it is written down."""
    return {"N": f"{value:.6f}"}


def _text(value: Any) -> str:
    return str(value["S"])


def _number(value: Any) -> float:
    return float(value["N"])


def _flag(value: Any) -> bool:
    return bool(value["BOOL"])
