"""How the plaintext of another scheme becomes a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fieldcrypt.errors import DecryptionError

__all__ = ["REFUSALS", "Decode", "text", "value_of"]

T = TypeVar("T")

Decode = Callable[[bytes], T]  # returns the value that some bytes are the plaintext of

# What decoders raise for unexpected input; anything else is a mistake of theirs.
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
        pass  # raised below, where no chained exception carries the plaintext
    raise DecryptionError("the value is authentic, but `decode` did not accept its plaintext")
