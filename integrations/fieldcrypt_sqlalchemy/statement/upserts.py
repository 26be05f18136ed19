"""What statements write, and what upserts do to existing rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Insert, Update
from sqlalchemy.sql.elements import ClauseElement

from fieldcrypt_sqlalchemy.internals.gate import read
from fieldcrypt_sqlalchemy.internals.select import clause_list
from fieldcrypt_sqlalchemy.internals.write import UPSERT_VALUES, multi_values, set_values, upsert_clause

__all__ = [
    "conflict_clauses",
    "conflict_target",
    "is_known",
    "upsert_conditions",
    "upsert_values",
    "upserting",
    "written",
]

_DO_NOTHING, _DO_UPDATE = "on_conflict_do_nothing", "on_conflict_do_update"


def written(statement: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what a statement sets in rows of its own: pairs of column, or its key, and value."""
    if isinstance(statement, (Insert, Update)):
        yield from set_values(statement)
        for row in multi_values(statement):
            yield from row


def upserting(statement: Any) -> Any:
    """Return the clause of an INSERT that says what becomes of a row that is there already, or None."""
    return upsert_clause(statement) if isinstance(statement, Insert) else None


def conflict_clauses(statement: Any) -> tuple[Any, ...]:
    """Return all such clauses, of which SQLite has several, and applications may have more."""
    return tuple(clause_list(upserting(statement)))


def is_known(clause: Any) -> bool:
    """Return True if a clause is one of SQLAlchemy's, whose parts are known here."""
    return clause.__visit_name__ in (_DO_NOTHING, *UPSERT_VALUES)


def upsert_values(clause: Any) -> list[tuple[Any, Any]]:
    """Return what such a clause sets: pairs of column, or its key, and value."""
    name = UPSERT_VALUES.get(clause.__visit_name__)
    return [] if name is None else list(dict(read(clause, name)).items())


def conflict_target(clause: Any) -> list[Any]:
    """Return what the index that such a clause names is of: columns, their names, expressions."""
    if clause.__visit_name__ not in (_DO_NOTHING, _DO_UPDATE):
        return []
    return list(read(clause, "inferred_target_elements") or ())


def upsert_conditions(clause: Any) -> list[Any]:
    """Return on what such a clause depends: conditions, and what the index is of that it names."""
    kind = clause.__visit_name__
    if kind not in (_DO_NOTHING, _DO_UPDATE):
        return []
    parts = [read(clause, "inferred_target_whereclause"), *conflict_target(clause)]
    if kind == _DO_UPDATE:
        parts.append(read(clause, "update_whereclause"))
    return [part for part in parts if isinstance(part, ClauseElement)]
