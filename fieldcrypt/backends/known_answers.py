"""What a backend must compute: known answers, so that a module that computes wrongly is never used."""

from __future__ import annotations

from typing import Final

from fieldcrypt.backends.backend import Backend, Cipher
from fieldcrypt.errors import DecryptionError

__all__ = ["wrong_answers"]

_SECRET: Final = bytes(range(32))
_MESSAGE: Final = b"078-05-1120"
_CONTEXT: Final = b"patients.ssn"
_NONCE: Final = bytes(range(24))

# Computed from SPEC.md sections 1, 3 and 11 with hmac and CMAC alone, so by neither backend.
_KEY_ID: Final = bytes.fromhex("e137ce7b0c13ddbe29cbdc32ee069e41")
_RECORD_TAG: Final = bytes.fromhex("9026b0716e912af4b7fba8db9d199605a20d4f90c403080664b5d22fad3ae123")
_INDEX_TAG: Final = bytes.fromhex("cdd9308da3ac8f01baa07da3712c73ad897c6008185fb20d53870e2aed03e6f3")
_SEALED: Final = bytes.fromhex("3a920b845ce1d3ff08eec8844bcc11f0a2d1ceb1d7f242cb97ba23")
_CHANGED: Final = _SEALED[:-1] + bytes([_SEALED[-1] ^ 1])


def wrong_answers(backend: Backend, *, draws_nonces: bool = False) -> list[str]:
    """Return what a backend computes wrongly: nothing, as a rule.

    Args:
        backend: what is tried out.
        draws_nonces: it takes no nonces, so that what it encrypts is different every time and is not looked at here.

    Raises:
        DecryptionError: it finds that a value is not authentic, which is.
    """
    cipher = backend.cipher(_SECRET)
    mac = backend.mac(_SECRET)
    right = {
        "key ids": backend.key_id(_SECRET) == _KEY_ID,
        "tags of records": backend.record_tag(_SECRET, _MESSAGE) == _RECORD_TAG,
        "tags of blind indexes": mac.tag(_MESSAGE, 32) == _INDEX_TAG,
        "encryption": draws_nonces or cipher.encrypt(_NONCE, _MESSAGE, _CONTEXT) == _SEALED,
        "decryption": cipher.decrypt(_NONCE, _SEALED, _CONTEXT) == _MESSAGE,
        "authentication": _refuses(cipher, _SEALED, b"patients.name") and _refuses(cipher, _CHANGED, _CONTEXT),
    }
    cipher.wipe()
    return [what for what, is_right in right.items() if not is_right]


def _refuses(cipher: Cipher, ciphertext: bytes, context: bytes) -> bool:
    try:
        cipher.decrypt(_NONCE, ciphertext, context)
    except DecryptionError:
        return True
    return False
