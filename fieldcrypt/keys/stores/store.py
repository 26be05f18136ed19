"""The protocol of key stores, which keep wrapped data keys, and a store in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Lock
from typing import ClassVar, Protocol, cast, runtime_checkable

from fieldcrypt._system import call_after_fork
from fieldcrypt.errors import DecryptionError, KeyNotFoundError, KeyStoreError
from fieldcrypt.keys.record.record import KeyRecord, KeyState
from fieldcrypt.keys.record.tombstone import Tombstone

__all__ = ["ClaimingKeyStore", "KeyStore", "MemoryKeyStore", "is_key_store", "keeping_claims", "read_record"]


@runtime_checkable
class KeyStore(Protocol):
    """Keeps key records under their key ids, next to the data. Called from several threads at once.

    A record is never overwritten by `add`: key ids are random, and two processes that make a key for one tenant at
    the same time add two records. A data key that was shredded leaves a tombstone in the place of its record.
    """

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        """Return the record of a 16-byte key id.

        Raises:
            KeyNotFoundError: there is none.
            KeyStoreError: the store cannot be read, or holds something else than a record.
        """
        ...

    def add(self, record: KeyRecord | Tombstone) -> None:
        """Add a record; when this returns, it is durable.

        Raises:
            KeyStoreError: the key id is taken, or the store cannot be written.
        """
        ...

    def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
        """Return all records and tombstones of a tenant (None: those of no tenant), in any order.

        Raises:
            KeyStoreError: the store cannot be read, or what it holds is no record.
        """
        ...

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        """Put a record or a tombstone in the place of a record; when this returns True, it is durable.

        Args:
            old: what was read, state included.
            new: of the same key id and tenant.

        Returns:
            False, with nothing changed, if the store does not hold `old` any more.

        Raises:
            KeyStoreError: the store cannot be written.
        """
        ...

    def key_ids(self) -> Iterator[bytes]:
        """Yield the key ids of all records and tombstones, each once, in any order; those added meanwhile may be
        missing.

        Raises:
            KeyStoreError: the store cannot be read.
        """
        ...


class ClaimingKeyStore(KeyStore, Protocol):
    """A key store that also keeps claims of first keys (SPEC section 6), so that a burst of processes makes one key.

    A key store without them works too, but processes that start together may make a first key each. Claims are kept
    apart from records: `list` and `key_ids` do not return them.
    """

    @property
    def keeps_claims(self) -> bool:
        """True if it can keep claims as it is set up now."""
        ...

    def get_claim(self, place: bytes) -> bytes | None:
        """Return the claim at a place of 16 bytes, by a consistent read; None if there is none.

        Raises:
            KeyStoreError: the store cannot be read.
        """
        ...

    def put_claim(self, place: bytes, claim: bytes, replacing: bytes | None) -> bool:
        """Put a claim into its place; when this returns True, it is durable.

        Args:
            place: 16 bytes.
            claim: any bytes.
            replacing: the claim that was read there; None if there was none.

        Returns:
            False, with nothing changed, if the claim has changed since it was read.

        Raises:
            KeyStoreError: the store cannot be written.
        """
        ...


def is_key_store(store: object) -> bool:
    """Return True for an object with the methods of a key store, even if it hands them on to another one.

    From Python 3.12 on, `isinstance` does not find what `__getattr__` returns.
    """
    methods = ("get", "add", "list", "replace", "key_ids")
    return not isinstance(store, type) and all(callable(getattr(store, each, None)) for each in methods)


def keeping_claims(store: KeyStore | None) -> ClaimingKeyStore | None:
    """Return the store that keeps claims: the key store itself, or the own one of a chain; None if it cannot."""
    own = getattr(store, "own", store)
    return cast(ClaimingKeyStore, own) if getattr(own, "keeps_claims", False) else None


def read_record(key_id: bytes, data: bytes, *, tenant: str | None, state: str) -> KeyRecord | Tombstone:
    """Make a record or a tombstone from what a store kept: for implementers of key stores.

    Args:
        key_id: the 16 bytes that the record was found under, as any kind of bytes that a driver gives.
        data: what its `to_bytes` returned, likewise.
        tenant: the store's copy of the tenant, which must be the record's.
        state: the store's state of the record.

    Raises:
        KeyStoreError: it is not a record, its copy of the tenant was edited, or its state is unknown.
    """
    record: KeyRecord | Tombstone
    try:  # a database may return something else than bytes
        key_id, data = bytes(memoryview(key_id)), bytes(memoryview(data))
    except TypeError:
        raise KeyStoreError("the key store holds a row that is no key record") from None
    try:
        if KeyState(state) is KeyState.SHREDDED:
            record = Tombstone.from_bytes(key_id, data)
        else:
            record = KeyRecord.from_bytes(key_id, data, KeyState(state))
    except (DecryptionError, ValueError):
        raise KeyStoreError(f"the key store holds no valid record under key id {key_id.hex()}") from None
    if record.tenant != tenant:
        raise KeyStoreError(f"the key store lists the key {key_id.hex()} under a tenant that is not the record's")
    return record


class MemoryKeyStore:
    """A key store that ends with the process: for tests, and for data that ends with it too."""

    __slots__ = ("__weakref__", "_claims", "_lock", "_records")

    keeps_claims: ClassVar[bool] = True

    def __init__(self) -> None:
        self._claims: dict[bytes, bytes] = {}
        self._records: dict[bytes, KeyRecord | Tombstone] = {}
        self._reset()
        call_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = Lock()

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        """Return a record (see `KeyStore.get`)."""
        record = self._records.get(key_id)
        if record is None:
            raise KeyNotFoundError(f"the key store has no key {key_id.hex()}")
        return record

    def add(self, record: KeyRecord | Tombstone) -> None:
        """Add a record (see `KeyStore.add`)."""
        with self._lock:
            if record.key_id in self._records:
                raise KeyStoreError(f"the key store already has a key {record.key_id.hex()}")
            self._records[record.key_id] = record

    def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
        """Return a tenant's records (see `KeyStore.list`)."""
        with self._lock:
            return [record for record in self._records.values() if record.tenant == tenant]

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        """Replace a record (see `KeyStore.replace`)."""
        with self._lock:
            if self._records.get(old.key_id) != old:
                return False
            self._records[old.key_id] = new
            return True

    def key_ids(self) -> Iterator[bytes]:
        """Yield all key ids (see `KeyStore.key_ids`)."""
        with self._lock:
            key_ids = tuple(self._records)
        yield from key_ids

    def get_claim(self, place: bytes) -> bytes | None:
        """Return a claim (see `ClaimingKeyStore.get_claim`)."""
        return self._claims.get(place)

    def put_claim(self, place: bytes, claim: bytes, replacing: bytes | None) -> bool:
        """Put a claim (see `ClaimingKeyStore.put_claim`)."""
        with self._lock:
            if self._claims.get(place) != replacing:
                return False
            self._claims[place] = claim
            return True

    def __reduce__(self) -> str:
        raise TypeError(
            "a MemoryKeyStore ends with its process and is not pickled: use a FileKeyStore between processes"
        )
