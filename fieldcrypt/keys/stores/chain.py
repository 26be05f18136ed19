"""Several key stores, one of them this region's: for key records that have not arrived here, or cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fieldcrypt import _system
from fieldcrypt._base.backoff import Backoff
from fieldcrypt.errors import ConfigurationError, KeyNotFoundError, KeyStoreError
from fieldcrypt.events import Event, EventKind, report
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore, is_key_store

__all__ = ["KeyStoreChain"]

REST = 10.0  # after a fruitless lookup in the other regions, or an outage, skip them for ten times as long as it took


class KeyStoreChain:
    """Keeps data keys in one key store, and looks for missing ones in its replicas elsewhere.

    For global tables, where a value may arrive before its data key's record:

        KeyStoreChain(
            DynamoKeyStore("data-keys"),
            DynamoKeyStore("data-keys", region="us-east-1"),
        )

    A record that is found elsewhere is as good as one that is found here, because all are authenticated when they are
    opened. The others can only help: whether they can be reached or not, what the own store has is returned.

    Attributes:
        stores: the own one and the others.

    Args:
        own: the store that is read first, and the only one that is written to and listed.
        others: read if the own store has no record, or cannot be reached.

    Raises:
        ConfigurationError: there are no others, or one of them is not a key store.
    """

    def __init__(self, own: KeyStore, *others: KeyStore) -> None:
        if not others:
            raise ConfigurationError("a chain has two key stores or more; a single one needs none")
        for store in (own, *others):
            if not is_key_store(store):
                raise ConfigurationError(f"an instance of {type(store).__name__} is not a key store")
        self.stores = (own, *others)
        self._others = tuple((store, Backoff(REST)) for store in others)  # a pause for each after it failed
        self._backoff = Backoff(REST)  # and for all of them after a fruitless lookup

    @property
    def own(self) -> KeyStore:
        """The key store that is written to. Only it keeps claims, because each region makes its own first keys."""
        return self.stores[0]

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        """Return the own store's record; else a tombstone from any other store; else the first record from one.

        All others are asked, because one of them may know that the key was shredded. Those that cannot be reached are
        ignored, and skipped for ten times as long as the attempt took. After a fruitless lookup all of them are skipped
        likewise, unless the own store cannot be reached, so that values without keys cannot slow readers down.

        Raises:
            KeyNotFoundError: the own store has no record, and no other gave one; `final` if all were asked.
            KeyStoreError: the own store cannot be read, and no other gave a record.
        """
        try:
            return self.stores[0].get(key_id)
        except KeyNotFoundError as error:
            if self._backoff.active:
                raise _not_final_error(f"{error}; other key stores were not asked after a fruitless lookup") from None
            own: KeyStoreError = error
        except KeyStoreError as error:
            own = error
        started = _system.monotonic()
        found, failures = self._elsewhere(key_id)
        if found is None:
            message = "; ".join(map(str, (own, *failures)))
            if not isinstance(own, KeyNotFoundError):
                raise KeyStoreError(message) from own
            self._backoff.failed_after(_system.monotonic() - started)
            if all(isinstance(failure, KeyNotFoundError) for failure in failures):
                raise KeyNotFoundError(message)
            raise _not_final_error(message)
        record, store = found
        report(Event(EventKind.FAILED_OVER, key_id.hex(), record.tenant, place=repr(store), cause=str(own)))
        return record

    def _elsewhere(self, key_id: bytes) -> tuple[tuple[KeyRecord | Tombstone, KeyStore] | None, list[KeyStoreError]]:
        found: tuple[KeyRecord | Tombstone, KeyStore] | None = None
        failures = []
        for store, backoff in self._others:
            if backoff.active:
                failures.append(KeyStoreError(f"{store!r} was not asked: it could not be reached recently"))
                continue
            started = _system.monotonic()
            try:
                record = store.get(key_id)
            except KeyStoreError as error:
                failures.append(error)
                if not isinstance(error, KeyNotFoundError):
                    backoff.failed_after(_system.monotonic() - started)
                continue
            if isinstance(record, Tombstone):
                return (record, store), failures
            found = found or (record, store)
        return found, failures

    def add(self, record: KeyRecord | Tombstone) -> None:
        """Add a record to the own store (see `KeyStore.add`)."""
        self.stores[0].add(record)

    def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
        """Return a tenant's records in the own store (see `KeyStore.list`)."""
        return self.stores[0].list(tenant)

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        """Replace a record in the own store (see `KeyStore.replace`)."""
        return self.stores[0].replace(old, new)

    def key_ids(self) -> Iterator[bytes]:
        """Yield all key ids of the own store (see `KeyStore.key_ids`)."""
        return self.stores[0].key_ids()

    def __repr__(self) -> str:
        return f"KeyStoreChain({', '.join(map(repr, self.stores))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return KeyStoreChain, self.stores


def _not_final_error(message: str) -> KeyNotFoundError:
    error = KeyNotFoundError(message)
    error.final = False
    return error
