"""Unwrapping the data keys of records."""

from __future__ import annotations

from fieldcrypt.backends import Backend
from fieldcrypt.errors import DecryptionError, KeyAccessDeniedError
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.providers.tenant_providers import TenantProviders, whose
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import KeyRecord, Purpose
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["RecordOpener"]

_USES = {Purpose.ENCRYPTION: "values", Purpose.BLIND_INDEX: "blind indexes"}


class RecordOpener:
    """Unwraps data keys of one purpose.

    Args:
        purpose: the only one whose keys it opens.
        providers: unwrap data keys.
        events: where to report what happens.
        backend: derives from data keys.
    """

    def __init__(self, purpose: Purpose, providers: TenantProviders, events: Events, backend: Backend) -> None:
        self._purpose = purpose
        self._providers = providers
        self._events = events
        self._backend = backend

    @discreet
    def open(self, record: KeyRecord, provider: KeyProvider | None = None) -> tuple[AuthenticRecord, DataKey]:
        """Unwrap a record's data key, and return the authentic record and the key; neither is kept.

        Args:
            record: what claims to be one.
            provider: the one to ask. Default: that of the record's tenant.

        Raises:
            DecryptionError: the record, or the key in it, is not authentic, or of another purpose.
            KeyProviderError: the data key cannot be unwrapped.
        """
        provider = provider or self._providers.to_open(record.tenant, whose(record.tenant))
        if provider.write_only:
            raise DecryptionError("the key record was not made by this process, which cannot open others")
        try:
            secret = self._events.watch(lambda: provider.unwrap(record.wraps, record.context()))
        except KeyAccessDeniedError as error:
            self._events.report(Event(EventKind.DENIED, record.key_id.hex(), record.tenant, cause=str(error)))
            raise
        data_key = DataKey(secret, self._backend)
        authentic = AuthenticRecord(record, data_key)
        if record.purpose is not self._purpose:
            raise DecryptionError(f"the data key is not for {_USES[self._purpose]}")
        self._events.report(Event(EventKind.KEY_UNWRAPPED, record.key_id.hex(), record.tenant))
        return authentic, data_key
