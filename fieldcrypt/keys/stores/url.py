"""Key stores of the core from a URL, for settings."""

from __future__ import annotations

from fieldcrypt._base.service_url import ServiceUrl
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.keys.stores.file import FileKeyStore
from fieldcrypt.keys.stores.store import MemoryKeyStore

__all__ = ["file_from_url", "memory_from_url"]


def file_from_url(url: str) -> FileKeyStore:
    """Make a store over a file that `FileKeyStore.create` made: `file:/var/lib/shop/keys.sqlite`.

    Raises:
        ConfigurationError: there is a parameter, or no path of a file.
    """
    named = ServiceUrl.parse(url)
    named.finish()
    return FileKeyStore(named.file())


def memory_from_url(url: str) -> MemoryKeyStore:
    """Make a store that ends with the process: `memory:`.

    Raises:
        ConfigurationError: there is anything after the colon.
    """
    named = ServiceUrl.parse(url)
    named.finish()
    if named.path:
        raise ConfigurationError("memory: takes no path: what it keeps ends with the process")
    return MemoryKeyStore()
