"""A tenant's first data key: only one, however many processes need it at the same moment (SPEC section 6)."""

from __future__ import annotations

from typing import Generic, TypeVar

from fieldcrypt.errors import DecryptionError, KeyNotFoundError, KeyStoreError
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.format._text import tenant_text
from fieldcrypt.keys.live.key_maker import KeyMaker
from fieldcrypt.keys.live.live_key import CachedKey
from fieldcrypt.keys.live.live_keys import LiveKeys
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.tenant_providers import TenantProviders, whose
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.claim import claim_of, claim_place, claimed
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import KeyRecord, KeyState
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import ClaimingKeyStore, KeyStore, keeping_claims
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["FirstKeys"]

_MAX_CONFLICTS = 8  # concurrent changes of the same claim before giving up

K = TypeVar("K", bound=CachedKey)


class FirstKeys(Generic[K]):
    """Makes first data keys, or finds those that other processes are making.

    Args:
        maker: makes them.
        providers: say where every process has data keys of its own, which are not claimed.
        store: keeps records, and claims if it can.
        live_keys: where new keys are live at once; says of which purpose they are.
        policy: which data keys may be used.
        events: where to report them.
    """

    def __init__(
        self,
        maker: KeyMaker[K],
        providers: TenantProviders,
        store: KeyStore | None,
        live_keys: LiveKeys[K],
        policy: KeyPolicy,
        events: Events,
    ) -> None:
        self._maker = maker
        self._providers = providers
        self._store = store
        self._live_keys = live_keys
        self._policy = policy
        self._events = events

    @discreet
    def make(self, tenant: str | None, created: float) -> K:
        """Return the first data key of a tenant that has no authentic record and no tombstone.

        Args:
            tenant: whose.
            created: its creation time if none is claimed, in seconds since 1970.

        Raises:
            KeyProviderError: it cannot be wrapped; or the claimed key cannot be opened for now.
            KeyStoreError: it cannot be kept; `KeyShreddedError` if the tenant was shredded meanwhile.
        """
        claims = self._claims(tenant)
        if claims is None:
            return self._maker.make(tenant, created)
        place = claim_place(self._live_keys.purpose, tenant)
        for _ in range(_MAX_CONFLICTS):
            claim = self._events.watch(lambda: claims.get_claim(place))
            key = None if claim is None else self._found(claims, place, claim, tenant)
            if key is not None:
                return key
            authentic, data_key = self._maker.wrapped(tenant, created)
            if self._put(claims, place, claim_of(authentic.stored), claim):
                return self._kept(claims, authentic, data_key)
        raise KeyStoreError(f"others keep changing the claim of the first data key of {tenant_text(tenant)}: try again")

    def _claims(self, tenant: str | None) -> ClaimingKeyStore | None:
        """Return the store of claims, or None if there is none or every process has keys of its own."""
        if self._providers.own_keys_only(tenant) or self._providers.for_tenant(tenant).write_only:
            return None
        return keeping_claims(self._store)

    def _put(self, claims: ClaimingKeyStore, place: bytes, claim: bytes, replacing: bytes | None) -> bool:
        return self._events.watch(lambda: claims.put_claim(place, claim, replacing))

    @discreet
    def _found(self, store: ClaimingKeyStore, place: bytes, claim: bytes, tenant: str | None) -> K | None:
        """Return the claimed key, with its record in the store; None if it must not be a first key."""
        try:
            record = claimed(claim, self._live_keys.purpose, tenant)
            stored = self._stored(store, record.key_id)
            if isinstance(stored, Tombstone) and stored.tenant == tenant:
                raise stored.tenant_error()
            if isinstance(stored, Tombstone) or isinstance(record, Tombstone):
                raise DecryptionError("it claims a shredding that no tombstone of this tenant confirms")
            if stored is None:
                authentic, data_key = self._live_keys.opener.open(record)
                return self._kept(store, authentic, data_key) if self._may_serve(authentic, authentic.state) else None
            key = self._live_keys.get(record.key_id, tenant=whose(tenant))
            if key.tenant != tenant:
                raise DecryptionError("it names another tenant's data key")
        except DecryptionError as error:
            cause = f"the claim of the first data key: {error}"
            self._events.report(Event(EventKind.RECORD_REFUSED, place.hex(), tenant, cause=cause))
            return None
        return key if self._may_serve(key.record, stored.state) else None

    def _may_serve(self, record: AuthenticRecord, state: KeyState) -> bool:
        """Return True if a key may encrypt new values: a restored backup may bring back an old key with its claim."""
        return state is KeyState.ACTIVE and record.created >= self._policy.earliest

    def _kept(self, store: ClaimingKeyStore, authentic: AuthenticRecord, data_key: DataKey) -> K:
        """Return the live key of a claimed record once it is in the store, where another process may have put it."""
        record = authentic.stored
        try:
            self._events.watch(lambda: store.add(record))
        except KeyStoreError:
            stored = self._stored(store, record.key_id)
            if isinstance(stored, Tombstone):
                raise stored.tenant_error() from None
            if stored is None:
                raise
        else:
            self._events.report(Event(EventKind.KEY_CREATED, record.key_id.hex(), record.tenant))
        return self._live_keys.admit(authentic, data_key, embedded=False)

    def _stored(self, store: ClaimingKeyStore, key_id: bytes) -> KeyRecord | Tombstone | None:
        try:
            return self._events.watch(lambda: store.get(key_id))
        except KeyNotFoundError:
            return None
