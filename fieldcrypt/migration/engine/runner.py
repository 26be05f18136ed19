"""A part of a migration: how a step over it begins and ends, and what is left of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fieldcrypt.migration.engine.defects import Verification
from fieldcrypt.migration.engine.journal import Counts, Journal, Run
from fieldcrypt.migration.engine.source import Counted, Source, Which
from fieldcrypt.migration.engine.steps import Backfill, Step, Undo
from fieldcrypt.migration.engine.unit import Unit
from fieldcrypt.migration.progress import Meter
from fieldcrypt.migration.sample import Sample

__all__ = ["Part"]

_RECOUNTS = 3


class Part(NamedTuple):
    """A table or collection of a migration: its units, and how far the steps over it are."""

    source: Source
    journal: Journal

    def begin(self, step: Step, *, restart: bool) -> Run:
        """Return the run of a step that writes."""
        about = self.source.describe() + step.options
        old = self.journal.find(step.name)
        # An undo that goes over everything again loses nothing, so it needs no word to be begun again.
        is_other = isinstance(step, Undo) and old is not None and old.about != about
        total = self.source.estimate()
        return self.journal.begin(step.name, about, total, restart=restart or is_other, drops=step.drops)

    def ended(self, step: Step) -> tuple[Run | None, Counted]:
        """Return the run of a step as it is now, and what is left of it if it has ended."""
        run = self.journal.find(step.name)
        if run is None or run.ended is None:
            return run, Counted(0 if run is None else run.total, 0)
        counted = self.remaining(step)
        if counted.those > run.failed:  # more than what failed: whoever looks at the status must not take it for done
            self.journal.note(run, Counts(run.done, run.changed, counted.those))
        return run, counted

    def total(self, sample: Sample | None) -> int:
        """Return how many units there are: of a sample about, for to count may take as long as to read all of them."""
        return self.source.count(Which.ALL).total if sample is None else self.source.estimate()

    def remaining(self, step: Step) -> Counted:
        """Have the store count how many units there are, and in how many of them a step has something left to do.

        It counts by the form of values. A few units have the form of one that is due, and nothing is to be done to
        them, because the value is none to the application: these are looked at, and left out.
        """
        before = self.source.count(step.goal)
        if before.those == 0:
            return before
        fine = 0
        for units in self.source.pages(step.goal):
            for unit in units:
                change = step.change_of(self.source, unit)
                fine += not change.values and change.failure is None
        after = self.source.count(step.goal)
        return Counted(after.total, max(0, max(before.those, after.those) - fine))

    def unseen(self, seen: int, before: int, after: int) -> int:
        """Return how many units somebody who looked at all of them has not seen, of those that there were.

        Others may have added and removed units meanwhile: so a difference is looked at again, by going through all once
        more between two counts.
        """
        missing = min(before, after) - seen
        for _ in range(_RECOUNTS):
            if missing <= 0:
                return 0
            before = self.total(None)
            seen = sum(len(units) for units in self.source.pages(Which.ALL))
            missing = min(missing, min(before, self.total(None)) - seen)
        return max(0, missing)

    def look(self, sample: Sample | None, meter: Meter, at: Callable[[Unit], object]) -> tuple[int, int]:
        """Look at all units, or a sample; return how many there were before, and how many were seen."""
        before, seen = self.total(sample), 0
        for units in self.source.pages(Which.ALL, sample):
            for unit in units:
                at(unit)
            seen += len(units)
            meter.add(len(units))
        return before, seen

    def verify(self, found: Verification, sample: Sample | None, meter: Meter) -> tuple[int, int]:
        """Look at all units, or a sample; return how many there are, and how many more are due or were not seen."""
        source, journal = self
        run = None
        if sample is None:
            run = journal.begin("verify", source.describe(), source.estimate(), restart=True, drops=())
        finishing, wrong = journal.find("finish") is not None, found.wrong
        before, seen = self.look(sample, meter, lambda unit: found.add(source, unit, finishing=finishing))
        wrong = found.wrong - wrong
        if run is None:
            return max(before, seen), 0
        after = source.count(Which.DUE)
        left = self.unseen(seen, before, after.total)
        if after.those > wrong:
            left = max(left, self.remaining(Backfill()).those - wrong)
        journal.note(run, Counts(seen, 0, wrong + left))
        return after.total, left
