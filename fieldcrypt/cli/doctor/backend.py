"""What encrypts and decrypts here."""

from __future__ import annotations

from collections.abc import Iterator

from fieldcrypt.backends import NoNativeCore, native_core
from fieldcrypt.cli.doctor.finding import Finding, Verdict
from fieldcrypt.encryptor import Encryptor

__all__ = ["examine_backend"]

_HERE = "this process"


def examine_backend(encryptor: Encryptor) -> Iterator[Finding]:
    """Say what an Encryptor computes with, and warn of a native core that is installed but cannot be used."""
    yield Finding(_HERE, "backend", Verdict.OK, encryptor.backend)
    core = native_core()
    if isinstance(core, NoNativeCore) and core.is_installed:
        advice = 'pip install --upgrade "fieldcrypt[native]", or uninstall fieldcrypt-native'
        yield Finding(_HERE, "native core", Verdict.WARNING, f"it cannot be used: {core.reason}", advice)
