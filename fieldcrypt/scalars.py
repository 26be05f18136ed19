"""The CBOR of single values, by hand: what databases are full of beside text, in a third of the time.

Each function here does what `cbor.py` does, for one type and for the usual lengths, and returns None for whatever else
it is given: then that does it, and refuses what is to be refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import cbor2

from fieldcrypt.cbor import DATE_TAG, DECIMAL_TAG, DECIMALS

__all__ = ["READ", "WRITE"]

_DATE_HEAD = cbor2.dumps(cbor2.CBORTag(DATE_TAG, "1970-01-01"))[:4]  # the tag, and the text's length, always 10
_DATE_SIZE = len(_DATE_HEAD) + 10
_DECIMAL_HEADS = [cbor2.dumps(cbor2.CBORTag(DECIMAL_TAG, "x" * size))[:4] for size in range(24)]
_DECIMAL_SIZES = {head: len(head) + size for size, head in enumerate(_DECIMAL_HEADS)}
_HEAD = slice(0, 4)
_TEXT = slice(4, None)

_INT_SIZES = {0x18: (2, 24), 0x19: (3, 1 << 8), 0x1A: (5, 1 << 16), 0x1B: (9, 1 << 32)}  # first byte: size, least int
_NO_INT = (-1, 0)
_NEGATIVE = 0x20  # what the first byte of a negative int has more
_IMMEDIATE = 24  # ints below this one are in the first byte


def _write_date(value: date) -> bytes:
    return _DATE_HEAD + value.isoformat().encode()


def _read_date(body: bytes) -> date | None:
    if body[_HEAD] != _DATE_HEAD or len(body) != _DATE_SIZE:
        return None
    try:
        text = body[_TEXT].decode()
        value = date.fromisoformat(text)
    except ValueError:
        return None
    return value if value.isoformat() == text else None


def _write_decimal(value: Decimal) -> bytes | None:
    text = DECIMALS.to_sci_string(value).encode()
    return _DECIMAL_HEADS[len(text)] + text if len(text) < len(_DECIMAL_HEADS) else None


def _read_decimal(body: bytes) -> Decimal | None:
    if _DECIMAL_SIZES.get(body[_HEAD]) != len(body):
        return None
    try:
        text = body[_TEXT].decode()
        value = Decimal(text)
    except (ValueError, InvalidOperation):
        return None
    return value if DECIMALS.to_sci_string(value) == text else None


def _read_int(body: bytes) -> int | None:
    first = body[0] if body else 0xFF
    sign = first & _NEGATIVE
    first -= sign
    if first < _IMMEDIATE and len(body) == 1:
        return ~first if sign else first
    size, least = _INT_SIZES.get(first, _NO_INT)
    if size != len(body):
        return None
    value = int.from_bytes(body[1:], "big")
    if value < least:
        return None
    return ~value if sign else value


def _write_int(value: int) -> bytes:
    encoded: bytes = cbor2.dumps(value)
    return encoded


WRITE: dict[Any, Callable[[Any], bytes | None]] = {date: _write_date, Decimal: _write_decimal, int: _write_int}
READ: dict[Any, Callable[[bytes], Any]] = {date: _read_date, Decimal: _read_decimal, int: _read_int}
