"""Transactions, done once more if they met others."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from fieldcrypt_sqlalchemy.migration.errors import is_transient

__all__ = ["transact"]

T = TypeVar("T")

_TRIES = 6


def transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Do work in a transaction, and once more if it met others."""
    tried = 0
    while True:
        tried += 1
        try:
            with engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if tried == _TRIES or isinstance(error, IntegrityError) or not is_transient(error):
                raise
        time.sleep(0.02 * 2**tried)
