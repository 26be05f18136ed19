"""Values byte by byte (SPEC section 4): parse and assemble; no cryptography, no I/O."""

from __future__ import annotations

from typing import Any, NamedTuple

from fieldcrypt.errors import DecryptionError
from fieldcrypt.format.aead import GCM_NONCE_SIZE, NONCE_SIZE, SALT_SIZE, TAG_SIZE
from fieldcrypt.format.context import encode_context

__all__ = [
    "GCM_NONCE",
    "HEAD",
    "KEY_ID_SIZE",
    "NONCE",
    "MIN_SIZE",
    "PREFIX",
    "SALT",
    "SELF_CONTAINED",
    "STORED",
    "Envelope",
    "aad",
    "as_bytes",
    "body_slice",
    "head",
    "infix",
    "infix_slice",
    "key_id_of",
    "parse",
]

STORED = 0x01  # the first byte of a value whose data key is in a key store
SELF_CONTAINED = 0x02  # the first byte of a value that carries its wrapped data key

KEY_ID_SIZE = 16  # bytes
_VERSION_SIZE = 1
_LENGTH_SIZE = 2
_HEAD_SIZE = _VERSION_SIZE + KEY_ID_SIZE
_PREFIX_SIZE = _HEAD_SIZE + SALT_SIZE
_BODY_START = _HEAD_SIZE + NONCE_SIZE
MIN_SIZE = _BODY_START + TAG_SIZE  # of the shortest value

# Ready-made slices: on the hot path they cost less than building one from two numbers.
HEAD = slice(0, _HEAD_SIZE)  # version | key id
PREFIX = slice(0, _PREFIX_SIZE)  # version | key id | salt: all that selects an AES-256-GCM key
SALT = slice(_HEAD_SIZE, _PREFIX_SIZE)
NONCE = slice(_HEAD_SIZE, _BODY_START)
GCM_NONCE = slice(_PREFIX_SIZE, _PREFIX_SIZE + GCM_NONCE_SIZE)
MAX_RECORD_SIZE = 0xFFFF


class Envelope(NamedTuple):
    """The parts of a value. `record` is None in the stored form, else the key record's bytes."""

    version: int
    key_id: bytes
    nonce: bytes
    record: bytes | None
    ciphertext: bytes  # tag included

    @property
    def salt(self) -> bytes:
        return self.nonce[:SALT_SIZE]


def parse(data: bytes) -> Envelope:
    """Take a value apart.

    Raises:
        DecryptionError: unknown version, or too short for what it claims to hold.
    """
    version = data[0] if data else None
    key_id = data[_VERSION_SIZE:_HEAD_SIZE]
    nonce = data[_HEAD_SIZE:_BODY_START]
    record: bytes | None = None
    body = data[_BODY_START:]
    if version == SELF_CONTAINED:
        length = int.from_bytes(body[:_LENGTH_SIZE], "big")
        record = body[_LENGTH_SIZE : _LENGTH_SIZE + length]
        body = body[_LENGTH_SIZE + length :]
    elif version != STORED:
        raise DecryptionError
    if len(body) < TAG_SIZE:
        raise DecryptionError
    return Envelope(version, key_id, nonce, record, body)


def key_id_of(data: Any) -> str | None:
    """Return the data key that a value names, 32 hexadecimal digits, or None if it does not have the form of a value.

    What has that form is never plaintext, so the digits may be shown.
    """
    try:
        return parse(as_bytes(data)).key_id.hex()
    except (DecryptionError, TypeError):
        return None


def as_bytes(data: Any) -> bytes:
    """Return a value as bytes, whatever buffer it came in.

    Raises:
        TypeError: it is neither bytes, bytearray nor memoryview.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"an encrypted value is bytes, not {type(data).__name__}")
    return bytes(data)


def infix(record: bytes) -> bytes:
    """Return what a self-contained value has between nonce and ciphertext: a key record after its length."""
    if len(record) > MAX_RECORD_SIZE:
        raise ValueError(f"a key record of {len(record)} bytes does not fit into a self-contained value")
    return len(record).to_bytes(_LENGTH_SIZE, "big") + record


def infix_slice(infix: bytes) -> slice:
    """Return where an infix of this length is in a value."""
    return slice(_BODY_START, _BODY_START + len(infix))


def body_slice(infix: bytes) -> slice:
    """Return where ciphertext and tag are in a value with an infix of this length."""
    return slice(_BODY_START + len(infix), None)


def head(version: int, key_id: bytes) -> bytes:
    """Return the first bytes of a value."""
    return bytes([version]) + key_id


def aad(head: bytes, context: dict[str, str]) -> bytes:
    """Return the additional data of a value: version, key id and encryption context."""
    return head + encode_context(context)
