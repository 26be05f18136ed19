"""How far a migration is.

An item for each step says which region works at it; one for each segment which worker, until when, and after which key
it goes on. What is done twice, because its worker died before it could write that down, is done to no effect: items are
only written as they were read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from fieldcrypt import ConfigurationError, MigrationError
from fieldcrypt.spi.migration import WRITING, Counts, Journal, LostPortionError, Nothing, Portion, Run, at_work_error
from fieldcrypt_dynamodb.migration import entries
from fieldcrypt_dynamodb.migration.checkpoint_table import CheckpointTable
from fieldcrypt_dynamodb.migration.entries import Entries, StoredRun

__all__ = ["Checkpoints"]

_NAME_SIZE = 150


class Checkpoints(Journal):
    """The checkpoints of one migration, in a table that an administrator makes.

    Args:
        table, name: where they are, and of which migration.
        segments: into how many the table is divided by a new run.
        region: returns in which region this process works at it.

    Raises:
        ConfigurationError: the name is too long.
    """

    lease = entries.LEASE

    def __init__(self, table: CheckpointTable, name: str, segments: int, region: Callable[[], str]) -> None:
        if not 1 <= len(name) <= _NAME_SIZE:
            raise ConfigurationError(f"the name of a migration has 1 to {_NAME_SIZE} characters")
        self._table, self._name, self._segments, self._region = table, name, segments, region

    def exists(self) -> bool:
        return bool(self._table.regions())

    def create(self) -> None:
        """Do nothing: who may make tables makes it."""

    # Runs

    def runs(self) -> Sequence[Run]:
        return list(self._entries().runs.values())

    def find(self, step: str) -> Run | None:
        return self._entries().runs.get(step)

    def begin(self, step: str, about: str, total: int, *, restart: bool, drops: Sequence[str]) -> Run:
        """See `Journal.begin`; another region must not be at work either."""
        region, found = self._region(), self._entries()
        found.refuse_rivals(step, region, restart=restart)
        old = found.runs.get(step)
        if old is not None and not (old.is_resumed(about, restart=restart) and old.region == region):
            old = None  # in another region segments begin and end elsewhere
        for each in (*drops, step) if old is None else drops:
            self._drop(each, found)
        values: dict[str, Any] = {"paused": False, "held_until": _lease()}
        if old is None:
            values |= {"about": about, "region": region, "segments": self._segments, "total": total}
            self._table.write(self._name, step, {**values, "began": time.time()}, {"part": None})
        elif self._write_run(old, values) is None:
            raise self._taken_over_error(old)
        if step in WRITING:
            self._table.settle()
        found = self._entries()
        found.refuse_rivals(step, region)
        run = found.runs.get(step)
        if run is None or run.region != region:
            raise ConfigurationError(
                f"{self._name}: another process, or another region, has begun a step at the same time as this {step}: "
                "wait for its end"
            )
        return run

    def _drop(self, step: str, found: Entries) -> None:
        """Forget a run: first its segments, of which nobody may have claimed one meanwhile."""
        for segment in found.segments_of(step):
            if not self._table.delete(segment.item):
                raise at_work_error(self._name, step, "somebody who has just begun", entries.LEASE)
        if step in found.runs:
            self._table.delete(found.runs[step].item)

    def note(self, run: Run, counts: Counts) -> bool:
        return self._write_run(run, {**counts._asdict(), "ended": run.ended or time.time()}) is not None

    def pause(self) -> None:
        for run in self.runs():
            if run.ended is None:
                self._write_run(run, {"paused": True})

    def goes_on(self, run: Run) -> bool:
        """Note that this region works on a run (see `Journal.goes_on`)."""
        item = self._write_run(run, {"held_until": _lease()})
        if item is None:
            raise self._taken_over_error(run)
        return item.get("paused") != {"BOOL": True}

    def _write_run(self, run: Run, values: Mapping[str, Any], **before: Any) -> dict[str, Any] | None:
        """Write to a run that is still this one, and return its item; None if it is not."""
        before |= {"region": self._region(), "began": run.began}
        return self._table.write(self._name, run.step, values, before)

    # Segments

    def claim(self, run: Run, worker: str, units: int) -> Portion | Nothing:
        found = self._entries()
        current = self._current(run, found)
        if current is None or current.ended is not None:
            return Nothing.DONE
        if current.paused:
            return Nothing.PAUSED
        found.refuse_rivals(run.step, current.region)
        left = found.left(current)
        for segment in left:
            if segment.is_free():
                values = {"worker": worker, "leased_until": _lease()}
                taken = self._write(run, segment.number, values, leased_until=segment.item.get("leased_until"))
                if taken is not None:
                    return self._portion(current, taken, worker)
        if not left:
            self._write_run(run, {"ended": time.time()}, ended=None)
        return Nothing.WAIT if left else Nothing.DONE

    def _portion(self, run: StoredRun, taken: Mapping[str, Any], worker: str) -> Portion | Nothing:
        """Return a segment that was taken, having looked again who else is at work.

        Two that begin at the same time see each other: both lease first, and look afterwards.
        """
        found = self._entries()
        try:
            found.refuse_rivals(run.step, run.region)
            is_there = self._current(run, found) is not None
        except (ConfigurationError, MigrationError):
            self.release(run, worker)
            raise
        if not is_there:
            self._table.delete(taken)
            return Nothing.DONE
        segment = found.segment(taken)
        return Portion(run, segment.number, segment.position, run.segments, segment.counts)

    def _current(self, run: Run, found: Entries) -> StoredRun | None:
        """Return a run as it is now; None if it was forgotten."""
        current = found.runs.get(run.step)
        if current is not None and (current.began != run.began or current.region != self._region()):
            raise self._taken_over_error(run)
        return current

    def hold(self, batch: Any, portion: Portion, worker: str) -> None:
        """See `Journal.hold`; by itself it prolongs that of the run as well."""
        self._update(portion, worker)
        if batch is None:
            self.goes_on(portion.run)

    def advance(self, batch: Any, portion: Portion, worker: str, counts: Counts, *, finished: bool) -> None:
        at = {} if portion.position is None else {"position": {"M": dict(portion.position)}}
        self._update(portion, worker, finished=finished, **portion.counts._asdict(), **at)

    def release(self, run: Run, worker: str) -> None:
        with suppress(MigrationError):
            for segment in self._entries().segments_of(run.step):
                if segment.worker == worker and not segment.finished:
                    self._write(run, segment.number, {"worker": None}, worker=worker)

    def _update(self, portion: Portion, worker: str, **values: Any) -> None:
        values["leased_until"] = _lease()
        if self._write(portion.run, portion.number, values, worker=worker) is None:
            raise LostPortionError

    def _write(self, run: Run, at: int, values: Mapping[str, Any], **before: Any) -> dict[str, Any] | None:
        return self._table.write(self._name, f"{run.step}/{at:06}", values, before)

    def _taken_over_error(self, run: Run) -> MigrationError:
        return MigrationError(f"{self._name}: the {run.step} was begun again, or another region has taken it over")

    def _entries(self) -> Entries:
        return Entries(self._table.items(self._name), self._name)


def _lease() -> float:
    return time.time() + entries.LEASE
