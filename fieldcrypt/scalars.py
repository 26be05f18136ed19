"""The plaintext of single values, by hand: what databases are full of beside text, in a third of the time.

For the hot path. Each function here does what `codecs.py` and `cbor.py` do, for one type and for the usual lengths. A
reader returns None, or raises one of `REFUSALS`, for whatever else it is given: then those read it, or refuse it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import cbor2

from fieldcrypt.cbor import (
    DATE_TAG,
    DATETIME_TAG,
    DECIMAL_TAG,
    DECIMALS,
    LOCAL_DATETIME_TAG,
    UNREADABLE,
    UUID_TAG,
    encode_cbor,
)

__all__ = ["READ", "REFUSALS", "WRITE"]

REFUSALS = (*UNREADABLE, IndexError)

_CBOR = b"\x03"  # the encoding byte

# Head: the encoding byte, the tag, and the length of the text under it.
_DATE_HEAD = _CBOR + cbor2.dumps(cbor2.CBORTag(DATE_TAG, "1970-01-01"))[:4]
_DATE_SIZE = len(_DATE_HEAD) + 10
_DECIMAL_HEADS = [_CBOR + cbor2.dumps(cbor2.CBORTag(DECIMAL_TAG, "x" * size))[:4] for size in range(24)]
_DECIMAL_SIZES = {head: size for size, head in enumerate(_DECIMAL_HEADS)}
_HEAD = slice(0, 5)
_TEXT = slice(5, None)

# Of times in UTC, whose text is as long as this, or by seven characters longer.
_UTC_HEADS = {
    size: _CBOR + cbor2.dumps(cbor2.CBORTag(DATETIME_TAG, "x" * size))[:3]
    for size in (len("1970-01-01T00:00:00+00:00"), len("1970-01-01T00:00:00.000001+00:00"))
}
_UTC_HEAD = slice(0, 4)
_UTC_TEXT = slice(4, None)

# Of times without an offset, whose text has one of two lengths as well, by the length of the plaintext.
_LOCAL_HEADS = {
    len(_CBOR + encoded): _CBOR + encoded[: -len(text)]
    for text in ("1970-01-01T00:00:00", "1970-01-01T00:00:00.000001")
    for encoded in [cbor2.dumps(cbor2.CBORTag(LOCAL_DATETIME_TAG, text))]
}
_LOCAL_HEADS_OF_TEXTS = {size - len(head): head for size, head in _LOCAL_HEADS.items()}

_UUID_HEAD = _CBOR + cbor2.dumps(cbor2.CBORTag(UUID_TAG, bytes(16)))[:3]
_UUID_BYTES = slice(len(_UUID_HEAD), None)
_UUID_SIZE = len(_UUID_HEAD) + 16

_date, _datetime, _decimal_text = date.fromisoformat, datetime.fromisoformat, DECIMALS.to_sci_string


def _write_date(value: date) -> bytes:
    return _DATE_HEAD + value.isoformat().encode()


def _read_date(plaintext: bytes) -> date | None:
    text = plaintext[_TEXT].decode()
    value = _date(text)
    # fromisoformat takes 2024-W09-4 as well, and writing it again to compare would take longer than all the rest.
    return value if text[7] == "-" and len(plaintext) == _DATE_SIZE and plaintext[_HEAD] == _DATE_HEAD else None


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
    text = plaintext[_UTC_TEXT].decode()
    value = _datetime(text)
    same = value.tzinfo is UTC and value.isoformat() == text and _UTC_HEADS.get(len(text)) == plaintext[_UTC_HEAD]
    return value if same else None


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
    text = plaintext[_TEXT].decode()
    value = Decimal(text)
    same = _decimal_text(value) == text and _DECIMAL_SIZES.get(plaintext[_HEAD]) == len(text)
    return value if same else None


def _write_number(value: Any) -> bytes:
    return _CBOR + cbor2.dumps(value)


def _number_reader(kind: type) -> Callable[[bytes], Any]:
    def read(plaintext: bytes) -> Any:
        value = cbor2.loads(plaintext[1:])
        return value if value.__class__ is kind and _CBOR + cbor2.dumps(value) == plaintext else None

    return read


_SMALL = {_write_number(number): number for number in range(256)}
_read_larger_int = _number_reader(int)


def _read_int(plaintext: bytes) -> Any:
    small = _SMALL.get(plaintext)
    return small if small is not None else _read_larger_int(plaintext)


WRITE: dict[Any, Callable[[Any], bytes]] = {
    date: _write_date,
    datetime: _write_datetime,
    UUID: _write_uuid,
    Decimal: _write_decimal,
    int: _write_number,
    float: _write_number,
    bool: _write_number,
}
READ: dict[Any, Callable[[bytes], Any]] = {
    date: _read_date,
    datetime: _read_datetime,
    UUID: _read_uuid,
    Decimal: _read_decimal,
    int: _read_int,
    float: _number_reader(float),
    bool: _number_reader(bool),
}
