"""What stops a migration, in words of what to do about it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DBAPIError

__all__ = ["in_words", "is_transient"]

# What a database says if a transaction is to be done once more: deadlocks, and what others changed at the same time.
_AGAIN = frozenset({"40001", "40P01"})  # SQLSTATEs of PostgreSQL
_AGAIN_ON_MYSQL = frozenset({1020, 1205, 1213})


def is_transient(error: DBAPIError) -> bool:
    """Say whether the same transaction may well succeed when it is done once more."""
    driver: Any = error.orig
    state = getattr(driver, "sqlstate", None) or getattr(driver, "pgcode", None)
    arguments: Any = getattr(driver, "args", ())
    code = arguments[0] if arguments else None
    return state in _AGAIN or code in _AGAIN_ON_MYSQL or (isinstance(code, str) and "database is locked" in code)


def in_words(error: Exception) -> str:
    """Return what the database said, in a line, without the statement and its parameters."""
    reason = getattr(error, "orig", None) or error
    arguments: Any = getattr(reason, "args", ())
    if len(arguments) > 1 and isinstance(arguments[0], int):  # of MySQL: number and words
        return str(arguments[1])
    return str(reason).strip().partition("\n")[0]
