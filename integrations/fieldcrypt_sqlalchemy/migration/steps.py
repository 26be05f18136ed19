"""What each step does to a row. Pure: a row in, what to write out."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import false, or_

from fieldcrypt import DecryptionError
from fieldcrypt.migration import Finding, Kind
from fieldcrypt_sqlalchemy.migration.column import Cell, MigratedColumn
from fieldcrypt_sqlalchemy.migration.part import MigratedRow, Part, Values

__all__ = ["Backfill", "Finish", "Step", "Undo", "unreadable"]


class Step(Protocol):
    """What is done to rows."""

    name: str

    def condition(self, part: Part) -> Any:
        """Return what holds of rows that there may be something to do to; None: only reading them tells."""
        ...

    def change(self, column: MigratedColumn, cell: Cell, row: MigratedRow) -> Values:
        """Return what to write into a row because of one of its columns; nothing if that is as it should be.

        Raises:
            DecryptionError, TypeError, ValueError: it cannot be done, and why.
            KeyProviderError, KeyStoreError: not for now.
        """
        ...


class Backfill:
    """Encrypts what is not protected as it is declared, and sets the tags that belong to it."""

    name = "backfill"

    def condition(self, part: Part) -> Any:
        """Return that a new column is to be filled (see `Step.condition`)."""
        return part.unfilled

    def change(self, column: MigratedColumn, cell: Cell, row: MigratedRow) -> Values:
        """Return what to write into a row (see `Step.change`)."""
        values: Values = {}
        if column.plain is not None and cell.stored is not None:
            return values  # what is filled is never overwritten: it is newer, or the same
        if cell.stored is None and cell.plain is None and cell.tag is None:
            return values
        bound_to = row.bound_to()
        found = column.examine(cell, bound_to) if column.plain is None else column.of_plain(cell, bound_to)
        if found.kind is Kind.SHREDDED:
            return values
        if found.kind is Kind.UNREADABLE:
            raise unreadable(column)
        if found.kind.is_due:
            if column.plain is None:
                column.check_due(found)
            values[column.column.name] = column.seal(found.value, bound_to)
        if column.companion is not None:
            tag = column.tag(found.value, bound_to)
            if tag != cell.tag:
                values[column.companion.name] = tag
        return values


class Undo:
    """Takes back what a backfill did, wherever nothing is lost by it."""

    name = "undo"

    def condition(self, part: Part) -> Any:
        """Return that a protected column is filled (see `Step.condition`)."""
        return or_(*(column.column.is_not(None) for column in part.columns))

    def change(self, column: MigratedColumn, cell: Cell, row: MigratedRow) -> Values:
        """Return what to write into a row (see `Step.change`)."""
        if cell.stored is None:
            return {}
        bound_to = row.bound_to()
        found = _readable(column, cell, bound_to)
        values: Values = {}
        if column.plain is None:
            if found.kind is Kind.PLAINTEXT:
                return values
            values[column.column.name] = column.as_plaintext(found.value)
        else:
            if not column.is_same(found.value, column.of_plain(cell, bound_to).value):
                raise ValueError(f"{column.name}: the encrypted column has a value that the plaintext one has not")
            values[column.column.name] = None
        if column.companion is not None:
            values[column.companion.name] = None
        return values


class Finish:
    """Removes plaintext where the encrypted column has a value that can be read."""

    name = "finish"

    def condition(self, part: Part) -> Any:
        """Return that there is plaintext beside (see `Step.condition`)."""
        return or_(false(), *(column.plain.is_not(None) for column in part.columns if column.plain is not None))

    def change(self, column: MigratedColumn, cell: Cell, row: MigratedRow) -> Values:
        """Return what to write into a row (see `Step.change`)."""
        if column.plain is None or cell.plain is None:
            return {}
        if cell.stored is None:
            raise ValueError(f"{column.name}: the plaintext column has a value, and the encrypted one has none")
        _readable(column, cell, row.bound_to())
        return {column.plain.name: None}


def unreadable(column: MigratedColumn) -> DecryptionError:
    """Return the error of a value that does not decrypt."""
    return DecryptionError(f"{column.name}: {DecryptionError()}")


def _readable(column: MigratedColumn, cell: Cell, bound_to: tuple[object, object]) -> Finding:
    found = column.examine(cell, bound_to)
    if found.kind in (Kind.UNREADABLE, Kind.SHREDDED):
        raise unreadable(column)
    return found
