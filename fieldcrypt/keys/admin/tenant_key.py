"""A tenant's own wrapping key: checking it, and moving the tenant's data keys to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from fieldcrypt import _system
from fieldcrypt.errors import ConfigurationError, DecryptionError, KeyStoreError
from fieldcrypt.format._text import tenant_text
from fieldcrypt.keys.admin.rewrap import Rewrapping, RewrapReport
from fieldcrypt.keys.keyring import Keyring
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import KeyRecord, KeyState, Purpose, WrappedKey, check_tenant, wrap_context
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore
from fieldcrypt.progress import Progress
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["MoveReport", "check_tenant_key", "check_unshared", "move", "own_provider"]

Entries = Iterable[tuple[bytes, KeyRecord | Tombstone | KeyStoreError]]


class MoveReport(NamedTuple):
    """How far a tenant's data keys are under its own wrapping key.

    Attributes:
        made: new data keys, which follow those that the default key could open.
        rewrapped: the result for the tenant's older data keys.
        left: older keys that are not retired yet. Values under them have to be re-encrypted and tagged again first.
    """

    made: list[KeyRecord]
    rewrapped: RewrapReport
    left: list[KeyRecord]


@discreet
def check_tenant_key(keyring: Keyring, tenant: str, others: Iterable[str], entries: Entries) -> list[str]:
    """Wrap and unwrap an unused data key for a tenant, and return the names of the wrapping keys.

    Raises:
        ConfigurationError: the tenant has no key of its own, or shares one with another tenant.
        DecryptionError, KeyProviderError: the key cannot be used.
    """
    provider = own_provider(keyring, tenant)
    data_key = DataKey.generate(keyring.backend)
    context = wrap_context(data_key.key_id, Purpose.ENCRYPTION, int(_system.wall_clock()), tenant)
    wraps = provider.wrap(data_key.secret, context)
    if not provider.write_only and _unwrapped(keyring, provider, wraps, context).key_id != data_key.key_id:
        raise DecryptionError("the wrapping key unwrapped another data key than it had wrapped")
    for other in others:
        if other != tenant:
            _check_names(provider, tenant, keyring.providers.for_tenant(other).wrapping_keys(), f"tenant {other!r}")
    check_unshared(keyring, provider, tenant, entries)
    return [wrap.name for wrap in wraps]


def check_unshared(keyring: Keyring, provider: KeyProvider, tenant: str, entries: Entries) -> None:
    """Refuse wrapping keys for a tenant that are the default, or that wrap data keys of another tenant.

    Raises:
        ConfigurationError: they are.
    """
    _check_names(provider, tenant, keyring.providers.for_tenant(None).wrapping_keys(), "the default")
    for key_id, entry in entries:
        if isinstance(entry, KeyRecord) and entry.tenant != tenant:
            owner = tenant_text(entry.tenant)
            names = [wrap.name for wrap in entry.wraps]
            _check_names(provider, tenant, names, f"data key {key_id.hex()} of {owner}")


def own_provider(keyring: Keyring, tenant: str) -> KeyProvider:
    """Return the key provider of a tenant that has one of its own."""
    check_tenant(tenant)
    if not keyring.providers.by_tenant:
        raise ConfigurationError("tenants have no wrapping keys of their own here: there is no TenantKeyProvider")
    if keyring.providers.is_default(tenant):
        raise ConfigurationError(f"tenant {tenant!r} has no wrapping key of its own: the lookup gives it the default")
    return keyring.providers.for_tenant(tenant, fresh=True)


def move(
    keyring: Keyring,
    store: KeyStore,
    tenant: str,
    rotate: Callable[[Purpose], KeyRecord],
    on_progress: Callable[[Progress], object] | None = None,
) -> MoveReport:
    """Move a tenant's data keys to its own wrapping key, followed by new ones that the default key never opened.

    Can be interrupted and repeated: while the newest data key of a purpose is not under the tenant's key alone, a new
    one is made, and only then the old ones are rewrapped.

    Raises:
        ConfigurationError: the tenant has no key of its own; or its provider cannot open what is to be moved.
        KeyProviderError, KeyStoreError: it could not start, or a data key could not be made.
    """
    provider = own_provider(keyring, tenant)
    rewrapping = Rewrapping(store, provider, provider, tenant=tenant, vouches=keyring.vouches, backend=keyring.backend)
    made: list[KeyRecord] = []
    for purpose in Purpose:
        newest = _newest(keyring, provider, _records(store, tenant, purpose))
        if newest is not None and rewrapping.needed(newest.stored) and not keyring.uses_own_keys(tenant):
            made.append(rotate(purpose))
    rewrapped = rewrapping.run(on_progress=on_progress)
    return MoveReport(
        made, rewrapped, [old for purpose in Purpose for old in _followed(keyring, provider, store, tenant, purpose)]
    )


def _followed(
    keyring: Keyring, provider: KeyProvider, store: KeyStore, tenant: str, purpose: Purpose
) -> list[KeyRecord]:
    records = _records(store, tenant, purpose)
    newest = _newest(keyring, provider, records)
    return [each for each in records if each.state is KeyState.ACTIVE and newest is not None and each != newest.stored]


def _records(store: KeyStore, tenant: str, purpose: Purpose) -> list[KeyRecord]:
    records = [each for each in store.list(tenant) if isinstance(each, KeyRecord) and each.purpose is purpose]
    return sorted(records, key=lambda record: (record.created, record.key_id))


def _newest(keyring: Keyring, provider: KeyProvider, records: list[KeyRecord]) -> AuthenticRecord | None:
    """Return the newest authentic one of a tenant's records; None if there are none."""
    refused: DecryptionError | None = None
    for record in reversed(records):
        try:
            return AuthenticRecord(record, _unwrapped(keyring, provider, record.wraps, record.context()))
        except DecryptionError as error:
            refused = error
    if refused is not None:
        raise ConfigurationError(
            "the tenant's key provider opens none of its data keys: have the lookup return "
            f"KeyProviderChain(its own, the default) for it in all processes first ({refused})"
        )
    return None


def _unwrapped(
    keyring: Keyring, provider: KeyProvider, wraps: Sequence[WrappedKey], context: Mapping[str, str]
) -> DataKey:
    return DataKey(provider.unwrap(wraps, context), keyring.backend)


def _check_names(provider: KeyProvider, tenant: str, names: Iterable[str], whose: str) -> None:
    shared = [name for name in names if provider.wrapping_key(name) is not None]
    if shared:
        raise ConfigurationError(
            f"{shared[0]!r} cannot be the wrapping key of tenant {tenant!r} alone: {whose} is under it"
        )
