"""Whether anything is left, counted by the store and not by those who did the work."""

from __future__ import annotations

from fieldcrypt.migration.engine.changes import change_of
from fieldcrypt.migration.engine.source import Counted, Source, Which
from fieldcrypt.migration.engine.steps import Step

__all__ = ["remaining", "unseen"]

_RECOUNTS = 3


def remaining(source: Source, step: Step) -> Counted:
    """Return how many units there are, and of how many of them a step has something left to do.

    The store counts by the form of values. A few units have the form of one that is due, and nothing is to be done to
    them, because the value is none to the application: these are looked at, and left out.
    """
    before = source.count(step.goal)
    if before.those == 0:
        return before
    fine = 0
    for units in source.pages(step.goal):
        for unit in units:
            change = change_of(source, step, unit)
            fine += not change.values and change.failure is None
    after = source.count(step.goal)
    return Counted(after.total, max(0, max(before.those, after.those) - fine))


def unseen(source: Source, seen: int, before: int, after: int) -> int:
    """Return how many units were not seen by somebody who looked at all of them.

    Others may have added and removed units meanwhile: so a difference is looked at again, by going through all once
    more between two counts.

    Args:
        source: of the units.
        seen: how many were seen.
        before, after: how many there were, as the store counted them.
    """
    missing = min(before, after) - seen
    for _ in range(_RECOUNTS):
        if missing <= 0:
            return 0
        before = source.count(Which.ALL).total
        seen = sum(len(units) for units in source.pages(Which.ALL))
        missing = min(missing, min(before, source.count(Which.ALL).total) - seen)
    return max(0, missing)
