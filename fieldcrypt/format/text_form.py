"""Values as text (SPEC section 13), for columns that hold text: exactly one spelling for each value."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

from fieldcrypt.errors import DecryptionError

__all__ = ["PREFIX", "decode", "encode", "is_marked", "size"]

PREFIX = "fc1."

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")  # the other alphabet and padding become what no encoder writes

_PADDING = (b"", b"===", b"==", b"=")


def encode(value: bytes) -> str:
    """Return the text of a value (SPEC section 4)."""
    return PREFIX + b2a_base64(value, newline=False).rstrip(b"=").translate(_TO_URL).decode()


def decode(text: str) -> bytes:
    """Return the value that a text stands for; it may still not be authentic.

    Raises:
        DecryptionError: it is not the one spelling of any bytes.
    """
    if isinstance(text, str) and text.startswith(PREFIX):
        try:
            body = text[len(PREFIX) :].encode("ascii").translate(_FROM_URL)
            body += _PADDING[len(body) % 4]
            value = a2b_base64(body)
            # The library ignores foreign characters and loose bits, so that many texts would be accepted for one value.
            if b2a_base64(value, newline=False) == body:
                return value
        except ValueError:
            pass  # raised below, where no chained exception carries the text
    raise DecryptionError


def is_marked(data: object) -> bool:
    """Return True for a text that begins as values do, and so is never plaintext."""
    return isinstance(data, str) and data.startswith(PREFIX)


def size(value: int) -> int:
    """Return how many characters the text of a value of so many bytes has."""
    return len(PREFIX) + (4 * value + 2) // 3
