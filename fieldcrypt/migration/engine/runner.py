"""A part of a migration: how a step over it begins and ends, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar

from fieldcrypt.migration.engine.backfill import Backfill
from fieldcrypt.migration.engine.defects import Verification, patiently
from fieldcrypt.migration.engine.journal import Counts, Journal, Run
from fieldcrypt.migration.engine.source import Counted, Source, Which
from fieldcrypt.migration.engine.steps import Step, Undo
from fieldcrypt.migration.engine.unit import Unit
from fieldcrypt.migration.sample import Sample
from fieldcrypt.progress import Meter

__all__ = ["Part"]

_LOOKS = 4


class Finder(Protocol):
    """Examines units."""

    def add(self, unit: Unit) -> None:
        """Examine a unit."""


F = TypeVar("F", bound=Finder)


class Look(NamedTuple, Generic[F]):
    """The result of examining the units of a part.

    Attributes:
        found: the finder of the last complete pass.
        rows: how many units it examined.
        total: how many there are.
        left: how many were not seen; of a verify also how many are due, and were not found.
        counted: how many of the status that was to be counted there are.
    """

    found: F
    rows: int
    total: int
    left: int
    counted: int


class Part(NamedTuple):
    """A table or collection of a migration: its units, and its journal."""

    source: Source
    journal: Journal

    def begin(self, step: Step, *, restart: bool) -> Run:
        """Return the run of a step that writes."""
        about = self.source.describe() + step.options
        old = self.journal.find(step.name)
        # An undo that goes over everything again loses nothing, so it needs no word to be begun again.
        is_other = isinstance(step, Undo) and old is not None and old.about != about
        total = self.source.estimate(step.looks_at(self.source.fields))
        drops = step.dropped(self.source.fields, self.journal)
        return self.journal.begin(step.name, about, total, restart=restart or is_other, drops=drops)

    def ended(self, step: Step, begun: Run) -> tuple[Run | None, Counted]:
        """Return a run as it is now, None if it was dropped meanwhile, and what is left of it if it has ended."""
        run = self.journal.find(step.name)
        if run is None or run.began != begun.began:
            return None, Counted(begun.total, 0)
        if run.ended is None:
            return run, Counted(run.total, 0)
        counted = self.remaining(step)
        if counted.those > run.failed:  # more than what failed: the status must not take it for done
            self.journal.note(run, Counts(run.done, run.changed, counted.those))
        return run, counted

    def remaining(self, step: Step) -> Counted:
        """Let the store count all units, and those in which a step has something left to do.

        It counts by the form of values. A few units have the form of one that is due, and nothing is to be done to
        them, because the value is none to the application: these are looked at, and left out.
        """
        hidden = 0
        if step.goal is Which.DUE and not self.source.is_told_by_form:  # these all are looked at
            hidden = sum(not self._is_fine(step, unit) for units in self.source.pages(Which.ALL) for unit in units)
        before = self.source.count(step.goal)
        if before.those == 0:
            return before._replace(those=hidden)
        fine = sum(self._is_fine(step, unit) for units in self.source.pages(step.goal) for unit in units)
        after = self.source.count(step.goal)
        return Counted(after.total, max(hidden, max(before.those, after.those) - fine))

    def _is_fine(self, step: Step, unit: Unit) -> bool:
        change = patiently(partial(step.change_of, self.source, unit))
        return not change.values and change.failure is None

    def look(self, sample: Sample | None, meter: Meter, new: Callable[[], F], which: Which = Which.ALL) -> Look[F]:
        """Examine all units, or a sample.

        Others may have added, moved and removed units meanwhile. If fewer were seen than there were, before and after,
        all are examined again: a unit that moved to a place already passed was never examined.

        Args:
            new: makes what looks at the units, for each time.
            which: what units to count at the end.
        """
        counted = self._counted(sample, Which.ALL)
        looks = 0
        while True:
            looks += 1
            finder, before, seen = new(), counted.total, 0
            for units in self.source.pages(Which.ALL, sample):
                for unit in units:
                    patiently(partial(finder.add, unit))
                seen += len(units)
                meter.add(len(units))
            counted = self._counted(sample, which)
            unseen = 0 if sample is not None else max(0, min(before, counted.total) - seen)
            if unseen == 0 or looks == _LOOKS:
                return Look(finder, seen, max(counted.total, seen), unseen, counted.those)

    def _counted(self, sample: Sample | None, which: Which) -> Counted:
        """Let the store count; for a sample approximately, because counting may take as long as reading everything."""
        return self.source.count(which) if sample is None else Counted(self.source.estimate(), 0)

    def verify(self, sample: Sample | None, meter: Meter) -> Look[Verification]:
        """Verify all units, or a sample, and note the result for all in the journal."""
        source, journal = self
        run = None
        if sample is None:
            run = journal.begin("verify", source.describe(), source.estimate(), restart=True, drops=())
        new = partial(Verification, source, finishing=journal.find("finish") is not None)
        look = self.look(sample, meter, new, Which.DUE)
        if run is not None:
            found, left = look.found, look.left
            if look.counted > found.wrong:
                left = max(left, self.remaining(Backfill()).those - found.wrong)
            look = look._replace(left=left)
            journal.note(run, Counts(look.rows, found.differing, found.wrong + left))
        return look
