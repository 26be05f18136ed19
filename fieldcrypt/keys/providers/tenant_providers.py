"""Which key provider is asked for whom."""

from __future__ import annotations

from fieldcrypt.context import NoTenant
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.provider import KeyProvider

__all__ = ["TenantProviders"]


class TenantProviders:
    """The key provider of each tenant, as an Encryptor's provider names it.

    Args:
        provider: the Encryptor's own.
        policy: `own_keys_only` counts.
    """

    def __init__(self, provider: KeyProvider, policy: KeyPolicy) -> None:
        self._provider = provider
        self._own_keys_only = policy.own_keys_only

    def of(self, tenant: str | None) -> KeyProvider:
        """Return the provider of a tenant, or of data keys that are no tenant's."""
        return self._provider.for_tenant(tenant)

    def of_reader(self, tenant: str | NoTenant | None) -> KeyProvider:
        """Return the provider with which to read for a tenant as the caller of `Field.decrypt` names it."""
        return self.of(tenant if isinstance(tenant, str) else None)

    def own_keys_only(self, tenant: str | None) -> bool:
        """Say whether this process encrypts for a tenant under none but the data keys that it made itself.

        Any other may have been made by somebody who knows it: who has the public key, or, if the policy is not to trust
        them, may use the wrapping key.
        """
        return self._own_keys_only or self.of(tenant).public_key_wrapping
