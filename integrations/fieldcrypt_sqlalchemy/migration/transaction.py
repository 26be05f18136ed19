"""Transactions that meet others."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError

from fieldcrypt_sqlalchemy.migration.errors import is_transient

__all__ = ["again_if_it_met_others"]

T = TypeVar("T")

_TRIES = 6


def again_if_it_met_others(work: Callable[[], T]) -> T:
    """Do a transaction, and do it once more if it met others."""
    for tried in range(1, _TRIES):
        try:
            return work()
        except DBAPIError as error:
            if isinstance(error, IntegrityError) or not is_transient(error):
                raise
        time.sleep(0.02 * 2**tried)
    return work()
