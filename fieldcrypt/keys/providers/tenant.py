"""Tenants with wrapping keys of their own, which the tenants themselves may hold."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NoReturn
from weakref import WeakValueDictionary

from fieldcrypt.errors import ConfigurationError, KeyProviderError, UnknownTenantError
from fieldcrypt.keys.providers.chain import KeyProviderChain
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.record.record import WrappedKey, check_tenant
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["USE_DEFAULT", "TenantKeyProvider", "UseDefault"]


class UseDefault(enum.Enum):
    """The type of `USE_DEFAULT`."""

    USE_DEFAULT = "use default"


USE_DEFAULT: Final = UseDefault.USE_DEFAULT  # what a lookup returns for tenants without a wrapping key of their own

Lookup = Callable[[str], KeyProvider | UseDefault]


class TenantKeyProvider(KeyProvider):
    """Wraps each tenant's data keys under the tenant's own wrapping keys, or under the default's.

    A tenant that owns a wrapping key can wrap under it, so it is an adversary to all others. A data key is opened only
    with the key provider of the tenant that the *caller* names, and only if its record names that tenant too. Hence
    decrypting and searching name the tenant, or pass `NO_TENANT`. Data keys of no tenant are the default's.

    An answer of the lookup counts for `KeyPolicy.cache_ttl`. A changed answer ends the tenant's live keys, unless they
    open under it. While the lookup raises, live keys go on until the end of their `cache_ttl`, and nothing else is done
    for the tenant. A tenant's own keys have no `KeyPolicy.grace` unless their provider sets `grace`, because silence
    may be how their owner says no. How to move a tenant to its own key and back: docs/operations/tenant-keys.md.

    Attributes:
        default: the provider of all tenants without one of their own.

    Args:
        lookup: gets a tenant and returns its key provider, or `USE_DEFAULT`. Never None: an unknown tenant does not get
            the default. For a tenant that does not exist it raises a LookupError. Called from several threads at once.
        default: see above.

    Raises:
        ConfigurationError: the lookup cannot be called, or the default is not a key provider, or is one per tenant.
    """

    def __init__(self, lookup: Lookup, default: KeyProvider) -> None:
        if not callable(lookup):
            raise ConfigurationError("lookup is a function of a tenant's name that returns a key provider")
        self._lookup = lookup
        self._connections: WeakValueDictionary[Any, Any] = WeakValueDictionary()
        self.default = self._checked(default, "the default")

    def for_tenant(self, tenant: str | None) -> KeyProvider:
        """Return the key provider of a tenant (see `KeyProvider.for_tenant`).

        Raises:
            TypeError, ValueError: it cannot be a tenant's name; the lookup is not called.
            KeyProviderError: the lookup raised an exception, which is the error's cause; `UnknownTenantError` if that
                was a LookupError.
            ConfigurationError: it returned something else.
        """
        if tenant is None:
            return self.default
        check_tenant(tenant)
        try:
            found = self._lookup(tenant)
        except Exception as error:
            kind = UnknownTenantError if isinstance(error, LookupError) else KeyProviderError
            raise kind(
                f"the key provider of tenant {tenant!r} cannot be looked up: {type(error).__name__}",
                causes={"lookup": error},
                grace=False,
            ) from error
        if found is USE_DEFAULT:
            return self.default
        if found is None:
            raise ConfigurationError(f"the lookup returned None for tenant {tenant!r}: USE_DEFAULT is the default")
        return self._checked(found, f"what the lookup returned for tenant {tenant!r}")

    def _checked(self, provider: Any, what: str) -> KeyProvider:
        if isinstance(provider, type) or not isinstance(provider, KeyProvider) or provider.by_tenant:
            kind = f"the class {provider.__name__}" if isinstance(provider, type) else type(provider).__name__
            raise ConfigurationError(f"{what} is not a key provider for one tenant: {kind}")
        if getattr(self, "default", None) in (provider, _first(provider)):
            raise ConfigurationError(f"{what} wraps under the default key: return USE_DEFAULT if that is meant")
        provider.share(self._connections)
        return provider

    # A tenant that only a context or a record names does not count: the caller names the tenant.

    by_tenant = True

    @discreet
    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        """Refuse: `for_tenant` returns the provider that wraps."""
        self._refuse()

    @discreet
    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        """Refuse: `for_tenant` returns the provider that unwraps."""
        self._refuse()

    def wrapping_keys(self) -> Sequence[str]:
        """Refuse: `for_tenant` returns the provider that has keys."""
        self._refuse()

    def wrapping_with(self, names: Collection[str]) -> KeyProvider:
        """Refuse: `for_tenant` returns the provider that can be restricted."""
        self._refuse()

    def regions(self) -> Mapping[str, KeyProvider]:
        """Refuse: `for_tenant` returns the provider that has regions."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ConfigurationError("a TenantKeyProvider has no keys itself: ask for_tenant(tenant) first")

    def __repr__(self) -> str:
        return f"TenantKeyProvider({self._lookup!r}, {self.default!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return TenantKeyProvider, (self._lookup, self.default)


def _first(provider: KeyProvider) -> KeyProvider:
    return provider.providers[0] if isinstance(provider, KeyProviderChain) else provider
