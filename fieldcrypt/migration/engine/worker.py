"""One worker of a step: it claims portions of the units, and does page after page of them."""

from __future__ import annotations

from contextlib import suppress
from threading import Event

from fieldcrypt import _system
from fieldcrypt.errors import MigrationError
from fieldcrypt.migration.engine.changes import change_of
from fieldcrypt.migration.engine.journal import Counts, Journal, LostPortionError, Nothing, Portion, Run
from fieldcrypt.migration.engine.source import Batch, Page, RefusedError, Source, Written
from fieldcrypt.migration.engine.steps import Step
from fieldcrypt.migration.engine.unit import Change, Unit
from fieldcrypt.migration.failures import Failures
from fieldcrypt.migration.pace import Pace
from fieldcrypt.migration.progress import Meter

__all__ = ["Worker"]

_PAGES = 10  # of a portion
_WAIT = 0.25  # seconds until the last portions of others are looked at again


class Worker:
    """Works at a step over one part until nothing is left, or it is told to stop.

    Args:
        source, journal: of the part.
        step: what is done.
        name: of this worker.
        batch: units a page, and a checkpoint.
        pace: how fast to go.
        meter: counts.
        failures: where to tell what could not be done.
        stop: set when all are to stop at their next checkpoint.
    """

    def __init__(
        self,
        source: Source,
        journal: Journal,
        step: Step,
        name: str,
        batch: int,
        pace: Pace,
        meter: Meter,
        failures: Failures,
        stop: Event,
    ) -> None:
        self._source, self._journal, self._step = source, journal, step
        self._name = name
        self._batch = batch
        self._pace, self._meter, self._failures, self._stop = pace, meter, failures, stop
        self._which = step.looks_at(all(field.plain_name is not None for field in source.fields))
        self._held = _system.monotonic()

    def run(self, run: Run) -> None:
        """Work at a run."""
        try:
            while not self._stop.is_set():
                claimed = self._journal.claim(run, self._name, self._batch * _PAGES)
                if isinstance(claimed, Portion):
                    self._held = _system.monotonic()
                    self._work(claimed)
                elif claimed is Nothing.WAIT:
                    self._stop.wait(_WAIT)
                else:
                    return
        finally:
            self._journal.release(run, self._name)

    def _work(self, portion: Portion | None) -> None:
        with suppress(LostPortionError):  # somebody else goes on with it
            while portion is not None and not self._stop.is_set():
                if not self._journal.goes_on(portion.run):
                    self._stop.set()
                    return
                portion = self._page(portion)

    def _page(self, portion: Portion) -> Portion | None:
        """Do the next units of a portion; return what is left of it."""
        page = self._source.page(portion, self._which, self._batch)
        if not page.is_last and page.position == portion.position:
            raise MigrationError(
                f"{self._source.name}: the database returns no units behind the last one that was read: it sorts keys "
                "otherwise than it compares them, so nothing can go through them. What is done stays"
            )
        self._pace.take(len(page.units), lambda: self._beat(portion))
        # While nothing is locked: keys may have to be fetched.
        changes = [self._change(unit) for unit in page.units]
        try:
            portion = self._write(portion, page, changes)
        except RefusedError:
            portion = self._one_by_one(portion, page, changes)
        return None if page.is_last else portion

    def _write(self, portion: Portion, page: Page, changes: list[Change]) -> Portion:
        """Write to units as they are now, and write down that it is done."""

        def work(batch: Batch) -> tuple[Portion, Written, Counts]:
            self._journal.hold(batch, portion, self._name)
            written = self._source.write(batch, portion, page, changes, self._change, lambda: self._beat(portion))
            counts = Counts(written.looked_at, written.changed, len(written.failures))
            after = portion.behind(page.position, counts)
            self._journal.advance(batch, after, self._name, counts, finished=page.is_last)
            return after, written, counts

        after, written, counts = self._source.transact(work)
        self._held = _system.monotonic()
        for key, error in written.failures.items():
            self._failures.add(key, error)
        self._meter.add(*counts)
        return after

    def _one_by_one(self, portion: Portion, page: Page, changes: list[Change]) -> Portion:
        """Write to units each in a batch of its own, for one of them keeps the others from being written."""
        for unit, change in zip(page.units, changes, strict=True):
            is_last = page.is_last and unit is page.units[-1]
            alone = page._replace(units=[unit], position=self._source.position_of(unit), is_last=is_last)
            try:
                portion = self._write(portion, alone, [change])
            except RefusedError as error:
                portion = self._fail(portion, alone, error.reason)
        return portion

    def _fail(self, portion: Portion, page: Page, reason: Exception) -> Portion:
        counts = Counts(1, 0, 1)
        after = portion.behind(page.position, counts)

        def work(batch: Batch) -> None:
            self._journal.advance(batch, after, self._name, counts, finished=page.is_last)

        self._source.transact(work)
        self._failures.add(page.units[0].key, reason)
        self._meter.add(*counts)
        return after

    def _change(self, unit: Unit) -> Change:
        return change_of(self._source, self._step, unit)

    def _beat(self, portion: Portion) -> None:
        """Say that the worker lives, if it is time."""
        if _system.monotonic() - self._held > self._journal.lease / 3:
            self._held = _system.monotonic()
            self._journal.hold(None, portion, self._name)
