"""Runs transactions, and runs them again if others were in their way."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from fieldcrypt_sqlalchemy.migration.errors import is_transient

__all__ = ["transact"]

T = TypeVar("T")

_TRIES = 6


def transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Do work in a transaction, and again if another transaction was in its way."""
    tried = 0
    while True:
        tried += 1
        try:
            with _quietly(), engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if tried == _TRIES or isinstance(error, IntegrityError) or not is_transient(error):
                raise
        time.sleep(0.02 * 2**tried)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep psycopg from logging an error that follows the one that it raises, which the report has."""
    me, logger = get_ident(), logging.getLogger("psycopg")

    def is_news(record: logging.LogRecord) -> bool:
        return record.thread != me or not str(record.msg).startswith("error ignored terminating")

    logger.addFilter(is_news)
    try:
        yield
    finally:
        logger.removeFilter(is_news)
