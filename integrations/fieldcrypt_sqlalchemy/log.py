"""Keeps plaintext out of SQLAlchemy's log, which prints rows as the application gets them at level DEBUG."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, event

from fieldcrypt_sqlalchemy.types import PROTECTED_RESULT, Encrypted

__all__: list[str] = []

_HIDDEN = "[protected]"


class _HideProtected(logging.Filter):
    """Replaces the values of protected columns in rows that are logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(map(_without_protected, record.args))
        return True


_filter = _HideProtected()


def _without_protected(argument: Any) -> Any:
    row: Any = getattr(argument, "row", None)
    parent = getattr(row, "_parent", None)
    hidden = set() if parent is None else {*_processed(parent), *_processed_before(parent)}
    return tuple(_HIDDEN if at in hidden else value for at, value in enumerate(row)) if hidden else argument


def _processed(parent: Any) -> Iterator[int]:
    """Yield where the row has values that were decrypted for it."""
    processors: Any = getattr(parent, "_processors", None) or ()
    choose = getattr(parent, "_tuplefilter", None)  # of `Result.columns` and the like
    if choose is not None and processors:
        processors = choose(processors)
    for at, processor in enumerate(processors):
        if hasattr(processor, PROTECTED_RESULT):
            yield at


def _processed_before(parent: Any) -> Iterator[int]:
    """Yield where the row has protected values by its columns: those of a bulk INSERT with RETURNING come decrypted."""
    for key, known in getattr(parent, "_keymap", {}).items():
        if isinstance(getattr(key, "type", None), Encrypted) and known[0] is not None:
            yield known[0]


@event.listens_for(Engine, "engine_connect")
def _hide(connection: Connection) -> None:
    logger: Any = connection.engine.logger
    logger = getattr(logger, "logger", logger)
    if _filter not in logger.filters:
        logger.addFilter(_filter)
