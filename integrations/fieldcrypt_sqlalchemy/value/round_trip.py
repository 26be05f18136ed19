"""Refuses to write values that a user's TypeDecorator could not read back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import types
from sqlalchemy.types import TypeDecorator, TypeEngine

from fieldcrypt.spi import Codec
from fieldcrypt_sqlalchemy.value.conversion import Conversion, conversion

__all__ = ["stored"]


def stored(inner: TypeEngine[Any], described: str) -> Conversion:
    """Return the conversion of a SQLAlchemy type for values that are stored.

    It is what `conversion` returns, and for types with a user's `process_result_value` its `to_field` reads each value
    back before it is encrypted. Of other types values come back as they went in, and nothing is done.

    Args:
        inner: the type of the values.
        described: the column, for messages.

    Raises:
        ConfigurationError: as for `conversion`.
    """
    plain = conversion(inner)
    if plain.from_field is None or not _reads_back(inner):
        return plain
    return plain._replace(to_field=_RoundTrip(inner, plain, described).to_field, as_is=None)


def _reads_back(inner: TypeEngine[Any]) -> bool:
    """Return True if code of the application makes the values of a type when they are read."""
    if isinstance(inner, types.ARRAY):
        return _reads_back(inner.item_type)
    if not isinstance(inner, TypeDecorator):
        return False
    reads = type(inner).process_result_value is not TypeDecorator.process_result_value
    return reads or _reads_back(inner.impl_instance)


class _RoundTrip:
    """Takes values there and back."""

    def __init__(self, inner: TypeEngine[Any], plain: Conversion, described: str) -> None:
        assert plain.from_field is not None  # noqa: S101
        codec = Codec(plain.type)
        self._encode, self._decode = codec.encode, codec.decode
        self._bind, self._read = plain.to_field, plain.from_field
        self._is_same: Callable[[Any, Any], bool] = inner.compare_values
        self._described = described
        self._type = type(inner).__name__

    def to_field(self, value: Any) -> Any:
        """Return what to encrypt for a value.

        Raises:
            ValueError: it would not be read back, or as something that is stored as another value.
            Whatever the type raises when it binds a value.
        """
        bound = value if self._bind is None else self._bind(value)
        if bound is None:
            return None
        encoded = self._encode(bound)
        try:
            refusal = None if self._comes_back(value, encoded) else "comes back as another value each time it is stored"
        except Exception as error:  # noqa: BLE001 (whatever the application's type raises)
            refusal = f"could not be read back: {type(error).__name__}"
        if refusal is None:
            return bound
        # Raised here, so that no chained exception carries the plaintext.
        raise ValueError(
            f"a value of {self._described} {refusal}. Its type {self._type} has to read what it binds, when it is "
            "asked with SQLAlchemy's default dialect, and bind what it reads"
        )

    def _comes_back(self, value: Any, encoded: bytes) -> bool:
        read = self._read(self._decode(encoded))
        if read is None or self._equal(value, read):
            return True
        # It may have been normalised, which has an end: what was read is stored as it is, or is read as it is again.
        bound = read if self._bind is None else self._bind(read)
        if bound is None:
            return False
        again = self._encode(bound)
        return again == encoded or self._is_same(read, self._read(self._decode(again)))

    def _equal(self, value: Any, read: Any) -> bool:
        try:
            return bool(self._is_same(value, read))
        except Exception:  # noqa: BLE001 (text and what was made of it, say, which cannot be compared)
            return False
