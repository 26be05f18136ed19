"""The backend in Python, on `cryptography`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import NamedTuple

import cryptography
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fieldcrypt.counting.tally import PythonTally
from fieldcrypt.format.aead import KEY_SIZE, SALT_SIZE, Xaes256Gcm
from fieldcrypt.format.envelope import KEY_ID_SIZE

__all__ = ["PYTHON", "derive"]

_KEY_ID_LABEL = b"fieldcrypt/v1 key id"
_ENCRYPTION_LABEL = b"fieldcrypt/v1 encryption"
_RECORD_LABEL = b"fieldcrypt/v1 record"
_INDEX_LABEL = b"fieldcrypt/v1 blind index"
_RECORD_TAG_SIZE = SHA256().digest_size

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

    is_wiped = False

    def sealer(self, draw: Callable[[int], bytes], messages: int) -> PythonSealer:
        """Return what encrypts under a new salt."""
        return self.sealer_of(draw(SALT_SIZE), messages)

    def sealer_of(self, salt: bytes, messages: int) -> PythonSealer:
        """Return what encrypts under a given salt."""
        return PythonSealer(salt, self.cipher(salt).encrypt, repeat(True, messages))

    def wipe(self) -> None:
        """Do nothing: Python cannot wipe, and what drops the cipher frees its memory."""


class PythonMac:
    """HMAC-SHA-256, fed with the beginning of a message. It never changes."""

    __slots__ = ("_hmac",)

    is_wiped = False

    def __init__(self, hmac: HMAC) -> None:
        self._hmac = hmac

    def fed(self, data: bytes) -> PythonMac:
        """Return another one, fed with more of the message."""
        mac = self._hmac.copy()
        mac.update(data)
        return PythonMac(mac)

    def tag(self, end: bytes, size: int) -> bytes:
        """Return the first bytes of the tag of a message, which ends with this."""
        mac = self._hmac.copy()
        mac.update(end)
        return mac.finalize()[:size]

    def wipe(self) -> None:
        """Do nothing, as a cipher."""

    def __reduce__(self) -> str:
        raise TypeError("an HMAC holds a key and cannot be pickled")


class PythonBackend:
    """Derives with the HKDF and HMAC of `cryptography`."""

    name = "python"
    is_native = False

    @property
    def description(self) -> str:
        return f"cryptography {cryptography.__version__}"

    def key_id(self, secret: bytes) -> bytes:
        """Return the id of a data key."""
        return derive(secret, _KEY_ID_LABEL, KEY_ID_SIZE)

    def record_tag(self, secret: bytes, message: bytes) -> bytes:
        """Return the tag of a key record."""
        return PythonMac(HMAC(derive(secret, _RECORD_LABEL, KEY_SIZE), SHA256())).tag(message, _RECORD_TAG_SIZE)

    def cipher(self, secret: bytes) -> PythonCipher:
        """Return the cipher for values under a data key."""
        return PythonCipher(derive(secret, _ENCRYPTION_LABEL, KEY_SIZE))

    def mac(self, secret: bytes) -> PythonMac:
        """Return the HMAC for blind indexes under a data key."""
        return PythonMac(HMAC(derive(secret, _INDEX_LABEL, KEY_SIZE), SHA256()))

    def new_tally(self) -> PythonTally:
        """Return a tally of values."""
        return PythonTally()

    def memory_fault(self) -> str:
        """Return why key material may get to swap or a core dump."""
        return "Python keeps keys in ordinary memory"


def derive(key: bytes, label: bytes, size: int) -> bytes:
    """Derive `size` bytes from a key: HKDF-SHA-256 (RFC 5869) without salt, with the label as info."""
    return HKDF(SHA256(), size, salt=None, info=label).derive(key)


PYTHON = PythonBackend()
