"""The data keys that a process has unwrapped, and when each is checked again.

A key is checked with store and provider before its time ends, in a background thread, so that no reader waits for KMS
at the limit. Only after a long pause in its use does the next reader wait.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from fieldcrypt import _system
from fieldcrypt._base.background import Background
from fieldcrypt._base.single_flight import SingleFlight
from fieldcrypt.backends import PYTHON, Backend
from fieldcrypt.errors import (
    DecryptionError,
    FieldcryptError,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyProviderError,
    KeyShreddedError,
    KeyStoreError,
    located,
)
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.keys.live.cached_keys import CachedKeys
from fieldcrypt.keys.live.lifetime import Lifetime
from fieldcrypt.keys.live.live_key import CachedKey
from fieldcrypt.keys.live.record_opener import RecordOpener
from fieldcrypt.keys.lookup.embedded_records import EmbeddedRecords
from fieldcrypt.keys.lookup.record_wait import RecordWait
from fieldcrypt.keys.lookup.stored_records import StoredRecords
from fieldcrypt.keys.lookup.tombstones import Tombstones, ends
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.providers.tenant_providers import Named, TenantProviders, whose
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore
from fieldcrypt.offload import Offload, in_place
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["RETRY_INTERVAL", "LiveKeys"]

K = TypeVar("K", bound=CachedKey)

RETRY_INTERVAL = 5.0  # seconds between checks while store or provider cannot be reached, or have not answered yet
_MAX_VERIFIED = 16  # encodings remembered of one key's record


class LiveKeys(Generic[K]):
    """Live keys of one purpose by key id, over a key provider and, unless values are self-contained, a key store.

    Args:
        providers: unwrap data keys.
        store: keeps wrapped data keys; None if every value carries its own.
        policy: limits in time and number.
        events: where to report what happens.
        background: runs what no caller has to wait for.
        kind: the class that data keys become, whose purpose they must have.
        read_embedded: False if key records that come with self-contained values must not be opened.
        backend: derives from data keys.
    """

    def __init__(
        self,
        providers: TenantProviders,
        store: KeyStore | None,
        policy: KeyPolicy,
        events: Events,
        background: Background,
        kind: type[K],
        *,
        read_embedded: bool = True,
        backend: Backend = PYTHON,
    ) -> None:
        self.purpose = kind.purpose
        self.backend = backend
        self._key_type = kind
        self._providers = providers
        self._events = events
        self._background = background
        self._cache_ttl = policy.cache_ttl.total_seconds()
        self._grace = policy.grace.total_seconds()
        self._late: RecordWait[K] = RecordWait(policy.replication_wait.total_seconds(), events)
        self._keys: CachedKeys[K] = CachedKeys(policy, self._report_if_lost)
        self.opener = RecordOpener(kind.purpose, providers, events, backend)
        self._tombstones = Tombstones(store, policy, events)
        self._records = StoredRecords(store, self._tombstones, policy, events, self._look_soon)
        self._embedded = EmbeddedRecords(self._tombstones, policy, read=read_embedded)
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        """Start with a free lock; also runs in a forked child."""
        self._fetches: SingleFlight[K] = SingleFlight()

    def __len__(self) -> int:
        return len(self._keys)

    def get(
        self,
        key_id: bytes,
        record: bytes | None = None,
        offload: Offload = in_place,
        *,
        patient: bool = False,
        tenant: Named = None,
    ) -> K:
        """Return the live key of an id; unwraps it if necessary.

        Args:
            key_id: 16 bytes.
            record: the key record that came with a self-contained value, or None to ask the store.
            offload: runs what has to wait.
            patient: wait for a while if the store does not have the key yet (see `KeyPolicy.replication_wait`).
            tenant: for whom; it counts if tenants have key providers of their own (see `TenantProviders`).

        Raises:
            DecryptionError: the record, or the key in it, is not authentic, or not that tenant's.
            KeyProviderError: the data key cannot be unwrapped.
            KeyStoreError: the key store cannot be used; `KeyNotFoundError` if it has no such key.
        """
        self._providers.check_named(tenant)
        tenant = tenant if self._providers.by_tenant else None  # else it makes no difference
        stone = self._tombstones.for_key(key_id) if record is None else None
        if stone is not None:
            raise stone.lost_error()
        key = self._usable(key_id, record)
        self._events.report(Event(EventKind.CACHE_MISS if key is None else EventKind.CACHE_HIT, key_id.hex()))
        if key is None:

            def fetch() -> K:
                # Keyed by the record too: a forged one must not decide for callers with the right one.
                return self._fetches.run((key_id, record, tenant), lambda: self._fetch(key_id, record, tenant))

            # A key that was there is not late but lost.
            patient = patient and record is None and self._keys.get(key_id, embedded=False) is None
            try:
                key = offload((lambda: self._late.get(key_id, fetch, (key_id, tenant))) if patient else fetch)
            except FieldcryptError as error:
                misplaced = self._providers.misplaced_error(error, tenant) if record is None else None
                refused = located(misplaced or error, key_id=key_id.hex())
                raise refused from refused.__cause__
        self._providers.check_tenant(key.tenant, tenant)
        return key

    def made(self, record: KeyRecord) -> bool:
        """Return True if this process made the key of exactly this record and still has it."""
        made = [self._keys.get(record.key_id, embedded=embedded) for embedded in (False, True)]
        return any(
            key is not None and key.made_here and key.record.stored.to_bytes() == record.to_bytes() for key in made
        )

    def admit(self, record: AuthenticRecord, data_key: DataKey, *, embedded: bool, made_here: bool = False) -> K:
        """Return the live key of an authentic record and its data key."""
        key = self._key_type.from_record(record, data_key, embedded=embedded)
        key.made_here = made_here
        return self._keys.confirm(key, self._providers.asked(key.tenant))

    def record_of(self, key: K) -> KeyRecord:
        """Return the record of a key from the key store; puts it back if it was lost there.

        One that came with a value is as it was, unless a tombstone ends it.

        Raises:
            KeyShreddedError: the key was shredded, or its tenant.
            KeyStoreError: the store cannot be used. If it has lost the record and does not take it, nothing more is
                encrypted under the key.
        """
        if key.embedded:
            self._embedded.check(key.record.stored)
            return key.record.stored
        try:
            return self.record_in_store(key.record)
        except KeyStoreError:
            if key.lease is not None and self.lost(key):
                key.lease.deadline = float("-inf")
            raise

    def record_in_store(self, known: AuthenticRecord) -> KeyRecord:
        """Return a record from the key store; puts it back, as it was last seen, if it was lost there.

        Raises:
            KeyShreddedError: the key was shredded, or its tenant.
            KeyStoreError: the store cannot be used, or has lost the record and does not take it.
        """
        key = self._keys.get(known.key_id, embedded=False)
        return self._records.load_or_put_back(known if key is None else key.record)

    def put_back(self, *, written: bool = False) -> int:
        """Put back the records that the key store has lost, and return how many.

        Args:
            written: only those under which this process writes.

        Raises:
            KeyStoreError: the store cannot be used, or does not take a record back; the others were tried.
        """
        keys = self._keys.all(lambda key: not key.embedded and (key.lease is not None or not written))
        before, not_taken = self._records.returned, None
        for key in keys:
            try:
                self.record_of(key)
            except KeyShreddedError as error:
                self._lose(key, error)
            except KeyStoreError as error:
                if not self.lost(key):
                    raise
                not_taken = error
        if not_taken is not None:
            raise not_taken
        return self._records.returned - before

    def lifetimes(self, tenant: Named) -> list[Lifetime]:
        """Return how long the keys go on that may be used: all of them, or those of the tenant that is named."""
        now, found = _system.monotonic(), []
        for key in self._keys.all(lambda key: tenant is None or tenant == whose(key.tenant)):
            ends = key.expires if key.graceless else key.expires + self._grace_now(key.tenant)
            if ends > now:
                overdue = key.usable_until > key.expires
                found.append(Lifetime(key.expires - self._cache_ttl, key.expires, ends, overdue))
        return found

    def lost(self, key: K) -> bool:
        """Return True if the key store lacks the record of a live key and does not take it back."""
        return key.key_id in self._records.lost

    def store_answered(self, error: KeyStoreError | None) -> None:
        """Note the key store's answer to other code: an error, or None."""
        self._records.store_answered(error)

    def drop(self, key_id: bytes) -> None:
        """End the use of a key."""
        self._keys.drop_id(key_id)

    def end(self, stone: Tombstone) -> None:
        """End the use of keys from self-contained values that were shredded together with this tombstone's key."""
        self._keys.drop_shredded(lambda key: key.embedded and ends(stone, key.record))

    def forget(self) -> None:
        """End the use of all keys; one that is just being fetched serves its waiting callers, and is not kept."""
        self._keys.clear()
        self._tombstones.clear()
        self._records.forget()
        self._embedded.forget()

    @property
    def forgotten(self) -> int:
        """How often all keys were dropped, or lost time was found: code that makes a key compares before and after."""
        return self._keys.forgotten

    def drop_unkept(self, key: K) -> None:
        """End the use of a key that was made while all keys were dropped."""
        self._keys.drop(key, waited_for=True)

    def bring_forward(self, seconds: float) -> None:
        """Count lost time as if it had passed; a key that is just being fetched is not kept."""
        self._keys.bring_forward(seconds)

    def forget_tenant(self, tenant: str) -> None:
        """End the use of a tenant's keys, because its provider has changed."""
        for key in self._keys.all(lambda key: key.tenant == tenant):
            self._keys.drop(key)

    def _usable(self, key_id: bytes, record: bytes | None) -> K | None:
        """Return a key that may be used as it is; if it is due, start its check in the background."""
        key = self._keys.get(key_id, embedded=record is not None)
        if key is None or not (record is None or record in key.verified):
            return None
        if self._keys.due(key, RETRY_INTERVAL):
            self._background.submit((key_id, key.embedded), lambda: self._check(key))
        return key if key.deadline > _system.monotonic() else None

    def _check(self, key: K) -> None:
        """Refresh a key in the background; its users notice if it has to end."""
        if key.usable_until <= _system.monotonic():
            return
        record = key.record.stored.to_bytes() if key.embedded else None
        try:
            tenant = whose(key.tenant) if self._providers.by_tenant else None
            self._fetches.run((key.key_id, record, tenant), lambda: self._refresh(key))
        except (KeyAccessDeniedError, KeyNotFoundError):
            return  # reported where it was raised
        except FieldcryptError as error:
            refused = isinstance(error, DecryptionError) and not self._providers.for_tenant(key.tenant).write_only
            kind = EventKind.RECORD_REFUSED if refused else EventKind.KEY_UNCONFIRMED
            self._events.report(Event(kind, key.key_id.hex(), key.tenant, cause=str(error)))

    @discreet
    def _fetch(self, key_id: bytes, record: bytes | None, tenant: Named) -> K:
        key = self._keys.get(key_id, embedded=record is not None)
        if key is not None and (record is None or record in key.verified):
            if key.deadline > _system.monotonic():
                return key  # another caller fetched it between our check and our flight
            return self._refresh(key)
        before = self._keys.shredded, self._keys.forgotten
        key_record = self._records.load(key_id) if record is None else KeyRecord.from_bytes(key_id, record)
        provider = self._providers.to_open(key_record.tenant, tenant)
        records = self._records if record is None else self._embedded
        authentic, data_key = records.open(key_record, provider, self.opener.open)
        key = self.admit(authentic, data_key, embedded=record is not None)
        if len(key.verified) >= _MAX_VERIFIED:
            key.verified.clear()
        key.verified.add(key_record.to_bytes())
        return self._unless_dropped(key, provider, *before)

    @discreet
    def _refresh(self, key: K) -> K:
        """Confirm a key, or go on with it for a while if store or provider cannot be asked."""
        before = self._keys.shredded, self._keys.forgotten
        if key.usable_until > key.expires:
            # The last attempt failed. While this thread waits for the next one, other threads need not.
            self._keys.put_off(key, RETRY_INTERVAL)
        try:
            record = self.record_of(key)
            if record == key.record.stored and _system.monotonic() < key.confirm_at:
                return self._unless_dropped(self._keys.keep_checked(key), None, *before)
            provider = self._providers.to_open(record.tenant, whose(key.tenant))
            if not (record == key.record.stored and provider.write_only):
                key.record, _ = self.opener.open(record, provider)
        except (KeyAccessDeniedError, KeyNotFoundError, DecryptionError) as error:
            self._lose(key, error)
            raise
        except (KeyProviderError, KeyStoreError) as error:
            now = _system.monotonic()
            key.graceless |= isinstance(error, KeyProviderError) and not error.grace
            usable_until = key.expires if key.graceless else key.expires + self._grace_now(key.tenant)
            if now >= usable_until or key.expires == float("-inf"):  # its time is over, or it was ended meanwhile
                if not self.lost(key):  # else this may be the last copy, which is put back if possible
                    self._keys.drop(key)
                raise
            self._events.report(Event(EventKind.KEY_UNCONFIRMED, key.key_id.hex(), key.tenant, cause=str(error)))
            return self._keys.keep(key, key.expires, usable_until, min(now + RETRY_INTERVAL, usable_until))
        return self._unless_dropped(self._keys.confirm(key, self._providers.asked(key.tenant)), provider, *before)

    def _grace_now(self, tenant: str | None) -> float:
        """Return for how long a tenant's key goes on after its time to live while its provider cannot be asked."""
        allowed = self._providers.grace(tenant)
        return self._grace if allowed is None else min(self._grace, allowed.total_seconds())

    def _unless_dropped(self, key: K, provider: KeyProvider | None, shredded: int, forgotten: int) -> K:
        """Return a key that was just confirmed, unless it was shredded meanwhile.

        If all keys were dropped meanwhile, or the tenant's provider has changed, it serves its waiting callers only.
        """
        if forgotten != self._keys.forgotten or not (provider is None or self._providers.holds(key.tenant, provider)):
            self._keys.drop(key, waited_for=True)
        if shredded != self._keys.shredded:
            try:
                self.record_of(key)
            except KeyStoreError:
                self._keys.drop(key)
                raise
        return key

    def _look_soon(self) -> None:
        """Check all keys in the key store soon, because it failed and may have lost some.

        First the keys that this process has written under; the others when they are used.
        """
        self._keys.look_soon()
        self._background.submit(("look", self.purpose), self._look_at_written)

    def _look_at_written(self) -> None:
        try:
            self.put_back(written=True)
        except KeyStoreError as error:
            self._events.report(Event(EventKind.KEY_UNCONFIRMED, cause=str(error)))

    def _lose(self, key: K, error: FieldcryptError) -> None:
        """End the use of a key that must not be used any more, and report it if it is gone from the store."""
        self._keys.drop(key)
        if isinstance(error, KeyNotFoundError):
            self._events.report(Event(EventKind.KEY_LOST, key.key_id.hex(), key.tenant, cause=str(error)))

    def _report_if_lost(self, key: K) -> None:
        """Report a key that is dropped while the store lacks its record: this may be the last copy."""
        if not key.embedded and self.lost(key):
            cause = "the key store has lost its record and did not take it back"
            self._events.report(Event(EventKind.KEY_LOST, key.key_id.hex(), key.tenant, cause=cause))

    def __reduce__(self) -> str:
        raise TypeError("live keys cannot be pickled")
