"""A row of a migration, as it was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fieldcrypt.migration.engine.unit import Cell, Place, ProtectedField
from fieldcrypt_sqlalchemy.keyset import Key
from fieldcrypt_sqlalchemy.migration.column import MigratedColumn
from fieldcrypt_sqlalchemy.row_key import RowKey

__all__ = ["MigratedRow"]

_NO_ROW: Place = (None, None)


class MigratedRow:
    """A row as it was read: the `Unit` of a migration, whose methods are described there.

    Args:
        raw: the key, what it is bound to if there is a `row_key`, and the columns, in the order of the query.
    """

    __slots__ = ("_columns", "_place", "_row_key", "key", "raw")

    def __init__(
        self, raw: tuple[Any, ...], key_size: int, row_key: RowKey | None, columns: Sequence[MigratedColumn]
    ) -> None:
        self.raw = raw
        self.key: Key = raw[:key_size]
        self._row_key, self._columns = row_key, columns
        self._place: Place | None = None

    def cells(self) -> Sequence[tuple[ProtectedField, Cell]]:
        bound_to = 0 if self._row_key is None else len(self._row_key.names)
        values = iter(self.raw[len(self.key) + bound_to :])  # made anew: a page of them is a lot to keep
        return [(each, each.cell(values)) for each in self._columns]

    def place(self) -> Place:
        if self._place is None:
            if self._row_key is None:
                return _NO_ROW
            self._place = self._row_key.of(dict(zip(self._row_key.names, self.raw[len(self.key) :], strict=False)))
        return self._place

    def __repr__(self) -> str:  # without what is in it
        return f"MigratedRow({self.key!r})"
