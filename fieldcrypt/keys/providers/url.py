"""Key providers of the core from a URL, for settings."""

from __future__ import annotations

from fieldcrypt._base.service_url import ServiceUrl
from fieldcrypt.keys.providers.provider import LocalKeyProvider

__all__ = ["local_from_url"]


def local_from_url(url: str) -> LocalKeyProvider:
    """Make a provider for the local key in a file: `local:/run/secrets/local.key`, `local:local.key?create=true`.

    Raises:
        ConfigurationError: another parameter, or no path of a file; or as `LocalKeyProvider.from_file`.
    """
    named = ServiceUrl.parse(url)
    create = named.flag("create")
    named.finish()
    return LocalKeyProvider.from_file(named.file(), create=bool(create))
