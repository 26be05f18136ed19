"""What a document path of an expression meets in an item."""

from __future__ import annotations

import enum
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Meaning", "Met"]

S = TypeVar("S")


class Meaning(enum.Enum):
    """What a document path meets."""

    PLAIN = "nothing protected"
    OWN = "what fieldcrypt fills by itself"
    UNKNOWN = "what nobody declared, where that is refused"
    PROTECTED = "a protected value"
    INSIDE = "a part of a protected value"
    AROUND = "a map or list with protected values in it"
    TELLING = "the member that distinguishes the elements of a list"
    ASIDE = "a map where a list is declared, or the other way round"
    MISSPELLED = "a name with dots or brackets, spelled like a declared path"
    SPLIT = "a path that is spelled like a declared name with dots or brackets, or that begins so"


class Met(NamedTuple, Generic[S]):
    """What a document path meets in an item.

    Attributes:
        meaning: see `Meaning`.
        attribute: the protected attribute, or the first of those around which the path ends; or the path's own.
        shape: of the map or list where it ends, if that leads on to declared values.
        is_told: False if it leads through an element of a list, and only the item itself tells which one.
    """

    meaning: Meaning
    attribute: str
    shape: S | None = None
    is_told: bool = True
