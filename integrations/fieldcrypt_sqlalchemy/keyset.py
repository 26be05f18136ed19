"""Going through a table by its key, page by page, as jobs do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, or_

__all__ = ["MAX_FAILURES", "Key", "beyond"]

MAX_FAILURES = 1000  # that a report keeps, so that it fits in memory

Key = tuple[Any, ...]


def beyond(columns: Sequence[Any], key: Key) -> Any:
    """Return the condition that a row comes after another in the order of its key."""
    first, value = columns[0], key[0]
    if len(columns) == 1:
        return first > value
    return or_(first > value, and_(first == value, beyond(columns[1:], key[1:])))
