"""The native backend: the extension module of the distribution `fieldcrypt-native`. Importing this needs it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import fieldcrypt_native as native

from fieldcrypt.errors import DecryptionError
from fieldcrypt.format.aead import SALT_SIZE

__all__ = ["NATIVE", "NativeCipher"]


_FIPS_SALT: Final[Callable[[], bytes] | None] = getattr(native, "salt", None)  # there the module draws


class NativeCipher:
    """XAES-256-GCM in native memory, which is wiped when nobody uses it any more."""

    __slots__ = ("_cipher", "cipher", "wipe")

    def __init__(self, secret: bytes) -> None:
        self._cipher = native.Cipher(secret)
        self.cipher = self._cipher.cipher
        self.wipe = self._cipher.wipe

    @property
    def is_wiped(self) -> bool:
        """Whether it cannot be used any more."""
        return self._cipher.is_wiped

    def sealer(self, draw: Callable[[int], bytes], messages: int) -> native.Sealer:
        """Return what encrypts under a new salt."""
        return self.sealer_of(_FIPS_SALT() if _FIPS_SALT else draw(SALT_SIZE), messages)

    def sealer_of(self, salt: bytes, messages: int) -> native.Sealer:
        """Return what encrypts under a given salt."""
        return self._cipher.sealer(salt, messages)

    def encrypt(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and tag under a 24-byte nonce that is used this once."""
        return self._cipher.encrypt(nonce, plaintext, aad)

    def decrypt(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            DecryptionError: the tag does not fit key, nonce, ciphertext and aad.
        """
        plaintext = self._cipher.decrypt(nonce, ciphertext, aad)
        if plaintext is None:
            raise DecryptionError("the ciphertext is not authentic")
        return plaintext


class NativeBackend:
    """Derives natively, so that derived keys never pass through Python."""

    name = "native-fips" if native.CRYPTOGRAPHY == "aws-lc-fips" else "native"
    description = f"{native.CRYPTOGRAPHY} {native.CRYPTOGRAPHY_VERSION} by fieldcrypt-native {native.__version__}"
    is_native = True
    key_id = staticmethod(native.key_id)
    record_tag = staticmethod(native.record_tag)
    mac = staticmethod(native.Mac)
    memory_fault = staticmethod(native.memory_fault)
    cipher = NativeCipher
    new_tally = staticmethod(native.Tally)


NATIVE = NativeBackend()

if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=native.lock_memory)  # a child inherits keys, but not that their pages are locked
