"""A field that counts what it encrypts. What it decrypts is counted by its prepared readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from fieldcrypt.field import Field

__all__ = ["CountedField"]

T = TypeVar("T")


class CountedField(Field[T]):
    """A Field, in Python, of an Encryptor that counts values."""

    __slots__ = ()

    def encrypt(self, value: T, *, tenant: str | None = None, context: Mapping[str, str] | None = None) -> bytes:
        """Do what `Field.encrypt` does, and count it."""
        try:
            data = super().encrypt(value, tenant=tenant, context=context)
        except BaseException:
            del value  # no traceback has it
            raise
        self._encrypted[tenant].one()
        return data
