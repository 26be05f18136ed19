"""Has psycopg fetch encrypted columns in PostgreSQL's binary format: as text, every byte of them is sent as two.

psycopg has one format for all columns of a result, and returns bytes of a type that it does not know (a native enum, or
citext), whatever the model calls it. So a statement runs in text first, which tells the types that its columns have in
the database, and in binary from then on if psycopg reads all of these alike.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DataError

__all__ = ["Types", "cursor_of_psycopg", "fetch_as", "learned"]

_TEXT_FORMAT, _BINARY_FORMAT = 0, 1  # psycopg.pq.Format

# And not float4, which has in text the few digits that it was written with.
_ALIKE = frozenset(
    {"bool", "bpchar", "bytea", "date", "float8", "int2", "int4", "int8", "name", "numeric", "text", "time"}
    | {"timestamp", "timestamptz", "uuid", "varchar"}
)

Types = tuple[int, ...]  # PostgreSQL's numbers of the types of a result's columns


def cursor_of_psycopg(dialect: Dialect, cursor: Any, statement: Any) -> Any:
    """Return the cursor that can fetch the rows of a statement in binary format, or None.

    It is psycopg's own, if need be the one within a cursor of AWS's wrapper. psycopg's ClientCursor fetches text alone.
    """
    if dialect.is_async or "psycopg" not in dialect.driver or not statement.is_select:
        return None
    psycopg: Any = sys.modules.get("psycopg")  # what has cursors of it has imported it
    cursor = getattr(cursor, "target_cursor", cursor)
    if psycopg is None or not isinstance(cursor, psycopg.Cursor) or isinstance(cursor, psycopg.ClientCursor):
        return None
    return cursor


def fetch_as(cursor: Any, types: Types | None) -> None:
    """Have a cursor fetch in binary what is known to be read alike."""
    if types:
        cursor.format = _BINARY_FORMAT


def learned(cursor: Any, statement: str, known: Types | None) -> Types:
    """Return the types of a result to fetch in binary from now on, or () if it is to be fetched in text.

    Args:
        cursor: that has executed the statement.
        statement: its text.
        known: what this returned when the statement was executed before, not ().

    Raises:
        DataError: a column has changed its type since, to one that is not read alike.
    """
    types = tuple(map(cursor.pgresult.ftype, range(cursor.pgresult.nfields)))
    if known is None:
        return types if _read_alike(types, cursor.adapters) else ()
    return known if types == known or _read_alike(types, cursor.adapters) else _changed(statement)


def _changed(statement: str) -> NoReturn:
    raise DataError(statement, None, ValueError("a column has another type than before: execute this again"))


def _read_alike(types: Types, adapters: Any) -> bool:
    """Return True if psycopg itself reads all these types, and into the same objects in both formats."""
    for oid in types:
        type_, loader = adapters.types.get(oid), adapters.get_loader(oid, _TEXT_FORMAT)
        if type_ is None or type_.name not in _ALIKE or not loader.__module__.startswith("psycopg"):
            return False
    return True
