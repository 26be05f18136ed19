"""The parts of the CBOR of SPEC section 5: the items that there are, and their first bytes."""

from __future__ import annotations

import struct
from datetime import timedelta
from decimal import Context

__all__ = [
    "ARGUMENT",
    "ARRAY",
    "BIG",
    "BYTES",
    "DATETIME_HEAD",
    "DATE_HEAD",
    "DECIMALS",
    "DECIMAL_HEAD",
    "DOUBLE",
    "DOUBLE_BYTE",
    "DURATION_HEAD",
    "FALSE",
    "HALF_BYTE",
    "INLINE",
    "INTEGER",
    "LEAST",
    "LOCAL_DATETIME_HEAD",
    "MAP",
    "MAX_NESTING",
    "MICROSECOND",
    "NEGATIVE",
    "NEGATIVE_BIG",
    "NULL",
    "SET_HEAD",
    "SIMPLE",
    "SPECIAL",
    "TAG",
    "TEXT",
    "TIME_HEAD",
    "TRUE",
    "UUID_HEAD",
    "WIDE",
    "head",
]

MAX_NESTING = 64

# Major types: the upper three bits of an item's first byte. The lower five are its argument, or the argument's length.
INTEGER, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG = range(0, 7 << 5, 1 << 5)
ARGUMENT = 0x1F
INLINE = 24  # smaller arguments are in the first byte, all others follow it
WIDE = [struct.Struct(">B" + width) for width in "BHIQ"]  # the first byte, and an argument of 1, 2, 4 or 8 bytes
LEAST = [INLINE, 1 << 8, 1 << 16, 1 << 32]  # the least argument that needs each size
_WIDE_OF_BITS = [0] * 9 + [1] * 8 + [2] * 16 + [3] * 32  # by bit_length()


def head(major: int, argument: int) -> bytes:
    """Return the first bytes of an item: its major type and its argument, which is below 2^64."""
    if argument < INLINE:
        return bytes((major | argument,))
    wide = _WIDE_OF_BITS[argument.bit_length()]
    return WIDE[wide].pack(major | INLINE + wide, argument)


BIG, NEGATIVE_BIG = head(TAG, 2), head(TAG, 3)
DATETIME_HEAD, UUID_HEAD, SET_HEAD, DATE_HEAD = (head(TAG, tag) for tag in (0, 37, 258, 1004))
DECIMAL_HEAD, LOCAL_DATETIME_HEAD, TIME_HEAD, DURATION_HEAD = (head(TAG, tag) for tag in range(64513, 64517))
FALSE, TRUE, NULL = b"\xf4", b"\xf5", b"\xf6"
HALF_BYTE, DOUBLE_BYTE = b"\xf9", b"\xfb"
DOUBLE = struct.Struct(">Bd")  # that byte, and the number
SIMPLE = {FALSE[0]: False, TRUE[0]: True, NULL[0]: None}
SPECIAL = {b"\xf9\x7e\x00": float("nan"), b"\xf9\x7c\x00": float("inf"), b"\xf9\xfc\x00": float("-inf")}

MICROSECOND = timedelta(microseconds=1)
DECIMALS = Context(capitals=1)  # str(Decimal) would follow the context that the application has set
