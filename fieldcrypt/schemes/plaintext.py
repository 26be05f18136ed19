"""What an application made of a value before another scheme encrypted it, and how that becomes a value again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fieldcrypt.errors import DecryptionError

__all__ = ["REFUSALS", "Decode", "text", "value_of"]

T = TypeVar("T")

Decode = Callable[[bytes], T]

# What functions raise that are given something else than they expect; what else they raise is a mistake of theirs.
REFUSALS = (ValueError, TypeError, ArithmeticError, LookupError)


def text(plaintext: bytes) -> str:
    """Return the text that UTF-8 stands for."""
    return plaintext.decode()


def value_of(decode: Decode[T], plaintext: bytes) -> T:
    """Return the value of an authentic plaintext.

    Raises:
        DecryptionError: `decode` does not take it.
    """
    try:
        return decode(plaintext)
    except REFUSALS:
        pass  # and not raised here, where the plaintext would be behind it
    raise DecryptionError("the value is authentic, but `decode` did not take what it decrypts to")
