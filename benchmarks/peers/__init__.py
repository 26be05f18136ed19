"""What fieldcrypt is compared with: one file a library, which is imported when it is that library's turn."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from benchmarks.install_peers import reasons
from benchmarks.peers.peer import Peer

__all__ = ["MODULES", "load"]

# The library (as it is called where it is installed from) -> the module that has its `PEERS`.
MODULES = {
    "fieldcrypt": "benchmarks.peers.ours",
    "tink": "benchmarks.peers.tink_aead",
    "asherah": "benchmarks.peers.asherah_session",
    "sqlalchemy-utils": "benchmarks.peers.sqlalchemy_utils_gcm",
    "Fernet": "benchmarks.peers.fernet",
    "pymongo": "benchmarks.peers.mongodb",
    "dynamodb-encryption-sdk": "benchmarks.peers.dynamodb_sdk",
    "aws-encryption-sdk": "benchmarks.peers.aws_sdk",
}


def load(libraries: Iterable[str] = MODULES) -> tuple[list[Peer], dict[str, str]]:
    """Import peers.

    Returns:
        Those whose library is there, and the reasons why others are not, by library.
    """
    found: list[Peer] = []
    missing: dict[str, str] = {}
    for library in libraries:
        try:
            module = import_module(MODULES[library])
        except ImportError as error:
            missing[library] = _reason(library) or f"it cannot be imported: {error}"
        else:
            found += [make() for make in module.PEERS]
    return found, missing


def _reason(library: str) -> str | None:
    """Why a library was not installed, if that was tried."""
    return next((f"it cannot be installed: {why}" for of, why in reasons().items() if of.startswith(library)), None)
