"""Which data key encrypts for a tenant, and which one opens a value.

Everything here is off the hot path: fields keep the keys they get, and come back when the deadline has passed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fieldcrypt import _system
from fieldcrypt._base.answers import Answers
from fieldcrypt._base.background import Background
from fieldcrypt._base.lost_time import LostTime
from fieldcrypt._base.single_flight import SingleFlight
from fieldcrypt.backends import PYTHON, Backend
from fieldcrypt.errors import (
    ConfigurationError,
    KeyAccessDeniedError,
    KeyProviderError,
    KeyShreddedError,
    KeyStoreError,
)
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.keys.index.index_key import IndexKey
from fieldcrypt.keys.index.index_keys import IndexKeys
from fieldcrypt.keys.live.canaries import Canaries
from fieldcrypt.keys.live.encrypting_keys import ROTATION_RETRY_INTERVAL, EncryptingKeys
from fieldcrypt.keys.live.first_keys import FirstKeys
from fieldcrypt.keys.live.key_maker import KeyMaker
from fieldcrypt.keys.live.leases import Leases
from fieldcrypt.keys.live.lifetime import Lifetime
from fieldcrypt.keys.live.listing import RecordListing
from fieldcrypt.keys.live.live_key import Lease, LiveKey
from fieldcrypt.keys.live.live_keys import RETRY_INTERVAL, LiveKeys
from fieldcrypt.keys.live.opened_records import OpenedRecords, PlantedRecordsError
from fieldcrypt.keys.lookup.refused_records import RefusedRecords
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.providers.tenant_providers import Named, TenantProviders
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.record import KeyRecord, KeyState, check_tenant
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.rotation import Choice
from fieldcrypt.keys.stores.store import KeyStore
from fieldcrypt.offload import Offload, in_place

__all__ = ["Keyring"]


class Keyring:
    """The data keys of one process, over a key provider and, unless values are self-contained, a key store.

    Args:
        provider: wraps and unwraps data keys.
        store: keeps wrapped data keys; None if every value carries its own.
        policy: limits in time and number.
        events: where to report what happens.
        read_self_contained: read values that carry their key records. Default: only if there is no key store.
        backend: derives from data keys.

    Attributes:
        canaries: whether canaries are written now.
    """

    def __init__(
        self,
        provider: KeyProvider,
        store: KeyStore | None,
        policy: KeyPolicy,
        events: Events,
        *,
        read_self_contained: bool | None = None,
        backend: Backend = PYTHON,
    ) -> None:
        self.provider = provider
        self.providers = TenantProviders(provider, policy, self._provider_changed)
        self.store = store
        self.policy = policy
        self.events = events
        self.backend = backend
        self.reads_self_contained = store is None if read_self_contained is None else read_self_contained
        self.canaries = Canaries()
        self.answers: Answers[Any] = Answers()  # of key services and key stores that were tried out
        self._background = Background()
        self._lost_time = LostTime(self._bring_forward)
        self.live_keys = LiveKeys(
            *(self.providers, store, policy, events, self._background, LiveKey),
            read_embedded=self.reads_self_contained,
            backend=backend,
        )
        live_index_keys = LiveKeys(self.providers, store, policy, events, self._background, IndexKey, backend=backend)
        self._records = RecordListing(store, events, self.live_keys, live_index_keys)
        self._refused = RefusedRecords(policy.cache_ttl.total_seconds(), policy.max_cached_keys)
        maker = KeyMaker(self.providers, store, self.live_keys, events)
        self._encrypting = EncryptingKeys(
            self.providers,
            None if store is None else self._records,
            self.live_keys,
            OpenedRecords(self.live_keys, self._refused, events),
            FirstKeys(maker, self.providers, store, self.live_keys, policy, events),
            maker,
            policy,
            events,
        )
        self.index_keys = IndexKeys(
            self.providers,
            store,
            policy,
            events,
            self._background,
            live_index_keys,
            self._records,
            self._refused,
            self._lost_time,
        )
        self._leases: Leases[Lease] = Leases("lease", policy.max_cached_keys, self._background, events)
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._choices: SingleFlight[Lease] = SingleFlight()  # with a free lock, also in a forked child

    @property
    def self_contained(self) -> bool:
        """True if values carry their key records."""
        return self.store is None

    def uses_own_keys(self, tenant: str | None) -> bool:
        """Return True if every process has data keys of its own for a tenant."""
        return self.store is None or self.providers.own_keys_only(tenant)

    def for_encryption(self, tenant: str | None, offload: Offload = in_place) -> Lease:
        """Return the live key that encrypts for a tenant; makes it if necessary.

        Args:
            tenant: whose key.
            offload: runs what has to wait.

        Raises:
            TypeError, ValueError: the tenant is not a str of 1 to 255 bytes.
            KeyProviderError: the data key cannot be wrapped or unwrapped.
            KeyStoreError: the key store cannot be used, or not one of the records in it can be opened here;
                `KeyShreddedError` if the tenant was shredded.
        """
        self._lost_time.look()
        lease = self._leases.at_hand(tenant, lambda: self._choices.run(tenant, lambda: self._choose(tenant)))
        if lease is not None:
            return lease
        if tenant is not None:
            check_tenant(tenant)
        return offload(lambda: self._choices.run(tenant, lambda: self._choose_anew(tenant)))

    def for_decryption(
        self,
        key_id: bytes,
        record: bytes | None = None,
        offload: Offload = in_place,
        *,
        tenant: Named = None,
    ) -> LiveKey:
        """Return the live key of an id, unwrapping it if need be (see `LiveKeys.get`), for a tenant that was named.

        Raises:
            KeyAccessDeniedError: the key provider only writes.
        """
        if self.providers.for_reader(tenant, offload).write_only:
            raise KeyAccessDeniedError("the key provider of this Encryptor is write_only: it cannot decrypt")
        self._lost_time.look()
        return self.live_keys.get(key_id, record, offload, patient=True, tenant=tenant)

    def create(self, tenant: str | None) -> AuthenticRecord:
        """Return the record of the key that encrypts for a tenant, making one if it has none.

        Raises:
            As `for_encryption`.
            ConfigurationError: every process has data keys of its own.
        """
        if tenant is not None:
            check_tenant(tenant)
        if self.uses_own_keys(tenant):
            raise ConfigurationError("every process has data keys of its own here: making one ahead of time is useless")
        return self.for_encryption(tenant).key.record

    def rotate(self, tenant: str | None) -> KeyRecord:
        """Make the next data key of a tenant now. It waits out its propagation delay.

        Raises:
            As `for_encryption`.
            ConfigurationError: every process has data keys of its own.
            KeyNotFoundError: the tenant has no data key.
        """
        if tenant is not None:
            check_tenant(tenant)
        if self.uses_own_keys(tenant):
            raise ConfigurationError("every process has data keys of its own here, which rotate by themselves")
        key = self._encrypting.rotate(tenant)
        self._leases.look_again(tenant)  # so that the time of the new key is noted
        return key.record.stored

    def drop(self, key_ids: Iterable[bytes]) -> None:
        """End the use of data keys in this process."""
        self._records.drop(key_ids)

    def put_back(self) -> int:
        """Put back what the key store has lost (see `RecordListing.put_back`)."""
        return self._records.put_back()

    def shredded(self, stored: Iterable[KeyRecord | Tombstone]) -> None:
        """End the use of all data keys of a tenant that was shredded, by what the key store has of it."""
        for record in stored:
            self.drop([record.key_id])
            if isinstance(record, Tombstone):
                self.live_keys.end(record)

    def forget(self) -> None:
        """End all live keys and leases, also for fields that still hold them; what is needed again is fetched again."""
        self.providers.forget()
        self.live_keys.forget()
        self.index_keys.forget()
        self._refused.forget()
        self._leases.forget()

    def _bring_forward(self, seconds: float) -> None:
        """Count time that was lost while the process was suspended; fields notice within seconds."""
        self.live_keys.bring_forward(seconds)
        self.index_keys.bring_forward(seconds)
        self._leases.bring_forward(seconds)

    def _provider_changed(self, tenant: str) -> None:
        """Check a tenant's keys with its new provider, or end them."""
        self.live_keys.forget_tenant(tenant)
        self.index_keys.forget_tenant(tenant)
        self._refused.forget()  # what the old provider refused
        self._leases.forget_tenant(tenant)

    def lifetimes(self, tenant: Named) -> list[Lifetime]:
        """Return how long the live keys for values go on (see `LiveKeys.lifetimes`)."""
        self._lost_time.look()
        return self.live_keys.lifetimes(tenant)

    def active(self, tenant: str | None) -> AuthenticRecord | None:
        """Return the record of the key that encrypts for a tenant, and make it live, unless that takes a new key.

        Raises:
            As `for_encryption`.
        """
        lease = self._leases.get(tenant)
        if lease is not None and lease.deadline > _system.monotonic():
            return lease.key.record
        choice = self._choice(tenant)
        if choice.record is not None and not choice.due:
            return self.for_encryption(tenant).key.record
        return choice.record

    def followed_at(self, record: AuthenticRecord) -> float | None:
        """Return when a newer key that is waiting follows this one, in seconds since 1970; None if none is.

        Raises:
            As `for_encryption`.
        """
        if self.uses_own_keys(record.tenant):
            return None
        newer = [each for each in self._choice(record.tenant).waiting if each.age > record.age]
        return newer[-1].created + self.policy.propagation_delay.total_seconds() if newer else None

    def records(self, tenant: str | None) -> list[KeyRecord]:
        """Return the records of a tenant's data keys for values that may encrypt in this process.

        Raises:
            As `EncryptingKeys.records`.
        """
        return self._encrypting.records(tenant)

    def _choice(self, tenant: str | None) -> Choice[AuthenticRecord]:
        lease = self._leases.get(tenant)
        return self._encrypting.choice(tenant, None if lease is None else lease.key, _system.wall_clock())

    def vouches(self, record: KeyRecord) -> bool:
        """Return True if a record that opens cannot have been planted by someone who knows the data key."""
        pinned = self.policy.index_keys.get(record.tenant, ())
        return not self.providers.own_keys_only(record.tenant) or record.key_id in pinned or self.live_keys.made(record)

    def _choose_anew(self, tenant: str | None) -> Lease:
        lease = self._leases.get(tenant)
        if lease is not None and lease.deadline > _system.monotonic():
            return lease  # another caller chose between our check and our flight
        return self._choose(tenant)

    def _choose(self, tenant: str | None) -> Lease:
        lease, now, forgotten = self._leases.get(tenant), _system.wall_clock(), self.live_keys.forgotten
        try:
            choice = self._choice(tenant)
        except KeyShreddedError:
            raise
        except (KeyProviderError, KeyStoreError) as error:
            if lease is None or lease.key.usable_until == float("-inf"):  # refused, or lost, just now
                raise
            # The store is away, or a record, perhaps a planted one, cannot be opened for now: no reason to stop.
            key = self._encrypting.confirmed(lease.key.record)
            if key.record.state is not KeyState.ACTIVE or self.live_keys.lost(key):
                raise
            self.events.report(Event(EventKind.KEY_UNCONFIRMED, key.key_id.hex(), tenant, cause=str(error)))
            opening = isinstance(error, (KeyProviderError, PlantedRecordsError))
            until = now + (ROTATION_RETRY_INTERVAL if opening else RETRY_INTERVAL)
        else:
            key, until = self._encrypting.key(tenant, choice, now)
        if key.tenant != tenant:
            raise KeyStoreError(f"the key store returned a key of another tenant: {key.key_id.hex()}")
        deadline = min(_system.monotonic() + until - now, key.deadline)
        lease = self._leases.hold(tenant, (key,), deadline, lambda: Lease(key))
        if forgotten != self.live_keys.forgotten:  # meanwhile: it serves the waiting callers only
            self.live_keys.drop_unkept(key)
            self._leases.forget_tenant(tenant)
        return lease

    def __reduce__(self) -> str:
        raise TypeError("a keyring holds live keys and cannot be pickled")
