"""Keys of maps and elements of sets: which are allowed, and how many with one hash (SPEC section 5).

Hash tables are fast only while hashes differ, and where no secret goes into a hash, anybody can find as many values
with one hash as there is room for. So hashes are sorted before a table is made of what somebody sent.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from operator import eq
from typing import Any
from uuid import UUID

__all__ = ["check_members"]

# Only input that was made to be slow exceeds these limits: 100 powers of two share a hash from 2^6100 on. Decimal
# numbers have lower limits, because comparing them with others takes long.
_MOST_ALIKE = 100  # with one hash
_MOST_MIXED = 8  # with one hash, decimal numbers and others among them
_MIXED_BITS = 1024  # of an integer that has the hash of a decimal number

_CONTAINERS = frozenset((list, dict, set))
_NUMBERS = frozenset((int, float))
_ALWAYS_FAST = frozenset((str, bytes, type(None), bool))  # hashed with a secret, or two at most
_FAST_IF_FEW = _ALWAYS_FAST | {int, date, datetime, time, timedelta, UUID}


def check_members(members: Collection[Any]) -> None:
    """Check that keys or elements are distinct, and that comparing them is fast.

    Raises:
        ValueError: they cannot.
    """
    kinds = set(map(type, members))
    if kinds <= _ALWAYS_FAST or (kinds <= _FAST_IF_FEW and len(members) <= _MOST_ALIKE):
        return
    if not kinds.isdisjoint(_CONTAINERS):
        raise ValueError("a list, map or set cannot be a key or an element")
    if (float in kinds or Decimal in kinds) and any(map(_is_nan, members)):
        raise ValueError("a not-a-number cannot be a key or an element: it is not equal to itself")
    if Decimal in kinds and not kinds.isdisjoint(_NUMBERS):
        hashed = sorted(((hash(member), member) for member in members), key=_hash_of)
        fast = all(_are_few([member for _, member in alike]) for _, alike in groupby(hashed, _hash_of))
    else:
        hashes = sorted(map(hash, members)) if len(members) > _MOST_ALIKE else []
        fast = not any(map(eq, hashes, hashes[_MOST_ALIKE:]))
    if not fast:
        raise ValueError("too many keys or elements have one hash")


def _is_nan(value: Any) -> bool:
    return value.is_nan() if type(value) is Decimal else type(value) is float and value != value


def _hash_of(hashed: tuple[int, Any]) -> int:
    return hashed[0]


def _are_few(alike: list[Any]) -> bool:
    kinds = set(map(type, alike))
    if Decimal in kinds and len(kinds) > 1:
        return len(alike) <= _MOST_MIXED and not any(map(_is_long, alike))
    return len(alike) <= _MOST_ALIKE


def _is_long(value: Any) -> bool:
    return type(value) is int and value.bit_length() > _MIXED_BITS
