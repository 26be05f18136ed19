"""Where each tenant's data keys can be opened."""

from __future__ import annotations

from collections.abc import Mapping

from fieldcrypt.errors import ConfigurationError, FieldcryptError, KeyProviderError
from fieldcrypt.keys.providers.provider import KeyProvider

__all__ = ["TenantRegions"]

Regions = Mapping[str, KeyProvider]


class TenantRegions:
    """The regions of each tenant's key provider.

    Attributes:
        shared: those of the default, or of the only provider.

    Args:
        provider: the Encryptor's.
    """

    def __init__(self, provider: KeyProvider) -> None:
        self._provider = provider
        self._default = provider.for_tenant(None)
        self.shared: Regions = {} if self._default.write_only else self._default.regions()
        self._own: dict[str, Regions | FieldcryptError] = {}

    def for_tenant(self, tenant: str | None) -> Regions:
        """Return the regions of a tenant's provider. Its own ones carry its name, because they can fail separately.

        Raises:
            KeyProviderError, ConfigurationError: the provider cannot be looked up.
        """
        if tenant is None or not self._provider.by_tenant:
            return self.shared
        if tenant not in self._own:
            self._own[tenant] = self._look_up(tenant)
        found = self._own[tenant]
        if isinstance(found, FieldcryptError):
            raise found
        return found

    def _look_up(self, tenant: str) -> Regions | FieldcryptError:
        try:
            provider = self._provider.for_tenant(tenant)
            if provider is self._default:
                return self.shared
            if provider.write_only:
                return {}
            return {f"{region}, tenant {tenant!r}": local for region, local in provider.regions().items()}
        except (KeyProviderError, ConfigurationError) as error:
            return error.with_traceback(None)
