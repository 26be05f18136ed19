"""What DynamoDB takes in one expression: a request is not to be refused for what was added to it here.

Source: "Quotas and constraints in Amazon DynamoDB", Expression parameters, Amazon DynamoDB Developer Guide. Emulators
do not check it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.tokens import operators_in

__all__ = ["check_growth", "lists_of"]

T = TypeVar("T")

_MAX_OPERANDS = 100  # of one IN: while an index key rotates, each value has two tags
_MAX_BYTES = 4_096
_MAX_OPERATORS = 300  # and functions
_SHORT = 1_000  # characters, too few to reach either limit


def lists_of(operands: Sequence[T]) -> list[Sequence[T]]:
    """Return operands in lists, each short enough for one IN."""
    return [operands[at : at + _MAX_OPERANDS] for at in range(0, len(operands), _MAX_OPERANDS)]


def check_growth(name: str, given: str, params: Mapping[str, Any]) -> None:
    """Refuse an expression that DynamoDB would have taken as it was written, but not as it is sent.

    Args:
        name: the parameter's.
        given: as the application wrote it.
        params: the request as it is sent.

    Raises:
        ProtectedAttributeError: it has grown too long, or has too many operators.
    """
    text: str = params[name]
    if len(text) <= _SHORT or text == given:
        return
    size, operators = len(text.encode()), operators_in(name, text)
    if size > _MAX_BYTES >= len(given.encode()):
        raise _too_large_error(name, f"{size:,} bytes", f"{_MAX_BYTES:,}")
    if operators > _MAX_OPERATORS >= operators_in(name, given):
        raise _too_large_error(name, f"{operators} operators and functions", f"{_MAX_OPERATORS}")


def _too_large_error(name: str, what: str, most: str) -> ProtectedAttributeError:
    return ProtectedAttributeError(
        f"{name} would be sent with {what}, tags in place of values, and DynamoDB takes {most}: ask for fewer values "
        "at once. While an index key rotates, each has two tags"
    )
