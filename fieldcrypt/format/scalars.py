"""The plaintext of single values, by hand: the common types other than text, in a third of the time.

For the hot path. Each function here does what `codecs.py` and `cbor.py` do, for one type and for the usual lengths. For
anything else a reader returns None, or raises one of `REFUSALS`: then `codecs.py` reads it, or refuses it. A field of
any type has a reader too, of texts and numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, SafeUUID

from fieldcrypt.format.cbor import UNREADABLE, encode_cbor, float_bytes, integer_bytes
from fieldcrypt.format.cbor_items import (
    DATE_HEAD,
    DATETIME_HEAD,
    DECIMAL_HEAD,
    DECIMALS,
    LOCAL_DATETIME_HEAD,
    TEXT,
    UUID_HEAD,
    head,
)

__all__ = ["PARTS", "READ", "REFUSALS", "WRITE", "writer_of_any"]

REFUSALS = UNREADABLE

_CBOR = b"\x03"  # the encoding byte

# Head: the encoding byte, the tag, and the length of the text under it.
_DATE_HEAD = _CBOR + DATE_HEAD + head(TEXT, len("1970-01-01"))
_DATE_SIZE = len(_DATE_HEAD) + len("1970-01-01")
_DECIMAL_HEADS = [_CBOR + DECIMAL_HEAD + head(TEXT, size) for size in range(24)]
_DECIMAL_SIZES = {head: len(head) + size for size, head in enumerate(_DECIMAL_HEADS)}
_HEAD = slice(0, 5)
_TEXT = slice(5, None)

# Times in UTC, whose text has one of two lengths.
_UTC_HEADS = {
    len(text): _CBOR + DATETIME_HEAD + head(TEXT, len(text))
    for text in ("1970-01-01T00:00:00+00:00", "1970-01-01T00:00:00.000001+00:00")
}
_UTC_SIZES = {head: len(head) + size for size, head in _UTC_HEADS.items()}
_UTC_HEAD = slice(0, 4)
_UTC_TEXT = slice(4, None)

# Times without an offset, whose text has one of two lengths as well, by the length of the plaintext.
_LOCAL_HEADS_OF_TEXTS = {
    len(text): _CBOR + LOCAL_DATETIME_HEAD + head(TEXT, len(text))
    for text in ("1970-01-01T00:00:00", "1970-01-01T00:00:00.000001")
}
_LOCAL_HEADS = {size + len(head): head for size, head in _LOCAL_HEADS_OF_TEXTS.items()}

_UUID_HEAD = _CBOR + UUID_HEAD + b"\x50"
_UUID_BYTES = slice(len(_UUID_HEAD), None)
_UUID_SIZE = len(_UUID_HEAD) + 16

# What the native core makes scalars of: the types that are meant here, even if a test puts others in their place.
PARTS = (date, datetime, UTC, Decimal, UUID, SafeUUID.unknown, DECIMALS.to_sci_string)

_date, _datetime, _decimal_text = date.fromisoformat, datetime.fromisoformat, DECIMALS.to_sci_string


def _write_date(value: date) -> bytes:
    return _DATE_HEAD + value.isoformat().encode()


def _read_date(plaintext: bytes) -> date | None:
    if len(plaintext) != _DATE_SIZE or plaintext[_HEAD] != _DATE_HEAD:
        return None
    text = plaintext[_TEXT].decode()
    # fromisoformat accepts 2024-W09-4 too, and formatting the date again to compare would take longer than all the
    # rest.
    return _date(text) if text[7] == "-" else None


def _write_datetime(value: datetime) -> bytes:
    zone = value.tzinfo
    if zone is not UTC and zone is not None:
        return _CBOR + encode_cbor(value)
    text = value.isoformat().encode()
    return (_LOCAL_HEADS_OF_TEXTS if zone is None else _UTC_HEADS)[len(text)] + text


def _read_datetime(plaintext: bytes) -> datetime | None:
    head = _LOCAL_HEADS.get(len(plaintext))
    if head is not None and plaintext.startswith(head):
        text = plaintext[len(head) :].decode()
        value = _datetime(text)
        return value if value.tzinfo is None and value.isoformat() == text else None
    if _UTC_SIZES.get(plaintext[_UTC_HEAD]) != len(plaintext):
        return None
    text = plaintext[_UTC_TEXT].decode()
    value = _datetime(text)
    return value if value.tzinfo is UTC and value.isoformat() == text else None


def _write_uuid(value: UUID) -> bytes:
    return _UUID_HEAD + value.bytes


def _read_uuid(plaintext: bytes) -> UUID | None:
    if len(plaintext) != _UUID_SIZE or not plaintext.startswith(_UUID_HEAD):
        return None
    return UUID(bytes=plaintext[_UUID_BYTES])


def _write_decimal(value: Decimal) -> bytes:
    text = _decimal_text(value).encode()
    return _DECIMAL_HEADS[len(text)] + text if len(text) < len(_DECIMAL_HEADS) else _CBOR + encode_cbor(value)


def _read_decimal(plaintext: bytes) -> Decimal | None:
    if _DECIMAL_SIZES.get(plaintext[_HEAD]) != len(plaintext):
        return None
    text = plaintext[_TEXT].decode()
    value = Decimal(text)
    return value if _decimal_text(value) == text else None


def _write_int(value: int) -> bytes:
    return _SMALL.get(value) or _CBOR + integer_bytes(value)


def _read_int(plaintext: bytes) -> int | None:
    small = _SMALL_OF.get(plaintext)
    if small is not None or len(plaintext) > _LONGEST_INT:
        return small
    value = int.from_bytes(plaintext[_ARGUMENT], "big")
    if plaintext[1] & _MAJOR:
        value = -1 - value
    return value if _write_int(value) == plaintext else None


def _write_float(value: float) -> bytes:
    return _CBOR + float_bytes(value)


def _read_float(plaintext: bytes) -> float | None:
    if len(plaintext) != _FLOAT_SIZE or plaintext[_FLOAT_HEAD] != _DOUBLE:
        return _SPECIAL_FLOATS.get(plaintext)
    (value,) = _unpack_double(plaintext, 2)
    return value if value - value == 0 else None


def _read_any(plaintext: bytes) -> Any:
    if plaintext.startswith(_TEXT_MARK):
        return plaintext[_AFTER_MARK].decode()
    return _read_float(plaintext) if plaintext[_FLOAT_HEAD] == _DOUBLE else _SMALL_OF.get(plaintext)


_SMALL = {number: _CBOR + integer_bytes(number) for number in range(-256, 256)}
_SMALL_OF = {plaintext: number for number, plaintext in _SMALL.items()}
_LONGEST_INT = len(_CBOR + integer_bytes(2**64 - 1))
_ARGUMENT, _MAJOR = slice(2, None), 0xE0
_FLOAT_HEAD = slice(0, 2)
_DOUBLE, _FLOAT_SIZE = _write_float(0.0)[_FLOAT_HEAD], len(_write_float(0.0))
_SPECIAL_FLOATS = {_write_float(value): value for value in map(float, ("nan", "inf", "-inf"))}
_unpack_double = struct.Struct(">d").unpack_from
_TEXT_MARK, _AFTER_MARK = b"\x02", slice(1, None)
_BOOLS = {_CBOR + encode_cbor(value): value for value in (False, True)}
_BOOL_BYTES = {value: plaintext for plaintext, value in _BOOLS.items()}


WRITE: dict[Any, Callable[[Any], bytes]] = {
    date: _write_date,
    datetime: _write_datetime,
    UUID: _write_uuid,
    Decimal: _write_decimal,
    int: _write_int,
    float: _write_float,
    bool: _BOOL_BYTES.__getitem__,
}
READ: dict[Any, Callable[[bytes], Any]] = {
    date: _read_date,
    datetime: _read_datetime,
    UUID: _read_uuid,
    Decimal: _read_decimal,
    int: _read_int,
    float: _read_float,
    bool: _BOOLS.get,
    object: _read_any,
}


def writer_of_any(encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """Return what writes the values of a field of any type, given what writes those of all other types."""

    def write(value: Any) -> bytes:
        return WRITE.get(value.__class__, encode)(value)

    return write
