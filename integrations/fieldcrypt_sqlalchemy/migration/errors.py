"""Errors of databases, described without anything of a row."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

__all__ = ["ROW_ERRORS", "in_words", "is_denied", "is_of_a_row", "is_transient"]

# What a driver, or a type, raises for a value; a database that refuses a row raises a DBAPIError.
ROW_ERRORS = (StatementError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

# What a database says if a transaction is to be run again: deadlocks, and what others changed at the same time.
_AGAIN = frozenset({"40001", "40P01"})  # SQLSTATEs of PostgreSQL
_AGAIN_ON_MYSQL = frozenset({1020, 1205, 1213})
# And if its user lacks a right.
_DENIED = frozenset({"42501"})
_DENIED_ON_MYSQL = frozenset({1044, 1142, 1143})
# What it says of connections, statements, permissions and its own state: of no row, and with nothing of one in it.
_NOT_OF_ROWS = frozenset({"08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58", "XX"})  # classes
_NOT_OF_ROWS_ON_MYSQL = _AGAIN_ON_MYSQL | {
    *(1021, 1036, 1040, 1041, 1044, 1045, 1049, 1053, 1054, 1064, 1114, 1142, 1143, 1146, 1290, 1317, 1792, 1836),
    *(1927, 1969, 3024, *range(2000, 3000)),  # 2000 and more are of the connection
}
_OF_ROWS_ON_SQLITE = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG", "SQLITE_RANGE")
# Where MySQL and SQLite name a constraint or a column in a message: values stand elsewhere in it.
_NAMES = re.compile(
    r"for key '([^']*)'$|for column (?:`[^`]*`\.)*[`']([^`']*)[`'] at row \d+$|^CONSTRAINT `([^`]*)` failed|"
    r"^Check constraint '([^']*)' is violated|CONSTRAINT `([^`]*)` FOREIGN KEY|^Column '([^']*)' cannot be null$|"
    r"^(?:UNIQUE|NOT NULL|CHECK) constraint failed: (.*)$"
)


def is_transient(error: DBAPIError) -> bool:
    """Return True if the same transaction may succeed when it is run again."""
    state, number, message = _identified(error)
    return state in _AGAIN or number in _AGAIN_ON_MYSQL or "database is locked" in message


def is_denied(error: DBAPIError) -> bool:
    """Return True if the user of the database lacks a right."""
    state, number, _ = _identified(error)
    return state in _DENIED or number in _DENIED_ON_MYSQL


def is_of_a_row(error: Exception) -> bool:
    """Return True if an error may be about one row, so that others can be read or written without it."""
    if not isinstance(error, DBAPIError):
        return True
    state, number, message = _identified(error)
    if error.connection_invalidated:
        return False
    if state.startswith("SQLITE"):
        return state.startswith(_OF_ROWS_ON_SQLITE) or (state == "SQLITE_ERROR" and not message.startswith("no such"))
    if number is not None:
        return number not in _NOT_OF_ROWS_ON_MYSQL and number > 0
    if state:
        # A policy refuses a row by the same SQLSTATE as a missing permission, and PostgreSQL says which of them it is.
        function = getattr(getattr(error.orig, "diag", None), "source_function", None)
        return state[:2] not in _NOT_OF_ROWS or function == "ExecWithCheckOptions"
    # Nothing from the server: a value that the driver cannot send or read, or a connection that was lost.
    return not isinstance(error, OperationalError) or message.startswith("Could not decode")


def in_words(error: Exception) -> str:
    """Return the error of a database in one line.

    If it may be about a row: only its class, its number and the name of a constraint or column, because the rest of the
    message has the row in it.
    """
    if not isinstance(error, DBAPIError):
        return type(getattr(error, "orig", None) or error).__name__
    state, number, message = _identified(error)
    if not is_of_a_row(error):
        return message
    diag = getattr(error.orig, "diag", None) or getattr(error.orig, "__cause__", None)
    names = [getattr(diag, f"{kind}_name", None) for kind in ("constraint", "column")]
    match = _NAMES.search(message) if state.startswith("SQLITE") or number is not None else None
    names += [] if match is None else [match[match.lastindex or 0]]
    words = [type(error.orig).__name__, number, state, *names]
    return " ".join(str(word) for word in words if word)


def _identified(error: DBAPIError) -> tuple[str, int | None, str]:
    """Return the SQLSTATE or SQLite's name of an error, MySQL's number, and the first line of the message."""
    driver: Any = error.orig
    state = getattr(driver, "sqlstate", None) or getattr(driver, "pgcode", None)
    state = state or getattr(driver, "sqlite_errorname", None) or ""
    arguments: Any = getattr(driver, "args", ())
    number = arguments[0] if len(arguments) > 1 and isinstance(arguments[0], int) else None
    message = str(arguments[1] if number is not None else driver)
    return state, number, message.strip().partition("\n")[0]
