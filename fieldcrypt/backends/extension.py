"""The native core, if it can be used: imported once per process, and tried out before it computes what counts."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Final, NamedTuple

from fieldcrypt._version import __version__
from fieldcrypt.backends.backend import Backend
from fieldcrypt.backends.known_answers import wrong_answers

__all__ = ["NEEDED", "SEAM", "NoNativeCore", "native_core"]

SEAM: Final = 2  # the version of the seam between fieldcrypt and the module, which both must have
_MODULE: Final = "fieldcrypt_native"

# All that the module has, as its types say: one without some of it would serve half of the work.
NEEDED: Final = (
    *("CRYPTOGRAPHY", "CRYPTOGRAPHY_VERSION", "HAS_AES", "SEAM", "__version__"),
    *("Cipher", "Columns", "FieldCore", "FieldReader", "GroupCore", "Mac", "Reader", "Sealer", "Subkey"),
    *("Tally", "Writer"),
    *("key_id", "lock_memory", "memory_fault", "record_tag"),
)


class NoNativeCore(NamedTuple):
    """Why there is no native core.

    Attributes:
        reason: in plain words.
        is_installed: whether there is a module, though it cannot be used.
    """

    reason: str
    is_installed: bool


@cache
def native_core() -> Backend | NoNativeCore:
    """Return the native backend, or why there is none."""
    try:
        import fieldcrypt_native as module
    except ModuleNotFoundError as error:
        if error.name == _MODULE:
            return NoNativeCore("fieldcrypt-native is not installed", is_installed=False)
        return _unusable(f"importing {_MODULE} failed: {error}")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 (whatever a broken module raises; a panic is no Exception)
        return _unusable(f"importing {_MODULE} failed: {type(error).__name__}: {error}")
    wrong = _what_is_wrong(module)
    return _tried_out() if wrong is None else _unusable(wrong)


def _what_is_wrong(module: ModuleType) -> str | None:
    seam, version = getattr(module, "SEAM", None), getattr(module, "__version__", None)
    if seam is None or version is None:
        return f"what is imported as {_MODULE} is not the native core, or is broken: it has no version"
    if version != __version__:
        return f"fieldcrypt-native is of version {version}, and fieldcrypt of {__version__}: both must be the same"
    if seam != SEAM:
        return f"fieldcrypt-native {version} was built from other sources: its seam is {seam}, and not {SEAM}"
    missing = [name for name in NEEDED if not hasattr(module, name)]
    if missing:
        return f"{_MODULE} lacks {', '.join(missing)}"
    if module.HAS_AES is not True:
        return "the processor, or what the module was built with, has no instructions for AES"
    return None


def _tried_out() -> Backend | NoNativeCore:
    try:
        from fieldcrypt.backends.native import NATIVE

        wrong = wrong_answers(NATIVE, draws_nonces=NATIVE.name == "native-fips")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 (as above)
        return _unusable(f"trying out {_MODULE} failed: {type(error).__name__}: {error}")
    return _unusable(f"{_MODULE} computes wrongly: {', '.join(wrong)}") if wrong else NATIVE


def _unusable(reason: str) -> NoNativeCore:
    return NoNativeCore(reason, is_installed=True)
