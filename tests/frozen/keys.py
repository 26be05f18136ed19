"""The keys that the frozen data was written with, made up for it, and the limits of its keyrings."""

from __future__ import annotations

from datetime import timedelta

from fieldcrypt import Encryptor, KeyPolicy, KeyStore, LocalKeyProvider

__all__ = ["KEY_FILE", "LOCAL_KEY", "OTHER_LOCAL_KEY", "POLICY", "encryptor", "provider"]

LOCAL_KEY = bytes(range(100, 132))
KEY_FILE = "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=\n"  # the same, as LocalKeyProvider.from_file reads it
OTHER_LOCAL_KEY = bytes(range(32))

# The data grows old, and no key of it may be followed by another for that.
POLICY = KeyPolicy(rotate_after=timedelta(days=36_500), propagation_delay=timedelta(0), replication_wait=timedelta(0))


def provider() -> LocalKeyProvider:
    """Make the key provider that unwraps all frozen data keys."""
    return LocalKeyProvider(LOCAL_KEY)


def encryptor(store: KeyStore | None = None) -> Encryptor:
    """Make an Encryptor over frozen keys."""
    return Encryptor(provider(), store, policy=POLICY)
