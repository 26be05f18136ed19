"""The field that the values of an element are of."""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql.elements import ColumnClause

from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.column.protected import is_protected, sources
from fieldcrypt_sqlalchemy.column.type import Encrypted

__all__ = ["handed_on", "is_same_field", "is_tag"]


def handed_on(element: Any) -> Any:
    """Return the protected column whose values an element hands on as they are; or None."""
    return next(filter(is_protected, sources(element)), None)


def is_same_field(one: Any, other: Any) -> bool:
    """Return True if values of a type are such of another: encrypted as the same field, or tags."""
    if isinstance(one, Encrypted) and isinstance(other, Encrypted):
        same_form = _form(one) == _form(other)  # else what one column holds could not be read in the other
        same_field = one.name == other.name and one.protection.context == other.protection.context
        return same_field and one.encryptor is other.encryptor and same_form
    return isinstance(one, BlindIndexTag) and isinstance(other, BlindIndexTag) and one.array == other.array


def _form(type_: Encrypted) -> tuple[bool, bool]:
    return type_.text is not None, type_.text is not None and type_.text.is_json


def is_tag(element: Any) -> bool:
    """Return True if an element is a companion column."""
    return isinstance(element, ColumnClause) and isinstance(element.type, BlindIndexTag) and not element.is_literal
