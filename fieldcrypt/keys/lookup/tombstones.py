"""The tombstones that a process has seen, and which data keys they end (SPEC section 6)."""

from __future__ import annotations

from fieldcrypt._base.remembered import Remembered
from fieldcrypt.errors import KeyNotFoundError
from fieldcrypt.events import Events
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore

__all__ = ["Tombstones", "ends"]


class Tombstones:
    """Remembers tombstones for `cache_ttl`, so that one that was forged and removed ends nothing for longer.

    Attributes:
        are_kept: True if there is a key store, which may have some.

    Args:
        store: has them; None if there is no key store, and so no tombstone.
        policy: `cache_ttl` and `max_cached_keys` count.
        events: where the store's reports go.
    """

    def __init__(self, store: KeyStore | None, policy: KeyPolicy, events: Events) -> None:
        self._store = store
        self.are_kept = store is not None
        self._events = events
        seconds, limit = policy.cache_ttl.total_seconds(), policy.max_cached_keys
        self._of_keys: Remembered[bytes, Tombstone] = Remembered(seconds, limit)
        self._of_tenants: Remembered[str, Tombstone] = Remembered(seconds, limit)  # the latest one of each

    def for_key(self, key_id: bytes) -> Tombstone | None:
        """Return the tombstone in the place of a data key's record, if one was seen recently."""
        return self._of_keys.get(key_id)

    def note(self, stone: Tombstone) -> None:
        """Remember a tombstone that the key store returned for its key id."""
        self._of_keys.put(stone.key_id, stone)

    def known(self, record: KeyRecord) -> Tombstone | None:
        """Return the recently seen tombstone that ends the data key of a self-contained value, or None."""
        stone = self._of_keys.get(record.key_id)
        if stone is None and record.tenant is not None:
            stone = self._of_tenants.get(record.tenant)
        return stone if stone is not None and ends(stone, record) else None

    def look_up(self, record: KeyRecord) -> Tombstone | None:
        """Ask the key store for the tombstone that ends the data key of a self-contained value, or None.

        The record's tenant and time count only if it is authentic. If it is not, the value is refused anyway.

        Raises:
            KeyStoreError: it cannot be asked.
        """
        store, tenant = self._store, record.tenant
        if store is None:
            return None
        try:
            own = self._events.watch(lambda: store.get(record.key_id))
        except KeyNotFoundError:
            own = None  # usually, because the record is in the value
        if isinstance(own, Tombstone):
            self.note(own)
        elif tenant is not None:
            stored = self._events.watch(lambda: store.list(tenant))
            stones = [each for each in stored if isinstance(each, Tombstone)]
            if stones:
                self._of_tenants.put(tenant, max(stones, key=lambda stone: stone.shredded))
        return self.known(record)

    def clear(self) -> None:
        """Forget all of them."""
        self._of_keys.clear()
        self._of_tenants.clear()


def ends(stone: Tombstone, record: KeyRecord | AuthenticRecord) -> bool:
    """Return True if a data key whose record came with a self-contained value was destroyed with a tombstone's."""
    if stone.key_id == record.key_id:
        return True
    return stone.tenant is not None and stone.tenant == record.tenant and record.created <= stone.shredded
