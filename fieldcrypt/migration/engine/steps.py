"""What each step does to a unit. Pure: a unit in, what to write out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from fieldcrypt.errors import DecryptionError
from fieldcrypt.migration.engine.defects import defect
from fieldcrypt.migration.engine.marked import MarkedError
from fieldcrypt.migration.engine.source import Which
from fieldcrypt.migration.engine.unit import Cell, ProtectedField, Unit
from fieldcrypt.migration.examination import Finding
from fieldcrypt.migration.kind import Kind

__all__ = ["Backfill", "Finish", "Step", "Undo"]

Values = dict[str, Any]


class Step(Protocol):
    """What is done to units.

    Attributes:
        name: backfill, undo or finish.
        options: in the words of a checkpoint, what else decides what is written.
        drops: the steps whose checkpoints look the other way.
        goal: of what units there are none when it is complete.
    """

    @property
    def name(self) -> str: ...
    @property
    def options(self) -> str: ...
    @property
    def drops(self) -> tuple[str, ...]: ...
    @property
    def goal(self) -> Which: ...

    def looks_at(self, is_copied: bool) -> Which:
        """Return which units there may be something to do to.

        Args:
            is_copied: all protected fields are filled from others.
        """
        ...

    def change(self, field: ProtectedField, cell: Cell, unit: Unit) -> Values:
        """Return what to write into a unit because of one of its fields; nothing if that is as it should be.

        Raises:
            DecryptionError, TypeError, ValueError: it cannot be done, and why.
            KeyProviderError, KeyStoreError: not for now.
        """
        ...


@dataclass(frozen=True)
class Backfill:
    """Encrypts what is not protected as it is declared, and sets the tags that belong to it.

    Attributes:
        mend: values that do not open, and have their plaintext beside them, are encrypted again.
    """

    mend: bool = False
    name = "backfill"
    drops = ("undo", "verify")
    goal = Which.DUE

    @property
    def options(self) -> str:
        """See `Step`."""
        return ", mend=True" if self.mend else ""

    def looks_at(self, is_copied: bool) -> Which:
        """Return which units (see `Step.looks_at`): in place only reading tells what is under an old key."""
        if not is_copied:
            return Which.ALL
        return Which.PLAIN if self.mend else Which.DUE

    def change(self, field: ProtectedField, cell: Cell, unit: Unit) -> Values:
        """Return what to write into a unit (see `Step.change`)."""
        if cell.stored is None and cell.plain is None and cell.tag is None:
            return {}
        place = unit.place()
        if field.plain_name is None:
            return _protected(field, cell, unit, field.examine(cell, place))
        if cell.stored is None or self._is_to_be_mended(field, cell, unit):
            return _protected(field, cell, unit, field.of_plain(cell, place))
        return {}  # what is filled is never overwritten: it is newer, or the same

    def _is_to_be_mended(self, field: ProtectedField, cell: Cell, unit: Unit) -> bool:
        if not self.mend or cell.plain is None:
            return False
        try:
            return field.examine(cell, unit.place()).kind is Kind.UNREADABLE
        except MarkedError:
            return True


@dataclass(frozen=True)
class Undo:
    """Takes back what a backfill did, wherever nothing is lost by it."""

    name = "undo"
    options = ""
    drops = ("backfill", "verify", "finish")
    goal = Which.FILLED

    def looks_at(self, is_copied: bool) -> Which:
        """Return which units (see `Step.looks_at`)."""
        return Which.FILLED

    def change(self, field: ProtectedField, cell: Cell, unit: Unit) -> Values:
        """Return what to write into a unit (see `Step.change`)."""
        if cell.stored is None:
            return {}
        place = unit.place()
        found = _readable(field, cell, unit)
        values: Values = {}
        if field.plain_name is not None:
            if not field.is_same(found.value, field.of_plain(cell, place).value):
                raise ValueError(f"{field.name}: the encrypted column has a value that the plaintext one has not")
            values[field.stored_name] = None
        elif found.kind is not Kind.PLAINTEXT:  # plaintext may have the tag of the value that it followed
            values[field.stored_name] = field.as_plaintext(found.value)
        if field.tag_name is not None and cell.tag is not None:
            values[field.tag_name] = None
        return values


@dataclass(frozen=True)
class Finish:
    """Removes plaintext beside a protected field with the same value; plaintext that is left in place is a failure.

    Attributes:
        stale_plaintext: plaintext that differs is older than the encrypted value, and is removed as well.
    """

    stale_plaintext: bool = False
    name = "finish"
    drops = ()
    goal = Which.PLAIN

    @property
    def options(self) -> str:
        """See `Step`."""
        return ", stale_plaintext=True" if self.stale_plaintext else ""

    def looks_at(self, is_copied: bool) -> Which:
        """Return which units (see `Step.looks_at`)."""
        return Which.PLAIN

    def change(self, field: ProtectedField, cell: Cell, unit: Unit) -> Values:
        """Return what to write into a unit (see `Step.change`)."""
        if field.plain_name is None:
            reason = defect(field, cell, unit, old_keys=False)
            if reason is not None:
                raise ValueError(f"{field.name} {reason}")
            return {}
        if cell.plain is None:
            return {}
        place = unit.place()
        plain = field.of_plain(cell, place) if not self.stale_plaintext or cell.stored is None else None
        if cell.stored is None:
            if plain is not None and plain.kind is Kind.NULL:
                return {field.plain_name: None}  # nothing, to the application
            raise ValueError(f"{field.name}: the plaintext column has a value, and the encrypted one has none")
        found = _readable(field, cell, unit)
        if plain is not None and not field.is_same(found.value, plain.value):
            raise ValueError(
                f"{field.name}: the plaintext column has another value than the encrypted one, and may be newer: it "
                "stays; if all that write use the encrypted column by now, say stale_plaintext=True"
            )
        return {field.plain_name: None}


def _protected(field: ProtectedField, cell: Cell, unit: Unit, found: Finding) -> Values:
    """Return what to write so that a value that was found is protected, with its tag."""
    values: Values = {}
    if found.kind is Kind.SHREDDED:
        return values
    if found.kind is Kind.UNREADABLE:
        raise _unreadable(field)
    place = unit.place()
    if found.kind.is_due and found.value is not None:
        if field.plain_name is None:
            field.check_due(found)
        values[field.stored_name] = field.seal(found.value, place)
    if field.tag_name is not None:
        tag = field.tag(found.value, place)
        if tag != cell.tag:
            values[field.tag_name] = tag
    return values


def _readable(field: ProtectedField, cell: Cell, unit: Unit) -> Finding:
    found = field.examine(cell, unit.place())
    if found.kind in (Kind.UNREADABLE, Kind.SHREDDED):
        raise _unreadable(field)
    return found


def _unreadable(field: ProtectedField) -> DecryptionError:
    return DecryptionError(f"{field.name}: {DecryptionError()}")
