"""What the encrypted columns of this process were declared with, found again by a number in Spark's expressions.

Spark has an expression's text and its pickled functions only, while `backfill` has to note the whole declaration, and
to look for keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

from fieldcrypt import Field
from fieldcrypt.schemes import LegacyReader

__all__ = ["Declaration", "declarations_in", "name_of_udf", "without_numbers"]

Reader = Callable[[], LegacyReader[Any]]

_NUMBER = re.compile(r"(?<=encrypt_column )#(\d+) ")

_numbers = count(1)
# By the field, or the function that makes it, and the reader: so jobs that declare them in a loop find one again.
_made: dict[tuple[Any, Reader | None], tuple[int, Declaration]] = {}


class Declaration(NamedTuple):
    """What a column is encrypted with, apart from other columns.

    Attributes:
        field: the field.
        reader: the function that makes the reader of the old scheme.
    """

    field: Field[Any]
    reader: Reader | None

    def noted(self) -> dict[str, Any]:
        """Return what is noted of it. Spark's columns have no blind index, and other columns are in the expression."""
        return {
            "context": dict(self.field.context),  # the field's name, too
            "type": getattr(self.field.type, "__qualname__", None) or repr(self.field.type),
            "pad": self.field.pad,
            "reader": None if self.reader is None else _name_of(self.reader),
        }


def name_of_udf(source: Any, field: Field[Any], reader: Reader | None) -> str:
    """Return the name that Spark's expressions have for a column that is encrypted.

    Args:
        source: the field, or the function that made it.
        field: the field.
        reader: the function that makes the reader of the old scheme.
    """
    number, _ = _made.setdefault((source, reader), (next(_numbers), Declaration(field, reader)))
    return f"encrypt_column #{number} {field.name}"


def declarations_in(expression: str) -> list[Declaration]:
    """Return the declarations of the encrypted columns in an expression; none if it has no such column."""
    known = dict(_made.values())
    return [known[int(number)] for number in _NUMBER.findall(expression) if int(number) in known]


def without_numbers(expression: str) -> str:
    """Return an expression as it is in every process."""
    return _NUMBER.sub("", expression)


def _name_of(function: Any) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"
