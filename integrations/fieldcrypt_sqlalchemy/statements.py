"""Whole statements, examined once each before the driver has them, for what no single column can tell.

A column is refused where it is rendered (`columns.py`). What is left are columns that hand on its values (`places.py`),
SQL text (`sql_text.py`), and what is written to protected columns.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from sqlalchemy import Column, Connection, Engine, Insert, Table, Update, event
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BindParameter, ClauseElement, ColumnClause, Grouping, Label, Null
from sqlalchemy.sql.selectable import CompoundSelect, SelectStatementGrouping, TextualSelect

from fieldcrypt_sqlalchemy.columns import ProtectedColumn, is_upsert_row, protected_within, refused, sources
from fieldcrypt_sqlalchemy.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.places import check_places, is_same_field
from fieldcrypt_sqlalchemy.sealed import RowBound
from fieldcrypt_sqlalchemy.sql_text import check_text
from fieldcrypt_sqlalchemy.types import HAS_PROTECTED, Encrypted
from fieldcrypt_sqlalchemy.upserts import (
    conflict_clauses,
    upsert_conditions,
    upsert_values,
    written,
)

__all__: list[str] = []

_EXAMINED = "fieldcrypt_examined"  # noted on what SQLAlchemy compiled, which it caches


@event.listens_for(Engine, "before_cursor_execute")
def _examine(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    compiled = context.compiled
    if compiled is None or _EXAMINED in compiled.__dict__:
        return
    if isinstance(compiled, SQLCompiler) and compiled.statement is not None:
        nodes = list(visitors.iterate(compiled.statement))
        if any(isinstance(node, (Insert, Update)) or _is_protected(node) for node in nodes):
            _check(compiled, nodes)
    compiled.__dict__[_EXAMINED] = True


def _is_protected(node: Any) -> bool:
    return isinstance(node, ProtectedColumn) or (isinstance(node, Table) and hasattr(node, HAS_PROTECTED))


def _check(compiled: SQLCompiler, nodes: list[Any]) -> None:
    check_text(nodes)
    check_places(compiled.statement)
    for node in nodes:
        if isinstance(node, (Insert, Update)):
            _check_writes(node)
    made = getattr(compiled.compile_state, "statement", None)  # by the ORM, of what it was given
    if made is not None and made is not compiled.statement:
        check_places(made)


# Writing


def _check_writes(statement: Any) -> None:
    """Refuse to write to a protected column, or its companion, what is not encrypted in this process."""
    columns = statement.table.c
    clauses = conflict_clauses(statement)
    sets = [list(pairs) for pairs in (written(statement), *map(upsert_values, clauses))]
    for pairs in sets:
        _check_tags({columns.get(key) if isinstance(key, str) else key for key, _ in pairs})
    if isinstance(statement, Update):
        _check_keys(columns, {getattr(key, "key", key) for key, _ in sets[0]})
    for key, value in chain(*sets):
        column = columns.get(key) if isinstance(key, str) else key
        if column is None:
            column = next((c for c in columns if c.name == key), None)
            if column is not None and _is_guarded(column):  # rendered under this name, but without the column's type
                raise ProtectedColumnError(f"{_described(column)} is to be named by its key, {column.key!r}")
        elif _is_guarded(column):
            _check_value(column, value)
    if getattr(statement, "select", None) is not None:
        _check_copies(statement)
    for clause in clauses:
        computed = [value for _, value in upsert_values(clause) if not _is_upsert_copy(value)]
        for value in (*computed, *upsert_conditions(clause)):
            for column in protected_within(value) if isinstance(value, ClauseElement) else ():
                raise refused(column)


def _check_keys(columns: Any, names: set[str]) -> None:
    """Refuse to change the key or tenant of rows alone: their values would stay bound to the old one."""
    bound = [column for column in columns if isinstance(column.type, RowBound)]
    if any(column.key in names for column in bound):
        return  # sealed, with the key that they say
    for column in bound:
        for name in column.type.row_key.columns & names:
            raise ProtectedColumnError(
                f"{_described(column)} is bound to {name!r}, which the statement changes alone, so that it could not "
                "be read any more: change it on an object, or seal all protected values of the row for its new key"
            )


def _check_copies(statement: Any) -> None:
    """Refuse rows of a SELECT, each one of a union, that bring a protected column anything but values of its field."""
    columns = statement.table.c
    names = [getattr(name, "key", name) for name in statement._select_names]
    has_text = any(isinstance(node, TextualSelect) for node in visitors.iterate(statement.select))
    for part in _parts(statement.select):
        for name, value in zip(names, part.selected_columns, strict=False):
            column = columns.get(name)
            if column is None or not _is_guarded(column):
                continue
            if has_text or not _is_copy(column, value):
                raise _not_encrypted(column)
            index = getattr(column.type, "index", None)
            if index is not None and index.companion not in names:
                raise ProtectedColumnError(f"{_described(column)} is copied without its tags, {index.companion!r}")


def _parts(source: Any) -> list[Any]:
    """Return the SELECTs of a union; another one is its own."""
    while isinstance(source, SelectStatementGrouping):
        source = source.element
    if isinstance(source, CompoundSelect):
        return [part for each in source.selects for part in _parts(each)]
    return [source]


def _check_tags(columns: set[Any]) -> None:
    """Refuse a value without its tag, which `writes.py` adds to a whole statement, and to its only ON CONFLICT."""
    keys = {getattr(column, "key", None) for column in columns}
    for column in columns:
        index = getattr(getattr(column, "type", None), "index", None)
        if index is not None and index.companion not in keys:
            raise ProtectedColumnError(
                f"{_described(column)} is searchable, and tags are added to a statement by itself: not to one that is "
                "within another, nor to several ON CONFLICT clauses"
            )


def _is_guarded(column: Any) -> bool:
    return isinstance(column.type, (Encrypted, BlindIndexTag))


def _described(column: Any) -> str:
    described: str = (
        column.type.described if isinstance(column.type, Encrypted) else f"the blind index column {column.name}"
    )
    return described


def _check_value(column: Any, value: Any) -> None:
    if not isinstance(value, ClauseElement) or isinstance(value, Null):
        return
    if isinstance(value, BindParameter) and (value.type._isnull or is_same_field(value.type, column.type)):
        return  # a plain value, which the column's type encrypts
    if (
        _is_upsert_copy(value)
        and is_same_field(getattr(value, "type", None), column.type)
        and not isinstance(column.type, RowBound)
    ):
        return
    raise _not_encrypted(column)


def _is_upsert_copy(value: Any) -> bool:
    return isinstance(value, ColumnClause) and is_upsert_row(value)


def _is_copy(column: Any, value: Any) -> bool:
    """Say whether a selected column holds values that a column may take as they are: from columns of the same field."""
    while isinstance(value, (Label, Grouping)):
        value = value.element
    if not isinstance(value, ColumnClause) or isinstance(column.type, RowBound):
        return False
    # Its type says nothing: any expression can be given one.
    return all(_is_stored(source) and is_same_field(source.type, column.type) for source in sources(value))


def _is_stored(source: Any) -> bool:
    return isinstance(source, Column) and isinstance(source.table, Table)


def _not_encrypted(column: Any) -> ProtectedColumnError:
    return ProtectedColumnError(
        f"{_described(column)} takes plain values only, which are encrypted in this process: an SQL expression, or a "
        "literal() of another type, would be computed by the database, in plaintext"
    )
