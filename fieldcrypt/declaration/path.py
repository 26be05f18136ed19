"""Paths of values in a record (SPEC section 2, "Nested values")."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Self

from fieldcrypt.format.context import PATH_KEY

__all__ = ["Elements", "Path", "element_context"]

_NAME = r"(?:[^.\[\]\\]|\\[.\[\]\\])+"
_PATH = re.compile(rf"{_NAME}(?:\.{_NAME}|\[\]|\[{_NAME}\]\.{_NAME})*")
_STEP = re.compile(rf"({_NAME})|\[({_NAME})?\]")
_SPECIAL = re.compile(r"[.\[\]\\]")
_ESCAPED = re.compile(r"\\(.)")


class Elements(NamedTuple):
    """The step to each element of a list.

    Attributes:
        told_by: the member that distinguishes elements; None if they are not distinguished.
    """

    told_by: str | None


class Path:
    """A path: `ssn`, `address.street`, `phones[].number`, `phones[kind].number`.

    Args:
        text: as it is spelled; `.`, `[`, `]` and `\\` in a name have a `\\` before them.

    Attributes:
        text: the same.
        steps: the names of members, and `Elements`.

    Raises:
        TypeError: it is not a str.
        ValueError: it is not a valid path.
    """

    __slots__ = ("steps", "text")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a path is a str, not {type(text).__name__}")
        if not _PATH.fullmatch(text):
            raise ValueError(
                f"{text!r} is no path: it is spelled like address.street, phones[].number or phones[kind].number, with "
                "a backslash before each dot, bracket and backslash in a name"
            )
        self.text = str.__str__(text)
        self.steps: tuple[str | Elements, ...] = tuple(
            _name(step[1]) if step[1] else Elements(step[2] and _name(step[2])) for step in _STEP.finditer(text)
        )

    @classmethod
    def of_member(cls, name: str) -> Self:
        """Return the path of a member at the top of a record."""
        return cls(_SPECIAL.sub(r"\\\g<0>", name))

    @classmethod
    def of_declared(cls, name: str, *, is_literal: bool) -> Self:
        """Return the path of a field that was declared by a path, or by the literal name of a member at the top."""
        return cls.of_member(name) if is_literal else cls(name)

    @property
    def first(self) -> str:
        """The name at the top of the record, which the field's name ends with."""
        return str(self.steps[0])

    @property
    def context(self) -> dict[str, str]:
        """What the path adds to the context of all its values; nothing at the top of a record."""
        return {PATH_KEY: self.text} if len(self.steps) > 1 else {}

    def __repr__(self) -> str:
        return f"Path({self.text!r})"


def element_context(texts: Sequence[str]) -> dict[str, str]:
    """Return the context entries of the list elements around a value, by the texts of their members."""
    if len(texts) == 1:
        return {"element": texts[0]}
    return {f"element.{number}": text for number, text in enumerate(texts, 1)}


def _name(escaped: str) -> str:
    return _ESCAPED.sub(r"\1", escaped)
