"""Python values <-> plaintext bytes (SPEC section 5).

Exact or not at all: what `encode` takes, `decode` gives back equal and of the same type. Everything else is a
TypeError (a subclass, a tuple, a foreign object) or a ValueError (invalid Unicode, too deep), raised without the value.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import cbor2

from fieldcrypt._text import utf8
from fieldcrypt.errors import DecryptionError

__all__ = ["BYTES", "CBOR", "MAX_NESTING", "PADDED", "TEXT", "TEXT_BYTE", "Codec"]

# The encoding byte.
BYTES = 0x01
TEXT = 0x02
CBOR = 0x03
PADDED = 0x80

TEXT_BYTE = bytes([TEXT])  # for the hot path

_PADDING_START = b"\x80"
MAX_PAD = 0xFFFF
MAX_NESTING = 64
_MAX_DEPTH = 2 * MAX_NESTING + 2  # as cbor2 counts, where a set is two levels: its tag and its array

# CBOR tags; cbor2 itself reads the first four.
_DATETIME_TAG = 0
_UUID_TAG = 37
_SET_TAG = 258
_DATE_TAG = 1004
_DECIMAL_TAG = 64513
_LOCAL_DATETIME_TAG = 64514
_TIME_TAG = 64515
_DURATION_TAG = 64516

_SCALARS = (bytes, str, int, float, bool, Decimal, date, datetime, time, timedelta, UUID)
_CONTAINERS = (list, dict, set)
_MICROSECOND = timedelta(microseconds=1)
_DECIMALS = Context(capitals=1)  # str(Decimal) would follow the context that the application has set

# Python tells the two o'clocks of an autumn night apart in a named zone, but finds neither equal to one with an offset.
_ONE_ENCODING = "two keys or elements differ, but have one encoding"
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
        self.type = type
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
        value = _decode_body(kind, body)
        if self._enum:
            member = self.type.__members__.get(value) if type(value) is str else None
            if member is None:
                raise DecryptionError(f"the value is authentic, but no member of {self.type.__name__}")
            return member
        if self.type is not object and type(value) is not self.type:
            raise DecryptionError(
                f"the value is authentic, but is a {type(value).__name__} where the field is declared as "
                f"{self.type.__name__}"
            )
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
            return TEXT, _utf8(value)
        if type(value) is bytes:
            return BYTES, value
        return CBOR, _encode_cbor(value)


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


def _decode_body(kind: int, body: bytes) -> Any:
    if kind == BYTES:
        return body
    if kind == TEXT:
        try:
            return body.decode()
        except UnicodeDecodeError:
            pass
    elif kind == CBOR:
        value = _decode_cbor(body)
        if value is not None and type(value) not in (str, bytes):
            return value
    # Raised here and not in an except block, so that no chained exception carries the plaintext.
    raise DecryptionError(_NOT_WHAT_WAS_WRITTEN)


def _utf8(text: str) -> bytes:
    encoded = utf8(text)
    if encoded is None:
        raise ValueError("the text is not valid Unicode (it has lone surrogates)")
    return encoded


# Encoding: a walk turns the value into what cbor2 writes without conversions of its own.


def _encode_cbor(value: Any) -> bytes:
    return cbor2.dumps(_to_cbor(value, 0))


def _to_cbor(value: Any, depth: int) -> Any:
    convert = _TO_CBOR.get(type(value))
    if convert is None:
        raise TypeError(f"a value of type {type(value).__name__} has no exact encoding")
    if depth >= MAX_NESTING and type(value) in _CONTAINERS:
        raise ValueError(f"a value nests deeper than {MAX_NESTING}")
    return convert(value, depth)


def _datetime_to_cbor(value: datetime, _: int) -> cbor2.CBORTag:
    offset = value.utcoffset()
    if offset is None:
        return cbor2.CBORTag(_LOCAL_DATETIME_TAG, value.isoformat())
    _check_offset(offset)
    return cbor2.CBORTag(_DATETIME_TAG, value.isoformat())


def _time_to_cbor(value: time, _: int) -> cbor2.CBORTag:
    if value.tzinfo is not None:
        offset = value.utcoffset()
        if offset is None:
            raise TypeError("a time of day in a zone without a fixed offset has no exact encoding")
        _check_offset(offset)
    return cbor2.CBORTag(_TIME_TAG, value.isoformat())


def _check_offset(offset: timedelta) -> None:
    if offset.microseconds:
        raise TypeError("an offset from UTC with fractions of a second has no exact encoding")


def _dict_to_cbor(value: dict[Any, Any], depth: int) -> dict[Any, Any]:
    converted = {_member_to_cbor(key, depth): _to_cbor(item, depth + 1) for key, item in value.items()}
    if len(converted) != len(value):
        raise ValueError(_ONE_ENCODING)
    return converted


def _set_to_cbor(value: set[Any], depth: int) -> cbor2.CBORTag:
    encoded = {cbor2.dumps(item): item for item in (_member_to_cbor(item, depth) for item in value)}
    if len(encoded) != len(value):
        raise ValueError(_ONE_ENCODING)
    return cbor2.CBORTag(_SET_TAG, [encoded[encoding] for encoding in sorted(encoded)])


def _member_to_cbor(value: Any, depth: int) -> Any:
    if type(value) in (float, Decimal) and value != value:  # true of not-a-numbers alone
        raise ValueError("a not-a-number cannot be a key or an element: it is not equal to itself")
    return _to_cbor(value, depth + 1)


def _itself(value: Any, _: int) -> Any:
    return value


def _text_to_cbor(value: str, _: int) -> str:
    _utf8(value)
    return value


_TO_CBOR: dict[type, Callable[[Any, int], Any]] = {
    type(None): _itself,
    bool: _itself,
    int: _itself,
    float: _itself,
    bytes: _itself,
    str: _text_to_cbor,
    Decimal: lambda value, _: cbor2.CBORTag(_DECIMAL_TAG, _DECIMALS.to_sci_string(value)),
    date: lambda value, _: cbor2.CBORTag(_DATE_TAG, value.isoformat()),
    datetime: _datetime_to_cbor,
    time: _time_to_cbor,
    timedelta: lambda value, _: cbor2.CBORTag(_DURATION_TAG, value // _MICROSECOND),
    UUID: lambda value, _: cbor2.CBORTag(_UUID_TAG, value.bytes),
    list: lambda value, depth: [_to_cbor(item, depth + 1) for item in value],
    dict: _dict_to_cbor,
    set: _set_to_cbor,
}


# Decoding: cbor2 reads, a walk opens our tags, and encoding the result again proves that there was no other way
# to write it (which also catches trailing bytes, indefinite lengths, repeated keys and foreign tags).


def _decode_cbor(body: bytes) -> Any:
    try:
        value = _from_cbor(cbor2.loads(body, max_depth=_MAX_DEPTH))
        canonical = _encode_cbor(value) == body
    except (cbor2.CBORError, TypeError, ValueError, InvalidOperation, OverflowError):
        canonical = False
    if not canonical:
        raise DecryptionError(_NOT_WHAT_WAS_WRITTEN)
    return value


def _from_cbor(item: Any) -> Any:
    kind = type(item)
    if kind is list:
        return [_from_cbor(element) for element in item]
    if kind is dict:
        return {_from_cbor(key): _from_cbor(element) for key, element in item.items()}
    if kind is set:
        return {_from_cbor(element) for element in item}
    if kind is cbor2.CBORTag:
        read = _FROM_TAG.get(item.tag)
        if read is None:
            raise ValueError("unknown tag")
        return read(item.value)
    return item


_FROM_TAG: dict[int, Callable[[Any], Any]] = {
    _DECIMAL_TAG: lambda text: Decimal(_expect(str, text)),
    _LOCAL_DATETIME_TAG: lambda text: datetime.fromisoformat(_expect(str, text)),
    _TIME_TAG: lambda text: time.fromisoformat(_expect(str, text)),
    _DURATION_TAG: lambda count: _expect(int, count) * _MICROSECOND,
}


def _expect(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"a tag is over a {kind.__name__}")
    return value
