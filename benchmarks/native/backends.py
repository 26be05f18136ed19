"""One Encryptor for each backend that is there."""

from __future__ import annotations

from benchmarks.field_workload import stored
from benchmarks.native.row import NATIVE, PURE
from fieldcrypt import ConfigurationError, Encryptor

__all__ = ["encryptors", "missing"]


def encryptors() -> dict[str, Encryptor]:
    """Return them, by the backend's name: the pure one, and the native one if it can be had."""
    return {backend: stored(backend) for backend in (PURE, NATIVE) if backend == PURE or missing() is None}


def missing() -> str | None:
    """Return why the native backend cannot be had, or None if it can."""
    try:
        stored(NATIVE)
    except ConfigurationError as error:
        return str(error)
    return None
