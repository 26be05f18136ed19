"""The errors of protected columns in expressions: why they are refused, and what works instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import FunctionElement

from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error
from fieldcrypt_sqlalchemy.internals.select import listed, sorted_and_grouped

__all__ = ["mixed_fields_error", "expression_error"]

_COMPUTED = "and would compute with that. Select the column as it is, and compute in Python. Nothing was sent"
_COUNTED = (
    "and would count that. To count the rows that have a value, count their primary key, with is_not(None) on the "
    "column as the condition. Nothing was sent"
)
_SORTED = (
    "and would sort or group by that. To sort, use find(session, select(Model), order_by=…), which does so after "
    "decryption; group the rows in Python. Nothing was sent"
)
_COMPARED = (
    "and what it is compared or combined with would be sent as plaintext. Select the column as it is, and compute in "
    "Python. Nothing was sent"
)
_SEARCH = (
    ". To search, compare the column alone, with plain values: ==, in_(…), and what else its indexes answer; "
    "instead of tuples, or_(and_(…), …)"
)


def expression_error(column: Any, statement: Any = None) -> ProtectedColumnError:
    """Return the error of a protected column in an expression.

    Args:
        column: the column.
        statement: the one that it stands in, if that is known: it tells what the database would do.
    """
    why = _COMPARED if not isinstance(statement, Select) else _of_use(column, statement)
    searchable = bool(getattr(column.type, "indexes", ()))
    return column_error(
        column.type,
        f"cannot be part of an SQL expression: the database holds ciphertext, {why}"
        + _SEARCH * (searchable and why is _COMPARED),
    )


def mixed_fields_error(column: Any) -> ProtectedColumnError:
    """Return the error of a protected column that a UNION or the like mixes with other values."""
    return ProtectedColumnError(
        f"a UNION or the like mixes the values of {column.type.described} with others, in one column, which opens as "
        "one field. To read several tables so, as a base of concrete classes does, give their columns one name, "
        "Encrypted(…, name=…), or decorate the classes with @encrypted; no other set operation can compare ciphertext",
        field=column.type.name,
    )


def _of_use(column: Any, select: Any) -> str:
    if _is_in(column, sorted_and_grouped(select)):
        return _SORTED
    for element in (each for clause in listed(select) for each in visitors.iterate(clause)):
        if isinstance(element, FunctionElement) and _is_in(column, [element]):
            return _COUNTED if getattr(element, "name", None) == "count" else _COMPUTED
    return _COMPARED


def _is_in(column: Any, clauses: Iterable[Any]) -> bool:
    return any(hash(each) == hash(column) for clause in clauses for each in visitors.iterate(clause))
