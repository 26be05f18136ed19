"""The records of a tenant's data keys in a key store, unless the tenant was shredded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fieldcrypt.errors import KeyStoreError
from fieldcrypt.events import Events
from fieldcrypt.keys.live.live_keys import LiveKeys
from fieldcrypt.keys.record.record import KeyRecord, Purpose
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore

__all__ = ["RecordListing"]


class RecordListing:
    """Lists data keys, and ends the use of a tenant's keys if it turns out to be shredded.

    Args:
        store: keeps the records; None if values carry them.
        events: where to report what happens.
        live_keys: whose keys end.
    """

    def __init__(self, store: KeyStore | None, events: Events, *live_keys: LiveKeys[Any]) -> None:
        self._store = store
        self._events = events
        self._live_keys = live_keys

    def list(self, tenant: str | None, purpose: Purpose) -> list[KeyRecord]:
        """Return the records of a tenant's data keys of one purpose.

        Raises:
            KeyShreddedError: the tenant was shredded; any keys that it still has must not be used.
            KeyStoreError: there is no key store, or it cannot be used.
        """
        store = self._store
        if store is None:
            raise KeyStoreError("without a key store there are no data keys to list")
        try:
            stored = self._events.watch(lambda: store.list(tenant))
        except KeyStoreError as error:
            self._pass_on(error)
            raise
        self._pass_on(None)
        for record in stored:
            if isinstance(record, Tombstone):
                self.drop(record.key_id for record in stored)
                raise record.tenant_error()
        return [record for record in stored if isinstance(record, KeyRecord) and record.purpose is purpose]

    def _pass_on(self, error: KeyStoreError | None) -> None:
        for live_keys in self._live_keys:
            live_keys.store_answered(error)

    def put_back(self) -> int:
        """Put back the records of live keys that the store has lost, and return how many.

        Raises:
            KeyStoreError: the store cannot be used, or does not take a record back.
        """
        return sum(live_keys.put_back() for live_keys in self._live_keys)

    def drop(self, key_ids: Iterable[bytes]) -> None:
        """End the use of data keys in this process."""
        for key_id in key_ids:
            for live_keys in self._live_keys:
                live_keys.drop(key_id)
