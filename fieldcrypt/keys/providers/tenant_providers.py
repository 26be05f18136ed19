"""Which key provider is asked for whom."""

from __future__ import annotations

from fieldcrypt.context import NoTenant
from fieldcrypt.keys.provider import KeyProvider

__all__ = ["TenantProviders"]


class TenantProviders:
    """The key provider of each tenant, as an Encryptor's provider names it.

    Args:
        provider: the Encryptor's own.
    """

    def __init__(self, provider: KeyProvider) -> None:
        self._provider = provider

    def of(self, tenant: str | None) -> KeyProvider:
        """Return the provider of a tenant, or of data keys that are no tenant's."""
        return self._provider.for_tenant(tenant)

    def of_reader(self, tenant: str | NoTenant | None) -> KeyProvider:
        """Return the provider with which to read for a tenant as the caller of `Field.decrypt` names it."""
        return self.of(tenant if isinstance(tenant, str) else None)
