"""The values that an INSERT or UPDATE gives a row, by the keys of its table's columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.sql.elements import BindParameter, ColumnClause, Null

from fieldcrypt_sqlalchemy.internals.column import is_untyped
from fieldcrypt_sqlalchemy.internals.write import is_emitted, multi_rows, plugin_mapper, set_values
from fieldcrypt_sqlalchemy.row_key.noted import binding_columns, compound_columns
from fieldcrypt_sqlalchemy.statement.upserts import conflict_clauses, upsert_values

__all__ = ["Values", "WrittenColumns", "plain"]

Values = Mapping[str, Any]


def plain(value: Any, parameters: Values) -> Any:
    """Return the value that stands in a statement, or comes in its parameters; an SQL expression as it is."""
    if isinstance(value, BindParameter):
        return parameters.get(value.key, value.effective_value)
    return None if isinstance(value, Null) else value


class WrittenColumns:
    """Which columns of its table a statement writes.

    Attributes:
        static: what the statement itself sets: pairs of a name or a column, and a value.
        upserted: the keys of the columns that it sets in rows that are there already; None for what is no column.

    Args:
        statement: an INSERT or UPDATE, also one that the ORM makes of one for a class.
        table: the table that it writes.
    """

    def __init__(self, statement: Any, table: Any) -> None:
        self._table = table
        self._columns = table.c
        self._mapper = None if is_emitted(statement) else plugin_mapper(statement)
        self._keys: dict[str, str | None] = {}
        self._own: set[str] = set()  # names that are the keys of their columns
        self.static: list[tuple[Any, Any]] = [] if multi_rows(statement) else set_values(statement)
        self.upserted: set[str | None] = {
            self.upsert_key(name) for clause in conflict_clauses(statement) for name, _ in upsert_values(clause)
        }

    def key(self, name: Any) -> str | None:
        """Return the key of the column that a name, an attribute or a column stands for; None if it is no column."""
        if not isinstance(name, str):
            return self.upsert_key(name)
        if name not in self._keys:
            self._keys[name] = key = self._named(name)
            if key == name:
                self._own.add(name)
        return self._keys[name]

    def upsert_key(self, name: Any) -> str | None:
        """Return the key of the column that an upsert names: by its key alone, and not by an attribute."""
        if isinstance(name, ColumnClause):
            name = name.key
        return name if isinstance(name, str) and name in self._columns else None

    @property
    def elsewhere(self) -> list[Any]:
        """The columns of other tables that are written, and matter to a decorated model.

        They are protected, bind its values, or are members of compound indexes.
        """
        found = [name for name, _ in self.static if isinstance(name, ColumnClause) and name.table is not None]
        return [
            column
            for column in found
            if hash(column.table) != hash(self._table)
            and (
                hasattr(column.type, "row_key")
                or column.key in binding_columns(column.table) | compound_columns(column.table)
            )
        ]

    def _named(self, name: str) -> str | None:
        if self._mapper is not None:
            column = self._mapper.columns.get(name)
            if column is not None and column.key in self._columns:
                return column.key
        return name if name in self._columns else None

    def values(self, parameters: Values) -> Values:
        """Return what the columns of a row are given, by the statement and by a row of its parameters."""
        if not self.static and parameters.keys() <= self._own:
            return parameters
        found: dict[str, Any] = {}
        for name, value in self.static:
            if (key := self.key(name)) is not None:
                found[key] = value if _is_other(value, self._columns[key].type) else plain(value, parameters)
        for name, value in parameters.items():
            if (key := self.key(name)) is not None:
                found[key] = value
        return found


def _is_other(value: Any, type_: Any) -> bool:
    """Return True if a parameter is sent as another type than its column's, or is made when it is sent."""
    if not isinstance(value, BindParameter):
        return False
    return value.callable is not None or not (is_untyped(value.type) or type(value.type) is type(type_))
