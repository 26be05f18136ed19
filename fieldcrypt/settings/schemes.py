"""Which package makes key providers and key stores of a URL's scheme."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any
from urllib.parse import unquote

from fieldcrypt._base.service_url import scheme_of
from fieldcrypt.errors import ConfigurationError

__all__ = ["KEY_PROVIDERS", "KEY_STORES", "make"]

KEY_PROVIDERS = "fieldcrypt.key_providers"
KEY_STORES = "fieldcrypt.key_stores"

# In front of a host, or in a parameter that is named like one.
_PASSWORD = re.compile(r":(?://)?[^/?#]*?:([^/?#]+)@|[?&][^=&]*(?:pass|pwd|secret|token)[^=&]*=([^&]+)", re.IGNORECASE)


def make(group: str, url: str, variable: str) -> Any:
    """Return what the function makes of a URL that a package has registered for its scheme.

    Args:
        group: of entry points: `KEY_PROVIDERS` or `KEY_STORES`.
        url: `scheme:…`.
        variable: where it comes from, for messages.

    Raises:
        ConfigurationError: no package, or more than one, has this scheme; a package that it needs is not installed, or
            cannot be loaded; the URL is refused, or the function makes nothing of it. No message shows its password.
    """
    scheme = scheme_of(url)
    found = entry_points(group=group, name=scheme)
    if not found:
        known = ", ".join(sorted(f"{entry.name}:" for entry in entry_points(group=group)))
        advice = "; a URL of SQLAlchemy comes after sql:" if group == KEY_STORES and "://" in url else ""
        raise ConfigurationError(
            f"{variable}: no installed package has the scheme {scheme}: of {group}; known: {known}{advice}"
        )
    if len(found) > 1:
        packages = ", ".join(sorted(entry.value for entry in found))
        raise ConfigurationError(f"{variable}: more than one package has the scheme {scheme}: of {group}: {packages}")
    (entry,) = found
    function = _loaded(entry, variable)
    try:
        made = function(url)
    except (ConfigurationError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{variable} ({scheme}:): {_without_passwords(str(error), url)}") from None
    if made is None:  # without a key store, values would carry their data keys
        raise ConfigurationError(f"{variable} ({scheme}:): {entry.value} returned None")
    return made


def _without_passwords(said: str, url: str) -> str:
    """Return what a package of others said, without the passwords of the URL, encoded or not."""
    for found in _PASSWORD.finditer(url):
        password = found[1] or found[2]
        for secret in (password, unquote(password)):
            said = said.replace(secret, "…")
    return said


def _loaded(entry: EntryPoint, variable: str) -> Callable[[str], Any]:
    try:
        function: Callable[[str], Any] = entry.load()
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{variable}: the scheme {entry.name}: needs a package that is not installed: {error.name}"
        ) from None
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"{variable}: the scheme {entry.name}: cannot be loaded: {error}") from None
    return function
