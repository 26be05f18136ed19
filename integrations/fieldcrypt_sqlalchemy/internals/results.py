"""What fieldcrypt reads, and sets, of results, rows and objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row

from fieldcrypt_sqlalchemy.internals.gate import read

__all__ = [
    "expire",
    "logged_row",
    "result_types",
    "row_columns",
    "row_processors",
    "rows_at_hand",
    "set_rowcount",
]


def result_types(compiled: Any) -> list[Any]:
    """Return the types of the columns in a compiled statement's rows."""
    return [column.type for column in read(compiled, "_result_columns") or ()]


def logged_row(argument: Any) -> Any:
    """Return the row that is an argument of a log record, or None; SQLAlchemy wraps it, to shorten it."""
    row = getattr(argument, "row", None)
    return row if isinstance(row, Row) else None


def row_processors(row: Any) -> list[Any]:
    """Return what made the values of a row of what the driver returned, as they stand in it."""
    parent = read(row, "_parent")
    processors = read(parent, "_processors") or ()
    choose = read(parent, "_tuplefilter")  # of `Result.columns` and the like
    return list(choose(processors) if choose is not None and processors else processors)


def row_columns(row: Any) -> list[tuple[int, Any]]:
    """Return the columns by which a row can be asked for its values, and where these are."""
    known = read(read(row, "_parent"), "_keymap")
    return [(entry[0], key) for key, entry in known.items() if entry[0] is not None]


def rows_at_hand(cursor: Any) -> Any:
    """Return the rows that a cursor of an asyncio driver has fetched already, or None.

    A cursor on the server's side has none, nor need that of a dialect elsewhere: keys are then fetched row by row.
    """
    return getattr(cursor, "_rows", None)


def expire(state: Any, keys: Iterable[str]) -> None:
    """Forget some attributes of an object, to be loaded when they are read."""
    read(state, "_expire_attributes")(state.dict, keys)


def set_rowcount(result: Any, count: int) -> None:
    """Set the number of matched rows that a result reports."""
    read(result.context, "_rowcount")
    result.context._rowcount = count
    result.__dict__.pop("rowcount", None)  # where it is remembered once it was asked for
