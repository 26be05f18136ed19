"""Fernet tokens, of `cryptography`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, overload

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from fieldcrypt.errors import DecryptionError
from fieldcrypt.schemes.base64_text import URL_SAFE, decoded
from fieldcrypt.schemes.plaintext import Decode, text, value_of
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["FernetReader", "is_token"]

T = TypeVar("T")

_VERSION = 0x80
_START = "gAAAA"  # the version and the first bits of a time, zero for the next thousand years, in base64
_START_BYTES = _START.encode()
_FRAME_SIZE = 1 + 8 + 16 + 32  # version, time, IV, HMAC
_BLOCK_SIZE = 16


class FernetReader(Generic[T]):
    """Reads what `Fernet` or `MultiFernet` encrypted, of whatever age.

        reader = FernetReader(MultiFernet([Fernet(new_key), Fernet(old_key)]))

    A token is bound to no row or tenant: anyone who can write to the database can copy it to another row, even during
    the migration.

    Args:
        fernet: with the keys.
        decode: makes a value of what was encrypted. Default: text in UTF-8.
    """

    @overload
    @discreet
    def __init__(self: FernetReader[str], fernet: Fernet | MultiFernet) -> None: ...
    @overload
    def __init__(self, fernet: Fernet | MultiFernet, decode: Decode[T]) -> None: ...
    def __init__(self, fernet: Fernet | MultiFernet, decode: Decode[Any] = text) -> None:
        self._fernet = fernet
        self._decode: Decode[T] = decode

    def recognises(self, data: bytes | str, /) -> bool:
        """Return True if a value has the form of a token (see `LegacyReader`)."""
        return is_token(data)

    @discreet
    def read(self, data: bytes | str, /, *, tenant: str | None = None, context: Mapping[str, str] | None = None) -> T:
        """Authenticate and decrypt a token (see `LegacyReader`)."""
        if is_token(data):
            try:
                plaintext = self._fernet.decrypt(data)
            except InvalidToken:
                pass
            else:
                return value_of(self._decode, plaintext)
        raise DecryptionError

    def __reduce__(self) -> str:
        raise TypeError("a FernetReader holds keys and cannot be pickled")


def is_token(data: bytes | str) -> bool:
    """Return True if a value has the form of a Fernet token."""
    if not (data.startswith(_START) if isinstance(data, str) else data.startswith(_START_BYTES)):
        return False
    token = decoded(data, URL_SAFE)
    if token is None or token[0] != _VERSION:
        return False
    return len(token) > _FRAME_SIZE and (len(token) - _FRAME_SIZE) % _BLOCK_SIZE == 0
