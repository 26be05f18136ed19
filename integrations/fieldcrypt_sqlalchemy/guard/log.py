"""Keeps plaintext out of SQLAlchemy's log, which prints rows as the application gets them at level DEBUG."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.internals.results import logged_row, row_columns, row_processors
from fieldcrypt_sqlalchemy.value.processors import returns_plaintext

__all__ = ["hide_rows"]

_HIDDEN = "[protected]"


class _HideProtected(logging.Filter):
    """Replaces the values of protected columns in rows that are logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(map(_without_protected, record.args))
        return True


_filter = _HideProtected()


def _without_protected(argument: Any) -> Any:
    row = logged_row(argument)
    if row is None:
        return argument
    try:
        hidden = {*_processed(row), *_processed_before(row)}
    except ConfigurationError:  # it cannot be known, and a log is no place to fail
        hidden = set(range(len(row)))
    return tuple(_HIDDEN if at in hidden else value for at, value in enumerate(row)) if hidden else argument


def _processed(row: Any) -> Iterator[int]:
    """Yield where the row has values that were decrypted for it."""
    for at, processor in enumerate(row_processors(row)):
        if returns_plaintext(processor):
            yield at


def _processed_before(row: Any) -> Iterator[int]:
    """Yield where the row has protected values by its columns: those of a bulk INSERT with RETURNING come decrypted."""
    for at, column in row_columns(row):
        if isinstance(getattr(column, "type", None), Encrypted):
            yield at


def hide_rows(engine: Engine) -> None:
    """Keep the values of protected columns out of an engine's log from now on."""
    logger: Any = engine.logger
    logger = getattr(logger, "logger", logger)
    if _filter not in logger.filters:
        logger.addFilter(_filter)
