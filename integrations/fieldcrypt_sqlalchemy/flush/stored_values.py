"""What the database has for values whose plaintext is in the object itself."""

from __future__ import annotations

from typing import Any

from fieldcrypt_sqlalchemy.rows.sealed import Sealed

__all__ = ["note_stored", "noted_value"]

_STORED = "fieldcrypt_stored"  # noted in the info of an object's state: sealed values, by attribute


def note_stored(state: Any, key: str, value: Sealed) -> None:
    """Note what the database has of an attribute before its plaintext takes the place of that in the object."""
    state.info.setdefault(_STORED, {})[key] = value


def noted_value(state: Any, key: str) -> Sealed | None:
    """Return what was noted of an attribute, or None."""
    found: Sealed | None = state.info.get(_STORED, {}).get(key)
    return found
