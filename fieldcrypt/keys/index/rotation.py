"""Rotating a tenant's index keys: making the next one, and retiring those before it."""

from __future__ import annotations

from datetime import UTC, datetime

from fieldcrypt import _system
from fieldcrypt.errors import ConfigurationError, KeyNotFoundError
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.format._text import tenant_text
from fieldcrypt.keys.index.choice import IndexChoice, choose_index_key, next_created, retires_from
from fieldcrypt.keys.index.index_key import IndexKey
from fieldcrypt.keys.index.stored import StoredIndexKeys
from fieldcrypt.keys.live.key_maker import KeyMaker
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.record import KeyRecord, KeyState
from fieldcrypt.keys.stores.store import KeyStore
from fieldcrypt.keys.stores.update import update_record

__all__ = ["IndexRotation"]


class IndexRotation:
    """Rotates the index keys of a key store.

    Args:
        store: holds the records.
        stored: finds those that are authentic.
        maker: makes another.
        policy: how long the next one waits.
        events: where to report what happens.
    """

    def __init__(
        self, store: KeyStore, stored: StoredIndexKeys, maker: KeyMaker[IndexKey], policy: KeyPolicy, events: Events
    ) -> None:
        self._store = store
        self._stored = stored
        self._maker = maker
        self._policy = policy
        self._events = events

    def rotate(self, tenant: str | None) -> KeyRecord:
        """Make the next index key of a tenant.

        Raises:
            KeyNotFoundError: the tenant has no index key.
            KeyProviderError, KeyStoreError: it cannot be made.
        """
        now = _system.wall_clock()
        _, choice = self._found(tenant, now)
        key = self._maker.make(tenant, next_created(choice.newest, now, self._policy))
        self._events.report(Event(EventKind.KEY_ROTATED, key.key_id.hex(), tenant))
        return key.record.stored

    def retire(self, tenant: str | None) -> list[KeyRecord]:
        """Retire all index keys of a tenant but the active one of the newest generation, and return their records.

        Raises:
            ConfigurationError: it is too early.
            KeyNotFoundError: the tenant has no index key.
            KeyProviderError, KeyStoreError: the keys cannot be opened, or their records not be changed.
        """
        now = _system.wall_clock()
        keys, choice = self._found(tenant, now)
        old = [key.record for key in keys if key.key_id != choice.newest.key_id]
        earliest = retires_from(choice.newest, self._policy)
        if old and now < earliest:
            when = datetime.fromtimestamp(earliest, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            raise ConfigurationError(
                f"a process may still tag under an older index key: tag all rows again on {when} at the earliest, "
                "and then retire the old keys"
            )
        return [retired for record in old for retired in update_record(self._store, record.key_id, self._retired)]

    def _found(self, tenant: str | None, now: float) -> tuple[list[IndexKey], IndexChoice[AuthenticRecord]]:
        keys = self._stored.find(tenant)
        if not keys:
            raise KeyNotFoundError(f"the key store has no index key of {tenant_text(tenant)}")
        return keys, choose_index_key([key.record for key in keys], now, self._policy)

    def _retired(self, record: KeyRecord) -> list[KeyRecord] | None:
        """Retire a record; the list is empty if another process did it."""
        if record.state is KeyState.RETIRED:
            return []
        retired = record._replace(state=KeyState.RETIRED)
        return [retired] if self._store.replace(record, retired) else None
