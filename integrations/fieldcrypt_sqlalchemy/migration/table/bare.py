"""Copies of the tables of a migration with the types that are stored, without anything of fieldcrypt.

A migration writes values that are encrypted already, and compares stored ones, so the guard must not see them. They are
Tables, so that a `schema_translate_map` applies to reads and writes alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.sql.visitors import replacement_traverse
from sqlalchemy.types import NullType, TypeEngine

from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.column.protected import ProtectedType

__all__ = ["Bare"]


def _bare(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type for a column that a migration neither reads nor writes."""
    return NullType() if isinstance(type_, (ProtectedType, BlindIndexTag)) else type_


class Bare:
    """Copies of tables whose protected columns and companions have the types of what is stored."""

    def __init__(self, protected: Sequence[tuple[Column[Any], TypeEngine[Any]]]) -> None:
        self._protected = protected
        self._tables: dict[Table, Table] = {}

    def table(self, table: Table) -> Table:
        """Return the copy of a table; of a copy itself."""
        if any(table is each for each in self._tables.values()):
            return table
        if table not in self._tables:
            columns = [
                Column(
                    column.name, next((type_ for one, type_ in self._protected if one is column), _bare(column.type))
                )
                for column in table.columns
            ]
            self._tables[table] = Table(table.name, MetaData(), *columns, schema=table.schema)
        return self._tables[table]

    def of(self, element: Any) -> Any:
        """Return a column, an expression or something to select from, with copies for all tables in it."""

        def replace(part: Any, **_: Any) -> Any:
            if isinstance(part, Table):
                return self.table(part)
            if isinstance(part, Column) and isinstance(part.table, Table):
                return self.table(part.table).c[part.name]
            return None

        traverse: Any = replacement_traverse
        return traverse(element, {}, replace)
