"""Which backend a process, or an Encryptor, uses."""

from __future__ import annotations

import os
from typing import Final

from fieldcrypt.backends.backend import Backend
from fieldcrypt.backends.python import PYTHON
from fieldcrypt.errors import ConfigurationError

__all__ = ["BACKENDS", "backend", "chosen"]

BACKENDS: Final = ("auto", "python", "native", "native-fips")
VARIABLE: Final = "FIELDCRYPT_BACKEND"


def backend() -> str:
    """Return which backend an Encryptor uses that is made without one, and what it is made of."""
    found = chosen(None)
    return f"{found.name}: {found.description}"


def chosen(name: str | None) -> Backend:
    """Return the backend of a name; without one, that of FIELDCRYPT_BACKEND, or "auto".

    Raises:
        ConfigurationError: there is no such backend, or it cannot be had.
    """
    name = name or os.environ.get(VARIABLE) or "auto"
    if name not in BACKENDS:
        raise ConfigurationError(f"there is no backend {name!r}: use one of {', '.join(BACKENDS)}")
    if name == "python":
        return PYTHON
    try:
        from fieldcrypt.backends.native import NATIVE
    except ImportError as error:
        if name == "auto":
            return PYTHON
        raise ConfigurationError(
            f'the backend {name!r} cannot be had: {error}. Install it with pip install "fieldcrypt[native]"'
        ) from error
    if name not in ("auto", NATIVE.name):
        raise ConfigurationError(f"the backend {name!r} cannot be had: what is installed is {NATIVE.name}")
    return NATIVE
