"""Destroying a tenant's data keys, and with them everything that was encrypted under them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fieldcrypt import _system
from fieldcrypt.errors import KeyNotFoundError, KeyStoreError
from fieldcrypt.keys.admin.claims import bury_claims, unwritten_records
from fieldcrypt.keys.record.record import KeyRecord, check_tenant
from fieldcrypt.keys.record.tombstone import Tombstone, check_by
from fieldcrypt.keys.stores.store import KeyStore

__all__ = ["shred"]

_MAX_ROUNDS = 10  # in which others add keys or change records, before giving up


def shred(store: KeyStore, tenant: str, by: str) -> Iterator[bytes]:
    """Put a tombstone in the place of every record of a tenant, and into its claims.

    Can be interrupted and started again; nothing more is encrypted for the tenant from the first tombstone on.

    Args:
        store: holds the records.
        tenant: whose keys; those of no tenant cannot be shredded.
        by: who does it: 1 to 1,024 bytes of UTF-8, for the record.

    Yields:
        The key ids that were shredded, each when it is done; none if all were shredded before.

    Raises:
        TypeError, ValueError: tenant or `by` are out of range.
        KeyNotFoundError: the tenant has no data keys and never had any.
        KeyStoreError: the store does not work; or others keep adding keys for the tenant; or, once all others are
            shredded, an entry is not a valid record: it may be the tenant's.
    """
    check_tenant(tenant)
    check_by(by)
    for _ in range(_MAX_ROUNDS):
        stored, unreadable = _stored(store, tenant)
        unwritten = list(unwritten_records(store, tenant))
        if not (stored or unwritten) and unreadable is None:
            raise KeyNotFoundError(f"the key store has no data key of tenant {tenant!r}")
        living = [record for record in stored if isinstance(record, KeyRecord)]
        if not living and not unwritten:
            if not bury_claims(store, tenant, (stone for stone in stored if isinstance(stone, Tombstone))):
                continue
            if unreadable is not None:
                raise unreadable
            return
        now, keys = int(_system.wall_clock()), len(stored) + len(unwritten)
        for record in [*living, *unwritten]:
            stone = Tombstone(record.key_id, record.purpose, record.created, tenant, now, by, keys)
            if _added(store, stone) if record in unwritten else store.replace(record, stone):
                yield record.key_id
    raise KeyStoreError(f"tenant {tenant!r} keeps getting new data keys: stop what writes for it, and shred again")


def _added(store: KeyStore, stone: Tombstone) -> bool:
    """Put a tombstone in the place of a claimed, unwritten record; return False if it has been written meanwhile."""
    try:
        store.add(stone)
    except KeyStoreError:
        store.get(stone.key_id)  # raises if the store itself failed
        return False
    return True


def _stored(store: KeyStore, tenant: str) -> tuple[list[KeyRecord | Tombstone], KeyStoreError | None]:
    """Return a tenant's entries in the store, and the error of one that cannot be read."""
    try:
        key_ids: Iterable[bytes] = [listed.key_id for listed in store.list(tenant)]
    except KeyStoreError:
        key_ids = store.key_ids()  # one invalid record makes the list fail, so they are read one by one
    stored, unreadable = [], None
    for key_id in key_ids:
        try:
            record = store.get(key_id)  # an index may lag behind the records
        except KeyStoreError as error:
            unreadable = error
        else:
            if record.tenant == tenant:
                stored.append(record)
    return stored, unreadable
