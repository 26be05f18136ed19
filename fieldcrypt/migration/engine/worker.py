"""A worker of a step: it claims portions of the units, and does them page by page."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Event

from fieldcrypt import _system
from fieldcrypt.errors import MigrationError
from fieldcrypt.migration.engine.defects import patiently
from fieldcrypt.migration.engine.journal import Counts, LostPortionError, Nothing, Portion, Run
from fieldcrypt.migration.engine.runner import Part
from fieldcrypt.migration.engine.source import Batch, Page, RefusedError, Written
from fieldcrypt.migration.engine.steps import Step
from fieldcrypt.migration.engine.unit import Change, Unit, UnitError, UnreadableUnit
from fieldcrypt.migration.failures import Failures
from fieldcrypt.migration.workers import Pace
from fieldcrypt.progress import Meter

__all__ = ["Worker"]

_PAGES = 10  # of a portion
_WAIT = 0.25  # seconds between checks of the last portions of other workers


@dataclass
class Worker:
    """Works on a step over one part until nothing is left, or until it is told to stop.

    Attributes:
        batch: units per page, and per checkpoint.
        stop: set when all are to stop at their next checkpoint.
    """

    part: Part
    step: Step
    name: str
    batch: int
    pace: Pace
    meter: Meter
    failures: Failures
    stop: Event

    def __post_init__(self) -> None:
        self._source, self._journal = self.part
        self._which = self.step.looks_at(self._source.fields)
        self._held = _system.wall_clock()  # as the lease goes by: a machine may have slept meanwhile

    def run(self, run: Run) -> None:
        """Work on a run."""
        try:
            while not self.stop.is_set():
                now = _system.wall_clock()
                claimed = self._journal.claim(run, self.name, self.batch * _PAGES)
                if isinstance(claimed, Portion):
                    self._held = now
                    self._work(claimed)
                elif claimed is Nothing.WAIT:
                    self.stop.wait(_WAIT)
                else:
                    return
        finally:
            self._journal.release(run, self.name)

    def _work(self, portion: Portion | None) -> None:
        with suppress(LostPortionError):  # another worker goes on with it
            while portion is not None and not self.stop.is_set():
                self.step.check_still(self._source)
                if not self._journal.goes_on(portion.run):
                    self.stop.set()
                    return
                portion = self._page(portion)

    def _page(self, portion: Portion) -> Portion | None:
        """Do the next units of a portion; return what is left of it."""
        page = self._source.page(portion, self._which, self.batch)
        if not page.is_last and page.position == portion.position:
            raise MigrationError(
                f"{self._source.name}: the database returns no units after the last one that was read: it sorts keys "
                "in another order than it compares them, so they cannot be paged through. What is done stays"
            )
        self.pace.take(len(page.units), lambda: self._beat(portion))
        # While nothing is locked: keys may have to be fetched.
        changes = [self._change(unit) for unit in page.units]
        is_whole = not any(isinstance(unit, UnreadableUnit) for unit in page.units)
        if is_whole:
            try:
                portion = self._write(portion, page, changes)
            except RefusedError:
                is_whole = False
        if not is_whole:
            portion = self._one_by_one(portion, page, changes)
        return None if page.is_last else portion

    def _write(self, portion: Portion, page: Page, changes: list[Change]) -> Portion:
        """Write to units as they are now."""

        def work(batch: Batch) -> Written:
            return self._source.write(batch, portion, page, changes, self._change, lambda: self._beat(portion))

        return self._done(portion, page, work)

    def _one_by_one(self, portion: Portion, page: Page, changes: list[Change]) -> Portion:
        """Write each unit in a batch of its own, because one of them prevents the others from being written."""
        for unit, change in zip(page.units, changes, strict=True):
            is_last = page.is_last and unit is page.units[-1]
            if isinstance(unit, UnreadableUnit):
                alone = page._replace(units=[unit], position=unit.position, is_last=is_last)
                portion = self._fail(portion, alone, UnitError(unit.reason))
                continue
            alone = page._replace(units=[unit], position=self._source.position_of(unit), is_last=is_last)
            try:
                portion = self._write(portion, alone, [change])
            except RefusedError as error:
                refused = error.reason
            else:
                continue
            portion = self._fail(portion, alone, refused)
        return portion

    def _fail(self, portion: Portion, page: Page, reason: Exception) -> Portion:
        failed = Written(1, 0, {page.units[0].key: reason})
        return self._done(portion, page, lambda _: failed)

    def _done(self, portion: Portion, page: Page, work: Callable[[Batch], Written]) -> Portion:
        """Do work on a page, and note it in the journal; return what is left of the portion."""

        def together(batch: Batch) -> tuple[Portion, Written, Counts]:
            now = _system.wall_clock()
            self._journal.hold(batch, portion, self.name)
            self._held = now
            written = work(batch)
            counts = Counts(written.looked_at, written.changed, len(written.failures))
            after = portion.behind(page.position, counts)
            self._journal.advance(batch, after, self.name, counts, finished=page.is_last)
            return after, written, counts

        after, written, counts = self._source.transact(together)
        for key, error in written.failures.items():
            self.failures.add(key, error)
        self.meter.add(*counts)
        return after

    def _change(self, unit: Unit) -> Change:
        return patiently(partial(self.step.change_of, self._source, unit))

    def _beat(self, portion: Portion) -> None:
        """Renew the lease if it is time, and raise an error if the portion is another worker's by now.

        Raises:
            LostPortionError: it is, so nothing more may be written to it.
        """
        now = _system.wall_clock()
        if not 0 <= now - self._held <= self._journal.lease / 3:
            self._journal.hold(None, portion, self.name)
            self._held = now
