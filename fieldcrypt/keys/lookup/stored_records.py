"""The records of live keys in their key store, even when it fails or has lost some of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fieldcrypt import _system
from fieldcrypt._base.remembered import Remembered
from fieldcrypt.errors import (
    DecryptionError,
    KeyNotFoundError,
    KeyShreddedError,
    KeyStoreError,
    NotWrappedHereError,
    located,
)
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.keys.lookup.embedded_records import Opened, Unwrap
from fieldcrypt.keys.lookup.refused_records import Fingerprint, fingerprint
from fieldcrypt.keys.lookup.tombstones import Tombstones
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore

__all__ = ["StoredRecords"]

_REST = 30.0  # seconds between recoveries, because a store that is short of capacity fails now and then

T = TypeVar("T")


class StoredRecords:
    """Reads records, and puts back those that the store has lost: acknowledged writes are not always kept.

    A failover to a replica that lagged, or a restore to an earlier moment, takes away records that were there, while
    values go on being written under their keys. A process with such a key has its record too, which is sealed, so
    putting it back needs no trust. A key that was ended on purpose leaves a tombstone.

    Args:
        store: keeps the records; None if every value carries its own.
        tombstones: where to note tombstones that are found.
        policy: `cache_ttl` and `max_cached_keys` count.
        events: where to report what happens.
        recovered: called when the store answers again after an error.

    Attributes:
        lost: key ids of live keys whose records the store lacks, and has not taken back.
        returned: how many records were put back.
    """

    def __init__(
        self,
        store: KeyStore | None,
        tombstones: Tombstones,
        policy: KeyPolicy,
        events: Events,
        recovered: Callable[[], None],
    ) -> None:
        self._store = store
        self._tombstones = tombstones
        seconds, limit = policy.cache_ttl.total_seconds(), policy.max_cached_keys
        self._refused: Remembered[Fingerprint, tuple[KeyProvider, DecryptionError]] = Remembered(seconds, limit)
        self._events = events
        self._recovered = recovered
        self._failed = False
        self._rested = float("-inf")
        self.lost: set[bytes] = set()
        self.returned = 0

    def load(self, key_id: bytes) -> KeyRecord:
        """Return the record of a key id.

        Raises:
            KeyNotFoundError: there is none, or no store; `KeyShreddedError` if it was shredded.
            KeyStoreError: the store cannot be used.
        """
        store = self._required()
        record = self._ask(lambda: store.get(key_id))
        if not isinstance(record, (KeyRecord, Tombstone)) or record.key_id != key_id:
            raise KeyStoreError(f"the key store returned another key than {key_id.hex()}")
        self.lost.discard(key_id)
        if isinstance(record, Tombstone):
            self._tombstones.note(record)
            raise record.lost_error()
        return record

    def open(self, record: KeyRecord, provider: KeyProvider, unwrap: Unwrap) -> Opened:
        """Return a record, authentic, and its data key.

        Anyone who can write to the store can corrupt a record that a million values name. So a record that is not
        authentic is not unwrapped again for a while.

        Args:
            record: as the store has it.
            provider: the one to open it with.
            unwrap: has it do that.

        Raises:
            DecryptionError: it is not authentic.
            KeyProviderError: the data key cannot be unwrapped.
        """
        by, why = self._refused.get(fingerprint(record)) or (None, None)
        if why is not None and by is provider:
            raise located(why)
        try:
            return unwrap(record, provider)
        except NotWrappedHereError:
            raise  # an alias may move
        except DecryptionError as error:
            self._refused.put(fingerprint(record), (provider, located(error).with_traceback(None)))
            raise

    def forget(self) -> None:
        """Forget which records are not authentic."""
        self._refused.clear()

    def load_or_put_back(self, known: AuthenticRecord) -> KeyRecord:
        """Return the record of a live key; puts back the known record if the store has lost it.

        Raises:
            KeyShreddedError: the key was shredded, or its tenant.
            KeyStoreError: the store cannot be used, or lacks the record and does not take it: then it is one of `lost`.
        """
        try:
            return self.load(known.key_id)
        except KeyShreddedError:
            raise
        except KeyNotFoundError as error:
            if not error.final:
                raise KeyStoreError(str(error)) from error
            return self._put_back(known.stored)

    def store_answered(self, error: KeyStoreError | None) -> None:
        """Note the store's answer, an error or None, and its recovery after an error."""
        if error is not None and not isinstance(error, KeyNotFoundError):
            self._failed = True
        elif self._failed and _system.monotonic() >= self._rested:
            self._failed, self._rested = False, _system.monotonic() + _REST
            self._recovered()

    def _put_back(self, record: KeyRecord) -> KeyRecord:
        store, tenant = self._required(), record.tenant
        self.lost.add(record.key_id)
        if tenant is not None:  # keys of no tenant cannot be shredded, so such a tombstone is forged
            for stone in self._ask(lambda: store.list(tenant)):
                if isinstance(stone, Tombstone):
                    self.lost.discard(record.key_id)
                    raise stone.tenant_error()
        try:
            self._events.watch(lambda: store.add(record))
        except KeyStoreError as error:
            try:
                return self.load(record.key_id)  # another process was faster
            except KeyShreddedError:
                raise
            except KeyStoreError:
                raise KeyStoreError(f"the key store has lost the record of a live data key: {error}") from error
        self.lost.discard(record.key_id)
        self.returned += 1
        self._events.report(Event(EventKind.RECORD_PUT_BACK, record.key_id.hex(), tenant))
        return record

    def _required(self) -> KeyStore:
        if self._store is None:
            raise KeyNotFoundError("the value was written with a key store, but the Encryptor has none")
        return self._store

    def _ask(self, work: Callable[[], T]) -> T:
        try:
            answer = self._events.watch(work)
        except KeyStoreError as error:
            self.store_answered(error)
            raise
        self.store_answered(None)
        return answer
