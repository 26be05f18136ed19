"""Columns of the types `StringEncryptedType` and `EncryptedType` of sqlalchemy-utils."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from cryptography.fernet import InvalidToken
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy_utils import StringEncryptedType
from sqlalchemy_utils.types.encrypted.encrypted_type import (
    AesEngine,
    AesGcmEngine,
    FernetEngine,
    InvalidCiphertextError,
)
from sqlalchemy_utils.types.encrypted.padding import InvalidPaddingError

from fieldcrypt.errors import ConfigurationError, DecryptionError
from fieldcrypt.schemes.base64_text import STANDARD, decoded
from fieldcrypt.schemes.fernet import is_token
from fieldcrypt.schemes.plaintext import REFUSALS
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["StringEncryptedReader"]

_GCM_FRAME_SIZE = 12 + 16  # IV and tag

_DIALECT = DefaultDialect()


class StringEncryptedReader:
    """Reads the values of a column with the very type that it was declared with.

        reader = StringEncryptedReader(StringEncryptedType(Unicode, key, AesGcmEngine))

    Args:
        type: the column's type, with its key, engine and padding.
        accept_unauthenticated: also read `AesEngine`, the default of sqlalchemy-utils. It has no authentication: anyone
            who can write to the database can change its values, which become authentic values of fieldcrypt once they
            are migrated. An engine of your own needs it as well.

    Raises:
        ConfigurationError: the engine does not authenticate, or the type is another one.
    """

    @discreet
    def __init__(self, type: StringEncryptedType, *, accept_unauthenticated: bool = False) -> None:
        if not isinstance(type, StringEncryptedType):
            raise ConfigurationError("StringEncryptedReader takes a StringEncryptedType, with its key and engine")
        if not isinstance(type.engine, (AesGcmEngine, FernetEngine)) and not accept_unauthenticated:
            raise ConfigurationError(
                f"{type.engine.__class__.__name__} does not authenticate values, so anyone who can write to the "
                "database can change them: if you trust its contents, set accept_unauthenticated=True"
            )
        self._type = type

    def recognises(self, data: bytes | str, /) -> bool:
        """Return True if a value has the form that the engine writes (see `LegacyReader`).

        For AesEngine that is weak: base64 of a multiple of 16 bytes.
        """
        engine = self._type.engine
        if isinstance(engine, FernetEngine):
            return is_token(data)
        content = decoded(data, STANDARD)
        if content is None:
            return False
        if isinstance(engine, AesEngine):
            return len(content) > 0 and len(content) % engine.BLOCK_SIZE == 0
        return not isinstance(engine, AesGcmEngine) or len(content) >= _GCM_FRAME_SIZE

    @discreet
    def read(self, data: bytes | str, /, *, tenant: str | None = None, context: Mapping[str, str] | None = None) -> Any:
        """Decrypt a value, and authenticate it if the engine does (see `LegacyReader`)."""
        if self.recognises(data):
            try:
                return self._decrypt(data)
            except (InvalidCiphertextError, InvalidPaddingError, InvalidToken, *REFUSALS):
                pass
        raise DecryptionError

    def _decrypt(self, data: bytes | str) -> Any:
        # A type sets the key of its engine before every value, and a callable may return another one in every thread.
        type_ = copy(self._type)
        type_.engine = copy(type_.engine)
        takes_bytes = type_.impl_instance.python_type is bytes
        if takes_bytes and isinstance(data, str):
            data = data.encode()
        elif not takes_bytes and isinstance(data, bytes):
            data = data.decode()
        return type_.process_result_value(data, _DIALECT)

    def __reduce__(self) -> str:
        raise TypeError("a StringEncryptedReader holds a key and cannot be pickled")
