"""New data keys: wrapped, recorded, live."""

from __future__ import annotations

from contextlib import suppress
from typing import Generic, TypeVar

from fieldcrypt.errors import DecryptionError, KeyAccessDeniedError
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.keys.live.live_key import CachedKey
from fieldcrypt.keys.live.live_keys import LiveKeys
from fieldcrypt.keys.providers.chain import recognises
from fieldcrypt.keys.providers.tenant_providers import TenantProviders
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import KeyRecord, sorted_wraps, wrap_context
from fieldcrypt.keys.stores.store import KeyStore
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["KeyMaker"]

K = TypeVar("K", bound=CachedKey)


class KeyMaker(Generic[K]):
    """Makes data keys.

    Args:
        providers: wrap them.
        store: keeps them; None if values carry them.
        live_keys: where new keys are live at once; says of which purpose they are.
        events: where to report them.
    """

    def __init__(
        self, providers: TenantProviders, store: KeyStore | None, live_keys: LiveKeys[K], events: Events
    ) -> None:
        self._providers = providers
        self._store = store
        self._live_keys = live_keys
        self._events = events

    @discreet
    def make(self, tenant: str | None, now: float) -> K:
        """Make a data key for a tenant; when this returns, it is durable in the key store.

        Raises:
            KeyProviderError: it cannot be wrapped.
            KeyStoreError: it cannot be kept.
        """
        authentic, data_key = self.wrapped(tenant, now)
        store = self._store
        if store is not None:
            # Before its first use: a key that is not kept loses what it encrypted.
            self._events.watch(lambda: store.add(authentic.stored))
        self._events.report(Event(EventKind.KEY_CREATED, authentic.key_id.hex(), tenant))
        return self._live_keys.admit(authentic, data_key, embedded=store is None, made_here=True)

    @discreet
    def wrapped(self, tenant: str | None, now: float) -> tuple[AuthenticRecord, DataKey]:
        """Return a new data key and its record, which is not stored yet.

        Raises:
            KeyProviderError: it cannot be wrapped.
            KeyStoreError: it may not be wrapped, because the tenant has keys elsewhere; or the store cannot be listed.
        """
        self._check_default(tenant)
        data_key = DataKey.generate(self._live_keys.backend)
        created, purpose = int(now), self._live_keys.purpose
        context = wrap_context(data_key.key_id, purpose, created, tenant)
        try:
            provider = self._providers.for_tenant(tenant, fresh=True)
            wraps = sorted_wraps(self._events.watch(lambda: provider.wrap(data_key.secret, context)))
        except KeyAccessDeniedError as error:
            self._events.report(Event(EventKind.DENIED, data_key.key_id.hex(), tenant, cause=str(error)))
            raise
        record = data_key.seal(KeyRecord(data_key.key_id, purpose, created, tenant, wraps))
        return AuthenticRecord(record, data_key), data_key

    def _check_default(self, tenant: str | None) -> None:
        """Raise an error if a tenant would get a key under the default key, but has one elsewhere."""
        if self._store is None or tenant is None or not self._providers.is_default(tenant):
            return
        store = self._store
        for record in self._events.watch(lambda: store.list(tenant)):
            if isinstance(record, KeyRecord) and not recognises(self._providers.for_tenant(tenant), record.wraps):
                with suppress(DecryptionError):  # it is under the default key, by a name that is no longer known
                    self._live_keys.get(record.key_id, tenant=tenant)
