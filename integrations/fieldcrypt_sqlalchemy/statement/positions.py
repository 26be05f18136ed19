"""Where in a statement the values of protected and companion columns stand, also when other columns hand them on.

A protected column itself is refused where it is rendered (`protected.py`). A subquery can hand its values on in columns
that are none, which are found by what they come from: they may come back to the client, and be computed with nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from sqlalchemy import Delete, FromClause, Insert, Select, TableClause, Update
from sqlalchemy.orm.context import FromStatement
from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    ClauseElement,
    ClauseList,
    ColumnClause,
    ColumnElement,
    Null,
    Over,
    TableValuedColumn,
    UnaryExpression,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.lambdas import LambdaElement
from sqlalchemy.sql.selectable import AliasedReturnsRows, CompoundSelect, ForUpdateArg, ScalarSelect, SelectBase

from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag, only_tags_error
from fieldcrypt_sqlalchemy.column.protected import (
    NULL_TESTS,
    WRAPPERS,
    ProtectedType,
    Unchanged,
    inner,
    is_protected,
    is_upsert_row,
    sources,
)
from fieldcrypt_sqlalchemy.column.refusal import expression_error
from fieldcrypt_sqlalchemy.internals.element import TEXTUAL_LABEL_REFERENCE
from fieldcrypt_sqlalchemy.internals.select import listed, sorted_and_grouped
from fieldcrypt_sqlalchemy.search.match import SHARES
from fieldcrypt_sqlalchemy.statement.elements import elements, parts
from fieldcrypt_sqlalchemy.statement.fields import is_same_field, is_tag
from fieldcrypt_sqlalchemy.statement.row_sets import check_rows
from fieldcrypt_sqlalchemy.statement.upserts import (
    conflict_clauses,
    is_known,
    upsert_conditions,
    upsert_values,
    upserting,
    written,
)

__all__ = ["check_positions", "is_upsert_copy"]


class _Position(Enum):
    LISTED = "what stands here comes back to the client, or becomes a column that is looked after in its turn"
    TAGS = "what stands here is sorted, counted, or compared with tags"
    COMPUTED = "what stands here meets other values"


_SORTING = frozenset(
    {operators.asc_op, operators.desc_op, operators.nulls_first_op, operators.nulls_last_op, operators.distinct_op}
)
_LISTING = frozenset({"_raw_columns", "column_args"})  # what a SELECT, or a whole text, brings
_RETURNING = frozenset({"_returning", "_return_defaults_columns", "_supplemental_returning"})
_WRITTEN = frozenset({"_values", "_multi_values", "_ordered_values"})
_COMPARING = NULL_TESTS | {operators.eq, operators.ne, operators.in_op, operators.not_in_op, SHARES}


def check_positions(statement: Any) -> None:
    """Refuse a statement that computes with what protected columns hold, or compares tags with anything but tags.

    Raises:
        ProtectedColumnError: it does.
    """
    _Walk().visit(statement, _Position.LISTED)


class _Walk:
    """One examination of a statement."""

    def __init__(self) -> None:
        self._rows: dict[int, Any] = {}  # what is selected from, which many paths lead to

    def visit(self, node: Any, position: _Position) -> None:
        """Examine an element and all within it."""
        if isinstance(node, SelectBase):
            self._visit_select(node, position)
        elif isinstance(node, (Insert, Update, Delete)):
            self._visit_dml(node)
        elif isinstance(node, UpdateBase):
            _refuse_all(node)
        elif isinstance(node, FromClause) and not isinstance(node, FunctionElement):
            self._visit_rows(node)
        else:
            _check_value(node, position)
            position = _position_within(node, position)
            for _, part in parts(node):
                self.visit(part, position)

    def _visit_select(self, select: Any, position: _Position) -> None:
        check_rows(select)
        if isinstance(select, (Select, CompoundSelect)):
            _check_names(select)
            if position is not _Position.LISTED:
                for column in _columns(select):
                    _refuse(column, position)
        for name, part in parts(select):
            if name in _LISTING or isinstance(part, SelectBase):
                self.visit(part, position)
            else:
                self.visit(part, _Position.TAGS)

    def _visit_dml(self, statement: Any) -> None:
        """Examine a statement that writes, without what becomes of protected and companion columns."""
        own = upserting(statement)
        for name, part in parts(statement):
            if name in _WRITTEN or (part is own and all(map(is_known, conflict_clauses(statement)))):
                continue
            is_listed = isinstance(part, SelectBase) or name in _RETURNING
            self.visit(part, _Position.LISTED if is_listed else _Position.TAGS)
        values = [value for _, value in written(statement)]
        for clause in conflict_clauses(statement):
            pairs = upsert_values(clause)
            values += (value for key, value in pairs if not is_upsert_copy(statement.table.c, key, value))
            values += upsert_conditions(clause)
        for value in values:
            if isinstance(value, ClauseElement):
                self.visit(value, _Position.TAGS)

    def _visit_rows(self, rows: Any) -> None:
        if id(rows) not in self._rows:
            self._rows[id(rows)] = rows
            is_select = isinstance(rows, AliasedReturnsRows) and not isinstance(rows.element, FunctionElement)
            for name, part in parts(rows):
                if name != "_column_args":  # which name what stands in rows of values
                    self.visit(part, _Position.LISTED if is_select else _Position.COMPUTED)


def is_upsert_copy(columns: Any, key: Any, value: Any) -> bool:
    """Return True if an upsert sets a column to the value of the same field in the row that was not inserted.

    Args:
        columns: of the table.
        key, value: what is set.
    """
    column = columns.get(key) if isinstance(key, str) else key
    return (
        isinstance(value, ColumnClause)
        and is_upsert_row(value)
        and is_same_field(value.type, getattr(column, "type", None))
    )


def _refuse_all(statement: Any) -> None:
    """Refuse a statement that writes in a way that is not known here, if it has to do with protected columns."""
    for element in elements(statement):
        columns = element.c if isinstance(element, TableClause) else [element]
        for column in columns:
            if is_protected(column):
                raise expression_error(column)


def _position_within(node: Any, position: _Position) -> _Position:
    """Return the position that the parts of an element have."""
    if isinstance(node, (*WRAPPERS, ScalarSelect, FromStatement, LambdaElement)) or _is_list(node):
        return position
    if isinstance(node, ForUpdateArg):
        return _Position.LISTED  # of a column, it names the table alone
    if isinstance(node, UnaryExpression) and node.operator is operators.exists:
        return _Position.LISTED
    if isinstance(node, UnaryExpression) and _SORTING & {node.operator, node.modifier}:
        return _Position.COMPUTED if position is _Position.COMPUTED else _Position.TAGS
    if isinstance(node, Over) or (isinstance(node, FunctionElement) and getattr(node, "name", None) == "count"):
        return _Position.TAGS
    if isinstance(node, Unchanged):
        return _Position.LISTED  # with ciphertext, by the row rule
    if isinstance(node, BinaryExpression) and node.operator in _COMPARING:
        if isinstance(node.right, Null) and node.operator in NULL_TESTS:
            return _Position.LISTED
        if _is_tags(node.left) and _is_tags(node.right):
            return _Position.TAGS
    return _Position.COMPUTED


def _is_list(element: Any) -> bool:
    """Return True if an element is a mere list, as a Bundle is."""
    return isinstance(element, ClauseList) and element.__visit_name__ == ClauseList.__visit_name__


def _is_tags(element: Any) -> bool:
    """Return True if an element is nothing but tags: columns, parameters, lists of them, or subqueries of such."""
    element = inner(element)
    if isinstance(element, ScalarSelect):
        element = element.element
    if isinstance(element, (SelectBase, ClauseList)):
        parts = element.selected_columns if isinstance(element, SelectBase) else element.clauses
        return all(map(_is_tags, parts))
    if isinstance(element, BindParameter):
        return isinstance(element.type, BlindIndexTag)
    return isinstance(element, Null) or all(map(is_tag, sources(element)))


def _check_value(node: Any, position: _Position) -> None:
    if position is _Position.LISTED:
        return
    if isinstance(node, TableValuedColumn):
        for column in getattr(node.scalar_alias, "c", ()):
            _refuse(column, _Position.COMPUTED)
    elif isinstance(node, ColumnElement):
        _refuse(node, position)


def _refuse(element: Any, position: _Position) -> None:
    """Refuse an element that hands on what may not stand in a position."""
    for source in sources(element):
        if isinstance(source, ColumnClause) and isinstance(source.type, ProtectedType):  # of a literal_column() too
            raise expression_error(source)
        if position is _Position.COMPUTED and is_tag(source):
            raise only_tags_error(source)


def _columns(select: Any) -> Iterator[Any]:
    """Yield what a SELECT lists, also if that is all columns of what it selects from."""
    yield from select.selected_columns
    for each in listed(select) if isinstance(select, Select) else ():
        if "*" in getattr(each, "text", getattr(each, "name", "")):
            for rows in select.get_final_froms():
                yield from rows.c


def _check_names(select: Any) -> None:
    """Refuse sorting and grouping by the name of a protected column."""
    for clause in sorted_and_grouped(select):
        for node in elements(clause):
            if isinstance(node, TEXTUAL_LABEL_REFERENCE):
                for column in select.selected_columns:
                    if node.element in (column.key, getattr(column, "name", None)):
                        _refuse(column, _Position.TAGS)
