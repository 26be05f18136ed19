"""Changing a record that others may change at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fieldcrypt.errors import KeyStoreError
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore

__all__ = ["update_record"]

T = TypeVar("T")

_MAX_CONFLICTS = 5  # concurrent changes of the same record before giving up


def update_record(store: KeyStore, key_id: bytes, attempt: Callable[[KeyRecord], T | None]) -> T:
    """Read a record and change it, again if others changed it meanwhile; return what the attempt returned.

    Args:
        store: holds the record.
        key_id: its 16 bytes.
        attempt: changes the record that it gets with `KeyStore.replace`, and returns None if that returned False.

    Raises:
        KeyShreddedError: there is a tombstone in its place.
        KeyStoreError: the store does not work, or others keep changing the record.
    """
    for _ in range(_MAX_CONFLICTS):
        record = store.get(key_id)
        if isinstance(record, Tombstone):
            raise record.tenant_error()
        outcome = attempt(record)
        if outcome is not None:
            return outcome
    raise KeyStoreError(f"others keep changing the record of data key {key_id.hex()}: try again")
