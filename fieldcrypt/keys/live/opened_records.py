"""The authentic ones among a tenant's records, opened one by one for as long as the caller wants more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fieldcrypt.errors import (
    DecryptionError,
    KeyProviderError,
    KeyShreddedError,
    KeyStoreError,
    NotWrappedHereError,
)
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.format._text import tenant_text
from fieldcrypt.keys.live.live_keys import LiveKeys
from fieldcrypt.keys.lookup.refused_records import RefusedRecords
from fieldcrypt.keys.providers.tenant_providers import whose
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.record import KeyRecord

__all__ = ["MAX_REFUSED", "OpenedRecords", "PlantedRecordsError"]

MAX_REFUSED = 16  # new records that may turn out not to be authentic before the caller gets an error


class PlantedRecordsError(KeyStoreError):
    """Many of a tenant's records are not authentic, and some are left to be checked next time."""

    def __init__(self, tenant: str | None) -> None:
        super().__init__(
            f"{MAX_REFUSED} records of {tenant_text(tenant)} are not authentic: "
            "they were planted. The remaining ones are checked next time"
        )


class OpenedRecords:
    """Opens records that a key store listed.

    Args:
        live_keys: of their purpose.
        refused: records that are known not to be authentic.
        events: where to report planted records.
    """

    def __init__(self, live_keys: LiveKeys[Any], refused: RefusedRecords, events: Events) -> None:
        self._live_keys = live_keys
        self._refused = refused
        self._events = events

    def newest_first(self, records: Iterable[KeyRecord], *, insist: bool = True) -> Iterator[AuthenticRecord]:
        """Yield the authentic ones among a tenant's records, the newest first; each is opened when it is its turn.

        Args:
            records: in any order.
            insist: raise what prevents an answer. Else skip records that cannot be opened for now.

        Raises:
            KeyProviderError: a record cannot be opened for now.
            KeyStoreError: likewise; or many are not authentic; or all are wrapped under keys that are not configured
                here. `KeyShreddedError` if the tenant was shredded.
        """
        refused, found, foreign = 0, False, None
        for record in sorted(records, key=lambda record: (record.created, record.key_id), reverse=True):
            why = self._refused.error_for(record)
            if why is None:
                if refused == MAX_REFUSED:
                    if insist:
                        raise PlantedRecordsError(record.tenant)
                    return
                try:
                    opened = self._opened(record)
                except KeyShreddedError:
                    raise
                except (KeyProviderError, KeyStoreError):
                    if insist:
                        raise
                    refused += 1
                    continue
                except DecryptionError as error:
                    self._note(record, error)
                    refused += 1
                    why = error
                else:
                    found = True
                    yield opened
                    continue
            if isinstance(why, NotWrappedHereError):
                foreign = why
        if insist and foreign is not None and not found:
            # This process may be misconfigured. It could make another first key, but no other process could read what
            # is written under it.
            raise KeyStoreError(f"none of the data keys in the key store can be opened here: {foreign}") from None

    def _opened(self, record: KeyRecord) -> AuthenticRecord:
        authentic: AuthenticRecord = self._live_keys.get(record.key_id, tenant=whose(record.tenant)).record
        if (authentic.tenant, authentic.created) != (record.tenant, record.created):
            raise DecryptionError("the key record is not authentic")  # the key is live by what the record was before
        return authentic.in_state(record.state)

    def _note(self, record: KeyRecord, error: DecryptionError) -> None:
        self._refused.note(record, error)
        self._events.report(Event(EventKind.RECORD_REFUSED, record.key_id.hex(), record.tenant, cause=str(error)))
