"""Sorting objects by decrypted values, as the database cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ColumnElement, UnaryExpression

from fieldcrypt_sqlalchemy.column.protected import inner
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.internals.element import orm_notes

__all__ = ["Order", "attribute_key"]


class Order:
    """An order of the objects of a model: None last, and texts by their code points or a key.

    Args:
        entity: the model, or alias of one, that is selected.
        given: an attribute, a list of attributes, or None.
        key: what texts are sorted by.

    Raises:
        ProtectedColumnError: it is to sort by something else.
    """

    def __init__(self, entity: Any, given: Any, key: Callable[[str], Any] | None) -> None:
        several = () if given is None else given if isinstance(given, (list, tuple)) else (given,)
        self._by = [_attribute(entity, each) for each in several]
        if key is not None and not self._by:
            raise ProtectedColumnError("find(…, key=…) is what order_by= sorts texts by: name the attributes")
        self._key = key

    def sort(self, rows: list[Any]) -> list[Any]:
        """Return the objects in this order."""
        for name, descends in reversed(self._by):
            values = [(getattr(row, name), row) for row in rows]
            known = [pair for pair in values if _has_place(pair[0])]
            known.sort(key=lambda pair: self._of(pair[0]), reverse=descends)
            rows = [row for _, row in known] + [row for value, row in values if not _has_place(value)]
        return rows

    def _of(self, value: Any) -> Any:
        return self._key(value) if self._key is not None and isinstance(value, str) else value


def attribute_key(entity: Any, column: Any) -> str | None:
    """Return the name of the attribute of a model, or an alias of one, that a column is; None if it is none."""
    notes = orm_notes(column)
    parent = notes.get("parententity")
    inherited = parent is not None and parent.is_mapper and entity.is_mapper and entity.isa(parent)
    return notes["proxy_key"] if parent is not None and (parent is entity or inherited) else None


def _attribute(entity: Any, given: Any) -> tuple[str, bool]:
    """Return the name of an attribute, and whether the order is descending."""
    element = given.__clause_element__() if hasattr(given, "__clause_element__") else given
    descends = False
    if isinstance(element, UnaryExpression) and element.modifier in (operators.asc_op, operators.desc_op):
        descends, element = element.modifier is operators.desc_op, element.element
    key = attribute_key(entity, inner(element)) if isinstance(element, ColumnElement) else None
    if key is None:
        raise ProtectedColumnError(
            "find(…, order_by=…) takes attributes of the model that is selected, as they are or with desc(): not names "
            "or expressions. None always comes last"
        )
    return key, descends


def _has_place(value: Any) -> bool:
    """Return True if a value comes before or after others: None does not, nor does NaN."""
    return value is not None and value == value
