"""Rows of classes whose tables are joined: values in one table, bound to a key in another."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow

__all__ = ["check_elsewhere"]


def check_elsewhere(connection: Connection, table: Any, row: BoundRow) -> None:
    """Refuse to insert values into one table, unless the row in the other tables has the key they are sealed for.

    The ORM inserts that one first, in the same transaction.

    Args:
        connection: that the statement is executed on.
        table: that it writes.
        row: what the values are sealed for.

    Raises:
        ProtectedColumnError: there is no such row, or it has another key or tenant.
    """
    for index, column in enumerate(row.key.columns_in(table)):
        if column is None:
            other = row.key.columns_of(row.key.names[index])[0]
            stored = connection.execute(_query(row, table, other)).first()
            if stored is None or not row.key.is_part(index, row.parts[index], stored[0]):
                raise ProtectedColumnError(
                    f"values for {table.description} are sealed for another {row.key.names[index]!r} than the row has "
                    f"in another table, {other.table.description}: add objects of the model, or insert(Model) with a "
                    "Session"
                )


def _query(row: BoundRow, table: Any, other: Any) -> Any:
    """Return the query for what a row has in the other table."""
    there = zip(row.key.columns_in(other.table), row.parts, strict=True)
    parts = {column.key: part for column, part in there if column is not None}
    primary = list(other.table.primary_key)
    if not {column.key for column in primary} <= parts.keys():
        raise ProtectedColumnError(
            f"values for {table.description} are bound to a key that does not tell the row in "
            f"{other.table.description}: add objects of the model"
        )
    return select(other).where(*(column == parts[column.key] for column in primary))
