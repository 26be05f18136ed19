"""Whole statements, examined once each before the driver has them, for what no single column can tell.

A column is refused where it is rendered (`columns.py`). What is left are values that are written to protected columns,
subqueries that are compared with plaintext, sorting by the name of a column, and SQL text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Insert, Select, Table, TextClause, Update, event
from sqlalchemy.orm.context import FromStatement
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import (
    BindParameter,
    ClauseElement,
    ColumnClause,
    Grouping,
    Label,
    Null,
    UnaryExpression,
)
from sqlalchemy.sql.selectable import CompoundSelect, ScalarSelect, TextualSelect

from fieldcrypt_sqlalchemy.columns import ProtectedColumn, direct, is_upsert_row, protected_within, refused
from fieldcrypt_sqlalchemy.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.sealed import RowBound
from fieldcrypt_sqlalchemy.types import HAS_PROTECTED, Encrypted

__all__ = ["upsert_values", "upserting"]

_EXAMINED = "fieldcrypt_examined"  # noted on what SQLAlchemy compiled, which it caches
_WORD = re.compile(r"\w+")


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
            _check(nodes)
    compiled.__dict__[_EXAMINED] = True


def _is_protected(node: Any) -> bool:
    return isinstance(node, ProtectedColumn) or (isinstance(node, Table) and hasattr(node, HAS_PROTECTED))


def _check(nodes: list[Any]) -> None:
    _check_text(nodes)
    _check_subqueries(nodes)
    for node in nodes:
        if isinstance(node, (Insert, Update)):
            _check_writes(node)
        elif isinstance(node, (Select, CompoundSelect)):
            _check_order(node)


# Reading


def _check_subqueries(nodes: list[Any]) -> None:
    """Refuse a comparison with a subquery of a protected column; one that is selected, or only exists, is none."""
    harmless: set[int] = set()
    for node in nodes:
        if isinstance(node, UnaryExpression) and node.operator is operators.exists:
            harmless.add(id(_unwrapped(node.element)))
        elif isinstance(node, Select):
            harmless.update(id(_unwrapped(column)) for column in node._raw_columns)
    for node in nodes:
        if isinstance(node, ScalarSelect) and id(node) not in harmless:
            for column in node.element.selected_columns:
                if direct(column) is not None:
                    raise refused(column)


def _unwrapped(element: Any) -> Any:
    while isinstance(element, (Label, Grouping)):
        element = element.element
    return element


def _check_order(select: Any) -> None:
    """Refuse sorting and grouping by the label of a protected column, which is rendered without the column."""
    for clause in (*select._order_by_clauses, *select._group_by_clauses):
        name = element = clause
        while element is not None:
            name, element = element, getattr(element, "element", None)
        if isinstance(name, str):
            listed = [column for column in select.selected_columns if name in (column.key, column.name)]
        else:
            listed = [getattr(clause, "element", None)]
        for column in listed:
            if direct(column) is not None:
                raise refused(direct(column))


def _check_text(nodes: list[Any]) -> None:
    """Refuse SQL text that names a protected column within a statement of SQLAlchemy's; whole texts are one's own."""
    own = {id(node.element) for node in nodes if isinstance(node, (FromStatement, TextualSelect))}
    names: dict[str, Any] | None = None
    for node in nodes[1:]:
        is_text = isinstance(node, TextClause) or (isinstance(node, ColumnClause) and node.is_literal)
        if not is_text or id(node) in own:
            continue
        if names is None:
            tables = (node for node in nodes if isinstance(node, Table) and hasattr(node, HAS_PROTECTED))
            names = {c.name.lower(): c for table in tables for c in table.c if isinstance(c.type, Encrypted)}
        for word in _WORD.findall(node.text if isinstance(node, TextClause) else node.name):
            if word.lower() in names:
                raise refused(names[word.lower()])


# Writing


def _check_writes(statement: Any) -> None:
    """Refuse to write to a protected column, or its companion, what is not encrypted in this process."""
    columns = statement.table.c
    written = list(_written(statement))
    _check_tags(statement, {columns.get(key) if isinstance(key, str) else key for key, _ in written})
    for key, value in written:
        column = columns.get(key) if isinstance(key, str) else key
        if column is None:
            column = next((c for c in columns if c.name == key), None)
            if column is not None and _is_guarded(column):  # rendered under this name, but without the column's type
                raise ProtectedColumnError(f"{_described(column)} is to be named by its key, {column.key!r}")
        elif _is_guarded(column):
            _check_value(column, value)
    source = getattr(statement, "select", None)
    if source is not None:
        names = [getattr(name, "key", name) for name in statement._select_names]
        for name, value in zip(names, source.selected_columns, strict=False):
            column = columns.get(name)
            if column is not None and _is_guarded(column) and not _is_copy(column, value):
                raise _not_encrypted(column)
            index = getattr(column.type, "index", None) if column is not None else None
            if index is not None and index.column not in names:
                raise ProtectedColumnError(f"{_described(column)} is copied without its tags, {index.column!r}")
    for _, value in upsert_values(statement):
        if isinstance(value, ClauseElement) and not _is_upsert_copy(value):
            for column in protected_within(value):
                raise refused(column)
    where = getattr(upserting(statement), "update_whereclause", None)
    if where is not None:
        for column in protected_within(where):
            raise refused(column)


def _check_tags(statement: Any, written: set[Any]) -> None:
    """Refuse a value without its tag; only a statement within another can lack it (see `writes.py`)."""
    keys = {getattr(column, "key", None) for column in written}
    for column in written:
        index = getattr(getattr(column, "type", None), "index", None)
        if index is not None and index.column not in keys:
            raise ProtectedColumnError(
                f"{_described(column)} is searchable, and tags are added to a statement by itself, not to one that is "
                "within another"
            )


def _written(statement: Any) -> Iterator[tuple[Any, Any]]:
    values = statement._values or ()
    yield from values.items() if hasattr(values, "items") else values
    yield from getattr(statement, "_ordered_values", None) or ()  # of SQLAlchemy 2.0
    for rows in statement._multi_values:
        for row in rows:
            yield from row.items() if hasattr(row, "items") else zip(statement.table.c.keys(), row, strict=False)
    yield from upsert_values(statement)


def upserting(statement: Any) -> Any:
    """Return the clause of an INSERT that says what becomes of a row that is there already, or None."""
    return getattr(statement, "_post_values_clause", None)


def upsert_values(statement: Any) -> Iterable[tuple[Any, Any]]:
    """Return what an upsert sets: pairs of column, or its key, and value."""
    clause = upserting(statement)
    values = getattr(clause, "update_values_to_set", None) or getattr(clause, "update", None) or {}
    return dict(values).items()


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
    if isinstance(value, BindParameter) and (value.type._isnull or _is_same(value.type, column.type)):
        return  # a plain value, which the column's type encrypts
    if (
        _is_upsert_copy(value)
        and _is_same(getattr(value, "type", None), column.type)
        and not isinstance(column.type, RowBound)
    ):
        return
    raise _not_encrypted(column)


def _is_upsert_copy(value: Any) -> bool:
    return isinstance(value, ColumnClause) and is_upsert_row(value)


def _is_copy(column: Any, value: Any) -> bool:
    """Say whether a selected column holds values that a column may take as they are: those of the same field."""
    plain = isinstance(_unwrapped(value), ColumnClause) and not isinstance(column.type, RowBound)
    return plain and _is_same(value.type, column.type)


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, Encrypted) and isinstance(other, Encrypted):
        return one.name == other.name and one.encryptor is other.encryptor
    return isinstance(one, BlindIndexTag) and isinstance(other, BlindIndexTag)


def _not_encrypted(column: Any) -> ProtectedColumnError:
    return ProtectedColumnError(
        f"{_described(column)} takes plain values only, which are encrypted in this process: an SQL expression, or a "
        "literal() of another type, would be computed by the database, in plaintext"
    )
