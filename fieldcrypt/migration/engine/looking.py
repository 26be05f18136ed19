"""What plan and verify do: read all units, or some, and say what they are. Nothing is locked, and nothing written."""

from __future__ import annotations

from collections import Counter

from fieldcrypt.migration.engine.defects import defects, is_stop, kind_of
from fieldcrypt.migration.engine.source import Source
from fieldcrypt.migration.engine.unit import PassedOverError, Unit
from fieldcrypt.migration.kind import Kind
from fieldcrypt.migration.reports import MAX_FAILURES, Key

__all__ = ["Kinds", "Verification"]


class Kinds:
    """Counts what the values of each field are."""

    def __init__(self) -> None:
        self.units = 0
        self.counts: dict[str, Counter[Kind]] = {}
        self.stale_tags: Counter[str] = Counter()
        self.passed_over: Counter[str] = Counter()

    def add(self, source: Source, unit: Unit) -> None:
        """Count a unit."""
        self.units += 1
        try:
            cells = unit.cells()
        except PassedOverError as reason:
            self.passed_over[str(reason)] += 1
            return
        except Exception as error:  # of one unit, which never stops the others
            if is_stop(error):
                raise
            self.counts.setdefault(source.name, Counter())[Kind.UNREADABLE] += 1
            return
        for field, cell in cells:
            name = f"{source.name}.{field.name}"
            kind, is_stale = kind_of(field, cell, unit)
            self.counts.setdefault(name, Counter())[kind] += 1
            if is_stale:
                self.stale_tags[name] += 1


class Verification:
    """Finds units that are not as they should be after a backfill."""

    def __init__(self) -> None:
        self.units = self.wrong = 0
        self.reasons: dict[Key, str] = {}

    def add(self, source: Source, unit: Unit, *, finishing: bool) -> None:
        """Look at a unit (see `defects`)."""
        self.units += 1
        try:
            reasons = defects(unit, finishing=finishing) or list(source.wrong(unit))
        except PassedOverError:
            return
        except Exception as error:  # of one unit, which never stops the others
            if is_stop(error):
                raise
            reasons = ["cannot be read"]
        if reasons:
            self.wrong += 1
            if len(self.reasons) < MAX_FAILURES:
                self.reasons[unit.key] = "; ".join(reasons)
