"""Transactions: done once more if they met others, and what stops one for good, in words."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

__all__ = ["in_words", "transact"]

T = TypeVar("T")

_TRIES = 6
# What a database says if a transaction is to be done once more: deadlocks, and what others changed at the same time.
_AGAIN = frozenset({"40001", "40P01"})  # SQLSTATEs of PostgreSQL
_AGAIN_ON_MYSQL = frozenset({1020, 1205, 1213})


def transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Do work in a transaction, and once more if it met others."""
    tried = 0
    while True:
        tried += 1
        try:
            with engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if tried == _TRIES or isinstance(error, IntegrityError) or not _is_transient(error):
                raise
        time.sleep(0.02 * 2**tried)


def _is_transient(error: DBAPIError) -> bool:
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
