"""What statements write, and what becomes of rows that are there already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["conflict_clauses", "upsert_conditions", "upsert_values", "upserting", "written"]

_CONDITIONS = ("update_whereclause", "inferred_target_whereclause")


def written(statement: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what a statement sets in rows of its own: pairs of column, or its key, and value."""
    values = getattr(statement, "_values", None) or ()
    yield from values.items() if hasattr(values, "items") else values
    yield from getattr(statement, "_ordered_values", None) or ()  # of SQLAlchemy 2.0
    for rows in getattr(statement, "_multi_values", ()):
        for row in rows:
            yield from row.items() if hasattr(row, "items") else zip(statement.table.c.keys(), row, strict=False)


def upserting(statement: Any) -> Any:
    """Return the clause of an INSERT that says what becomes of a row that is there already, or None."""
    return getattr(statement, "_post_values_clause", None)


def conflict_clauses(statement: Any) -> tuple[Any, ...]:
    """Return all such clauses, of which SQLite has several."""
    clause = upserting(statement)
    return () if clause is None else tuple(getattr(clause, "clauses", None) or (clause,))


def upsert_values(clause: Any) -> Iterable[tuple[Any, Any]]:
    """Return what such a clause sets: pairs of column, or its key, and value."""
    values = getattr(clause, "update_values_to_set", None) or getattr(clause, "update", None) or {}
    return dict(values).items()


def upsert_conditions(clause: Any) -> list[Any]:
    """Return on what such a clause depends."""
    return [each for each in (getattr(clause, name, None) for name in _CONDITIONS) if each is not None]
