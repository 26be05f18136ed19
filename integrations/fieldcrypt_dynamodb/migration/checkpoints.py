"""How far a migration is.

An item for each step says which region works at it; one for each segment which worker, until when, and after which key
it goes on. What is done twice, because its worker died before it could write that down, is done to no effect: items are
only written as they were read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import MigrationError, MigrationStatus, StepStatus, is_dead
from fieldcrypt_dynamodb.migration.checkpoint_table import CheckpointTable
from fieldcrypt_dynamodb.migration.run import COUNTS, Run, Segment, number, run_of

__all__ = ["LEASE", "Checkpoints", "LostSegmentError"]

LEASE = 30.0  # seconds after which a segment, or a run, of which nothing was heard is anybody's
_NAME_SIZE = 150
_WRITE = ("backfill", "undo")  # the steps that write


class LostSegmentError(Exception):
    """A segment was taken over by another worker, for nothing was heard of this one for too long."""


class Checkpoints:
    """The checkpoints of one migration.

    Args:
        table: where they are.
        name: the migration's.
        region: in which this process works at it.

    Raises:
        ConfigurationError: the name is too long.
    """

    def __init__(self, table: CheckpointTable, name: str, region: str) -> None:
        if not 1 <= len(name) <= _NAME_SIZE:
            raise ConfigurationError(f"the name of a migration has 1 to {_NAME_SIZE} characters")
        self._table = table
        self._name = name
        self._region = region

    # Runs

    def find(self, step: str) -> Run | None:
        """Return a run, with all that its segments have counted so far."""
        return next((run for run, _ in self._runs() if run.step == step), None)

    def begin(self, step: str, about: str, segments: int, total: int, *, restart: bool = False) -> Run:
        """Return the run of a step that is to be worked at: one that was begun, or a new one.

        Raises:
            ConfigurationError: one was begun that was about something else, or another region is at work.
        """
        self.refuse_other_region(step)
        old = self.find(step)
        if old is not None and not restart and old.ended is None:
            if old.about != about:
                raise ConfigurationError(
                    f"{self._name}: the {step} was begun for {old.about}, and is now for {about}: finish it as it was, "
                    "or say restart=True to begin anew; what is done stays done"
                )
            if old.region == self._region:
                self._touch(old, "SET #paused = :no, #held_until = :until", {":no": {"BOOL": False}})
                return old
        self.drop(step)  # also in another region, where segments begin and end elsewhere
        new = {
            "about": {"S": about},
            "region": {"S": self._region},
            "segments": {"N": str(segments)},
            "total": {"N": str(total)},
            "began": number(time.time()),
            "held_until": number(time.time() + LEASE),
        }
        self._table.add(self._name, step, new)
        if step in _WRITE:
            self._table.settle()
        found = self.find(step)
        if found is None or found.region != self._region:
            raise ConfigurationError(f"{self._name}: the {step} was begun in another region at the same time")
        return found

    def refuse_other_region(self, step: str) -> None:
        """Raise ConfigurationError if a step would write, and another region is at work at one that does."""
        for run, _ in self._runs():
            held = run.ended is None and not run.paused and run.held_until > time.time()
            if held and run.region != self._region and step in _WRITE and run.step in _WRITE:
                raise ConfigurationError(
                    f"{self._name}: the {run.step} is being done in {run.region}, and one region writes to a global "
                    f"table: pause it there, or wait until nothing was heard of it for {LEASE:.0f} seconds"
                )

    def drop(self, step: str) -> None:
        """Forget a run, so that it can be begun anew."""
        mine = [item for item in self._table.items(self._name) if item["part"]["S"].partition("/")[0] == step]
        for item in sorted(mine, key=lambda each: "began" in each):  # first its segments
            self._table.delete(item)

    def note(self, run: Run, done: int, changed: int, failed: int) -> None:
        """Write down a run that was done in one piece."""
        values = {f":{name}": {"N": str(count)} for name, count in zip(COUNTS, (done, changed, failed), strict=True)}
        sets = ", ".join(f"#{name} = :{name}" for name in COUNTS)
        self._touch(run, f"SET #ended = :now, {sets}", {":now": number(time.time()), **values})

    def pause(self) -> None:
        """Have all workers stop at their next checkpoint."""
        for run, _ in self._runs():
            if run.ended is None:
                self._touch(run, "SET #paused = :yes", {":yes": {"BOOL": True}})

    def status(self) -> MigrationStatus:
        """Say how far all steps are."""
        steps = []
        for run, workers in sorted(self._runs(), key=lambda each: each[0].began):
            state = "paused" if run.paused else "running"
            if run.ended is not None:
                state = "failed" if run.failed else "done"
            counts = (max(run.total, run.done), run.done, run.changed, run.failed)
            steps.append(StepStatus(run.step, self._name, state, *counts, run.began, run.ended, workers))
        return MigrationStatus(self._name, tuple(steps))

    def keep(self, run: Run) -> bool:
        """Say that this region is at work at a run, and return whether it is to go on.

        Raises:
            MigrationError: it was begun anew, or another region has taken over.
        """
        return not self._touch(run, "SET #held_until = :until", {}).get("paused", {}).get("BOOL", False)

    # Segments

    def claim(self, run: Run, worker: str) -> Segment | bool:
        """Return a segment to work at; or True if others are at work at the last ones, False if all is done."""
        now = time.time()
        items = {item["part"]["S"]: item for item in self._table.items(self._name)}
        parts = {at: items.get(_part(run, at), {}) for at in range(run.segments)}
        open_ones = {at: item for at, item in parts.items() if not _is_finished(item)}
        for at, item in open_ones.items():
            holder = item.get("worker", {}).get("S")
            if holder is None or float(item["leased_until"]["N"]) < now or is_dead(holder):
                taken = self._take(run, at, item, worker)
                if taken is not None:
                    return taken
        if not open_ones:
            self._touch(run, "SET #ended = if_not_exists(#ended, :now)", {":now": number(now)})
        return bool(open_ones)

    def _take(self, run: Run, at: int, item: Mapping[str, Any], worker: str) -> Segment | None:
        values = {":worker": {"S": worker}, ":until": number(time.time() + LEASE)}
        condition = "attribute_not_exists(#leased_until)"
        if item:
            condition, values[":before"] = "#leased_until = :before", item["leased_until"]
        update = "SET #worker = :worker, #leased_until = :until"
        taken = self._table.update(self._name, _part(run, at), update, condition, values)
        if taken is None:
            return None
        done, changed, failed = (int(taken.get(name, {}).get("N", "0")) for name in COUNTS)
        return Segment(run, at, taken.get("position", {}).get("M"), (done, changed, failed))

    def hold(self, segment: Segment, worker: str) -> None:
        """Prolong the lease of a segment.

        Raises:
            LostSegmentError: it is another worker's by now.
        """
        self._update(segment, worker, "SET #leased_until = :until", {":until": number(time.time() + LEASE)})

    def advance(self, segment: Segment, worker: str, *, finished: bool) -> None:
        """Write down how far a segment is.

        Args:
            segment: as it is now.
            worker: who has it.
            finished: nothing is left.

        Raises:
            LostSegmentError: it is another worker's by now.
        """
        values = {":until": number(time.time() + LEASE), ":finished": {"BOOL": finished}}
        values |= {f":{name}": {"N": str(count)} for name, count in zip(COUNTS, segment.counts, strict=True)}
        sets = [f"#{name} = :{name}" for name in (*COUNTS, "finished")]
        if segment.position is not None:
            sets.append("#position = :position")
            values[":position"] = {"M": dict(segment.position)}
        self._update(segment, worker, f"SET #leased_until = :until, {', '.join(sets)}", values)

    def release(self, segment: Segment, worker: str) -> None:
        """Give up a segment that did not come to its end."""
        with suppress(LostSegmentError):
            self._update(segment, worker, "REMOVE #worker", {})

    def _update(self, segment: Segment, worker: str, update: str, values: Mapping[str, Any]) -> None:
        mine = {":worker": {"S": worker}, **values}
        if (
            self._table.update(self._name, _part(segment.run, segment.number), update, "#worker = :worker", mine)
            is None
        ):
            raise LostSegmentError

    def _touch(self, run: Run, update: str, values: Mapping[str, Any]) -> dict[str, Any]:
        mine = {":region": {"S": run.region}, ":began": number(run.began), **values}
        if ":until" in update:
            mine[":until"] = number(time.time() + LEASE)
        found = self._table.update(self._name, run.step, update, "#region = :region AND #began = :began", mine)
        if found is None:
            raise MigrationError(f"{self._name}: the {run.step} was begun anew, or another region has taken it over")
        return found

    def _runs(self) -> list[tuple[Run, tuple[str, ...]]]:
        """Return all runs, and who is at work at each."""
        items = self._table.items(self._name)
        found = []
        for item in items:
            step = item["part"]["S"]
            if "/" not in step:
                segments = [each for each in items if each["part"]["S"].startswith(f"{step}/")]
                at_work = {each["worker"]["S"] for each in segments if "worker" in each and not _is_finished(each)}
                found.append((run_of(item, segments), tuple(sorted(at_work))))
        return found


def _part(run: Run, at: int) -> str:
    return f"{run.step}/{at:06}"


def _is_finished(item: Mapping[str, Any]) -> bool:
    return bool(item.get("finished", {}).get("BOOL", False))
