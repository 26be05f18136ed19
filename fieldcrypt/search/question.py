"""What a search asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["AllEqual", "Between", "EndsWith", "Equal", "PartIs", "Question", "StartsWith"]


@dataclass(frozen=True, slots=True, repr=False)
class Question:
    """What a search asks for. Its values are plaintext, so it has no repr of them."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


@dataclass(frozen=True, slots=True, repr=False)
class Equal(Question):
    """The value is one of these."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        _check_several("Equal((value,))", self.values)


@dataclass(frozen=True, slots=True, repr=False)
class PartIs(Question):
    """A part of the value is one of these.

    Attributes:
        part: the name of the part, as "domain" or "last 4"; or of the index.
        values: of the part's type.
    """

    part: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        _check_several('PartIs("domain", (value,))', self.values)


@dataclass(frozen=True, slots=True, repr=False)
class StartsWith(Question):
    """The text begins with this."""

    text: str


@dataclass(frozen=True, slots=True, repr=False)
class EndsWith(Question):
    """The text ends with this."""

    text: str


@dataclass(frozen=True, slots=True, repr=False)
class Between(Question):
    """The value lies between these.

    Attributes:
        low, high: None if the range is open at that side.
        with_low, with_high: whether the bound itself is in it.
    """

    low: Any
    high: Any
    with_low: bool = True
    with_high: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class AllEqual(Question):
    """Each component of a compound has this value."""

    values: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.values, Mapping):
            raise TypeError('AllEqual({"surname": value, …}) has a value for each member')


def _check_several(example: str, values: Any) -> None:
    """Refuse a text, whose characters would be searched for."""
    if not isinstance(values, tuple):
        raise TypeError(f"{example} has a tuple of values")
