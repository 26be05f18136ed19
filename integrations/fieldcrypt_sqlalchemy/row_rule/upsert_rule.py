"""The row rule for upserts, which may change another row than the one that they insert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ColumnClause

from fieldcrypt_sqlalchemy.column.protected import is_upsert_row
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey
from fieldcrypt_sqlalchemy.row_key.same_bytes import compares_exactly
from fieldcrypt_sqlalchemy.row_rule.written_row import Values, WrittenColumns, plain
from fieldcrypt_sqlalchemy.rows.sealed import Sealed
from fieldcrypt_sqlalchemy.statement.upserts import conflict_clauses, conflict_target, upsert_values

__all__ = ["check_upsert"]


def check_upsert(
    statement: Any,
    columns: WrittenColumns,
    bound: Sequence[Any],
    keys: Sequence[RowKey],
    inserted: Sequence[Values],
    dialect: Dialect,
) -> None:
    """Refuse an upsert that could leave values in a row that they are not sealed for.

    Args:
        statement: the INSERT.
        columns: which columns of its table it writes.
        bound: the table's protected columns.
        keys: what tells the rows of its models.
        inserted: the rows, by the keys of columns.
        dialect: of the connection.

    Raises:
        ProtectedColumnError: it could.
    """
    for clause in conflict_clauses(statement):
        for key in keys:
            _Clause(clause, statement.table, columns, bound, key, dialect).check(inserted)


class _Clause:
    """What one ON CONFLICT clause sets, as the rows of one model see it."""

    def __init__(
        self, clause: Any, table: Any, columns: WrittenColumns, bound: Sequence[Any], key: RowKey, dialect: Dialect
    ) -> None:
        self._key = key
        self._bound = bound
        self._elsewhere = key.bound_elsewhere(table)
        self._parts = key.columns_in(table)
        self._set = {columns.upsert_key(name): value for name, value in upsert_values(clause)}
        self._target = target = {columns.upsert_key(name) for name in conflict_target(clause)}
        former = {column.key for name in key.previous.columns for column in key.columns_of(name)}
        self._sets_former = not former.isdisjoint(self._set)
        self._loose = [
            each
            for each in self._parts
            if each is None or each.key not in target or not compares_exactly(each, dialect)
        ]

    def check(self, inserted: Sequence[Values]) -> None:
        values = [column for column in self._bound if column.key in self._set]
        parts = [column for column in self._parts if column is not None and column.key in self._set]
        if not values and not parts and not self._sets_former:
            return
        if parts or self._loose or self._sets_former:
            self._check_complete()
        for column in (*values, *parts):
            value = self._set[column.key]
            if not _is_copy(column, value) and not all(self._fits(column, plain(value, {}), row) for row in inserted):
                raise ProtectedColumnError(
                    f"{column.key!r} in the row that is there already is set to something else than in the row that is "
                    f"inserted: set it to excluded.{column.key}"
                )

    def _check_complete(self) -> None:
        missing = [c for c in (*self._bound, *self._loose) if c is None or c.key not in self._set]
        if missing or self._elsewhere:
            names = [c.key for c in (*self._bound, *self._parts) if c is not None]
            raise ProtectedColumnError(
                "the row that the upsert conflicts with may have another key or tenant than the protected values are "
                f"sealed for, which would make them unreadable: let it set all of {', '.join(names)}, each to its "
                "excluded value"
                + (", in one table: the model's values are in several" if self._elsewhere else "")
                + self._of_new_key()
            )

    def _of_new_key(self) -> str:
        """Return what becomes of a primary key that is no part of what rows conflict by."""
        keys = [c.key for c in self._parts if c is not None and c.primary_key and c.key not in self._target]
        if not keys or not self._target:  # MySQL has no targets
            return ""
        each = ", ".join(map(repr, keys))
        return f". This changes the row's {each}: to keep it, let the conflict be on {each}, or change the object"

    def _fits(self, column: Any, value: Any, row: Values) -> bool:
        """Return True if a value that is the same for all rows is right for one of them."""
        if value is None and column not in self._parts:
            return True
        if isinstance(value, Sealed) and value._origin is not None:
            origin = value._origin.row
            return all(
                each is not None and origin.key.is_part(index, origin.parts[index], row.get(each.key))
                for index, each in enumerate(self._parts)
            )
        if column in self._parts:
            return self._key.is_part(self._parts.index(column), value, row.get(column.key))
        return False


def _is_copy(column: Any, value: Any) -> bool:
    return isinstance(value, ColumnClause) and is_upsert_row(value) and value.key == column.key
