"""Values that fieldcrypt itself wrote, when the field was declared in another way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from fieldcrypt import envelope
from fieldcrypt.errors import DecryptionError
from fieldcrypt.field import Field

__all__ = ["FormerField", "is_envelope"]

T = TypeVar("T")

_VERSIONS = frozenset({bytes([envelope.STORED]), bytes([envelope.SELF_CONTAINED])})


def is_envelope(data: object) -> bool:
    """Say whether a stored value has the form of an encrypted one, authentic or not."""
    if not isinstance(data, bytes) or data[:1] not in _VERSIONS:  # an exception for each would take its time
        return False
    try:
        envelope.parse(data)
    except DecryptionError:
        return False
    return True


class FormerField(Generic[T]):
    """Reads values that were written under another name, or without being bound to their row: an `OldReader`.

        Encrypted(String, accept=[FormerField(encryptor.field("patients.social", str))], accept_until=date(2027, 3, 1))

    A value that is not bound to its row can be moved to another one: while such are accepted, that is not noticed.

    Args:
        field: as it was declared.
        row: its values were bound to their row and tenant, by the same key as now.
    """

    __slots__ = ("_field", "_row")

    def __init__(self, field: Field[T], *, row: bool = False) -> None:
        self._field = field.quiet  # for who asks it tells in the end
        self._row = row

    def recognises(self, data: bytes | str, /) -> bool:
        """Say whether a value has the form of one of fieldcrypt's."""
        return is_envelope(data)

    def read(self, data: bytes | str, /, *, tenant: str | None = None, context: Mapping[str, str] | None = None) -> T:
        """Return a value that was written then.

        Raises:
            As `Field.decrypt`.
        """
        if isinstance(data, str):
            raise DecryptionError
        return self._field.decrypt(data, tenant=tenant, context=context) if self._row else self._field.decrypt(data)

    def __repr__(self) -> str:
        return f"FormerField({self._field!r}, row={self._row})"
