"""Writing the CBOR of SPEC section 5: exactly one encoding for each value."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

from fieldcrypt.errors import redacted_error
from fieldcrypt.format.cbor_items import (
    ARRAY,
    BIG,
    BYTES,
    DATE_HEAD,
    DATETIME_HEAD,
    DECIMAL_HEAD,
    DECIMALS,
    DOUBLE,
    DOUBLE_BYTE,
    DURATION_HEAD,
    FALSE,
    INTEGER,
    LOCAL_DATETIME_HEAD,
    MAP,
    MAX_NESTING,
    MICROSECOND,
    NEGATIVE,
    NEGATIVE_BIG,
    NULL,
    SET_HEAD,
    SPECIAL,
    TEXT,
    TIME_HEAD,
    TRUE,
    UUID_HEAD,
    head,
)
from fieldcrypt.format.cbor_reader import UNREADABLE, decode_cbor, type_of_cbor
from fieldcrypt.format.members import check_members

__all__ = ["UNREADABLE", "decode_cbor", "encode_cbor", "float_bytes", "integer_bytes", "type_of_cbor"]

_CONTAINERS = (list, dict, set)
_SPECIAL_BYTES = {value: encoding for encoding, value in SPECIAL.items()}


# Functions by type append pieces of the encoding to a list; `left` is how many levels of nesting may follow.
# Lists, maps and sets are copied first: another thread may change them, and then their length would be another one's.


def encode_cbor(value: Any, nesting: int = MAX_NESTING) -> bytes:
    """Encode a value.

    Raises:
        TypeError: it is, or holds, something without an exact encoding.
        ValueError: text that is not valid Unicode, nesting deeper than that, members that cannot be told apart.
    """
    pieces: list[bytes] = []
    _put_all((value,), pieces.append, nesting)
    return b"".join(pieces)


_Put = Callable[[bytes], None]
_SMALL = [head(INTEGER, number) for number in range(256)]
_SHORT_TEXT = [head(TEXT, size) for size in range(256)]


def _put_all(values: Iterable[Any], put: _Put, left: int) -> None:
    for value in values:
        kind = type(value)
        if kind is str:
            try:
                text = value.encode()
            except UnicodeEncodeError as error:
                raise redacted_error(error) from None
            size = len(text)
            put(_SHORT_TEXT[size] if size < 256 else head(TEXT, size))
            put(text)
        elif kind is int:
            put(_SMALL[value] if 0 <= value < 256 else integer_bytes(value))
        elif kind in _SCALAR_BYTES:
            put(_SCALAR_BYTES[kind](value))
        elif kind not in _CONTAINERS:
            raise TypeError(f"a value of type {kind.__name__} has no exact encoding")
        elif not left:
            raise ValueError("a value nests too deep: 64 lists, maps or sets within each other are the most")
        elif kind is list:
            members = value[:]
            put(head(ARRAY, len(members)))
            _put_all(members, put, left - 1)
        elif kind is dict:
            _put_map(value.copy(), put, left - 1)
        else:
            _put_set(value.copy(), put)


def _put_map(value: dict[Any, Any], put: _Put, left: int) -> None:
    _check_readable(value)
    put(head(MAP, len(value)))
    _put_all(chain.from_iterable(value.items()), put, left)


def _put_set(value: set[Any], put: _Put) -> None:
    _check_readable(value)
    put(SET_HEAD + head(ARRAY, len(value)))
    for encoding in sorted(encode_cbor(element, 0) for element in value):
        put(encoding)


def _check_readable(members: Collection[Any]) -> None:
    """Check that members are still distinct when they are read back.

    Python never finds a time in the repeated hour of a named zone equal to one with a fixed offset, which it has when
    read.
    """
    check_members(members)
    if datetime in map(type, members):
        read = {_with_fixed_offset(member) if type(member) is datetime else member for member in members}
        if len(read) != len(members):
            raise ValueError("two keys or elements differ, but are equal when they are read")


def _with_fixed_offset(value: datetime) -> datetime:
    offset = value.utcoffset()
    return value if offset is None else value.replace(tzinfo=timezone(offset), fold=0)


def integer_bytes(value: int) -> bytes:
    """Encode an integer."""
    major, count = (INTEGER, value) if value >= 0 else (NEGATIVE, -1 - value)
    bits = count.bit_length()
    if bits <= 64:
        return head(major, count)
    digits = count.to_bytes((bits + 7) // 8, "big")
    return (NEGATIVE_BIG if major else BIG) + head(BYTES, len(digits)) + digits


def float_bytes(value: float) -> bytes:
    """Encode a floating point number."""
    if value - value == 0:
        return DOUBLE.pack(DOUBLE_BYTE[0], value)
    return _SPECIAL_BYTES.get(value, b"\xf9\x7e\x00")


def _tagged(tag: bytes, text: str) -> bytes:
    encoded = text.encode()
    return tag + head(TEXT, len(encoded)) + encoded


def _datetime_bytes(value: datetime) -> bytes:
    offset = value.utcoffset()
    if offset is None:
        return _tagged(LOCAL_DATETIME_HEAD, value.isoformat())
    _check_offset(offset)
    return _tagged(DATETIME_HEAD, value.isoformat())


def _time_bytes(value: time) -> bytes:
    if value.tzinfo is not None:
        offset = value.utcoffset()
        if offset is None:
            raise TypeError("a time of day in a zone without a fixed offset has no exact encoding")
        _check_offset(offset)
    return _tagged(TIME_HEAD, value.isoformat())


def _check_offset(offset: timedelta) -> None:
    if offset.microseconds:
        raise TypeError("an offset from UTC with fractions of a second has no exact encoding")


_SCALAR_BYTES: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: NULL,
    bool: lambda value: TRUE if value else FALSE,
    float: float_bytes,
    bytes: lambda value: head(BYTES, len(value)) + value,
    Decimal: lambda value: _tagged(DECIMAL_HEAD, DECIMALS.to_sci_string(value)),
    date: lambda value: _tagged(DATE_HEAD, value.isoformat()),
    datetime: _datetime_bytes,
    time: _time_bytes,
    timedelta: lambda value: DURATION_HEAD + integer_bytes(value // MICROSECOND),
    UUID: lambda value: UUID_HEAD + head(BYTES, 16) + value.bytes,
}
