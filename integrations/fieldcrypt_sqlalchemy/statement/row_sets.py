"""Rows that the database compares as a whole: DISTINCT, UNION, INTERSECT, EXCEPT.

Equal values have different ciphertexts. So rows with an encrypted column can be compared only if they have the key of
its row as well. Then a row is equal to itself, and any other row differs from it in the key already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Select, TableClause
from sqlalchemy.sql.elements import Cast, ColumnClause, Null
from sqlalchemy.sql.selectable import AliasedReturnsRows, CompoundSelect, ScalarSelect, SelectStatementGrouping

from fieldcrypt_sqlalchemy.column.companion import only_tags_error
from fieldcrypt_sqlalchemy.column.protected import WRAPPERS, inner, is_protected, sources
from fieldcrypt_sqlalchemy.column.refusal import mixed_fields_error
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error
from fieldcrypt_sqlalchemy.internals.column import proxied
from fieldcrypt_sqlalchemy.internals.select import distinct
from fieldcrypt_sqlalchemy.rows.row_bound import RowBound
from fieldcrypt_sqlalchemy.statement.fields import is_same_field, is_tag

__all__ = ["check_rows", "single_selects"]

_Stored = tuple[Any, Any]  # a table, or an alias of one, and a column of it


def check_rows(select: Any) -> None:
    """Refuse a SELECT, or a union and the like, whose rows the database would compare by ciphertext, or mix up.

    Raises:
        ProtectedColumnError: it would.
    """
    if isinstance(select, Select):
        if distinct(select):
            _check_keys(select, "DISTINCT")
    elif isinstance(select, CompoundSelect):
        keyword = select.keyword.value
        _check_positions(select, keyword.startswith("UNION"))
        if keyword != "UNION ALL":
            for part in single_selects(select):
                _check_keys(part, keyword)


def single_selects(source: Any) -> list[Any]:
    """Return the SELECTs of a union; another one is its own."""
    while isinstance(source, SelectStatementGrouping):
        source = source.element
    if isinstance(source, CompoundSelect):
        return [part for each in source.selects for part in single_selects(each)]
    return [source]


# Keys


def _check_keys(select: Any, keyword: str) -> None:
    """Refuse encrypted columns without the primary key of the row that they are of."""
    columns = [stored for column in select.selected_columns for stored in _stored(column)]
    has = {(hash(rows), hash(column)) for rows, column in columns}
    for rows, column in columns:
        if is_protected(column):
            key = list(column.table.primary_key) if isinstance(column, Column) else []
            if not key or any((hash(rows), hash(part)) not in has for part in key):
                raise _comparison_error(column, keyword)


def _stored(element: Any) -> Iterator[_Stored]:
    """Yield where an element has its values from, if it hands on stored ones."""
    element = inner(element)
    if isinstance(element, ScalarSelect):
        for column in element.element.selected_columns:
            yield from _stored(column)
    elif isinstance(element, ColumnClause):
        rows = element.table
        if rows is None or isinstance(rows, TableClause) or not proxied(element):
            yield rows, element
        elif isinstance(rows, AliasedReturnsRows) and isinstance(rows.element, TableClause):
            yield rows, next(iter(element.base_columns))
        else:
            for proxy in proxied(element):
                yield from _stored(proxy)


def _comparison_error(column: Any, keyword: str) -> ProtectedColumnError:
    return column_error(
        column.type,
        f"cannot be compared by {keyword}: the database holds ciphertext, which differs each "
        "time that a value is encrypted, so that equal values stay apart. Select the primary key of its table as well, "
        "use UNION ALL, or compare the values in Python. Nothing was sent",
    )


# Columns of one position


def _check_positions(compound: Any, is_union: bool) -> None:
    """Refuse sets of rows in which a column has values of a protected column and others, which would be compared."""
    for position in zip(*(part.selected_columns for part in compound.selects), strict=False):
        first = next((each for each in map(_special, position) if each is not None), None)
        if first is None:
            continue
        for column in position:
            if not _is_null(column) and not all(_agree(source, first, is_union) for source in sources(column)):
                raise mixed_fields_error(first) if is_protected(first) else only_tags_error(first)
        # SQLAlchemy reads a column of all rows by the type that it has in the first SELECT.
        if is_protected(first) and _is_null(position[0]) and not _read_alike(position[0].type, first.type):
            raise _null_error(first)


def _special(element: Any) -> Any:
    return next((source for source in sources(element) if is_protected(source) or is_tag(source)), None)


def _agree(one: Any, other: Any, is_union: bool) -> bool:
    """Return True if two columns may stand in the same position."""
    if not isinstance(one, ColumnClause) or one.is_literal:
        return False
    if is_protected(one) and not is_union:
        return hash(one) == hash(other)  # ciphertext of two columns is never equal
    return _read_alike(one.type, other.type)


def _read_alike(one: Any, other: Any) -> bool:
    # What rows of different classes have in common opens by the class, whatever it was selected as.
    return (isinstance(one, RowBound) and isinstance(other, RowBound)) or is_same_field(one, other)


def _is_null(element: Any) -> bool:
    """Return True if an element is NULL, also of a type: so a polymorphic union fills in what a class has not."""
    while isinstance(element, (*WRAPPERS, Cast)):
        element = element.clause if isinstance(element, Cast) else inner(element)
    return isinstance(element, Null)


def _null_error(column: Any) -> ProtectedColumnError:
    return column_error(
        column.type,
        "stands after a NULL without its type, by which all rows would be read, so that they "
        "came as ciphertext. Give the NULL the column's type, type_coerce(null(), Model.attribute.type), or put the "
        "SELECT with the column first. Nothing was sent",
    )
