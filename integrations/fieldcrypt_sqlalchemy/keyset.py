"""Going through a table by its key, page by page, as jobs do.

The order is the database's own, which compares texts by the collation of their column: no key is ever compared here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, or_, tuple_
from sqlalchemy.engine import Dialect

__all__ = ["MAX_FAILURES", "Key", "beyond", "typed", "up_to"]

MAX_FAILURES = 1000  # that a report keeps, so that it fits in memory

Key = tuple[Any, ...]

# Which find their place in the index by a comparison of rows, and not by one that is spelt out; MySQL is the other way.
_COMPARE_ROWS = frozenset({"postgresql", "sqlite"})


def beyond(columns: Sequence[Any], key: Key, dialect: Dialect) -> Any:
    """Return the condition that a row comes after another in the order of its key."""
    if len(columns) > 1 and dialect.name in _COMPARE_ROWS:
        return tuple_(*columns) > tuple_(*typed(columns, key))
    return _spelt_out(columns, key)


def up_to(columns: Sequence[Any], key: Key, dialect: Dialect) -> Any:
    """Return the condition that a row does not come after another; it may be that one."""
    if len(columns) == 1:
        (value,) = typed(columns, key)
        return columns[0] <= value
    if dialect.name in _COMPARE_ROWS:
        return tuple_(*columns) <= tuple_(*typed(columns, key))
    first, value = columns[0], typed(columns[:1], key[:1])[0]
    return or_(first < value, and_(first == value, up_to(columns[1:], key[1:], dialect)))


def typed(columns: Sequence[Any], key: Key) -> list[Any]:
    """Return a key's values as parameters: SQLAlchemy compares no column with True, which a part of a key may be."""
    return [bindparam(None, value, type_=column.type) for column, value in zip(columns, key, strict=True)]


def _spelt_out(columns: Sequence[Any], key: Key) -> Any:
    first, value = columns[0], typed(columns[:1], key[:1])[0]
    if len(columns) == 1:
        return first > value
    return or_(first > value, and_(first == value, _spelt_out(columns[1:], key[1:])))
