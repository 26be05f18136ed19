"""What encrypts and decrypts here."""

from __future__ import annotations

from collections.abc import Iterator

from fieldcrypt.backends import INSTALL, Backend, NoNativeCore, asked_for, described, native_core
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.health.finding import Finding, Verdict

__all__ = ["examine_backend"]

_HERE = "this process"


def examine_backend(encryptor: Encryptor) -> Iterator[Finding]:
    """Name what an Encryptor computes with and where keys are, and warn of a native core that cannot be used."""
    yield Finding(_HERE, "backend", Verdict.OK, encryptor.backend)
    if asked_for(encryptor._backend_name) == "python":
        return  # a native core is not even imported, which may be why
    core = native_core()
    if not isinstance(core, NoNativeCore):
        if encryptor.backend == described(core):
            yield _examine_memory(core)
    elif core.is_installed:
        advice = f"{INSTALL}, or uninstall fieldcrypt-native"
        yield Finding(_HERE, "native core", Verdict.WARNING, f"it cannot be used: {core.reason}", advice)


def _examine_memory(core: Backend) -> Finding:
    fault = core.memory_fault()
    if fault is None:
        return Finding(_HERE, "key memory", Verdict.OK, "derived keys are in locked pages that no core dump has")
    advice = "allow the process to lock 4 MiB more (ulimit -l, LimitMEMLOCK, or the container's ulimits)"
    return Finding(_HERE, "key memory", Verdict.WARNING, fault, advice)
