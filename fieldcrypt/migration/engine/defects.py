"""What plan and verify find: the status of values, and the defects of units that should be protected.

Nothing is locked, and nothing written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from fieldcrypt.errors import ConfigurationError, KeyNotFoundError, KeyProviderError, KeyStoreError, MigrationError
from fieldcrypt.keys.live.opened_records import PlantedRecordsError
from fieldcrypt.migration.engine.source import Source
from fieldcrypt.migration.engine.tags import NOT_YET, Settling, tags_due
from fieldcrypt.migration.engine.unit import (
    Cell,
    MarkedError,
    PassedOverError,
    Place,
    ProtectedField,
    Unit,
    UnitError,
    UntaggedError,
)
from fieldcrypt.migration.reports import MAX_FAILURES, Key
from fieldcrypt.mixed_mode.value_status import ExaminedValue, ValueStatus

__all__ = ["DIFFERS", "StatusCounts", "Verification", "defect", "is_stop", "patiently"]

T = TypeVar("T")

DIFFERS = "differs"  # the plaintext next to a value that is as it should be

_TRIES = 64  # of 16 records that are not authentic each
_STOPS = (ConfigurationError, KeyProviderError, KeyStoreError, MigrationError)

_WRONG = {
    ValueStatus.UNREADABLE: "does not decrypt",
    ValueStatus.PLAINTEXT: "is plaintext",
    ValueStatus.OTHER_SCHEME: "is of another scheme",
    ValueStatus.OLD_KEY: "is under an old data key",
    ValueStatus.OLD_FORM: "is not protected as it is declared now",
}


def is_stop(error: Exception) -> bool:
    """Return True if an error stops a step, and False if it is a failure of one unit.

    Everything else that a unit raises, from whatever code of the application, is its own failure, including a missing
    or shredded key.
    """
    return isinstance(error, _STOPS) and not isinstance(error, KeyNotFoundError)


def patiently(work: Callable[[], T]) -> T:
    """Do work, again while planted records of a key store are in its way: each time more of them are known.

    A job has the time. A process that gave up would have to open them all again, and might never get past them.
    """
    for _ in range(_TRIES):
        try:
            return work()
        except PlantedRecordsError:
            continue
    return work()


class StatusCounts:
    """Counts the values of each field of a part by status."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.counts: dict[str, Counter[ValueStatus]] = {}
        self.stale_tags: Counter[str] = Counter()
        self.stale_seals = 0
        self.passed_over: Counter[str] = Counter()
        self.settling = Settling()

    def add(self, unit: Unit) -> None:
        """Count a unit.

        Raises:
            KeyProviderError, KeyStoreError: its status is unknown for now.
        """
        source = self._source
        cells: Sequence[tuple[ProtectedField, Cell]] = ()
        is_readable = True
        is_unsealed = False
        try:
            cells = unit.cells()
            is_unsealed = source.is_whole_due(unit)
        except PassedOverError as reason:
            self.passed_over[str(reason)] += 1
            return
        except Exception as error:  # of one unit, which never stops the others
            if is_stop(error):
                raise
            is_readable = False
        found = [(field, *_status_of(field, cell, unit, self.settling)) for field, cell in cells]
        if not is_readable:  # from here on nothing is raised, so that it can be counted once
            self._count(source.name, ValueStatus.UNREADABLE)
        self.stale_seals += is_unsealed
        for field, status, is_stale in found:
            name = f"{source.name}.{field.name}"
            self._count(name, status, not field.is_compound)
            self.stale_tags[name] += is_stale

    def _count(self, name: str, status: ValueStatus, is_value: bool = True) -> None:
        self.counts.setdefault(name, Counter())[status] += is_value


def _status_of(field: ProtectedField, cell: Cell, unit: Unit, settling: Settling) -> tuple[ValueStatus, bool]:
    """Return a value's status, and True if it is protected but has wrong tags, or none is left and has some."""
    if cell.stored is None and cell.plain is None:
        return ValueStatus.NULL, cell.has_tags
    try:
        place = unit.place()
        settling.note(field, place)
        if cell.stored is None:
            return field.examine_plaintext(cell, place).status, False
        found = field.examine(cell, place)
        return found.status, found.status not in NOT_YET and _has_stale_tags(field, cell, place, found)
    except MarkedError:
        return ValueStatus.MARKED, False
    except Exception as error:  # of one unit, whatever the application's types raise
        if is_stop(error):
            raise
        return ValueStatus.UNREADABLE, False


def _has_stale_tags(field: ProtectedField, cell: Cell, place: Place, found: ExaminedValue) -> bool:
    try:
        return bool(tags_due(field, cell, place, found))
    except UntaggedError as error:
        return bool(error.tags)


class Verification:
    """Finds units of a part that are wrong after a backfill.

    Args:
        source: the part.
        finishing: as for `defect`.

    Attributes:
        wrong: how many are not.
        differing: in how many of them nothing is wrong but that the plaintext next to a value is another one.
        reasons: why, of the first ones.
        passed_over: why others are skipped, with their numbers.
    """

    def __init__(self, source: Source, *, finishing: bool) -> None:
        self._source, self._finishing = source, finishing
        self.wrong = self.differing = 0
        self.reasons: dict[Key, str] = {}
        self.passed_over: Counter[str] = Counter()

    def add(self, unit: Unit) -> None:
        """Look at a unit (see `defect`).

        Raises:
            KeyProviderError, KeyStoreError: its status is unknown for now.
        """
        try:
            defects = [(field.name, _defect_text(field, cell, unit, self._finishing)) for field, cell in unit.cells()]
            found = [(name, reason) for name, reason in defects if reason is not None]
            reasons = [f"{name} {reason}" for name, reason in found] or list(self._source.wrong(unit))
            self.differing += bool(found) and all(reason == DIFFERS for _, reason in found)
        except PassedOverError as reason:
            self.passed_over[str(reason)] += 1
            return
        except Exception as error:  # of one unit, which never stops the others
            if is_stop(error):
                raise
            reasons = [str(error) if isinstance(error, UnitError) else "cannot be read"]
        if reasons:
            self.wrong += 1
            if len(self.reasons) < MAX_FAILURES:
                self.reasons[unit.key] = "; ".join(reasons)


def _defect_text(field: ProtectedField, cell: Cell, unit: Unit, finishing: bool) -> str | None:
    try:
        return defect(field, cell, unit, finishing=finishing)
    except Exception as error:  # of one field, whatever the application's types raise
        if is_stop(error):
            raise
        return "cannot be read"


def defect(
    field: ProtectedField, cell: Cell, unit: Unit, *, old_keys: bool = True, finishing: bool = False
) -> str | None:
    """Return what is wrong with one field of a unit, or None.

    Args:
        old_keys: that a value is under an old data key is wrong too; never of one that is filled from another.
        finishing: plaintext next to a protected value may have been removed already.
    """
    if cell.stored is None and cell.plain is None:
        return "has a blind index tag, but no value" if cell.has_tags else None
    place = unit.place()
    found = field.examine(cell, place)
    if found.status is ValueStatus.SHREDDED:
        return "has a blind index tag, but its data key was shredded" if cell.has_tags else None
    if field.is_compound:
        return None if found.status in NOT_YET else _tag_defect(field, cell, place, found)
    is_copied = field.plain_name is not None
    if found.status in _WRONG and not (found.status is ValueStatus.OLD_KEY and (is_copied or not old_keys)):
        is_plain = found.status is ValueStatus.UNREADABLE and field.is_told_by_form and not field.has_form(cell)
        return "is not an encrypted value" if is_plain else _WRONG[found.status]
    is_removed = finishing and cell.plain is None
    differs = (
        is_copied and not is_removed and not field.is_same(found.value, field.examine_plaintext(cell, place).value)
    )
    if differs and cell.stored is None:
        return "is empty, but the plaintext column is not"
    return _tag_defect(field, cell, place, found) or (DIFFERS if differs else None)


def _tag_defect(field: ProtectedField, cell: Cell, place: Place, found: ExaminedValue) -> str | None:
    """Return what is wrong with the tags of a value, or None. It names the companions, if there are several."""
    try:
        stale, untagged = tags_due(field, cell, place, found), ""
    except UntaggedError as error:
        stale, untagged = error.tags, f"cannot be tagged: {error}"
    other = f": {', '.join(stale)}" if len(field.tag_names) > 1 else ""
    wrong = f"has another blind index tag than its value{other}" if stale else ""
    return "; ".join(filter(None, (wrong, untagged))) or None
