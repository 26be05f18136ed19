"""The authentic index keys of a tenant in a key store: no tag is made under any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fieldcrypt.errors import DecryptionError, KeyNotFoundError, KeyShreddedError, KeyStoreError
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.format._text import tenant_text
from fieldcrypt.keys.index.index_key import IndexKey
from fieldcrypt.keys.live.listing import RecordListing
from fieldcrypt.keys.live.live_keys import LiveKeys
from fieldcrypt.keys.live.opened_records import MAX_REFUSED, PlantedRecordsError
from fieldcrypt.keys.lookup.refused_records import RefusedRecords
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.tenant_providers import whose
from fieldcrypt.keys.record.record import KeyRecord, KeyState, Purpose

__all__ = ["StoredIndexKeys"]


class StoredIndexKeys:
    """Lists index keys and opens them.

    Args:
        live_keys: of blind indexes.
        records: lists what the store keeps.
        refused: records that are known not to be authentic.
        policy: its `index_keys` and `not_before` decide which keys count.
        events: where to report planted records.
    """

    def __init__(
        self,
        live_keys: LiveKeys[IndexKey],
        records: RecordListing,
        refused: RefusedRecords,
        policy: KeyPolicy,
        events: Events,
    ) -> None:
        self._live_keys = live_keys
        self._records = records
        self._events = events
        self._refused = refused
        self._pinned, self._earliest = policy.index_keys, policy.earliest

    def find(self, tenant: str | None, known: Iterable[IndexKey] = ()) -> list[IndexKey]:
        """Return all authentic, active index keys of a tenant; none if it has no index keys at all.

        If the policy names a tenant's index keys: exactly those, whatever their state in the key store. A missing one
        is an error, because tags under it would not be found.

        Args:
            tenant: whose keys.
            known: keys that were found before, and that the store's list may lack because it lags behind.

        Raises:
            KeyProviderError: a key cannot be unwrapped.
            KeyStoreError: the key store cannot be used, or none of its index keys is authentic and active. Or many
                are not, and some of them are left for the next time. `KeyShreddedError` if the tenant was shredded.
        """
        records = self._records.list(tenant, Purpose.BLIND_INDEX)
        if tenant in self._pinned:
            return [self._of(tenant, key_id) for key_id in self._pinned[tenant]]
        active = [record for record in records if record.state is KeyState.ACTIVE]
        keys = list(self._authentic(active))
        listed = {record.key_id for record in records}
        keys += [key for one in known if one.key_id not in listed and (key := self._unlisted(one)) is not None]
        if records and not keys:
            # Another first key would be easy to make, and nothing that is there would ever be found again.
            what = "is authentic here: are they another environment's, or forged?" if active else "is active"
            raise KeyStoreError(f"the key store has index keys of {tenant_text(tenant)}, but none of them {what}")
        return keys

    def retired_before(self, tenant: str | None, key: IndexKey) -> KeyRecord | None:
        """Return the record of a retired, authentic index key that is older than a key, and would come before it.

        Raises:
            As `find`.
        """
        for record in self._records.list(tenant, Purpose.BLIND_INDEX):
            is_older = self._earliest <= record.created and (record.created, record.key_id) < (
                key.record.created,
                key.key_id,
            )
            if is_older and record.state is KeyState.RETIRED and self._opened(record) is not None:
                return record
        return None

    def confirmed(self, keys: Iterable[IndexKey]) -> list[IndexKey]:
        """Return those of the known keys that may still be used.

        Raises:
            As `find`.
        """
        try:
            return [self._live_keys.get(key.key_id, tenant=whose(key.tenant)) for key in keys]
        except DecryptionError as error:
            raise KeyStoreError(f"the record of an index key cannot be opened: {error}") from None

    def _of(self, tenant: str | None, key_id: bytes) -> IndexKey:
        try:
            key = self._live_keys.get(key_id, tenant=whose(tenant))
        except DecryptionError as error:
            raise KeyStoreError(f"the record of index key {key_id.hex()} cannot be opened: {error}") from None
        if key.tenant != tenant:
            raise KeyStoreError(f"the policy names index key {key_id.hex()}, which is another tenant's")
        return key

    def _authentic(self, records: Iterable[KeyRecord]) -> Iterator[IndexKey]:
        refused = 0
        for record in records:
            if self._refused.error_for(record) is not None:
                continue
            if refused == MAX_REFUSED:
                raise PlantedRecordsError(record.tenant)
            key = self._opened(record)
            if key is None:
                refused += 1
            else:
                yield key

    def _opened(self, record: KeyRecord) -> IndexKey | None:
        """Return the key of a record, or None if it is not authentic: then it was planted, and is reported."""
        try:
            key = self._live_keys.get(record.key_id, tenant=whose(record.tenant))
            if key.tenant == record.tenant:
                return key
            refused = DecryptionError("it is another tenant's")
        except DecryptionError as error:
            refused = error
        self._events.report(Event(EventKind.RECORD_REFUSED, record.key_id.hex(), record.tenant, cause=str(refused)))
        self._refused.note(record, refused)
        return None

    def _unlisted(self, key: IndexKey) -> IndexKey | None:
        """Return a known key, or None if it is gone from the store or has changed."""
        try:
            confirmed = self._live_keys.get(key.key_id, tenant=whose(key.tenant))
        except KeyShreddedError:
            raise
        except (KeyNotFoundError, DecryptionError):
            return None  # reported where it was found
        return confirmed if confirmed.record.state is KeyState.ACTIVE else None
