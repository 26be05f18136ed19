"""The type that the encrypted columns of a decorated model get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.sql.cache_key import NO_CACHE

from fieldcrypt import Encryptor
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, column_error, parameterless_error
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey
from fieldcrypt_sqlalchemy.rows.sealed import UNOPENED, Sealed
from fieldcrypt_sqlalchemy.rows.sealed_field import SealedField
from fieldcrypt_sqlalchemy.value.text_values import reading

__all__ = ["RowBound"]


class RowBound(Encrypted):
    """The type that a decorated model gives its encrypted columns: what it takes and returns is sealed."""

    cache_ok = True

    row_key: RowKey  # which the model's plan brings

    @classmethod
    def of(cls, type_: Encrypted, encryptor: Encryptor | None) -> RowBound:
        """Return the row-bound form of a column's type."""
        bound = cls.__new__(cls)
        bound.__dict__.update(type_.__dict__)
        bound.encryptor = type_.encryptor or encryptor
        bound._tagger = None
        return bound

    def _cache_key(self) -> Any:
        key = super()._cache_key()
        return key if key is NO_CACHE else (*key, self.__dict__.get("row_key"))

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Return what lets sealed values of the column through to the driver, and no others."""
        to_driver = self._to_driver(dialect)
        name = self.name

        def process(value: Any) -> Any:
            if value is None:
                return None
            if value.__class__ is Sealed and value._field.name == name:
                data = value._data
                if to_driver is None or data is None:
                    return data
                try:
                    return to_driver(data)
                except (TypeError, ValueError) as error:  # of a column that has no room for it
                    refused = parameterless_error(error)
                raise refused
            refused = self._not_sealed_error(value)
            del value
            raise refused

        return process

    def _not_sealed_error(self, value: Any) -> ProtectedColumnError:
        if value.__class__ is Sealed:
            return column_error(self, "takes no sealed value of another column: open it, and seal its plaintext")
        mapper = self.row_key.mapper
        model = mapper.class_.__name__
        named = ((key, getattr(column.type, "name", None)) for key, column in mapper.columns.items())
        key = next((key for key, name in named if name == self.name), "attribute")
        return column_error(
            self,
            f"is bound to its row, which a statement does not name. Add objects of the model, or seal "
            f"the values with their row: insert({model}).values(seal({model}, {{…}})), "
            f'update({model}).values({key}=seal({model}, {{…}}, defaults=False)["{key}"])',
        )

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return what wraps what came from the driver; nothing is decrypted before it is read."""
        field = SealedField(self)
        if self.text is not None:
            return reading(self.text.from_driver(dialect, coltype), lambda stored: Sealed(stored, field))
        mixed = self.accepted is not None

        def process(value: Any) -> Any:
            if value.__class__ is bytes:
                return Sealed(value, field)
            if value is None:
                return None
            if isinstance(value, memoryview):
                return Sealed(bytes(value), field)
            # SQLite lets anyone put anything into a column; what is no value fails when it is read.
            return Sealed(value if mixed else b"", field)

        return process

    def compare_values(self, x: Any, y: Any) -> bool:
        """Compare two values as the ORM does to find out what has changed; one that was not read equals only itself."""
        one = x._opened if x.__class__ is Sealed else x
        other = y._opened if y.__class__ is Sealed else y
        if one is UNOPENED or other is UNOPENED:  # what is stored is no value of the application's, though it looks so
            return x.__class__ is y.__class__ is Sealed and bool(x._data == y._data)
        return self.type_.compare_values(one, other)
