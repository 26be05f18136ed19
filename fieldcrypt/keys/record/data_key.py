"""A data key and everything that is derived from it (SPEC section 1)."""

from __future__ import annotations

from hmac import compare_digest

from fieldcrypt import _system
from fieldcrypt.backends import PYTHON, Backend, Cipher, Mac
from fieldcrypt.backends.python import derive
from fieldcrypt.errors import DecryptionError
from fieldcrypt.format.aead import SALT_SIZE
from fieldcrypt.keys.record.record import KeyRecord

__all__ = ["CANARY_SALTS", "DATA_KEY_SIZE", "DataKey"]

DATA_KEY_SIZE = 32
CANARY_SALTS = 16  # of a data key
_CANARY_LABEL = b"fieldcrypt/v1 canary"


class DataKey:
    """32 secret bytes. Short-lived: the keyring keeps the cipher made from it, not the key."""

    __slots__ = ("_backend", "_secret", "key_id")

    def __init__(self, secret: bytes, backend: Backend = PYTHON) -> None:
        """Take the bytes of an unwrapped data key, and what derives from it.

        Raises:
            DecryptionError: there are not 32 of them.
        """
        if len(secret) != DATA_KEY_SIZE:
            raise DecryptionError("the unwrapped key has the wrong size")
        self._secret = secret
        self._backend = backend
        self.key_id = backend.key_id(secret)

    @classmethod
    def generate(cls, backend: Backend = PYTHON) -> DataKey:
        """Make a new data key from the operating system's randomness."""
        return cls(_system.random_bytes(DATA_KEY_SIZE), backend)

    @property
    def secret(self) -> bytes:
        """The key itself, for a key provider to wrap."""
        return self._secret

    def cipher(self) -> Cipher:
        """Return the cipher for values."""
        return self._backend.cipher(self._secret)

    def mac(self) -> Mac:
        """Return the HMAC for the tags of blind indexes."""
        return self._backend.mac(self._secret)

    def canary_salts(self) -> tuple[bytes, ...]:
        """Return the salts of canaries (SPEC section 15). They open nothing, so Python may have them."""
        salts = derive(self._secret, _CANARY_LABEL, CANARY_SALTS * SALT_SIZE)
        return tuple(salts[at : at + SALT_SIZE] for at in range(0, len(salts), SALT_SIZE))

    def seal(self, record: KeyRecord) -> KeyRecord:
        """Return the record with its tag."""
        return record._replace(tag=self._tag(record))

    def verify(self, record: KeyRecord) -> None:
        """Check that this is the record's data key and that nothing in the record was changed.

        Raises:
            DecryptionError: the key id or the tag does not match.
        """
        if self.key_id != record.key_id or not compare_digest(self._tag(record), record.tag):
            raise DecryptionError("the key record is not authentic")

    def _tag(self, record: KeyRecord) -> bytes:
        return self._backend.record_tag(self._secret, record.key_id + record.tagged_bytes())

    def __repr__(self) -> str:
        return f"DataKey({self.key_id.hex()})"

    def __reduce__(self) -> str:
        raise TypeError("a data key cannot be pickled")
