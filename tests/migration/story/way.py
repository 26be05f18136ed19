"""From where to where a column is migrated, and what stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.types import TypeEngine

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.format import text_form
from fieldcrypt.spi import is_envelope
from fieldcrypt_sqlalchemy import Encrypted

__all__ = ["WAYS", "Stored", "Way"]

Stored = bytes | str | None

_ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
_FIELD = _ENCRYPTOR.field("patients.ssn", str)
_SOON = datetime.now(UTC).date() + timedelta(days=30)
_COMMON = (None, "", "a", "a ", "078-05-1120", "ü" * 30)


@dataclass(frozen=True)
class Way:
    """How a table gets to encrypted values.

    Attributes:
        copied: into a new column, beside the plaintext; else in place.
        storage: the database's type of a column in place that is not binary.
        values: what the application writes.
        damaged: what looks like a value, and is none.
    """

    copied: bool
    storage: TypeEngine[Any] | None
    values: tuple[str | None, ...]
    damaged: bytes | str

    @property
    def encrypted(self) -> Encrypted:
        """The type of the protected column, as the application declares it."""
        return Encrypted(String, _ENCRYPTOR, storage=self.storage, accept_plaintext=None if self.copied else _SOON)

    @property
    def raw(self) -> TypeEngine[Any]:
        """Its type to somebody who knows nothing of fieldcrypt."""
        return self.storage or LargeBinary()

    @property
    def copies(self) -> Mapping[str, str] | None:
        """What a Migration is told."""
        return {"plain": "ssn"} if self.copied else None

    def seal(self, value: str | None) -> Stored:
        """Return what stands in the column for a value, encrypted."""
        if value is None:
            return None
        sealed = _FIELD.encrypt(value)
        return sealed if self.storage is None else text_form.encode(sealed)

    def plain(self, value: str | None) -> Stored:
        """Return what stood in the column for a value before it was encrypted in place."""
        return value if value is None or self.storage is not None else value.encode()

    def is_sealed(self, stored: Stored) -> bool:
        """Return True if it has the form of an encrypted value."""
        return text_form.is_marked(stored) or (isinstance(stored, bytes) and is_envelope(stored))

    def read(self, stored: Stored) -> str | None:
        """Return the value of what stands in the column, encrypted or not."""
        if stored is None:
            return None
        if not self.is_sealed(stored):
            return stored.decode() if isinstance(stored, bytes) else stored
        return _FIELD.decrypt(stored if isinstance(stored, bytes) else text_form.decode(stored))

    def can_be_plain(self, value: str | None) -> bool:
        """Return True if a value stands in the column as it is, and is not taken for an encrypted one there."""
        return self.copied or not self.is_sealed(self.plain(value))


_BINARY = (*_COMMON, "\x01" + "x" * 80)  # the last one would be taken for an encrypted value if it stood there as it is
_DAMAGED = b"\x01" + bytes(80)

WAYS: Mapping[str, Way] = {
    "in place": Way(False, None, _BINARY, _DAMAGED),
    "copied": Way(True, None, _BINARY, _DAMAGED),
    # FC1. is a text like any other, also where the database does not tell cases apart.
    "as text": Way(
        False,
        Text().with_variant(Text(collation="NOCASE"), "sqlite"),
        (*_COMMON, "FC1.a", "fc1.a"),
        text_form.encode(_DAMAGED),
    ),
}
