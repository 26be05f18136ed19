"""XAES-256-GCM: the published vectors, and what it refuses."""

from __future__ import annotations

import hashlib
import pickle

import pytest

from fieldcrypt import DecryptionError
from fieldcrypt.format.aead import Xaes256Gcm

NONCE = b"ABCDEFGHIJKLMNOPQRSTUVWX"


@pytest.mark.parametrize(
    ("key", "aad", "ciphertext"),
    [
        (b"\x01" * 32, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (b"\x03" * 32, b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ],
    ids=["mask-without-reduction", "mask-with-reduction"],
)
def test_published_vectors(key: bytes, aad: bytes, ciphertext: str) -> None:
    """The two vectors of c2sp.org/XAES-256-GCM come out, one for each branch of CMAC's doubling."""
    cipher = Xaes256Gcm(key)
    assert cipher.encrypt(NONCE, b"XAES-256-GCM", aad).hex() == ciphertext
    assert cipher.decrypt(NONCE, bytes.fromhex(ciphertext), aad) == b"XAES-256-GCM"


def test_accumulated_vectors() -> None:
    """10,000 random messages give the digest that c2sp.org/XAES-256-GCM publishes, and decrypt again."""
    stream = hashlib.shake_128().digest(10_000 * (32 + 24 + 1 + 255 + 1 + 255))
    position = 0

    def read(size: int) -> bytes:
        nonlocal position
        position += size
        return stream[position - size : position]

    outputs = hashlib.shake_128()
    for _ in range(10_000):
        cipher, nonce = Xaes256Gcm(read(32)), read(24)
        plaintext = read(read(1)[0])
        aad = read(read(1)[0])
        ciphertext = cipher.encrypt(nonce, plaintext, aad)
        assert cipher.decrypt(nonce, ciphertext, aad) == plaintext
        outputs.update(ciphertext)
    assert outputs.hexdigest(32) == "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_has_32_bytes(size: int) -> None:
    """A key of any other size is refused."""
    with pytest.raises(ValueError, match="32 bytes"):
        Xaes256Gcm(bytes(size))


@pytest.mark.parametrize("size", [0, 12, 23, 25])
def test_a_nonce_has_24_bytes(size: int) -> None:
    """A nonce of any other size is refused, also one that AES-GCM would take."""
    cipher = Xaes256Gcm(bytes(32))
    with pytest.raises(ValueError, match="24 bytes"):
        cipher.encrypt(bytes(size), b"", b"")
    with pytest.raises(ValueError, match="24 bytes"):
        cipher.decrypt(bytes(size), bytes(16), b"")


@pytest.mark.parametrize("size", [0, 11, 13, 24])
def test_a_salt_has_12_bytes(size: int) -> None:
    """A salt of any other size is refused."""
    with pytest.raises(ValueError, match="12 bytes"):
        Xaes256Gcm(bytes(32)).cipher(bytes(size))


@pytest.mark.parametrize("ciphertext", [b"", bytes(15), bytes(16), bytes(40)], ids=len)
def test_what_is_not_authentic_is_a_decryption_error(ciphertext: bytes) -> None:
    """Ciphertexts without a fitting tag, or too short for any, raise DecryptionError."""
    with pytest.raises(DecryptionError):
        Xaes256Gcm(bytes(32)).decrypt(bytes(24), ciphertext, b"")


def test_a_cipher_cannot_be_pickled() -> None:
    """A cipher does not leave the process by accident."""
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(Xaes256Gcm(bytes(32)))


def test_a_cipher_does_not_show_its_key() -> None:
    """Neither repr nor str of a cipher holds its key."""
    key = b"a key that is easily recognised!"
    shown = f"{Xaes256Gcm(key)!r} {Xaes256Gcm(key)!s}"
    assert key.hex() not in shown
    assert key.decode() not in shown
