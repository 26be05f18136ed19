"""The index keys of a process: the keys under which a tenant's values are tagged and searched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from fieldcrypt import _system
from fieldcrypt._base.background import Background
from fieldcrypt._base.lost_time import LostTime
from fieldcrypt._base.single_flight import SingleFlight
from fieldcrypt.errors import (
    ConfigurationError,
    KeyProviderError,
    KeyShreddedError,
    KeyStoreError,
)
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.format._text import tenant_text
from fieldcrypt.keys.index.choice import choose_index_key, next_created, unsettled_until
from fieldcrypt.keys.index.index_key import IndexKey, IndexLease
from fieldcrypt.keys.index.refusal import WITHOUT_STORE, unnamed_reason, unsupported_reason
from fieldcrypt.keys.index.rotation import IndexRotation
from fieldcrypt.keys.index.stored import StoredIndexKeys
from fieldcrypt.keys.live.first_keys import FirstKeys
from fieldcrypt.keys.live.key_maker import KeyMaker
from fieldcrypt.keys.live.leases import Leases
from fieldcrypt.keys.live.listing import RecordListing
from fieldcrypt.keys.live.live_keys import RETRY_INTERVAL, LiveKeys
from fieldcrypt.keys.lookup.refused_records import RefusedRecords
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.tenant_providers import TenantProviders
from fieldcrypt.keys.record.record import KeyRecord, Purpose, check_tenant
from fieldcrypt.keys.stores.store import KeyStore
from fieldcrypt.offload import Offload, in_place

__all__ = ["IndexKeys"]

_LIST_FROM = 0.75  # of cache_ttl, after which the keys are listed again in the background


class IndexKeys:
    """Leases of index keys by tenant, over live keys and a key store.

    Args:
        providers: wrap and unwrap data keys.
        store: keeps wrapped data keys; None if values carry their own, in which case there are no index keys.
        policy: limits in time and number.
        events: where to report what happens.
        background: runs what no caller has to wait for.
        live_keys: of blind indexes.
        records: lists what the store keeps.
        refused: records that are known not to be authentic.
        lost_time: checked at every request.
    """

    def __init__(
        self,
        providers: TenantProviders,
        store: KeyStore | None,
        policy: KeyPolicy,
        events: Events,
        background: Background,
        live_keys: LiveKeys[IndexKey],
        records: RecordListing,
        refused: RefusedRecords,
        lost_time: LostTime,
    ) -> None:
        self._providers = providers
        self._store = store
        self._policy = policy
        self._events = events
        self._background = background
        self._live_keys = live_keys
        self._lost_time = lost_time
        self._records = records
        self._stored = StoredIndexKeys(live_keys, records, refused, policy, events)
        self._maker = KeyMaker(providers, store, live_keys, events)
        self._first_keys = FirstKeys(self._maker, providers, store, live_keys, policy, events)
        self._cache_ttl = policy.cache_ttl.total_seconds()
        self._grace = policy.grace.total_seconds()
        self._leases: Leases[IndexLease] = Leases("index", policy.max_cached_keys, background, events)
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        """Start with a free lock; also runs in a forked child."""
        self._choices: SingleFlight[IndexLease] = SingleFlight()

    def __len__(self) -> int:
        return len(self._live_keys)

    def possible(self, tenant: str | None) -> bool:
        """Return True if this process can have index keys of a tenant (see `for_tagging`)."""
        refused = unsupported_reason(self._providers.for_tenant(tenant)) or unnamed_reason(self._policy, tenant)
        return self._store is not None and refused is None

    def for_tagging(self, tenant: str | None, offload: Offload = in_place) -> IndexLease:
        """Return the index keys of a tenant, the one that tags first; makes one if the tenant has none.

        Raises:
            TypeError, ValueError: the tenant is not a str of 1 to 255 bytes.
            ConfigurationError: there can be no index keys here.
            KeyProviderError: an index key cannot be wrapped or unwrapped.
            KeyStoreError: the key store cannot be used, or holds index keys none of which is authentic or active;
                `KeyShreddedError` if the tenant was shredded.
        """
        lease = self._at_hand(tenant)
        if lease is not None:
            return lease
        self._check(tenant, offload)
        return offload(lambda: self._choices.run((tenant, True), lambda: self._choose_anew(tenant, make=True)))

    def create(self, tenant: str | None) -> KeyRecord:
        """Return the record of the index key that tags for a tenant, making one if it has none.

        Where index keys count only if the policy names them, and it names none for the tenant: a new one each time.

        Raises:
            As `for_tagging`.
        """
        if unnamed_reason(self._policy, tenant) is None:
            return self.for_tagging(tenant).keys[0].record.stored
        self._check(tenant, named=False)
        self._records.list(tenant, Purpose.BLIND_INDEX)  # raises if the tenant was shredded
        return self._maker.make(tenant, _system.wall_clock()).record.stored

    def for_searching(self, tenant: str | None, offload: Offload = in_place) -> IndexLease:
        """Return all index keys under which a tenant may have tags; empty if it has none, and none is made.

        Raises:
            As `for_tagging`.
        """
        lease = self._at_hand(tenant)
        if lease is not None and lease.complete:
            return lease
        self._check(tenant, offload)
        return offload(lambda: self._search(tenant))

    def unsettled_until(self, tenant: str | None) -> float | None:
        """Return until when a process may tag under a key that another one follows, in seconds since 1970; else None.

        Raises:
            As `for_searching`.
        """
        records = [key.record for key in self.for_searching(tenant).keys]
        return unsettled_until(records, _system.wall_clock(), self._policy)

    def first(self, tenant: str | None, lease: IndexLease, offload: Offload = in_place) -> IndexKey:
        """Return the first of a tenant's index keys: all tags that can never be made again are under it.

        Args:
            tenant, offload: as for `for_tagging`.
            lease: the keys, at least one.

        Raises:
            KeyStoreError: the key store cannot be used, or it says that an older key is retired: tags under
                the next one would find other items.
        """
        counted = [key for key in lease.keys if key.record.created >= self._policy.earliest] or lease.keys
        first = min(counted, key=lambda key: (key.record.created, key.key_id))
        if tenant in self._policy.index_keys:
            return first
        retired = offload(lambda: self._stored.retired_before(tenant, first))
        if retired is not None:
            raise KeyStoreError(
                f"the index key {retired.key_id.hex()} of {tenant_text(tenant)} is retired, and an index that does not "
                "rotate has its tags under it: name it in KeyPolicy(index_keys=…)"
            )
        return first

    def forget(self) -> None:
        """End all live keys and leases, also for indexes that still hold them."""
        self._live_keys.forget()
        self._leases.forget()

    def bring_forward(self, seconds: float) -> None:
        """Count time that was lost as if it had passed."""
        self._live_keys.bring_forward(seconds)
        self._leases.bring_forward(seconds)

    def forget_tenant(self, tenant: str) -> None:
        """End a tenant's live keys and lease, because its provider has changed."""
        self._live_keys.forget_tenant(tenant)
        self._leases.forget_tenant(tenant)

    def rotation(self, tenant: str | None) -> IndexRotation:
        """Return the rotation of a tenant's index keys; this process reads them again afterwards.

        Raises:
            As `for_tagging`.
        """
        store = self._check(tenant)
        self._leases.look_again(tenant)
        return IndexRotation(store, self._stored, self._maker, self._policy, self._events)

    def _search(self, tenant: str | None) -> IndexLease:
        own: list[None] = []

        def choose() -> IndexLease:
            own.append(None)
            return self._choose_anew(tenant, make=False)

        lease = self._choices.run((tenant, False), choose)
        # While further keys may appear, another caller's lookup is not good enough: it may have begun before ours.
        return lease if lease.complete or own else self._choose(tenant, make=False)

    def _at_hand(self, tenant: str | None) -> IndexLease | None:
        self._lost_time.look()
        return self._leases.at_hand(
            tenant, lambda: self._choices.run((tenant, False), lambda: self._choose(tenant, make=False))
        )

    def _check(self, tenant: str | None, offload: Offload = in_place, *, named: bool = True) -> KeyStore:
        if self._store is None:
            raise ConfigurationError(WITHOUT_STORE)
        if tenant is not None:
            check_tenant(tenant)
        why = unsupported_reason(self._providers.for_tenant(tenant, offload)) or (
            unnamed_reason(self._policy, tenant) if named else None
        )
        if why is not None:
            raise ConfigurationError(why)
        return self._store

    def _choose_anew(self, tenant: str | None, *, make: bool) -> IndexLease:
        lease = self._leases.get(tenant)
        if lease is not None and lease.deadline > _system.monotonic() and (make or lease.complete):
            return lease  # another caller chose between our check and our flight
        return self._choose(tenant, make=make)

    def _choose(self, tenant: str | None, *, make: bool) -> IndexLease:
        lease, forgotten = self._leases.get(tenant), self._live_keys.forgotten
        known = () if lease is None else lease.keys
        listed = _system.monotonic()
        try:
            keys = self._stored.find(tenant, known)
        except KeyShreddedError:
            raise
        except (KeyStoreError, KeyProviderError) as error:
            refused = isinstance(error, KeyProviderError) and not error.retryable
            grace = 0.0 if isinstance(error, KeyProviderError) and not error.grace else self._grace
            if refused or lease is None or listed >= lease.listed + self._cache_ttl + grace:
                raise
            if not (make or lease.complete):
                raise  # a search must not go on without keys that may have appeared
            keys, listed = self._stored.confirmed(known), lease.listed
            self._events.report(Event(EventKind.KEY_UNCONFIRMED, tenant=tenant, cause=str(error)))
        if make and not any(key.record.created >= self._policy.earliest for key in keys):
            keys = self._first(tenant, keys)
        lease = self._lease(tenant, keys, listed)
        if forgotten != self._live_keys.forgotten:  # meanwhile: it serves the waiting callers only
            for key in keys:
                self._live_keys.drop_unkept(key)
            self._leases.forget_tenant(tenant)
        return lease

    def _first(self, tenant: str | None, old: Sequence[IndexKey]) -> list[IndexKey]:
        """Make a first key, and agree on one with other regions that may have made theirs at the same time."""
        if tenant in self._policy.index_keys:
            raise ConfigurationError(
                "all index keys that the policy names were made before its not_before: name a new one"
            )
        now = max(_system.wall_clock(), self._policy.earliest)
        newest = max((key.record for key in old), key=lambda record: record.age, default=None)
        if newest is None:
            key = self._first_keys.make(tenant, now)
        else:
            key = self._maker.make(tenant, next_created(newest, now, self._policy))
        try:
            return self._stored.find(tenant, [*old, key])
        except (KeyStoreError, KeyProviderError) as error:
            if isinstance(error, KeyShreddedError):
                raise
            self._events.report(Event(EventKind.KEY_UNCONFIRMED, key.key_id.hex(), tenant, cause=str(error)))
            return [*old, key]

    def _lease(self, tenant: str | None, found: Iterable[IndexKey], listed: float) -> IndexLease:
        by_id = {key.key_id: key for key in found}
        if not by_id:
            return IndexLease((), complete=False, listed=listed)  # not kept: the first key may be made any time
        wall, now = _system.wall_clock(), _system.monotonic()
        choice = choose_index_key([key.record for key in by_id.values()], wall, self._policy)
        if choice.active is None:
            return IndexLease(list(by_id.values()), complete=False, listed=listed)  # likewise; for searching alone
        keys = (by_id.pop(choice.active.key_id), *by_id.values())
        change = now + choice.until - wall
        complete = choice.complete_from <= wall - (now - listed)
        usable_until = min(listed + self._cache_ttl, change, *(key.usable_until for key in keys))
        deadline = min(listed + _LIST_FROM * self._cache_ttl, usable_until, *(key.deadline for key in keys))
        if not complete:
            deadline = min(deadline, now + RETRY_INTERVAL)
        if listed + self._cache_ttl <= now:  # an outage: the keys go on, and from time to time it is tried again
            deadline = usable_until = min(change, now + RETRY_INTERVAL, *(key.deadline for key in keys))
        elif deadline <= now:  # likewise, in time
            deadline = min(now + RETRY_INTERVAL, usable_until)

        def renew(lease: IndexLease) -> None:
            lease.complete, lease.listed, lease.usable_until = complete, listed, usable_until

        make = partial(IndexLease, keys, complete=complete, listed=listed)
        return self._leases.hold(tenant, keys, deadline, make, renew)

    def __reduce__(self) -> str:
        raise TypeError("index keys hold live keys and cannot be pickled")
