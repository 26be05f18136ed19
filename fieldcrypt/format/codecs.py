"""Python values <-> plaintext bytes (SPEC section 5).

Exact or not at all: what `encode` takes, `decode` returns equal and of the same type. Everything else is a
TypeError (a subclass, a tuple, a foreign object) or a ValueError (invalid Unicode, too deep), raised without the value.
"""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from fieldcrypt.errors import DecryptionError
from fieldcrypt.format._text import utf8
from fieldcrypt.format.cbor import decode_cbor, encode_cbor, type_of_cbor

__all__ = ["BYTES", "BYTES_BYTE", "CBOR", "PADDED", "TEXT", "TEXT_BYTE", "Codec"]

# The encoding byte.
BYTES = 0x01
TEXT = 0x02
CBOR = 0x03
PADDED = 0x80

BYTES_BYTE, TEXT_BYTE = bytes([BYTES]), bytes([TEXT])  # for the hot path

_PADDING_START = b"\x80"
MAX_PAD = 0xFFFF

_SCALARS = (bytes, str, int, float, bool, Decimal, date, datetime, time, timedelta, UUID)
_CONTAINERS = (list, dict, set)

_NOT_WHAT_WAS_WRITTEN = "the plaintext is not a valid encoding of a value"


class Codec:
    """The encoding of one field's values.

    Args:
        type: bytes, str, int, float, bool, Decimal, date, datetime, time, timedelta, UUID, list, dict, set, an Enum
            class, or `object` for any of these but Enum members.
        pad: pad to a multiple of so many bytes (2 to 65,535), or None.

    Raises:
        TypeError: the type is none of these.
        ValueError: pad is out of range.
    """

    __slots__ = ("_enum", "pad", "type")

    def __init__(self, type: Any, pad: int | None = None) -> None:
        self._enum = isinstance(type, enum.EnumMeta)
        if not self._enum and type is not object and type not in _SCALARS and type not in _CONTAINERS:
            names = ", ".join(known.__name__ for known in (*_SCALARS, *_CONTAINERS))
            raise TypeError(f"a field has one of the types {names}, object or an Enum class; not {type!r}")
        if pad is not None and (isinstance(pad, bool) or not isinstance(pad, int)):
            raise TypeError("pad is a number of bytes")
        if pad is not None and not 2 <= pad <= MAX_PAD:
            raise ValueError(f"pad is 2 to {MAX_PAD} bytes, not {pad}")
        self.type: Any = type
        self.pad = pad

    def encode(self, value: Any) -> bytes:
        """Return the plaintext of a value.

        Raises:
            TypeError: the value is not exactly of the field's type, or None, or holds something without an encoding.
            ValueError: text that is not valid Unicode, or nesting deeper than 64.
        """
        kind, body = self._encode_body(value)
        if self.pad is None:
            return bytes([kind]) + body
        padding = self.pad - len(body) % self.pad
        return bytes([kind | PADDED]) + body + _PADDING_START + bytes(padding - 1)

    def decode(self, plaintext: bytes) -> Any:
        """Return the value of a plaintext.

        Raises:
            DecryptionError: the bytes are no valid encoding, or of a value of another type.
        """
        kind, body = split_plaintext(plaintext)
        found, wanted = _type_of(kind, body), str if self._enum else self.type
        if found is not wanted and wanted is not object:
            raise DecryptionError(
                f"the value is authentic, but is a {found.__name__} where the field is declared as {self.type.__name__}"
            )
        value = _decode_body(kind, body)
        if self._enum:
            member = self.type.__members__.get(value)
            if member is None:
                raise DecryptionError(f"the value is authentic, but no member of {self.type.__name__}")
            return member
        return value

    def _encode_body(self, value: Any) -> tuple[int, bytes]:
        if value is None:
            raise TypeError("a field has no encoding for None: store a null instead of a ciphertext")
        if self._enum:
            if type(value) is not self.type:
                raise TypeError(f"expected {self.type.__name__}, got {type(value).__name__}")
            value = value.name
            if value not in self.type.__members__:
                raise TypeError(f"a combination of flags of {self.type.__name__} has no name: use an int field")
        elif self.type is not object and type(value) is not self.type:
            raise TypeError(f"expected {self.type.__name__}, got {type(value).__name__}")
        if type(value) is str:
            return TEXT, utf8(value)
        if type(value) is bytes:
            return BYTES, value
        return CBOR, encode_cbor(value)


def split_plaintext(plaintext: bytes) -> tuple[int, bytes]:
    """Split a plaintext into the kind of its body (BYTES, TEXT or CBOR) and the body without padding.

    Raises:
        DecryptionError: it is empty, or padded without a valid padding.
    """
    if not plaintext:
        raise DecryptionError(_NOT_WHAT_WAS_WRITTEN)
    kind, body = plaintext[0] & ~PADDED, plaintext[1:]
    if plaintext[0] & PADDED:
        body = body.rstrip(b"\x00")
        if not body.endswith(_PADDING_START):
            raise DecryptionError(_NOT_WHAT_WAS_WRITTEN)
        body = body[:-1]
    return kind, body


def _type_of(kind: int, body: bytes) -> Any:
    """Return the type of a value before any of it is decoded."""
    if kind == BYTES:
        return bytes
    if kind == TEXT:
        return str
    if kind == CBOR:
        found = type_of_cbor(body)
        if found not in (type(None), bytes, str):  # None has no plaintext, and the other two one without CBOR
            return found
    raise DecryptionError(_NOT_WHAT_WAS_WRITTEN)


def _decode_body(kind: int, body: bytes) -> Any:
    if kind == CBOR:
        return decode_cbor(body)
    if kind == BYTES:
        return body
    try:
        return body.decode()
    except UnicodeDecodeError:
        pass
    # Raised here and not in an except block, so that no chained exception carries the plaintext.
    raise DecryptionError(_NOT_WHAT_WAS_WRITTEN)
