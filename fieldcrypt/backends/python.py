"""The backend in Python, on `cryptography`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Final, NamedTuple

import cryptography
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fieldcrypt.format.aead import KEY_SIZE, SALT_SIZE, Xaes256Gcm
from fieldcrypt.format.envelope import KEY_ID_SIZE

__all__ = ["PYTHON", "derive"]

_KEY_ID_LABEL = b"fieldcrypt/v1 key id"
_ENCRYPTION_LABEL = b"fieldcrypt/v1 encryption"
_RECORD_LABEL = b"fieldcrypt/v1 record"
_INDEX_LABEL = b"fieldcrypt/v1 blind index"

# AESGCM.encrypt and .decrypt: (nonce, data, aad) -> bytes
Crypt = Callable[[bytes, bytes, bytes], bytes]


class PythonSealer(NamedTuple):
    """AES-256-GCM under one random salt.

    Attributes:
        salt: 12 bytes.
        encrypt: `AESGCM.encrypt` under the salt's subkey.
        messages: yields once for every message that the salt may still serve.
    """

    salt: bytes
    encrypt: Crypt
    messages: Iterator[bool]


class PythonCipher(Xaes256Gcm):
    """XAES-256-GCM, composed of what `cryptography` has."""

    __slots__ = ()

    def sealer(self, draw: Callable[[int], bytes], messages: int) -> PythonSealer:
        """Return what encrypts under a new salt."""
        salt = draw(SALT_SIZE)
        return PythonSealer(salt, self.cipher(salt).encrypt, repeat(True, messages))

    def wipe(self) -> None:
        """Do nothing: Python cannot wipe, and what drops the cipher frees its memory."""


class PythonBackend:
    """Derives with the HKDF and HMAC of `cryptography`."""

    name: Final = "python"
    is_native: Final = False

    @property
    def description(self) -> str:
        return f"cryptography {cryptography.__version__}"

    def key_id(self, secret: bytes) -> bytes:
        """Return the id of a data key."""
        return derive(secret, _KEY_ID_LABEL, KEY_ID_SIZE)

    def record_tag(self, secret: bytes, message: bytes) -> bytes:
        """Return the tag of a key record."""
        return _fed(derive(secret, _RECORD_LABEL, KEY_SIZE), message).finalize()

    def cipher(self, secret: bytes) -> PythonCipher:
        """Return the cipher for values under a data key."""
        return PythonCipher(derive(secret, _ENCRYPTION_LABEL, KEY_SIZE))

    def mac(self, secret: bytes) -> HMAC:
        """Return the HMAC for blind indexes under a data key."""
        return HMAC(derive(secret, _INDEX_LABEL, KEY_SIZE), SHA256())


def derive(key: bytes, label: bytes, size: int) -> bytes:
    """Derive `size` bytes from a key: HKDF-SHA-256 (RFC 5869) without salt, with the label as info."""
    return HKDF(SHA256(), size, salt=None, info=label).derive(key)


def _fed(key: bytes, message: bytes) -> HMAC:
    mac = HMAC(key, SHA256())
    mac.update(message)
    return mac


PYTHON = PythonBackend()
