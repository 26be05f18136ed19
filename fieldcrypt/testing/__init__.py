"""For the tests of applications: keys that count, AWS regions that can be lost, a watch for plaintext. See
docs/guides/testing.md. What needs AWS needs the extra `testing`.
"""

from typing import TYPE_CHECKING, Any

from fieldcrypt.testing.counting_key_provider import CountingKeyProvider

if TYPE_CHECKING:
    from fieldcrypt.testing.local_aws import LocalAws
    from fieldcrypt.testing.moto import correct_moto
    from fieldcrypt.testing.proxy import FaultyProxy
    from fieldcrypt.testing.watch import PlaintextWatch

__all__ = ["CountingKeyProvider", "FaultyProxy", "LocalAws", "PlaintextWatch", "correct_moto"]

_LATER = {  # what needs boto3 or moto, or takes long to import, for the plugin of pytest is loaded in every run
    "FaultyProxy": "fieldcrypt.testing.proxy",
    "LocalAws": "fieldcrypt.testing.local_aws",
    "PlaintextWatch": "fieldcrypt.testing.watch",
    "correct_moto": "fieldcrypt.testing.moto",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = globals()[name] = getattr(import_module(_LATER[name]), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})  # for help(), and for completion in a shell
