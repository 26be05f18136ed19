"""Keeps plaintext out of SQLAlchemy's log, which prints rows as the application gets them at level DEBUG."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Connection, Engine, event

from fieldcrypt_sqlalchemy.types import PROTECTED_RESULT

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
    row = getattr(argument, "row", None)
    processors = getattr(getattr(row, "_parent", None), "_processors", None)
    if row is None or processors is None:
        return argument
    hidden = [hasattr(processor, PROTECTED_RESULT) for processor in processors]
    if not any(hidden):
        return argument
    return tuple(_HIDDEN if hide else value for value, hide in zip(row, hidden, strict=True))


@event.listens_for(Engine, "engine_connect")
def _hide(connection: Connection) -> None:
    logger: Any = connection.engine.logger
    logger = getattr(logger, "logger", logger)
    if _filter not in logger.filters:
        logger.addFilter(_filter)
