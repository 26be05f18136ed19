"""Where in a statement the values of protected and companion columns stand, also when other columns hand them on.

A protected column itself is refused where it is rendered (`columns.py`). A subquery can hand its values on in columns
that are none, which are found by what they come from: they may come back to the client, and be computed with nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from sqlalchemy import Column, Delete, FromClause, Insert, Select, Update
from sqlalchemy.orm.context import FromStatement
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    Cast,
    ClauseElement,
    ClauseList,
    ColumnClause,
    ColumnElement,
    Null,
    Over,
    TableValuedColumn,
    UnaryExpression,
    _textual_label_reference,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.lambdas import LambdaElement
from sqlalchemy.sql.selectable import AliasedReturnsRows, CompoundSelect, ScalarSelect, SelectBase

from fieldcrypt_sqlalchemy.columns import NULL_TESTS, WRAPPERS, ProtectedColumn, inner, refused, sources
from fieldcrypt_sqlalchemy.companion import BlindIndexTag, only_tags
from fieldcrypt_sqlalchemy.sealed import RowBound
from fieldcrypt_sqlalchemy.types import Encrypted
from fieldcrypt_sqlalchemy.upserts import conflict_clauses, upsert_conditions, upsert_values, upserting, written

__all__ = ["check_places", "handed_on", "is_same_field"]


class _Place(Enum):
    LISTED = "what stands here comes back to the client, or becomes a column that is looked after in its turn"
    TAGS = "what stands here is sorted, counted, or compared with tags"
    COMPUTED = "what stands here meets other values"


_SORTING = frozenset(
    {operators.asc_op, operators.desc_op, operators.nulls_first_op, operators.nulls_last_op, operators.distinct_op}
)
_COMPARING = NULL_TESTS | {operators.eq, operators.ne, operators.in_op, operators.not_in_op}


def check_places(statement: Any) -> None:
    """Refuse a statement that computes with what protected columns hold, or compares tags with anything but tags.

    Raises:
        ProtectedColumnError: it does.
    """
    _Walk().visit(statement, _Place.LISTED)


def handed_on(element: Any) -> Any:
    """Return the protected column whose values an element hands on as they are; or None."""
    return next((source for source in sources(element) if isinstance(source, ProtectedColumn)), None)


def is_same_field(one: Any, other: Any) -> bool:
    """Say whether values of a type are such of another: encrypted as the same field, or tags."""
    if isinstance(one, Encrypted) and isinstance(other, Encrypted):
        return one.name == other.name and one.encryptor is other.encryptor
    return isinstance(one, BlindIndexTag) and isinstance(other, BlindIndexTag)


class _Walk:
    """One examination of a statement."""

    def __init__(self) -> None:
        self._rows: dict[int, Any] = {}  # what is selected from, which many paths lead to

    def visit(self, node: Any, place: _Place) -> None:
        """Examine an element and all within it."""
        if isinstance(node, SelectBase):
            self._visit_select(node, place)
        elif isinstance(node, (Insert, Update, Delete)):
            self._visit_dml(node)
        elif isinstance(node, FromClause) and not isinstance(node, FunctionElement):
            self._visit_rows(node)
        else:
            _check_value(node, place)
            place = _place_within(node, place)
            for child in node.get_children():
                self.visit(child, place)

    def _visit_select(self, select: Any, place: _Place) -> None:
        if isinstance(select, CompoundSelect):
            _check_positions(select)
        if isinstance(select, (Select, CompoundSelect)):
            _check_names(select)
            if place is not _Place.LISTED:
                for column in _columns(select):
                    _refuse(column, place)
        listed = list(getattr(select, "_raw_columns", ()))
        for child in select.get_children():
            if listed and child is listed[0]:
                del listed[0]
                self.visit(child, place)
            else:
                self.visit(child, place if isinstance(child, SelectBase) else _Place.TAGS)

    def _visit_dml(self, statement: Any) -> None:
        """What is written to protected and companion columns is examined by itself."""
        for child in statement.get_children():
            if child is upserting(statement):
                continue
            is_listed = isinstance(child, SelectBase) or any(child is each for each in statement._returning)
            self.visit(child, _Place.LISTED if is_listed else _Place.TAGS)
        values = [value for _, value in written(statement)]
        for clause in conflict_clauses(statement):
            values += [*(value for _, value in upsert_values(clause)), *upsert_conditions(clause)]
        for value in values:
            if isinstance(value, ClauseElement):
                self.visit(value, _Place.TAGS)

    def _visit_rows(self, rows: Any) -> None:
        if id(rows) not in self._rows:
            self._rows[id(rows)] = rows
            is_select = isinstance(rows, AliasedReturnsRows) and not isinstance(rows.element, FunctionElement)
            for child in rows.get_children():
                self.visit(child, _Place.LISTED if is_select else _Place.COMPUTED)


def _place_within(node: Any, place: _Place) -> _Place:
    """Return the place that the parts of an element have."""
    if isinstance(node, (*WRAPPERS, ScalarSelect, FromStatement, LambdaElement)) or type(node) is ClauseList:
        return place
    if isinstance(node, UnaryExpression) and node.operator is operators.exists:
        return _Place.LISTED
    if isinstance(node, UnaryExpression) and _SORTING & {node.operator, node.modifier}:
        return _Place.COMPUTED if place is _Place.COMPUTED else _Place.TAGS
    if isinstance(node, Over) or (isinstance(node, FunctionElement) and getattr(node, "name", None) == "count"):
        return _Place.TAGS
    if isinstance(node, BinaryExpression) and node.operator in _COMPARING:
        if isinstance(node.right, Null) and node.operator in NULL_TESTS:
            return _Place.LISTED
        if _is_tags(node.left) and _is_tags(node.right):
            return _Place.TAGS
    return _Place.COMPUTED


def _is_tags(element: Any) -> bool:
    """Say whether an element is nothing but tags: columns, parameters, lists of them, subqueries that select them."""
    element = inner(element)
    if isinstance(element, ScalarSelect):
        element = element.element
    if isinstance(element, (SelectBase, ClauseList)):
        parts = element.selected_columns if isinstance(element, SelectBase) else element.clauses
        return all(map(_is_tags, parts))
    if isinstance(element, BindParameter):
        return isinstance(element.type, BlindIndexTag)
    return isinstance(element, Null) or all(map(_is_tag, sources(element)))


def _is_tag(source: Any) -> bool:
    return isinstance(source, ColumnClause) and isinstance(source.type, BlindIndexTag) and not source.is_literal


def _check_value(node: Any, place: _Place) -> None:
    if place is _Place.LISTED:
        return
    if isinstance(node, TableValuedColumn):
        for column in getattr(node.scalar_alias, "c", ()):
            _refuse(column, _Place.COMPUTED)
    elif isinstance(node, ColumnElement) and not isinstance(node, ProtectedColumn):  # refused where it is rendered
        _refuse(node, place)


def _refuse(element: Any, place: _Place) -> None:
    """Refuse an element that hands on what may not stand in a place."""
    for source in sources(element):
        if isinstance(source, ProtectedColumn):
            raise refused(source)
        if place is _Place.COMPUTED and _is_tag(source):
            raise only_tags(source)


def _columns(select: Any) -> Iterator[Any]:
    """Yield what a SELECT lists, also if that is all columns of what it selects from."""
    yield from select.selected_columns
    for listed in getattr(select, "_raw_columns", ()):
        if "*" in getattr(listed, "text", getattr(listed, "name", "")):
            for rows in select.get_final_froms():
                yield from rows.c


def _check_names(select: Any) -> None:
    """Refuse sorting and grouping by the name of a protected column."""
    for clause in (*select._order_by_clauses, *select._group_by_clauses):
        for node in visitors.iterate(clause):
            if isinstance(node, _textual_label_reference):
                for column in select.selected_columns:
                    if node.element in (column.key, getattr(column, "name", None)):
                        _refuse(column, _Place.TAGS)


# Unions and the like


def _check_positions(compound: Any) -> None:
    """Refuse sets of rows in which a column has values of a protected column and others, which would be compared."""
    is_union = compound.keyword.name.startswith("UNION")
    for position in zip(*(part.selected_columns for part in compound.selects), strict=False):
        first = next((each for each in map(_guarded, position) if each is not None), None)
        if first is None:
            continue
        for column in position:
            if not _is_null(column) and not all(_agree(source, first, is_union) for source in sources(column)):
                raise refused(first) if isinstance(first, ProtectedColumn) else only_tags(first)


def _guarded(element: Any) -> Any:
    return next((each for each in sources(element) if isinstance(each, ProtectedColumn) or _is_tag(each)), None)


def _agree(one: Any, other: Any, is_union: bool) -> bool:
    """Say whether two columns may stand in the same position."""
    if not isinstance(one, Column):
        return False
    if isinstance(one, ProtectedColumn) and not is_union:
        return one is other  # ciphertext of two columns is never equal
    # What rows of different classes have in common opens by the class, whatever it was selected as.
    both_open_by_class = isinstance(one.type, RowBound) and isinstance(other.type, RowBound)
    return both_open_by_class or is_same_field(one.type, other.type)


def _is_null(element: Any) -> bool:
    """Say whether an element is NULL, also of a type: so a polymorphic union fills in what a class has not."""
    while isinstance(element, (*WRAPPERS, Cast)):
        element = element.clause if isinstance(element, Cast) else inner(element)
    return isinstance(element, Null)
