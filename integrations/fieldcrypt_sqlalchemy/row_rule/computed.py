"""Defaults that are computed in Python, for statements that write sealed values.

A function may look at the other values of its row (`get_current_parameters()`). It sees plaintext, as ever: SQLAlchemy
would call it when these are sealed already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Insert

from fieldcrypt_sqlalchemy.internals.write import multi_rows, with_multi_rows
from fieldcrypt_sqlalchemy.row_key.defaults import Parameters
from fieldcrypt_sqlalchemy.row_rule.written_row import Values, WrittenColumns
from fieldcrypt_sqlalchemy.rows.sealed import UNOPENED, Sealed

__all__ = ["with_computed"]

Row = dict[str, Any]


def with_computed(statement: Any, table: Any, rows: list[Row]) -> Any:
    """Return a statement, and put into its rows of parameters, what functions give columns that are not written.

    Args:
        statement: an INSERT or UPDATE.
        table: the table that it writes.
        rows: of parameters; one empty row if there are none.
    """
    kind = "default" if isinstance(statement, Insert) else "onupdate"
    functions = {
        column.key: getattr(column, kind) for column in table.c if getattr(getattr(column, kind), "is_callable", False)
    }
    columns = WrittenColumns(statement, table)
    several = multi_rows(statement)
    if not several and columns.values(rows[0]).keys() >= functions.keys():
        return statement
    written: list[Values] = [*several] or [columns.values(row) for row in rows]
    if not any(map(_has_sealed, written)):
        return statement
    for row, values in zip(several or rows, written, strict=True):
        for key, default in functions.items():
            if key not in values:
                row[key] = _made(default, values)
    return with_multi_rows(statement, several) if several else statement


def _has_sealed(values: Mapping[str, Any]) -> bool:
    return any(value.__class__ is Sealed for value in values.values())


def _made(default: Any, values: Mapping[str, Any]) -> Any:
    return default.arg(Parameters(lambda: {key: _plain(value) for key, value in values.items()}))


def _plain(value: Any) -> Any:
    return value._opened if value.__class__ is Sealed and value._opened is not UNOPENED else value
