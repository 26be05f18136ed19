"""Which key provider serves which tenant."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from threading import Lock
from typing import NamedTuple

from fieldcrypt import _system
from fieldcrypt._base.single_flight import SingleFlight
from fieldcrypt.errors import ConfigurationError, DecryptionError, KeyStoreError, NotWrappedHereError
from fieldcrypt.format.context import NO_TENANT, NoTenant
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.chain import KeyProviderChain
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.offload import Offload, in_place

__all__ = ["Named", "TenantProviders", "whose"]

Named = str | NoTenant | None  # the tenant that a caller names; None: any, which not all key providers allow

_FRESH = 0.1  # of cache_ttl: the age up to which an answer may confirm keys


def whose(tenant: str | None) -> str | NoTenant:
    """Return a record's tenant as a caller names it."""
    return NO_TENANT if tenant is None else tenant


class _Answer(NamedTuple):
    provider: KeyProvider
    asked: float  # on the monotonic clock
    wall: float


class TenantProviders:
    """The key provider of each tenant, as an Encryptor's provider names it, for `cache_ttl`.

    Args:
        provider: the Encryptor's own.
        policy: `cache_ttl`, `max_cached_keys` and `own_keys_only` count.
        on_change: called with a tenant whose provider has changed.

    Attributes:
        by_tenant: True if tenants have providers of their own, so that readers name the tenant.
    """

    def __init__(self, provider: KeyProvider, policy: KeyPolicy, on_change: Callable[[str], object]) -> None:
        self.by_tenant = provider.by_tenant
        self._provider = provider
        self._own_keys_only = policy.own_keys_only
        self._cache_ttl = policy.cache_ttl.total_seconds()
        self._limit = policy.max_cached_keys
        self._on_change = on_change
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        """Start with free locks; also runs in a forked child."""
        self._lock = Lock()
        self._flights: SingleFlight[_Answer] = SingleFlight()

    def for_tenant(self, tenant: str | None, offload: Offload = in_place, *, fresh: bool = False) -> KeyProvider:
        """Return the provider of a tenant, or of data keys that are no tenant's.

        Args:
            tenant: whose.
            offload: runs what has to wait.
            fresh: ignore an answer that is older than a moment: to confirm keys.

        Raises:
            KeyProviderError: it cannot be looked up now.
            ConfigurationError: there is none.
        """
        if tenant is None or not self.by_tenant:
            return self._provider.for_tenant(tenant)
        answer = self._known(tenant, _FRESH if fresh else 1.0)
        if answer is None:
            answer = offload(lambda: self._flights.run(tenant, lambda: self._asked(tenant)))
        return answer.provider

    def for_reader(self, named: Named, offload: Offload = in_place) -> KeyProvider:
        """Return the provider with which to read for a tenant as the caller names it.

        Raises:
            TypeError: the name is not a str.
            ConfigurationError: the caller has to name a tenant, and does not.
            KeyProviderError: as for `for_tenant`.
        """
        self.check_named(named)
        return self.for_tenant(named if isinstance(named, str) else None, offload)

    def own_keys_only(self, tenant: str | None) -> bool:
        """Return True if this process encrypts for a tenant only under data keys that it made itself.

        Any other data key may be known to its maker: someone with the public key or, if the policy does not trust
        them, with permission to wrap under the wrapping key.
        """
        return self._own_keys_only or self.for_tenant(tenant).public_key_wrapping

    def check_named(self, named: object) -> None:
        """Raise an error if a reader must name a tenant, and does not."""
        if not self.by_tenant:
            return
        if named is None:
            raise self.unnamed_error()
        if not isinstance(named, (str, NoTenant)):
            raise TypeError(f"a tenant is a str, not {type(named).__name__}")

    def unnamed_error(self) -> ConfigurationError:
        """Return the error of a reader that must name a tenant, and does not."""
        return ConfigurationError(
            "tenants have key providers of their own here, so name the tenant to read for: tenant=…, or "
            "tenant=NO_TENANT for values of no tenant"
        )

    def to_open(self, tenant: str | None, named: Named) -> KeyProvider:
        """Return the provider to open a record with.

        Args:
            tenant: the tenant that the record names.
            named: the tenant that the caller names.

        Raises:
            DecryptionError: they differ; no key service is asked.
            KeyProviderError, ConfigurationError: as for `for_tenant`.
        """
        self.check_tenant(tenant, named)
        return self.for_tenant(tenant, fresh=True)

    def check_tenant(self, tenant: str | None, named: Named) -> None:
        """Raise an error unless a record or key is of the tenant that the caller names."""
        if self.by_tenant and named != whose(tenant):
            raise DecryptionError

    def holds(self, tenant: str | None, provider: KeyProvider) -> bool:
        """Return True if a provider is still a tenant's, as far as is known."""
        answer = None if tenant is None else self._answers.get(tenant)
        return answer is None or answer.provider is provider

    def asked(self, tenant: str | None) -> float:
        """Return when a tenant's provider was last looked up, on the monotonic clock; infinity if it never changes."""
        answer = None if tenant is None else self._answers.get(tenant)
        return float("inf") if answer is None else answer.asked

    def grace(self, tenant: str | None) -> timedelta | None:
        """Return the limit on the grace of a tenant's keys: zero for its own, unless their provider allows more."""
        default = self._provider.for_tenant(None)
        if tenant is None or not self.by_tenant:
            return default.grace
        answer = self._answers.get(tenant)
        if answer is None:
            return timedelta(0)
        provider = answer.provider
        if provider is default:
            return default.grace
        parts = provider.providers if isinstance(provider, KeyProviderChain) else (provider,)
        return min(timedelta(0) if part.grace is None else part.grace for part in parts if part is not default)

    def misplaced_error(self, error: Exception, named: Named) -> KeyStoreError | None:
        """Return the error of a tenant on the default key whose data key in the store is not wrapped under it, or None.

        Such a tenant had a key of its own: nothing is encrypted under the default until all its data keys are moved.
        """
        if not isinstance(named, str) or not isinstance(error, NotWrappedHereError) or not self.is_default(named):
            return None
        return KeyStoreError(
            f"tenant {named!r} has a data key that is not under the default wrapping key, which the lookup returns for "
            f"it: {error}"
        )

    def is_default(self, tenant: str, offload: Offload = in_place) -> bool:
        """Return True if tenants have providers of their own, but this tenant uses the default.

        Raises:
            KeyProviderError, ConfigurationError: as for `for_tenant`.
        """
        return self.by_tenant and self.for_tenant(tenant, offload) is self.for_tenant(None)

    def forget(self) -> None:
        """Have every tenant's provider looked up again."""
        with self._lock:
            self._answers.clear()

    def _known(self, tenant: str, part: float) -> _Answer | None:
        """Return an answer that is younger than a fraction of `cache_ttl`, by both clocks."""
        answer, most = self._answers.get(tenant), self._cache_ttl * part
        if answer is None or _system.monotonic() - answer.asked >= most or _system.wall_clock() - answer.wall >= most:
            return None
        return answer

    def _asked(self, tenant: str) -> _Answer:
        answer = self._known(tenant, _FRESH)  # another caller may have asked between our check and our flight
        if answer is not None:
            return answer
        asked, wall = _system.monotonic(), _system.wall_clock()
        answer = _Answer(self._provider.for_tenant(tenant), asked, wall)
        with self._lock:
            before = self._answers.pop(tenant, None)
            if before is not None and before.provider == answer.provider:
                answer = answer._replace(provider=before.provider)
            self._answers[tenant] = answer
            while len(self._answers) > self._limit:
                self._answers.popitem(last=False)
        if before is not None and before.provider is not answer.provider:
            self._on_change(tenant)
        return answer

    def __reduce__(self) -> str:
        raise TypeError("the providers of a keyring's tenants cannot be pickled")
