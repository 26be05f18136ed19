"""A step over a table, and the ranges of keys that its workers divide it into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from fieldcrypt import ConfigurationError
from fieldcrypt.cbor import decode_cbor, encode_cbor
from fieldcrypt_sqlalchemy.keyset import Key

__all__ = ["Range", "Run", "key_of", "stored_key"]


@dataclass(frozen=True, slots=True)
class Run:
    """A step over a table.

    Attributes:
        name, step, part: which one.
        total: rows, at its beginning.
        done, changed, failed: of them, so far.
        ended: when; None if it has not.
        began: when.
    """

    name: str
    step: str
    part: str
    total: int
    done: int
    changed: int
    failed: int
    began: float
    ended: float | None

    def of(self, rows: Table) -> list[Any]:
        """Return the conditions that rows of one of the tables are about it."""
        return [rows.c.name == self.name, rows.c.step == self.step, rows.c.part == self.part]


@dataclass(frozen=True, slots=True)
class Range:
    """Keys that one worker works at.

    Attributes:
        run, number: which one.
        position: the last key that is done; None: none is, from the first of the table.
        ends_at: the last key of the range; None: the last of the table.
    """

    run: Run
    number: int
    position: Key | None
    ends_at: Key | None


def key_of(stored: bytes | None) -> Key | None:
    return None if stored is None else tuple(decode_cbor(bytes(stored)))


def stored_key(part: str, key: Key | None) -> bytes | None:
    try:
        return None if key is None else encode_cbor(list(key))
    except (TypeError, ValueError):
        kinds = ", ".join(type(each).__name__ for each in key or ())
        raise ConfigurationError(
            f"{part}: a primary key of {kinds} cannot be written down in a checkpoint; it can be made of int, "
            "str, bytes, UUID, Decimal, date and time"
        ) from None
