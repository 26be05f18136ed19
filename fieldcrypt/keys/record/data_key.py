"""A data key and everything that is derived from it (SPEC section 1)."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fieldcrypt import _system
from fieldcrypt.errors import DecryptionError
from fieldcrypt.format.aead import KEY_SIZE, Xaes256Gcm
from fieldcrypt.format.envelope import KEY_ID_SIZE
from fieldcrypt.keys.record.record import KeyRecord

__all__ = ["DATA_KEY_SIZE", "DataKey", "derive"]

DATA_KEY_SIZE = 32

_KEY_ID_LABEL = b"fieldcrypt/v1 key id"
_ENCRYPTION_LABEL = b"fieldcrypt/v1 encryption"
_RECORD_LABEL = b"fieldcrypt/v1 record"
_INDEX_LABEL = b"fieldcrypt/v1 blind index"


def derive(key: bytes, label: bytes, size: int) -> bytes:
    """Derive `size` bytes from a key: HKDF-SHA-256 (RFC 5869) without salt, with the label as info."""
    return HKDF(SHA256(), size, salt=None, info=label).derive(key)


class DataKey:
    """32 secret bytes. Short-lived: the keyring keeps the cipher made from it, not the key."""

    __slots__ = ("_secret", "key_id")

    def __init__(self, secret: bytes) -> None:
        """Take the bytes of an unwrapped data key.

        Raises:
            DecryptionError: there are not 32 of them.
        """
        if len(secret) != DATA_KEY_SIZE:
            raise DecryptionError("the unwrapped key has the wrong size")
        self._secret = secret
        self.key_id = derive(secret, _KEY_ID_LABEL, KEY_ID_SIZE)

    @classmethod
    def generate(cls) -> DataKey:
        """Make a new data key from the operating system's randomness."""
        return cls(_system.random_bytes(DATA_KEY_SIZE))

    @property
    def secret(self) -> bytes:
        """The key itself, for a key provider to wrap."""
        return self._secret

    def cipher(self) -> Xaes256Gcm:
        """Return the cipher for values."""
        return Xaes256Gcm(derive(self._secret, _ENCRYPTION_LABEL, KEY_SIZE))

    def index_key(self) -> bytes:
        """Return the key for the tags of blind indexes."""
        return derive(self._secret, _INDEX_LABEL, KEY_SIZE)

    def seal(self, record: KeyRecord) -> KeyRecord:
        """Return the record with its tag."""
        return record._replace(tag=self._mac(record).finalize())

    def verify(self, record: KeyRecord) -> None:
        """Check that this is the record's data key and that nothing in the record was changed.

        Raises:
            DecryptionError: the key id or the tag does not match.
        """
        try:
            if self.key_id == record.key_id:
                return self._mac(record).verify(record.tag)
        except InvalidSignature:
            pass
        raise DecryptionError("the key record is not authentic")

    def _mac(self, record: KeyRecord) -> HMAC:
        mac = HMAC(derive(self._secret, _RECORD_LABEL, KEY_SIZE), SHA256())
        mac.update(record.key_id + record.tagged_bytes())
        return mac

    def __repr__(self) -> str:
        return f"DataKey({self.key_id.hex()})"

    def __reduce__(self) -> str:
        raise TypeError("a data key cannot be pickled")
