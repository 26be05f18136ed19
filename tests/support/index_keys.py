"""The key of blind indexes, by the letter of SPEC section 1: fieldcrypt itself never hands it out."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["index_key"]


def index_key(data_key: bytes) -> bytes:
    """Return the index key of a data key, 32 bytes each."""
    return HKDF(SHA256(), 32, salt=None, info=b"fieldcrypt/v1 blind index").derive(data_key)
