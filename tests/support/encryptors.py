"""Encryptors as most tests need them."""

from __future__ import annotations

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore


def new_encryptor() -> Encryptor:
    """Make an Encryptor with a key and a key store of its own."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
