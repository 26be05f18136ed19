"""What a stored value is."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

__all__ = ["ExaminedValue", "ValueStatus"]


class ValueStatus(enum.StrEnum):
    """What can be stored in the place of a protected value."""

    NULL = "null"
    ACTIVE = "active"  # protected as declared, under the data key that encrypts now
    OLD_KEY = "old key"  # under a data key that is retired, or that a newer one has followed
    OLD_FORM = "old form"  # protected, but under a previous name or without the row or padding that is declared now
    OTHER_SCHEME = "other scheme"  # encrypted by another scheme, for which there is a reader
    PLAINTEXT = "plaintext"
    SHREDDED = "shredded"  # its data keys were destroyed on purpose
    UNREADABLE = "unreadable"
    MARKED = "no value, begins with fc1."  # in a text column: unreadable, or plaintext that looks like a value

    @property
    def is_due(self) -> bool:
        """True if a backfill has something to do."""
        return self in _DUE


_DUE = frozenset({ValueStatus.OLD_KEY, ValueStatus.OLD_FORM, ValueStatus.OTHER_SCHEME, ValueStatus.PLAINTEXT})


class ExaminedValue(NamedTuple):
    """A stored value's status, and the decrypted value; None if there is none."""

    status: ValueStatus
    value: Any = None

    def __repr__(self) -> str:  # without the value
        return f"ExaminedValue({self.status.value!r})"
