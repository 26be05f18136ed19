"""XAES-256-GCM (https://c2sp.org/XAES-256-GCM, SPEC section 3), composed of the AES and AES-GCM of `cryptography`."""

from __future__ import annotations

import io

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fieldcrypt.errors import DecryptionError

__all__ = [
    "GCM_NONCE_SIZE",
    "KEY_SIZE",
    "LONG",
    "NONCE_SIZE",
    "SALT_SIZE",
    "TAG_SIZE",
    "InvalidTag",
    "Pieces",
    "Xaes256Gcm",
]

KEY_SIZE = 32
SALT_SIZE = 12  # the first bytes of the nonce: they select the AES-256-GCM key
GCM_NONCE_SIZE = 12  # the last bytes of the nonce
NONCE_SIZE = SALT_SIZE + GCM_NONCE_SIZE
TAG_SIZE = 16

LONG = 2**18  # bytes, from which on the copy-free path is faster: below, its set-up costs more than the copies
_BLOCK_SIZE = 16
# Counter blocks of SP 800-108r1 in counter mode: u16 counter, the label "X", a zero byte; the salt fills the block.
_FIRST_BLOCK = b"\x00\x01X\x00"
_SECOND_BLOCK = b"\x00\x02X\x00"
# x^128 + x^7 + x^2 + x + 1, the polynomial of CMAC's doubling (SP 800-38B section 5.3)
_REDUCTION = 0x87
_BLOCK_MASK = (1 << 128) - 1


class Pieces(tuple[bytes, ...]):
    """A plaintext in pieces, which would take long to join."""

    __slots__ = ()

    def __len__(self) -> int:
        return sum(map(len, self))


class Xaes256Gcm:
    """XAES-256-GCM under one key.

    `cipher(salt)` is the expensive half (a few microseconds). Callers that keep its result encrypt and decrypt at the
    price of plain AES-256-GCM, with `salt | nonce` as the 24-byte nonce.
    """

    __slots__ = ("_aes", "_subkey_mask")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise ValueError(f"XAES-256-GCM takes a key of {KEY_SIZE} bytes, not {len(key)}")
        # ECB here is the bare block cipher that CMAC is made of; each block is used once, as a PRF.
        self._aes = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305
        top = int.from_bytes(self._encrypt_blocks(bytes(_BLOCK_SIZE)), "big")
        doubled = (top << 1 & _BLOCK_MASK) ^ (_REDUCTION if top >> 127 else 0)
        self._subkey_mask = doubled << 128 | doubled  # CMAC's K1, for both blocks

    def cipher(self, salt: bytes) -> AESGCM:
        """Return the AES-256-GCM of a 12-byte salt."""
        if len(salt) != SALT_SIZE:
            raise ValueError(f"a salt has {SALT_SIZE} bytes, not {len(salt)}")
        return AESGCM(self._derived(salt))

    def encrypt(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and tag under a 24-byte nonce that is used this once."""
        return self._for(nonce).encrypt(nonce[SALT_SIZE:], plaintext, aad)

    def decrypt(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            DecryptionError: the tag does not fit key, nonce, ciphertext and aad.
        """
        try:
            return self._for(nonce).decrypt(nonce[SALT_SIZE:], ciphertext, aad)
        except InvalidTag:
            raise DecryptionError("the ciphertext is not authentic") from None

    def encrypt_long(self, start: bytes, nonce: bytes, plaintext: Pieces, aad: bytes) -> bytes:
        """Return `start` followed by the ciphertext and tag of a plaintext in pieces, without copying any of them.

        Its set-up takes some ten microseconds, about as long as copying a hundred kilobytes.
        """
        encryptor = Cipher(algorithms.AES(self._subkey(nonce)), modes.GCM(nonce[SALT_SIZE:])).encryptor()
        encryptor.authenticate_additional_data(aad)
        # BytesIO returns the very bytes object that it was given if nothing else refers to it, where bytes() would
        # copy.
        whole = io.BytesIO(bytes(len(start) + len(plaintext) + TAG_SIZE))
        with whole.getbuffer() as buffer:
            at = len(start)
            buffer[:at] = start
            for piece in plaintext:
                at += encryptor.update_into(piece, buffer[at:])
            encryptor.finalize()
            buffer[at:] = encryptor.tag
        return whole.getvalue()

    def decrypt_long(self, nonce: bytes, ciphertext: memoryview, first: int, aad: bytes) -> tuple[bytes, bytes]:
        """Return the `first` bytes of a plaintext, and the rest, without copying either.

        Raises:
            DecryptionError: the tag does not fit key, nonce, ciphertext and aad. Nothing of the plaintext is returned.
        """
        mode = modes.GCM(nonce[SALT_SIZE:], bytes(ciphertext[-TAG_SIZE:]))
        decryptor = Cipher(algorithms.AES(self._subkey(nonce)), mode).decryptor()
        decryptor.authenticate_additional_data(aad)
        pieces = decryptor.update(ciphertext[:first]), decryptor.update(ciphertext[first:-TAG_SIZE])
        try:
            decryptor.finalize()
        except InvalidTag:
            raise DecryptionError from None
        return pieces

    def _for(self, nonce: bytes) -> AESGCM:
        return AESGCM(self._subkey(nonce))

    def _subkey(self, nonce: bytes) -> bytes:
        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"XAES-256-GCM takes a nonce of {NONCE_SIZE} bytes, not {len(nonce)}")
        return self._derived(nonce[:SALT_SIZE])

    def _derived(self, salt: bytes) -> bytes:
        blocks = int.from_bytes(_FIRST_BLOCK + salt + _SECOND_BLOCK + salt, "big") ^ self._subkey_mask
        return self._encrypt_blocks(blocks.to_bytes(KEY_SIZE, "big"))

    def _encrypt_blocks(self, blocks: bytes) -> bytes:
        return self._aes.encryptor().update(blocks)

    def __reduce__(self) -> str:
        raise TypeError("a cipher holds a key and cannot be pickled")
