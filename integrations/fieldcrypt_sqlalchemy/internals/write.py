"""What fieldcrypt reads of an INSERT, UPDATE or DELETE."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Insert
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.context import FromStatement
from sqlalchemy.util import immutabledict

from fieldcrypt_sqlalchemy.internals.element import clone, orm_notes
from fieldcrypt_sqlalchemy.internals.gate import IS_2_0, read

__all__ = [
    "UPSERT_VALUES",
    "bulk_table",
    "is_emitted",
    "is_plain_write",
    "multi_rows",
    "multi_values",
    "plugin_mapper",
    "prefixes",
    "returned",
    "select_names",
    "set_values",
    "upsert_clause",
    "with_element",
    "with_multi_rows",
    "with_set_values",
    "with_upsert_values",
]

# Where a clause for rows that are there already has what it sets.
UPSERT_VALUES = {"on_conflict_do_update": "update_values_to_set", "on_duplicate_key_update": "update"}

Pairs = list[tuple[Any, Any]]


def returned(statement: Any) -> list[Any]:
    """Return what a statement that writes was told to return."""
    return list(read(statement, "_returning") or ())


def set_values(statement: Any) -> Pairs:
    """Return what an INSERT of one row, or an UPDATE, sets: pairs of column, or its key, and value."""
    pairs = list((read(statement, "_values") or {}).items())
    if IS_2_0:  # later versions have one dictionary for both
        pairs += read(statement, "_ordered_values") or ()
    return pairs


def multi_values(statement: Any) -> Iterator[Pairs]:
    """Yield what an INSERT of several rows sets in each."""
    names = statement.table.c.keys()
    for rows in read(statement, "_multi_values"):
        for row in rows:
            yield list(row.items()) if isinstance(row, Mapping) else list(zip(names, row, strict=False))


def is_plain_write(statement: Any) -> bool:
    """Return True if an INSERT or UPDATE was made for a table alone, and sets columns by their names, if any.

    This runs for each of the process: what is not there is read again, and refused, by those who come next.
    """
    try:
        values, notes = statement._values, statement._annotations
    except AttributeError:
        return False
    if notes or (values and any(key.__class__ is not str for key in values)):
        return False
    return not (IS_2_0 and read(statement, "_ordered_values"))


def select_names(insert: Any) -> list[str]:
    """Return the keys of the columns that an INSERT fills from a SELECT."""
    return [getattr(name, "key", name) for name in read(insert, "_select_names") or ()]


def multi_rows(statement: Any) -> list[dict[str, Any]]:
    """Return the rows of an INSERT of several rows, by the keys of columns; of other statements, none."""
    if not isinstance(statement, Insert):
        return []
    rows: list[dict[Any, Any]] = [
        {getattr(key, "key", key): value for key, value in row} for row in multi_values(statement)
    ]
    return rows


def with_multi_rows(statement: Any, rows: list[dict[Any, Any]]) -> Any:
    """Return an INSERT of other rows."""
    copy = clone(statement)
    copy._multi_values = (rows,)
    return copy


def with_set_values(statement: Any, change: Callable[[Pairs], Pairs]) -> Any:
    """Return an INSERT of one row, or an UPDATE, that sets what a function makes of what it sets."""
    copy = clone(statement)
    if read(copy, "_values"):
        copy._values = immutabledict(change(list(copy._values.items())))
    if IS_2_0 and read(copy, "_ordered_values"):
        copy._ordered_values = change(list(copy._ordered_values))
    return copy


def with_upsert_values(insert: Any, change: Callable[[Pairs], Pairs]) -> Any:
    """Return an INSERT whose only clause for rows that are there sets what a function makes of what it sets."""
    clause = upsert_clause(insert)
    if clause is None or clause.__visit_name__ not in UPSERT_VALUES:
        return insert
    copy, changed = clone(insert), clone(clause)
    copy._post_values_clause = changed
    if clause.__visit_name__ == "on_duplicate_key_update":
        changed.update = _changed(read(clause, "update"), change)
    else:
        changed.update_values_to_set = _changed(read(clause, "update_values_to_set"), change)
    return copy


def _changed(values: Any, change: Callable[[Pairs], Pairs]) -> Any:
    if isinstance(values, Mapping):
        return dict(change(list(values.items())))
    return change(list(values))


def is_emitted(statement: Any) -> bool:
    """Return True if the ORM made a statement for one table of a class, with that table's columns in its parameters."""
    notes = orm_notes(statement)
    return "_emit_insert_table" in notes or "_emit_update_table" in notes


def plugin_mapper(statement: Any) -> Mapper[Any] | None:
    """Return the mapper of the class that a statement was given, whose attributes it names; of a table's, None."""
    subject = read(statement, "_propagate_attrs").get("plugin_subject")
    return None if subject is None else subject.mapper


def prefixes(statement: Any) -> list[str]:
    """Return the texts that stand after the first word of a statement."""
    return [getattr(prefix, "text", "") for prefix, _ in read(statement, "_prefixes")]


def upsert_clause(insert: Any) -> Any:
    """Return the clause of an INSERT that says what becomes of a row that is there already, or None."""
    return read(insert, "_post_values_clause")


def bulk_table(statement: Any) -> Any:
    """Return the table that an INSERT or UPDATE writes to: in bulk the ORM executes it for each of a class's tables."""
    notes = orm_notes(statement)
    return notes.get("_emit_insert_table", notes.get("_emit_update_table", statement.table))


def with_element(statement: FromStatement[Any], element: Any) -> Any:
    """Return a copy of an ORM statement around another one."""
    copy = clone(statement)
    copy.element = element
    return copy
