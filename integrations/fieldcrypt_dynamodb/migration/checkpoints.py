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

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import MigrationError
from fieldcrypt.migration.engine.journal import (
    WRITING,
    Counts,
    LostPortionError,
    Nothing,
    Portion,
    Run,
    at_work,
    other_declaration,
)
from fieldcrypt_dynamodb.migration import entries
from fieldcrypt_dynamodb.migration.checkpoint_table import CheckpointTable
from fieldcrypt_dynamodb.migration.entries import Entries, RunEntry, Segment, number, part_of
from fieldcrypt_dynamodb.migration.rivals import refuse_rivals

__all__ = ["Checkpoints"]

_NAME_SIZE = 150


class Checkpoints:
    """The checkpoints of one migration: a `Journal`.

    Args:
        table: where they are.
        name: the migration's.
        segments: into how many the table is divided by a new run.
        region: returns in which region this process works at it.

    Raises:
        ConfigurationError: the name is too long.
    """

    def __init__(self, table: CheckpointTable, name: str, segments: int, region: Callable[[], str]) -> None:
        if not 1 <= len(name) <= _NAME_SIZE:
            raise ConfigurationError(f"the name of a migration has 1 to {_NAME_SIZE} characters")
        self._table, self._name, self._segments, self._region_of = table, name, segments, region

    @property
    def lease(self) -> float:
        """Seconds after which a segment of which nothing was heard is anybody's."""
        return entries.LEASE

    @property
    def _region(self) -> str:
        return self._region_of()

    def exists(self) -> bool:
        """Return True if there is the table."""
        return bool(self._table.regions())

    def create(self) -> None:
        """Do nothing: the table is made by an administrator, who may do so."""

    # Runs

    def runs(self) -> Sequence[Run]:
        """Return all steps that were begun."""
        return [entry.run for entry in self._entries().runs.values()]

    def find(self, step: str) -> Run | None:
        """Return a step that was begun, with all that its segments have counted so far."""
        entry = self._entries().runs.get(step)
        return None if entry is None else entry.run

    def begin(self, step: str, about: str, total: int, *, restart: bool, drops: Sequence[str]) -> Run:
        """Return the run of a step that is to be worked at (see `Journal.begin`).

        Raises:
            ConfigurationError: another region is at work, or as `Journal.begin`.
        """
        found = self._entries()
        refuse_rivals(found, self._name, step, self._region, restart=restart)
        old = found.runs.get(step)
        goes_on = old is not None and old.run.ended is None and not restart
        if old is not None and goes_on and old.run.about != about:
            raise other_declaration(self._name, old.run, about)
        if old is not None and old.region != self._region:
            goes_on = False  # in another region segments begin and end elsewhere
        for each in (*drops, *(() if goes_on else (step,))):
            self._drop(each, found)
        if old is not None and goes_on:
            self._touch(old.run, "SET #paused = :no, #held_until = :until", {":no": {"BOOL": False}})
        else:
            self._table.add(self._name, step, self._new(about, total))
        if step in WRITING:
            self._table.settle()
            found = self._entries()
            refuse_rivals(found, self._name, step, self._region)
        entry = self._entries().runs.get(step)
        if entry is None or entry.region != self._region:
            raise ConfigurationError(
                f"{self._name}: another process, or another region, has begun a step at the same time as this {step}: "
                "wait for its end"
            )
        return entry.run

    def _new(self, about: str, total: int) -> dict[str, Any]:
        return {
            "about": {"S": about},
            "region": {"S": self._region},
            "segments": {"N": str(self._segments)},
            "total": {"N": str(total)},
            "began": number(time.time()),
            "held_until": number(time.time() + entries.LEASE),
        }

    def _drop(self, step: str, found: Entries) -> None:
        """Forget a run: first its segments, of which nobody may have claimed one meanwhile."""
        for segment in found.of(step):
            if not self._table.delete(segment.item):
                raise at_work(self._name, step, "somebody who has just begun", entries.LEASE)
        if step in found.runs:
            self._table.delete(found.runs[step].item)

    def note(self, run: Run, counts: Counts) -> bool:
        """Write down that a run was done in one piece (see `Journal.note`)."""
        values = {f":{name}": {"N": str(count)} for name, count in counts._asdict().items()}
        sets = ", ".join(f"#{name} = :{name}" for name in Counts._fields)
        update = f"SET #ended = if_not_exists(#ended, :now), {sets}"
        return self._touched(run, update, {":now": number(time.time()), **values}) is not None

    def pause(self) -> None:
        """Have all workers stop at their next checkpoint, and those that wait."""
        for run in self.runs():
            if run.ended is None:
                self._touched(run, "SET #paused = :yes", {":yes": {"BOOL": True}})

    def goes_on(self, run: Run) -> bool:
        """Say that this region is at work at a run, and return False if somebody asked all to stop.

        Raises:
            MigrationError: it was begun again, or another region has taken it over.
        """
        return not self._touch(run, "SET #held_until = :until", {}).get("paused", {}).get("BOOL", False)

    # Segments

    def claim(self, run: Run, worker: str, units: int) -> Portion | Nothing:
        """Return a segment to work at (see `Journal.claim`)."""
        found = self._entries()
        entry = self._current(run, found)
        if entry is None or entry.run.ended is not None:
            return Nothing.DONE
        if entry.run.paused:
            return Nothing.PAUSED
        refuse_rivals(found, self._name, run.step, self._region)
        known = {segment.number: segment for segment in found.of(run.step)}
        left = [at for at in range(entry.segments) if at not in known or not known[at].is_finished]
        for at in left:
            segment = known.get(at)
            if segment is None or segment.is_free():
                taken = self._take(run, at, segment, worker)
                if taken is not None:
                    return self._portion(run, entry, at, taken, worker)
        if not left:
            self._touched(run, "SET #ended = if_not_exists(#ended, :now)", {":now": number(time.time())})
        return Nothing.WAIT if left else Nothing.DONE

    def _take(self, run: Run, at: int, segment: Segment | None, worker: str) -> dict[str, Any] | None:
        values = {":worker": {"S": worker}, ":until": number(time.time() + entries.LEASE)}
        condition = "attribute_not_exists(#leased_until)"
        if segment is not None and "leased_until" in segment.item:
            condition, values[":before"] = "#leased_until = :before", segment.item["leased_until"]
        update = "SET #worker = :worker, #leased_until = :until"
        return self._table.update(self._name, part_of(run.step, at), update, condition, values)

    def _portion(self, run: Run, entry: RunEntry, at: int, taken: Mapping[str, Any], worker: str) -> Portion | Nothing:
        """Return a segment that was taken, having looked again who else is at work.

        Two that begin at the same time see each other: both lease first, and look afterwards.
        """
        found = self._entries()
        try:
            refuse_rivals(found, self._name, run.step, self._region)
            is_there = self._current(run, found) is not None
        except (ConfigurationError, MigrationError):
            self.release(run, worker)
            raise
        if not is_there:
            self._table.delete(taken)
            return Nothing.DONE
        return Portion(run, at, found.position(taken), entry.segments, found.counts(taken))

    def _current(self, run: Run, found: Entries) -> RunEntry | None:
        entry = found.runs.get(run.step)
        if entry is not None and (entry.run.began != run.began or entry.region != self._region):
            raise self._taken_over(run)
        return entry

    def hold(self, batch: Any, portion: Portion, worker: str) -> None:
        """Prolong the lease of a segment, and by itself also of the run (see `Journal.hold`)."""
        values = {":until": number(time.time() + entries.LEASE)}
        self._update(portion, worker, "SET #leased_until = :until", values)
        if batch is None:
            self.goes_on(portion.run)

    def advance(self, batch: Any, portion: Portion, worker: str, counts: Counts, *, finished: bool) -> None:
        """Write down how far a segment is (see `Journal.advance`)."""
        values = {":until": number(time.time() + entries.LEASE), ":finished": {"BOOL": finished}}
        values |= {f":{name}": {"N": str(count)} for name, count in portion.counts._asdict().items()}
        sets = [f"#{name} = :{name}" for name in (*Counts._fields, "finished")]
        if portion.position is not None:
            sets.append("#position = :position")
            values[":position"] = {"M": dict(portion.position)}
        self._update(portion, worker, f"SET #leased_until = :until, {', '.join(sets)}", values)

    def release(self, run: Run, worker: str) -> None:
        """Give up what a worker has of a run (see `Journal.release`)."""
        with suppress(MigrationError):
            for segment in self._entries().of(run.step):
                if segment.worker == worker and not segment.is_finished:
                    part, mine = part_of(run.step, segment.number), {":worker": {"S": worker}}
                    self._table.update(self._name, part, "REMOVE #worker", "#worker = :worker", mine)

    def _update(self, portion: Portion, worker: str, update: str, values: Mapping[str, Any]) -> None:
        mine = {":worker": {"S": worker}, **values}
        part = part_of(portion.run.step, portion.number)
        if self._table.update(self._name, part, update, "#worker = :worker", mine) is None:
            raise LostPortionError

    def _touch(self, run: Run, update: str, values: Mapping[str, Any]) -> dict[str, Any]:
        found = self._touched(run, update, values)
        if found is None:
            raise self._taken_over(run)
        return found

    def _touched(self, run: Run, update: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
        mine = {":region": {"S": self._region}, ":began": number(run.began), **values}
        if ":until" in update:
            mine[":until"] = number(time.time() + entries.LEASE)
        return self._table.update(self._name, run.step, update, "#region = :region AND #began = :began", mine)

    def _taken_over(self, run: Run) -> MigrationError:
        return MigrationError(f"{self._name}: the {run.step} was begun again, or another region has taken it over")

    def _entries(self) -> Entries:
        return Entries(self._table.items(self._name), self._name)
