"""New data keys: wrapped, recorded, live."""

from __future__ import annotations

from fieldcrypt.errors import KeyAccessDeniedError
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.keys.data_key import DataKey
from fieldcrypt.keys.live_key import LiveKey
from fieldcrypt.keys.live_keys import LiveKeys
from fieldcrypt.keys.provider import KeyProvider
from fieldcrypt.keys.records import KeyRecord, Purpose, sorted_wraps, wrap_context
from fieldcrypt.keys.store import KeyStore

__all__ = ["KeyMaker"]


class KeyMaker:
    """Makes data keys for values.

    Args:
        provider: wraps them.
        store: keeps them; None if values carry them.
        live_keys: where they are live from the first moment.
        events: where to tell of them.
    """

    def __init__(self, provider: KeyProvider, store: KeyStore | None, live_keys: LiveKeys, events: Events) -> None:
        self._provider = provider
        self._store = store
        self._live_keys = live_keys
        self._events = events

    def make(self, tenant: str | None, now: float) -> LiveKey:
        """Make a data key for a tenant; when this returns, it is in the key store for good.

        Raises:
            KeyProviderError: it cannot be wrapped.
            KeyStoreError: it cannot be kept.
        """
        data_key = DataKey.generate()
        created = int(now)
        context = wrap_context(data_key.key_id, Purpose.ENCRYPTION, created, tenant)
        try:
            wraps = sorted_wraps(self._events.watch(lambda: self._provider.wrap(data_key.secret, context)))
        except KeyAccessDeniedError as error:
            self._events.report(Event(EventKind.DENIED, data_key.key_id.hex(), tenant, cause=str(error)))
            raise
        record = data_key.seal(KeyRecord(data_key.key_id, Purpose.ENCRYPTION, created, tenant, wraps))
        store = self._store
        if store is not None:
            # Before its first use: a key that is not kept loses what it encrypted.
            self._events.watch(lambda: store.add(record))
        self._events.report(Event(EventKind.KEY_CREATED, record.key_id.hex(), tenant))
        return self._live_keys.admit(record, data_key, embedded=store is None, made_here=True)
