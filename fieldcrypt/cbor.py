"""The CBOR of SPEC section 5: one encoding a value, and no value but in that encoding."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import cbor2

from fieldcrypt._text import utf8
from fieldcrypt.errors import DecryptionError

__all__ = [
    "DATETIME_TAG",
    "DATE_TAG",
    "DECIMALS",
    "DECIMAL_TAG",
    "LOCAL_DATETIME_TAG",
    "MAX_NESTING",
    "UNREADABLE",
    "UUID_TAG",
    "decode_cbor",
    "encode_cbor",
]

MAX_NESTING = 64
UNREADABLE = (cbor2.CBORError, TypeError, ValueError, InvalidOperation, OverflowError)  # what bad bytes raise
_MAX_DEPTH = 2 * MAX_NESTING + 2  # as cbor2 counts, where a set is two levels: its tag and its array

# Tags; cbor2 itself reads the first four.
DATETIME_TAG = 0
UUID_TAG = 37
_SET_TAG = 258
DATE_TAG = 1004
DECIMAL_TAG = 64513
LOCAL_DATETIME_TAG = 64514
_TIME_TAG = 64515
_DURATION_TAG = 64516

_CONTAINERS = (list, dict, set)
_MICROSECOND = timedelta(microseconds=1)
DECIMALS = Context(capitals=1)  # str(Decimal) would follow the context that the application has set

# Python tells the two o'clocks of an autumn night apart in a named zone, but finds neither equal to one with an offset.
_ONE_ENCODING = "two keys or elements differ, but have one encoding"


# Encoding: a walk turns the value into what cbor2 writes without conversions of its own.


def encode_cbor(value: Any) -> bytes:
    """Encode a value.

    Raises:
        TypeError: it is, or holds, something without an exact encoding.
        ValueError: text that is not valid Unicode, nesting deeper than 64, members that cannot be told apart.
    """
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
        return cbor2.CBORTag(LOCAL_DATETIME_TAG, value.isoformat())
    _check_offset(offset)
    return cbor2.CBORTag(DATETIME_TAG, value.isoformat())


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
    utf8(value)
    return value


_TO_CBOR: dict[type, Callable[[Any, int], Any]] = {
    type(None): _itself,
    bool: _itself,
    int: _itself,
    float: _itself,
    bytes: _itself,
    str: _text_to_cbor,
    Decimal: lambda value, _: cbor2.CBORTag(DECIMAL_TAG, DECIMALS.to_sci_string(value)),
    date: lambda value, _: cbor2.CBORTag(DATE_TAG, value.isoformat()),
    datetime: _datetime_to_cbor,
    time: _time_to_cbor,
    timedelta: lambda value, _: cbor2.CBORTag(_DURATION_TAG, value // _MICROSECOND),
    UUID: lambda value, _: cbor2.CBORTag(UUID_TAG, value.bytes),
    list: lambda value, depth: [_to_cbor(item, depth + 1) for item in value],
    dict: _dict_to_cbor,
    set: _set_to_cbor,
}


# Decoding: cbor2 reads, a walk opens our tags, and encoding the result again proves that there was no other way
# to write it (which also catches trailing bytes, indefinite lengths, repeated keys and foreign tags).


def decode_cbor(body: bytes) -> Any:
    """Decode a value.

    Raises:
        DecryptionError: the bytes are not the one encoding of a value.
    """
    try:
        value = _from_cbor(cbor2.loads(body, max_depth=_MAX_DEPTH))
        canonical = encode_cbor(value) == body
    except UNREADABLE:
        canonical = False
    if not canonical:
        raise DecryptionError("the plaintext is not a valid encoding of a value")
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
    DECIMAL_TAG: lambda text: Decimal(_expect(str, text)),
    LOCAL_DATETIME_TAG: lambda text: datetime.fromisoformat(_expect(str, text)),
    _TIME_TAG: lambda text: time.fromisoformat(_expect(str, text)),
    _DURATION_TAG: lambda count: _expect(int, count) * _MICROSECOND,
}


def _expect(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"a tag is over a {kind.__name__}")
    return value
