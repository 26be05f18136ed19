"""A row of a migration, as it was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from math import nan
from typing import Any, NamedTuple

from fieldcrypt.spi.migration import Cell, Place, ProtectedField
from fieldcrypt_sqlalchemy.migration.row.column import MigratedColumn
from fieldcrypt_sqlalchemy.migration.row.tagged_columns import TaggedColumns
from fieldcrypt_sqlalchemy.migration.table.keyset import Key
from fieldcrypt_sqlalchemy.row_key.previous_columns import PreviousColumns
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey

__all__ = ["Binding", "MigratedRow", "with_one_nan"]

_NANS: Mapping[type[Any], Any] = {Decimal: Decimal("NaN"), float: nan}  # those that signal are in no database


class Binding(NamedTuple):
    """What the values of a row are bound to.

    Attributes:
        row_key: tells the row and its tenant; None if they are not bound to it.
        previous: tells what they may have been bound to before.
        columns: of which both are made, by attribute.
    """

    row_key: RowKey | None
    previous: PreviousColumns
    columns: Mapping[str, Any]

    def place(self, values: Sequence[Any]) -> Place:
        """Return what values are bound to in a row that has these in the columns, and perhaps others behind."""
        named = dict(zip(self.columns, values, strict=False))
        context, tenant = (None, None) if self.row_key is None else self.row_key.of(named)
        return Place(context, tenant, self.previous.part(named.get))


class MigratedRow:
    """A row as it was read: the `Unit` of a migration.

    Args:
        raw: the key, what it is bound to, and the columns, in the order of the query.
    """

    __slots__ = ("_binding", "_columns", "_place", "key", "raw")

    def __init__(
        self, raw: tuple[Any, ...], key_size: int, binding: Binding, columns: Sequence[MigratedColumn | TaggedColumns]
    ) -> None:
        self.raw = raw
        self.key: Key = raw[:key_size]
        self._binding, self._columns = binding, columns
        self._place: Place | None = None

    def cells(self) -> Sequence[tuple[ProtectedField, Cell]]:
        values = iter(self.raw[len(self.key) + len(self._binding.columns) :])  # not kept: a page of them is a lot
        return [(column, column.cell(values)) for column in self._columns]

    def place(self) -> Place:
        """Return what its values are bound to.

        Raises:
            ProtectedColumnError: its key or its tenant is NULL.
        """
        if self._place is None:
            self._place = self._binding.place(self.raw[len(self.key) :])
        return self._place

    def __repr__(self) -> str:  # without what is in it
        return f"MigratedRow({self.key!r})"


def with_one_nan(row: Iterable[Any]) -> tuple[Any, ...]:
    """Return what was read of a row, in which each "not a number" is the same object: it equals and hashes as no other.

    PostgreSQL has it in keys, and finds rows by it.
    """
    return tuple(_NANS[type(each)] if type(each) in _NANS and each != each else each for each in row)
