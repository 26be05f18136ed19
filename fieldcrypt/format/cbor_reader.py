"""Reading the CBOR of SPEC section 5, in one pass that accepts its items and nothing else.

Anyone who knows a public key may have made the bytes. So reading takes time and memory in proportion to the length, and
anything but the one encoding of a value is refused as soon as it is met.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from fieldcrypt.errors import DecryptionError
from fieldcrypt.format.cbor_items import (
    ARGUMENT,
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
    HALF_BYTE,
    INLINE,
    LEAST,
    LOCAL_DATETIME_HEAD,
    MAP,
    MAX_NESTING,
    MICROSECOND,
    NEGATIVE_BIG,
    NULL,
    SET_HEAD,
    SIMPLE,
    SPECIAL,
    TAG,
    TEXT,
    TIME_HEAD,
    TRUE,
    UUID_HEAD,
    WIDE,
)
from fieldcrypt.format.members import check_members

__all__ = ["UNREADABLE", "decode_cbor", "type_of_cbor"]

# What bad bytes raise: missing ones an IndexError or a struct.error.
UNREADABLE = (ValueError, IndexError, OverflowError, InvalidOperation, struct.error)

_INVALID = "the plaintext is not a valid encoding of a value"
_DURATIONS = range(timedelta.min // MICROSECOND, timedelta.max // MICROSECOND + 1)

# Functions by the first byte of an item take the bytes, where the item begins, and how many levels may follow; they
# return the value, and where the next item begins. A slice that is cut short is noticed at the end, because the next
# item would begin beyond it.


def decode_cbor(body: bytes) -> Any:
    """Decode a value.

    Raises:
        DecryptionError: the bytes are not the one encoding of a value.
    """
    try:
        value, end = _READ[body[0]](body, 0, MAX_NESTING)
        if end == len(body):
            return value
    except UNREADABLE:
        pass
    raise DecryptionError(_INVALID)


_Read = Callable[[bytes, int, int], tuple[Any, int]]
_EMPTY = (ARRAY, MAP)


def _read_all(body: bytes, at: int, count: int, left: int) -> tuple[list[Any], int]:
    if left < 0 or count > len(body) - at:
        raise ValueError("nested too deep, or cut")
    values: list[Any] = []
    add = values.append
    for _ in range(count):
        first = body[at]
        if first < INLINE:
            add(first)
            at += 1
        elif TEXT <= first < TEXT + INLINE:
            start = at + 1
            at = start + first - TEXT
            add(body[start:at].decode())
        elif first == INLINE and body[at + 1] >= INLINE:
            add(body[at + 1])
            at += 2
        elif left and first in _EMPTY:  # only of these can a value hold arbitrarily many
            add([] if first == ARRAY else {})
            at += 1
        elif ARRAY <= first < ARRAY + INLINE:
            value, at = _read_all(body, at + 1, first - ARRAY, left - 1)
            add(value)
        else:
            value, at = _READ[first](body, at, left)
            add(value)
    return values, at


def _argument(body: bytes, at: int) -> tuple[int, int]:
    bits = body[at] & ARGUMENT
    if bits < INLINE:
        return bits, at + 1
    wide = bits - INLINE
    _, argument = WIDE[wide].unpack_from(body, at)  # IndexError: an indefinite length, or reserved
    if argument < LEAST[wide]:
        raise ValueError("not the shortest encoding")
    return argument, at + 1 + (1 << wide)


def _string(body: bytes, at: int, major: int) -> tuple[bytes, int]:
    if body[at] & ~ARGUMENT != major:
        raise ValueError("not the content of this tag")
    size, at = _argument(body, at)
    return body[at : at + size], at + size


def _read_nothing(body: bytes, at: int, left: int) -> tuple[Any, int]:
    raise ValueError("no item of SPEC section 5")


def _read_integer(body: bytes, at: int, left: int) -> tuple[int, int]:
    return _argument(body, at)


def _read_negative(body: bytes, at: int, left: int) -> tuple[int, int]:
    argument, at = _argument(body, at)
    return -1 - argument, at


def _read_bytes(body: bytes, at: int, left: int) -> tuple[bytes, int]:
    return _string(body, at, BYTES)


def _read_text(body: bytes, at: int, left: int) -> tuple[str, int]:
    text, at = _string(body, at, TEXT)
    return text.decode(), at


def _read_list(body: bytes, at: int, left: int) -> tuple[list[Any], int]:
    count, at = _argument(body, at)
    return _read_all(body, at, count, left - 1)


def _read_map(body: bytes, at: int, left: int) -> tuple[dict[Any, Any], int]:
    count = body[at] & ARGUMENT
    if count < INLINE:
        at += 1
    else:
        count, at = _argument(body, at)
    values, at = _read_all(body, at, 2 * count, left - 1)
    keys = values[::2]
    check_members(keys)
    value = dict(zip(keys, values[1::2], strict=True))
    if len(value) != count:
        raise ValueError("a key twice")
    return value, at


def _read_set(body: bytes, at: int, left: int) -> tuple[set[Any], int]:
    if not left or body[at] & ~ARGUMENT != ARRAY:
        raise ValueError("nested too deep, or no array")
    count, at = _argument(body, at)
    elements = []
    last = b""
    for _ in range(count):
        start = at
        element, at = _READ[body[at]](body, at, 0)
        encoding = body[start:at]
        if encoding <= last:
            raise ValueError("elements that are not sorted")
        elements.append(element)
        last = encoding
    check_members(elements)
    value = set(elements)
    if len(value) != count:
        raise ValueError("an element twice")
    return value, at


def _read_simple(body: bytes, at: int, left: int) -> tuple[bool | None, int]:
    return SIMPLE[body[at]], at + 1


def _read_special(body: bytes, at: int, left: int) -> tuple[float, int]:
    value = SPECIAL.get(body[at : at + 3])
    if value is None:
        raise ValueError("a short floating point number")
    return value, at + 3


def _read_double(body: bytes, at: int, left: int) -> tuple[float, int]:
    _, value = DOUBLE.unpack_from(body, at)
    if value - value != 0:
        raise ValueError("a special value at full length")
    return value, at + 9


def _tag_reader(size: int) -> _Read:
    """Return the reader of an item under a tag of so many bytes."""

    def read(body: bytes, at: int, left: int) -> tuple[Any, int]:
        start = at
        at += size
        found = _READ_TAGGED.get(body[start:at])
        if found is None:
            raise ValueError("no tag of SPEC section 5")
        return found(body, at, left)

    return read


def _read_big(body: bytes, at: int, left: int) -> tuple[int, int]:
    digits, at = _string(body, at, BYTES)
    if len(digits) <= 8 or not digits[0]:
        raise ValueError("a number that is not big, or with leading zeros")
    return int.from_bytes(digits, "big"), at


def _read_negative_big(body: bytes, at: int, left: int) -> tuple[int, int]:
    count, at = _read_big(body, at, left)
    return -1 - count, at


def _read_duration(body: bytes, at: int, left: int) -> tuple[timedelta, int]:
    count, at = _READ[body[at]](body, at, 0)
    if type(count) is not int or count not in _DURATIONS:
        raise ValueError("no number of microseconds")
    return count * MICROSECOND, at


def _read_uuid(body: bytes, at: int, left: int) -> tuple[UUID, int]:
    encoded, at = _string(body, at, BYTES)
    return UUID(bytes=encoded), at


def _reader(parse: Callable[[str], Any], spell: Callable[[Any], str]) -> _Read:
    """Return the reader of the text under a tag. Python's parsers accept many spellings, of which one is written."""

    def read(body: bytes, at: int, left: int) -> tuple[Any, int]:
        encoded, at = _string(body, at, TEXT)
        text = encoded.decode()
        value = parse(text)
        if spell(value) != text:
            raise ValueError("not the one spelling")
        return value, at

    return read


def _parse_datetime(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    offset = value.utcoffset()
    if offset is None or offset.microseconds:
        raise ValueError("no offset, or a fraction of a second in it")
    return value


def _parse_local_datetime(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is not None:
        raise ValueError("an offset")
    return value


def _parse_time(text: str) -> time:
    value = time.fromisoformat(text)
    offset = value.utcoffset()
    if offset is not None and offset.microseconds:
        raise ValueError("a fraction of a second in an offset")
    return value


_READ_TAGGED: dict[bytes, _Read] = {
    BIG: _read_big,
    NEGATIVE_BIG: _read_negative_big,
    DATETIME_HEAD: _reader(_parse_datetime, datetime.isoformat),
    UUID_HEAD: _read_uuid,
    SET_HEAD: _read_set,
    DATE_HEAD: _reader(date.fromisoformat, date.isoformat),
    DECIMAL_HEAD: _reader(Decimal, DECIMALS.to_sci_string),
    LOCAL_DATETIME_HEAD: _reader(_parse_local_datetime, datetime.isoformat),
    TIME_HEAD: _reader(_parse_time, time.isoformat),
    DURATION_HEAD: _read_duration,
}
_MAJOR: list[_Read] = [_read_integer, _read_negative, _read_bytes, _read_text, _read_list, _read_map]
_READ = [read for read in (*_MAJOR, _tag_reader(1), _read_nothing) for _ in range(32)]
_READ[TAG + 24], _READ[TAG + 25] = _tag_reader(2), _tag_reader(3)
_READ[DOUBLE_BYTE[0]], _READ[HALF_BYTE[0]] = _read_double, _read_special
for _first in SIMPLE:
    _READ[_first] = _read_simple


def type_of_cbor(body: bytes) -> Any:
    """Return the type of the value that the bytes encode if they are valid, without decoding them.

    Raises:
        DecryptionError: they cannot be valid.
    """
    found = _TYPES.get(body[:1]) or _TYPES.get(body[:2]) or _TYPES.get(body[:3])
    if found is None:
        raise DecryptionError(_INVALID)
    return found


_TYPES: dict[bytes, type] = {
    **{bytes((first,)): (int, int, bytes, str, list, dict)[first >> 5] for first in range(TAG)},
    **{BIG: int, NEGATIVE_BIG: int, FALSE: bool, TRUE: bool, NULL: type(None), DOUBLE_BYTE: float, HALF_BYTE: float},
    **{DATETIME_HEAD: datetime, UUID_HEAD: UUID, SET_HEAD: set, DATE_HEAD: date, DECIMAL_HEAD: Decimal},
    **{LOCAL_DATETIME_HEAD: datetime, TIME_HEAD: time, DURATION_HEAD: timedelta},
}
