"""Which backend a process, or an Encryptor, uses."""

from __future__ import annotations

import os
import sys
import warnings
from functools import cache
from itertools import count
from types import FrameType
from typing import Final

from fieldcrypt._version import __version__
from fieldcrypt.backends.backend import Backend
from fieldcrypt.backends.extension import NoNativeCore, native_core
from fieldcrypt.backends.python import PYTHON
from fieldcrypt.errors import ConfigurationError

__all__ = ["BACKENDS", "INSTALL", "asked_for", "backend", "chosen", "described"]

BACKENDS: Final = ("auto", "python", "native", "native-fips")
INSTALL: Final = f"pip install --force-reinstall fieldcrypt-native=={__version__}"  # also over what is broken
VARIABLE: Final = "FIELDCRYPT_BACKEND"

_warnings = count()


def backend() -> str:
    """Return which backend an Encryptor uses that is made without one, and what it is made of, with versions.

    Raises:
        ConfigurationError: FIELDCRYPT_BACKEND names one that does not exist, or cannot be had.
    """
    return described(chosen(None))


def described(found: Backend) -> str:
    """Return the name of a backend, and what it is made of."""
    return f"{found.name}: {found.description}"


def chosen(name: str | None) -> Backend:
    """Return the backend of a name. Without one, return that of FIELDCRYPT_BACKEND, which is read once per process.

    Raises:
        ConfigurationError: there is no such backend, or it cannot be had.
    """
    return _of_process() if name is None else _named(name, "backend")


def asked_for(name: str | None) -> str:
    """Return the name that `chosen` looks for."""
    return name or os.environ.get(VARIABLE) or "auto"


@cache
def _of_process() -> Backend:
    return _named(asked_for(None), VARIABLE)


def _named(name: str, place: str) -> Backend:
    if name not in BACKENDS:
        raise ConfigurationError(f"{place}={name!r} is not a backend: use one of {', '.join(BACKENDS)}")
    if name == "python":
        return PYTHON
    found = native_core()
    if isinstance(found, NoNativeCore):
        if name == "auto":
            return _python_instead(found)
        raise _unavailable(place, name, found.reason)
    if name not in ("auto", found.name):
        raise _unavailable(place, name, f"the fieldcrypt-native that is installed is {found.name!r}")
    return found


def _unavailable(place: str, name: str, reason: str) -> ConfigurationError:
    advice = (
        "It has to be built: see docs/operations/native.md" if name == "native-fips" else f"To install it: {INSTALL}"
    )
    return ConfigurationError(f"{place}={name!r} cannot be had: {reason}. {advice}")


def _python_instead(missing: NoNativeCore) -> Backend:
    if missing.is_installed and next(_warnings) == 0:
        warnings.warn(
            f"fieldcrypt works in Python, because its native core cannot be used: {missing.reason}",
            RuntimeWarning,
            stacklevel=_frames_of_ours(),
        )
    return PYTHON


def _frames_of_ours() -> int:
    """Return how many frames are between the one that warns and the caller of fieldcrypt, who is to be shown."""
    frame: FrameType | None = sys._getframe()
    number = 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith("fieldcrypt"):
        frame, number = frame.f_back, number + 1
    return number
