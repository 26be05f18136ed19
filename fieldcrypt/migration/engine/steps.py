"""The steps that write: what each needs, and what it does to a unit."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from fieldcrypt.errors import ConfigurationError, DecryptionError
from fieldcrypt.format._text import counted
from fieldcrypt.migration.engine.defects import defect, is_stop
from fieldcrypt.migration.engine.journal import Journal
from fieldcrypt.migration.engine.source import Source, Which
from fieldcrypt.migration.engine.tags import NOT_YET
from fieldcrypt.migration.engine.unit import (
    Cell,
    Change,
    PassedOverError,
    Place,
    ProtectedField,
    Unit,
    UnitError,
    UntaggedError,
    redacted_error,
)
from fieldcrypt.migration.reports import Key
from fieldcrypt.mixed_mode.value_status import ExaminedValue, ValueStatus

__all__ = ["Finish", "Step", "Undo", "Values", "unreadable_error"]

Values = dict[str, Any]

_DIFFERENT = (
    "if all writers use the encrypted column by now, finish with stale_plaintext=True (--stale-plaintext); if it is "
    "newer, backfill with newer_plaintext=True (--newer-plaintext), and verify again"
)


@dataclass(frozen=True)
class Step:
    """A step that writes to units.

    Attributes:
        name: backfill, undo or finish.
        drops: the steps whose checkpoints look the other way.
        goal: the kind of units of which none is left when it is complete.
    """

    name: ClassVar[str]
    drops: ClassVar[tuple[str, ...]]
    goal: ClassVar[Which]

    @property
    def options(self) -> str:
        """What else decides what is written, in the words of a checkpoint."""
        return "".join(f", {each.name}=True" for each in fields(self) if each.init and getattr(self, each.name))

    def check(self, source: Source, journal: Journal) -> None:
        """Check that the step may be done on a part, which is as declared.

        Raises:
            ConfigurationError: it may not, and why.
        """

    def check_still(self, source: Source) -> None:
        """Check before each page that the step may go on.

        Raises:
            ConfigurationError: it may not, because a day has come, and what to do.
        """

    def looks_at(self, fields: Sequence[ProtectedField]) -> Which:
        """Return which units of a part with these fields may need something done."""
        return self.goal

    def dropped(self, fields: Sequence[ProtectedField], journal: Journal) -> Sequence[str]:
        """Return the steps whose checkpoints it drops when it begins, over a part with these fields."""
        return self.drops

    def unmet(self) -> Collection[Key]:
        """Return the keys that were given to the step and that no unit has, once all are examined."""
        return ()

    def change(self, field: ProtectedField, cell: Cell, unit: Unit) -> Values:
        """Return what to write into a unit for one of its fields; nothing if that is right.

        Raises:
            DecryptionError, TypeError, ValueError: it cannot be done, and why.
            KeyProviderError, KeyStoreError: not for now.
        """
        raise NotImplementedError

    def change_of(self, source: Source, unit: Unit) -> Change:
        """Return what to write into a unit. A failure in one field does not prevent the others.

        Raises:
            KeyProviderError, KeyStoreError: its status is unknown for now.
        """
        try:
            cells = unit.cells()
            change = source.prepare(self.name, unit)
        except PassedOverError:
            return Change()
        except Exception as error:  # of one unit, which never stops the others
            if is_stop(error):
                raise
            return Change(failure=redacted_error(source.name, error))
        for field, cell in cells:
            try:
                values = self.change(field, field.as_it_becomes(cell, change.values), unit)
            except UntaggedError as error:
                change.fail(redacted_error(field.name, error))
                values = dict(error.tags)
            except Exception as error:  # likewise
                if is_stop(error):
                    raise
                change.fail(redacted_error(field.name, error))
                continue
            if values:
                change.values |= values
                change.read.update(values, field.tag_names, field.read_names)
        try:
            return source.complete(self.name, unit, change)
        except Exception as error:  # likewise
            if is_stop(error):
                raise
            return Change(failure=redacted_error(source.name, error))


@dataclass(frozen=True)
class Undo(Step):
    """Undoes a backfill wherever nothing is lost by it."""

    name = "undo"
    drops = ("backfill", "verify", "finish")
    goal = Which.FILLED

    def check(self, source: Source, journal: Journal) -> None:
        """See `Step.check`: there has to be a form to go back to."""
        finish = journal.find("finish")
        later = [run.began for run in map(journal.find, ("backfill", self.name)) if run is not None]
        if finish is not None and finish.began >= max(later, default=0):
            raise ConfigurationError(f"{source.name}: a finish was begun, so there is no plaintext to go back to")
        self.check_still(source)
        source.check_can_undo()

    def check_still(self, source: Source) -> None:
        """See `Step.check_still`: what is decrypted in place has to be read as plaintext."""
        for field in source.fields:
            if field.plain_name is None and not field.accepts_plaintext():
                raise ConfigurationError(
                    f"{source.name}.{field.name} was encrypted in place, and no longer accepts plaintext to go back "
                    "to: declare accept_plaintext with a day in the future. What is done stays"
                )

    def dropped(self, fields: Sequence[ProtectedField], journal: Journal) -> Sequence[str]:
        """See `Step.dropped`: it stays known that a finish took plaintext away, which nothing brings back."""
        is_copied = any(field.plain_name is not None for field in fields)
        return tuple(step for step in self.drops if not (is_copied and step == "finish"))

    def looks_at(self, fields: Sequence[ProtectedField]) -> Which:
        """See `Step.looks_at`: a tag may be left of a value that is gone."""
        return self.goal if not any(field.tag_names for field in fields) else Which.ALL

    def change(self, field: ProtectedField, cell: Cell, unit: Unit) -> Values:
        values: Values = {name: None for name, tag in cell.tags.items() if tag is not None}
        if field.is_compound:  # it goes with the first value that does
            found = field.examine(cell, unit.place())
            return values if found.status in {*NOT_YET, ValueStatus.NULL} else {}
        if cell.stored is None:
            return values
        place = unit.place()
        found = readable(field, cell, place)
        if field.plain_name is not None:
            if not field.is_same(found.value, field.examine_plaintext(cell, place).value):
                raise UnitError(f"{field.name}: the encrypted column has a value that the plaintext column lacks")
            values[field.stored_name] = None
        elif found.status is ValueStatus.OTHER_SCHEME:
            return {}  # no backfill has been there
        elif found.status is not ValueStatus.PLAINTEXT:  # plaintext may have the tag of the value that it followed
            values[field.stored_name] = field.as_plaintext(found.value)
        return values


@dataclass(frozen=True)
class Finish(Step):
    """Removes plaintext next to a protected field with the same value; plaintext that is left in place is a failure.

    Attributes:
        stale_plaintext: plaintext that differs is older than the encrypted value, and is removed as well.
    """

    stale_plaintext: bool = False
    name = "finish"
    drops = ()
    goal = Which.PLAIN

    def check(self, source: Source, journal: Journal) -> None:
        """See `Step.check`: `verify` has to have found this declaration right since it was encrypted."""
        backfill, verify = journal.find("backfill"), journal.find("verify")
        is_since = backfill is None or (verify is not None and verify.began >= (backfill.ended or time.time()))
        if verify is None or verify.ended is None or not is_since or verify.about != source.describe():
            is_other = verify is not None and verify.about != source.describe()
            other = ": the last verify was for another declaration" if is_other else ""
            raise ConfigurationError(f"{source.name}: verify all rows first, after the backfill is done{other}")
        wrong = verify.failed - (verify.changed if self.stale_plaintext else 0)
        if wrong:
            differ = f". In {verify.changed:,} of them the plaintext differs: {_DIFFERENT}" if verify.changed else ""
            raise ConfigurationError(
                f"{source.name}: verify found {counted(wrong, 'row')} with defects: mend them, and verify again"
                + ("" if self.stale_plaintext else differ)
            )

    def change(self, field: ProtectedField, cell: Cell, unit: Unit) -> Values:
        if field.plain_name is None:
            reason = defect(field, cell, unit, old_keys=False)
            if reason is not None:
                raise UnitError(f"{field.name} {reason}")
            return {}
        if cell.plain is None:
            return {}
        place = unit.place()
        plain = field.examine_plaintext(cell, place) if not self.stale_plaintext or cell.stored is None else None
        if cell.stored is None:
            if plain is not None and plain.status is ValueStatus.NULL:
                return {field.plain_name: None}  # nothing, to the application
            raise UnitError(f"{field.name}: the plaintext column has a value, but the encrypted one has none")
        found = readable(field, cell, place)
        if plain is not None and not field.is_same(found.value, plain.value):
            raise UnitError(
                f"{field.name}: the plaintext column differs from the encrypted one, and may be newer: it stays. "
                f"{_DIFFERENT}"
            )
        return {field.plain_name: None}


def readable(field: ProtectedField, cell: Cell, place: Place) -> ExaminedValue:
    found = field.examine(cell, place)
    if found.status in (ValueStatus.UNREADABLE, ValueStatus.SHREDDED):
        raise unreadable_error(field, cell)
    return found


def unreadable_error(field: ProtectedField, cell: Cell) -> DecryptionError:
    if field.has_form(cell) or not field.is_told_by_form:
        return DecryptionError(f"{field.name}: {DecryptionError()}")
    return DecryptionError(
        f"{field.name} is neither an encrypted value nor plaintext that is accepted: declare accept_plaintext,"
        " or see whether its value has the type that is declared"
    )
