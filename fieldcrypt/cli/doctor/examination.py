"""All checks of `fieldcrypt doctor`, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from fieldcrypt.cli.doctor.backend import examine_backend
from fieldcrypt.cli.doctor.data_keys import STORE, DataKeyExamination
from fieldcrypt.cli.doctor.tenant_regions import TenantRegions
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import KeyStoreError
from fieldcrypt.health.finding import Finding, Verdict
from fieldcrypt.health.trial import try_wrapping
from fieldcrypt.keys.providers.chain import KeyProviderChain
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.stores.store import KeyStore

__all__ = ["examine"]


def examine(
    encryptor: Encryptor,
    *,
    tenant: str | None,
    reads_only: bool,
    on_place: Callable[[str], object],
    on_progress: Callable[[int, int], object],
) -> Iterator[Finding]:
    """Examine what computes, every region and every data key.

    Args:
        encryptor: the Encryptor to examine.
        tenant: the only tenant to wrap and unwrap for, if the role may do so for certain tenants only.
        reads_only: do not try to wrap.
        on_place: called with the name of each region before it is examined.
        on_progress: called with how many data keys were looked at, and of how many.
    """
    provider = encryptor.provider.for_tenant(tenant)
    yield from examine_backend(encryptor)
    if encryptor.provider.by_tenant and tenant is not None:
        own = "the default" if provider is encryptor.provider.for_tenant(None) else "its own"
        names = ", ".join(provider.wrapping_keys())
        yield Finding("lookup", "key provider", Verdict.OK, f"tenant {tenant!r} has {own}: {names}")
    for place, there in provider.regions().items():
        on_place(place)
        yield from _examine_key_service(provider, place)
        if not reads_only:
            yield from (trial.finding for trial in try_wrapping(encryptor._backend, there, place, tenant))
    if encryptor.store is None:
        yield Finding(STORE, "readable", Verdict.OK, "there is none: values carry their data keys with them")
        return
    on_place("data keys")
    regions = TenantRegions(encryptor.provider)
    yield from DataKeyExamination(encryptor.data_keys, regions, tenant, encryptor._backend).run(on_progress)
    yield from _examine_claims(encryptor.store)


def _examine_claims(store: KeyStore) -> Iterator[Finding]:
    """Warn of a key store that could keep claims, but has no table for them."""
    own = getattr(store, "own", store)  # of a chain
    with suppress(KeyStoreError):  # already reported for its data keys
        if not getattr(own, "keeps_claims", True):  # an application's own store without them is as intended
            yield Finding(
                STORE,
                "first keys",
                Verdict.WARNING,
                "it keeps no claims, so processes that start together may make a first data key each",
                "a SqlKeyStore keeps them in a second table: call create_table() again, or generate a migration",
            )


def _examine_key_service(provider: KeyProvider, place: str) -> Iterator[Finding]:
    try:
        from fieldcrypt.cli.doctor import kms
    except ModuleNotFoundError:  # without boto3 there is no provider that needs it
        return
    for each in provider.providers if isinstance(provider, KeyProviderChain) else (provider,):
        there = each.regions().get(place)
        if isinstance(there, kms.KmsProvider):
            yield from kms.examine_region(there, place, each.wrapping_keys())
