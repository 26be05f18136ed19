"""What fieldcrypt reads of any element of a statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.sql import elements

from fieldcrypt_sqlalchemy.internals.gate import IS_2_0, read

__all__ = [
    "LABEL_REFERENCE",
    "TEXTUAL_LABEL_REFERENCE",
    "TSTRING_TEXT",
    "annotate_like",
    "clone",
    "described_attributes",
    "negate",
    "of_lambda",
    "orm_notes",
]

LABEL_REFERENCE = read(elements, "_label_reference")  # what stands in ORDER BY for what is listed
TEXTUAL_LABEL_REFERENCE = read(elements, "_textual_label_reference")  # the same by its name
TSTRING_TEXT: Any = None if IS_2_0 else read(elements, "_TStringText")  # the texts in a template string


def described_attributes(kind: type) -> list[str]:
    """Return the names of the attributes that a class of SQLAlchemy's says its elements are made of; some say nothing.

    All attributes are looked at then, so this one may be absent.
    """
    return [name for name, _ in getattr(kind, "_traverse_internals", ())]


def orm_notes(element: Any) -> Mapping[str, Any]:
    """Return what the ORM noted on an element."""
    notes: Mapping[str, Any] = read(element, "_annotations")
    return notes


def annotate_like(element: Any, other: Any, names: Iterable[str]) -> Any:
    """Return an element with some of the notes of another one, for the ORM to treat it as that."""
    notes = {name: value for name, value in orm_notes(other).items() if name in names}
    if not notes:
        return element
    return read(read(element, "_annotate")(notes), "_set_propagate_attrs")(read(other, "_propagate_attrs"))


def clone(element: Any) -> Any:
    """Return a copy of an element, to be changed."""
    return read(element, "_clone")()


def negate(element: Any, kind: type) -> Any:
    """Return the negation of an expression as its class makes it.

    Args:
        element: the expression.
        kind: the class after which to look for that one.
    """
    return read(super(kind, element), "_negate")()


def of_lambda(statement: Any) -> Any:
    """Return the statement, or the expression, that a lambda makes."""
    return read(statement, "_resolved")
