"""Columns that the database sees only as ciphertext, and where in a statement they may stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import JSON, Alias, Column, FromClause, Insert, Select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import (
    BinaryExpression,
    ClauseElement,
    ColumnClause,
    ColumnElement,
    Grouping,
    Label,
    Null,
    TypeCoerce,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import ScalarSelect, TextualSelect
from sqlalchemy.types import TypeEngine

from fieldcrypt.spi import discreet
from fieldcrypt_sqlalchemy.column.refusal import expression_error
from fieldcrypt_sqlalchemy.internals.element import LABEL_REFERENCE, negate
from fieldcrypt_sqlalchemy.internals.select import listed, selectables
from fieldcrypt_sqlalchemy.internals.write import returned
from fieldcrypt_sqlalchemy.value.sql_bytes import bytes_of, document_of

__all__ = [
    "NULL_TESTS",
    "WRAPPERS",
    "NullTest",
    "ProtectedColumn",
    "Unchanged",
    "ProtectedType",
    "direct",
    "inner",
    "is_protected",
    "is_upsert_row",
    "protect",
    "protected_within",
    "sources",
]

_IN_NULL_TEST = "fieldcrypt_in_null_test"  # a keyword that SQLAlchemy's compiler hands down
_LISTED = "fieldcrypt_listed"  # noted in the compiler's entry of a statement: the columns that are still to be listed

_UPSERT_ROWS = frozenset({"excluded", "inserted"})  # PostgreSQL's and SQLite's name, and SQLAlchemy's for MySQL
WRAPPERS = (Label, TypeCoerce, Grouping, LABEL_REFERENCE)  # what changes no value
NULL_TESTS = frozenset(  # with NULL on the other side
    {operators.is_, operators.is_not, operators.is_distinct_from, operators.is_not_distinct_from}
)


class ProtectedType:
    """Marks the types of encrypted values: a column is recognised by it, wherever it stands.

    Attributes:
        storage: the type that the column has in the database; None: a binary one.
    """

    storage: TypeEngine[Any] | None = None


class ProtectedColumn(Column[Any]):
    """A column of a Table with an encrypted type: it is refused where it is rendered, whatever is around it.

    Wherever SQLAlchemy copies it (aliases, subqueries), its class comes along.
    """

    inherit_cache = True


class NullTest(BinaryExpression[bool]):
    """`column IS NULL` or `column IS NOT NULL`: all that the database can tell about a protected column."""

    inherit_cache = True

    def _negate(self) -> Any:
        negated = negate(self, NullTest)
        negated.__class__ = NullTest
        return negated


class Unchanged(BinaryExpression[bool]):
    """`column = ciphertext`: that a value has not been written since it was read."""

    inherit_cache = True

    @classmethod
    def of(cls, column: Any, ciphertext: Any) -> Unchanged:
        """Return the condition."""
        return cls(column, ciphertext, operators.eq)


_subclasses: dict[type[Column[Any]], type[Column[Any]]] = {Column: ProtectedColumn}  # an application's own Columns


def protect(column: Column[Any]) -> None:
    """Have a column refused in SQL expressions."""
    kind = type(column)
    if issubclass(kind, ProtectedColumn):
        return
    if kind not in _subclasses:
        _subclasses[kind] = type(kind.__name__, (ProtectedColumn, kind), {"inherit_cache": True})
    column.__class__ = _subclasses[kind]


def inner(element: Any) -> Any:
    """Return what an element is without labels and the like."""
    while isinstance(element, WRAPPERS):
        element = element.clause if isinstance(element, TypeCoerce) else element.element
    return element


def is_protected(element: Any) -> bool:
    """Return True if an element is a protected column, of a Table or of a `table()`, or a `column()` of its own."""
    return isinstance(element, ColumnClause) and isinstance(element.type, ProtectedType) and not element.is_literal


def direct(element: Any) -> ColumnElement[Any] | None:
    """Return the protected column that an element is, under labels and the like; or None."""
    element = inner(element)
    if not is_protected(element) or not all(map(is_protected, element.base_columns)):
        return None  # a column of a subquery, which stands for an expression
    column: ColumnElement[Any] = element
    return column


def sources(element: Any) -> Iterator[Any]:
    """Yield what an element has its values from, through subqueries: columns of tables, and what is computed."""
    element = inner(element)
    if isinstance(element, ScalarSelect):
        for column in element.element.selected_columns:
            yield from sources(column)
    elif isinstance(element, ColumnClause):
        for base in element.base_columns:
            if isinstance(base, ColumnClause):
                yield base
            else:
                yield from sources(base)
    else:
        yield element


def protected_within(element: ClauseElement) -> Iterator[Any]:
    """Yield the protected columns that an expression computes with, without those of subqueries and NULL tests."""
    if is_protected(element):
        yield element
    elif not isinstance(element, (NullTest, ScalarSelect, Unchanged)) and not _is_from(element):
        for child in element.get_children():
            yield from protected_within(child)


def is_upsert_row(column: Any) -> bool:
    """Return True if a column is one of the row that an upsert could not insert."""
    return isinstance(column.table, Alias) and column.table.name in _UPSERT_ROWS


def _is_from(element: Any) -> bool:
    return isinstance(element, FromClause) and not isinstance(element, FunctionElement)  # which can be both


@compiles(ProtectedColumn)
@discreet(ours_alone=True)
def _render_column(column: Any, compiler: Any, **kw: Any) -> str:
    """Render a column where it only comes back to the client, and nowhere else. Runs once per compiled statement."""
    is_allowed = kw.pop(_IN_NULL_TEST, False)
    if not is_allowed and kw.get("within_columns_clause"):
        is_allowed = _is_listed(column, compiler)
    elif not is_allowed:
        is_allowed = is_upsert_row(column) and isinstance(_rendering(compiler), Insert)  # examined in `statements.py`
    if not is_allowed:
        raise expression_error(column, _rendering(compiler))
    rendered: str = compiler.visit_column(column, **kw)
    return rendered


@compiles(Unchanged)
@discreet(ours_alone=True)
def _render_unchanged(test: Any, compiler: Any, **kw: Any) -> str:
    storage = test.left.type.storage
    if storage is None:
        rendered: str = compiler.visit_binary(test, **{**kw, _IN_NULL_TEST: True})
        return rendered
    sides = [compiler.process(test.left, **{**kw, _IN_NULL_TEST: True}), compiler.process(test.right, **kw)]
    if isinstance(storage, JSON):
        sides = [document_of(side, compiler.dialect) for side in sides]
    return " = ".join(bytes_of(side, compiler.dialect) for side in sides)


@compiles(Unchanged, "oracle")
@discreet(ours_alone=True)
def _render_unchanged_lob(test: Any, compiler: Any, **kw: Any) -> str:
    kw[_IN_NULL_TEST] = True
    return f"DBMS_LOB.COMPARE({compiler.process(test.left, **kw)}, {compiler.process(test.right, **kw)}) = 0"


@compiles(NullTest)
@discreet(ours_alone=True)
def _render_null_test(test: Any, compiler: Any, **kw: Any) -> str:
    if test.operator in NULL_TESTS and isinstance(test.right, Null) and direct(test.left) is not None:
        kw[_IN_NULL_TEST] = True
    rendered: str = compiler.visit_binary(test, **kw)
    return rendered


def _rendering(compiler: Any) -> Any:
    """Return the innermost statement that is being rendered."""
    return compiler.stack[-1]["selectable"] if compiler.stack else None


def _is_listed(column: Any, compiler: Any) -> bool:
    """Return True if a SELECT or RETURNING lists a column as it is.

    SQLAlchemy tells also what is within an expression that it is in the list. So each column of the list is to be
    rendered once, and then no more.
    """
    if not compiler.stack:
        return True  # the ORM names what it expects of a whole text; nothing of it is rendered
    left: Counter[int] | None = compiler.stack[-1].get(_LISTED)
    if left is None:
        statement = _rendering(compiler)
        elements = _listed(statement, compiler)
        left = compiler.stack[-1][_LISTED] = Counter(hash(each) for each in elements)
        for element in elements:
            if not isinstance(element, ColumnClause):
                for protected in protected_within(element):
                    raise expression_error(protected, statement)
    left[hash(column)] -= 1
    return left[hash(column)] >= 0


def _listed(statement: Any, compiler: Any) -> list[Any]:
    """Return the columns that a statement lists, and other expressions."""
    if isinstance(statement, TextualSelect):
        return list(statement.column_args)  # named, not rendered
    if isinstance(statement, Select):
        elements = listed(statement)
    else:
        elements = compiler.implicit_returning or returned(statement)
    return [inner(selectable) for selectable in selectables(elements)]
