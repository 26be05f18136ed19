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

    __slots__ = ("_bound_to", "_cells", "_place", "_row_key", "key", "raw")

    def __init__(
        self, raw: tuple[Any, ...], key_size: int, row_key: RowKey | None, columns: Sequence[MigratedColumn]
    ) -> None:
        self.raw = raw
        values = iter(raw)
        self.key: Key = tuple(next(values) for _ in range(key_size))
        self._row_key = row_key
        self._place: Place | None = None
        self._bound_to = {} if row_key is None else {name: next(values) for name in row_key.names}
        self._cells: list[tuple[ProtectedField, Cell]] = [(each, each.cell(values)) for each in columns]

    def cells(self) -> Sequence[tuple[ProtectedField, Cell]]:
        return self._cells

    def place(self) -> Place:
        if self._place is None:
            self._place = _NO_ROW if self._row_key is None else self._row_key.of(self._bound_to)
        return self._place

    def __repr__(self) -> str:  # without what is in it
        return f"MigratedRow({self.key!r})"
