"""Columns that the database sees only as ciphertext, and where in a statement they may stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Alias, Column, FromClause, Select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import (
    BinaryExpression,
    ClauseElement,
    ColumnClause,
    ColumnElement,
    Grouping,
    Label,
    TypeCoerce,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import ScalarSelect

from fieldcrypt_sqlalchemy.errors import ProtectedColumnError

__all__ = ["NullTest", "ProtectedColumn", "direct", "is_upsert_row", "protect", "protected_within"]

_IN_NULL_TEST = "fieldcrypt_in_null_test"  # a keyword that SQLAlchemy's compiler hands down
_LISTED = "fieldcrypt_listed"  # noted in the compiler's entry of a SELECT whose list of columns was examined

_UPSERT_ROWS = frozenset({"excluded", "inserted"})  # PostgreSQL's and SQLite's name, and SQLAlchemy's for MySQL
_WRAPPERS = (Label, TypeCoerce, Grouping)  # what SQLAlchemy writes in Python alone


class ProtectedColumn(Column[Any]):
    """A column with an encrypted type. Wherever SQLAlchemy copies it (aliases, subqueries), its class comes along."""

    inherit_cache = True


class NullTest(BinaryExpression[bool]):
    """`column IS NULL` or `column IS NOT NULL`: all that the database can tell about a protected column."""

    inherit_cache = True

    def _negate(self) -> Any:
        negated = super()._negate()  # type: ignore[no-untyped-call]
        negated.__class__ = NullTest
        return negated


_subclasses: dict[type[Column[Any]], type[Column[Any]]] = {Column: ProtectedColumn}  # an application's own Columns


def protect(column: Column[Any]) -> None:
    """Make a column one that is refused in SQL expressions."""
    kind = type(column)
    if issubclass(kind, ProtectedColumn):
        return
    if kind not in _subclasses:
        _subclasses[kind] = type(kind.__name__, (ProtectedColumn, kind), {"inherit_cache": True})
    column.__class__ = _subclasses[kind]


def direct(element: Any) -> ColumnElement[Any] | None:
    """Return the protected column that an element is, under labels and the like; or None."""
    while isinstance(element, _WRAPPERS):
        element = element.clause if isinstance(element, TypeCoerce) else element.element
    return element if isinstance(element, ProtectedColumn) else None


def protected_within(element: ClauseElement) -> Iterator[Any]:
    """Yield the protected columns that an expression computes with, without those of subqueries and NULL tests."""
    if isinstance(element, ProtectedColumn):
        yield element
    elif not isinstance(element, (NullTest, ScalarSelect)) and not _is_from(element):
        for child in element.get_children():
            yield from protected_within(child)


def is_upsert_row(column: Any) -> bool:
    """Say whether a column is one of the row that an upsert could not insert."""
    return isinstance(column.table, Alias) and column.table.name in _UPSERT_ROWS


def _is_from(element: Any) -> bool:
    return isinstance(element, FromClause) and not isinstance(element, FunctionElement)  # which can be both


@compiles(ProtectedColumn)
def _render_column(column: Any, compiler: Any, **kw: Any) -> str:
    """Render a column where it only comes back to the client, and nowhere else. Runs once per compiled statement."""
    if (
        kw.pop(_IN_NULL_TEST, False)
        or (kw.get("within_columns_clause") and _is_listed(compiler))
        or (is_upsert_row(column) and isinstance(compiler.stack[-1]["selectable"], UpdateBase))
    ):
        rendered: str = compiler.visit_column(column, **kw)
        return rendered
    raise refused(column)


@compiles(NullTest)
def _render_null_test(test: Any, compiler: Any, **kw: Any) -> str:
    if test.operator in (operators.is_, operators.is_not) and direct(test.left) is not None:
        kw[_IN_NULL_TEST] = True
    rendered: str = compiler.visit_binary(test, **kw)
    return rendered


def refused(column: Any) -> ProtectedColumnError:
    """Return the error of a protected column in an expression."""
    return ProtectedColumnError(
        f"{column.type.described} cannot be part of an SQL expression: the database holds ciphertext, and what it is "
        "compared or combined with would be sent as plaintext. Select the column as it is, and compute in Python"
    )


def _is_listed(compiler: Any) -> bool:
    """Make sure that a SELECT or RETURNING lists protected columns as they are, not inside of expressions."""
    entry = compiler.stack[-1]
    if not entry.get(_LISTED):
        statement = entry["selectable"]
        listed = statement._raw_columns if isinstance(statement, Select) else statement._returning
        for element in listed:
            if direct(element) is None and not isinstance(element, ColumnClause):
                for column in protected_within(element):
                    raise refused(column)
        entry[_LISTED] = True
    return True
