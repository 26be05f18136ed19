"""Values that are bound to their row: they open with the row's key, which a type never sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from sqlalchemy.engine import Dialect

from fieldcrypt import ConfigurationError, Encryptor, FieldcryptError
from fieldcrypt.migration import is_envelope
from fieldcrypt_sqlalchemy.companion import Tag
from fieldcrypt_sqlalchemy.conversion import conversion
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, without_parameters
from fieldcrypt_sqlalchemy.offload import in_thread
from fieldcrypt_sqlalchemy.row_key import RowKey
from fieldcrypt_sqlalchemy.types import Encrypted

__all__ = ["UNREAD", "RowBound", "Sealed", "SealedField"]


class _Unread:
    __slots__ = ()


UNREAD: Any = _Unread()  # stands for the plaintext of a value that nobody has opened yet


class Sealed:
    """An encrypted value of a row. A model opens it when the attribute is read; who selects a column alone gets this.

    It shows nothing of the value, and opens with the key of the row that it was written for.
    """

    __slots__ = ("_data", "_field", "_known", "_tag")

    def __init__(self, data: Any, field: SealedField, known: Any = UNREAD, tag: Tag | None = None) -> None:
        self._data = data
        self._field = field
        self._known = known  # what the ORM was given, to be found again after the flush
        self._tag = tag  # of a value of a searchable column that was sealed here

    def open(self, *row: Any, tenant: Any = None) -> Any:
        """Return the value.

        Args:
            row: the key of the row, all its parts, as the model's attributes have them.
            tenant: the row's tenant, if the model has one.

        Raises:
            TypeError: these are not the parts of a key.
            DecryptionError: the value is not of this row, column and tenant, or was changed.
            KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        context, of_tenant = self._field.row_key.named(row, tenant)
        return self._field.open(self, context, of_tenant)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self._data, self._field.name)

    def __repr__(self) -> str:
        return f"<Sealed {self._field.name}>"


class SealedField:
    """Seals and opens the values of one column.

    Args:
        type_: the column's type, with name and encryptor.
    """

    __slots__ = ("_encrypt", "_to_field", "decrypt", "from_field", "name", "row_key")

    def __init__(self, type_: Encrypted) -> None:
        if type_.encryptor is None or type_.name is None:
            raise ConfigurationError(f"{type_.described} has no encryptor")
        kind, self._to_field, self.from_field = conversion(type_.type_)
        field = type_.encryptor.field(type_.name, kind, pad=type_.pad, offload=in_thread)
        self.name = type_.name
        self.row_key: Any = getattr(type_, "row_key", None)
        self._encrypt, self.decrypt = field.encrypt, type_.decrypting(field)

    def seal(self, value: Any, context: Mapping[str, str], tenant: str | None, tag: Tag | None = None) -> Sealed | None:
        """Return a value encrypted for a row, together with its tag; None stays None.

        Raises:
            As `Field.encrypt`, in a form that SQLAlchemy does not wrap with the statement's parameters.
        """
        try:
            plain = value if self._to_field is None else self._to_field(value)
            if plain is None:
                return None
            return Sealed(self._encrypt(plain, tenant=tenant, context=context), self, value, tag)
        except (TypeError, ValueError, FieldcryptError) as error:
            refused = without_parameters(error)
        raise refused

    def open(self, sealed: Sealed, context: Mapping[str, str], tenant: str | None) -> Any:
        """Return the value in a Sealed, whatever column it says that it is of."""
        if sealed._known is not UNREAD:
            return sealed._known
        value = self.decrypt(sealed._data, tenant=tenant, context=context)
        return value if self.from_field is None else self.from_field(value)


class _Unpickled:
    """Stands for the field of a Sealed that came from another process, where only a model can open it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def row_key(self) -> NoReturn:
        raise ConfigurationError(f"a pickled value of {self.name} is opened by the model: read the attribute")


def _unpickle(data: bytes, name: str) -> Sealed:
    return Sealed(data, _Unpickled(name))  # type: ignore[arg-type]


class RowBound(Encrypted):
    """The type that a decorated model gives its encrypted columns: what it takes and returns is sealed."""

    cache_ok = True

    row_key: RowKey  # which the model's plan brings

    @classmethod
    def of(cls, type_: Encrypted, encryptor: Encryptor) -> RowBound:
        """Return the row-bound form of a column's type."""
        bound = cls.__new__(cls)
        bound.__dict__.update(type_.__dict__)
        bound.encryptor = type_.encryptor or encryptor
        bound._tagger = None
        return bound

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Return what lets sealed values of the column through to the driver, and no others."""
        to_driver = self._to_driver(dialect)
        name, mixed = self.name, self.accepted is not None

        def process(value: Any) -> Any:
            if value is None:
                return None
            if value.__class__ is Sealed and mixed and not is_envelope(value._data):
                raise ProtectedColumnError(
                    f"{self.described} accepts plaintext that is stored, and writes none: open it"
                )
            if value.__class__ is Sealed and value._field.name == name:
                return value._data if to_driver is None else to_driver(value._data)
            raise ProtectedColumnError(
                f"{self.described} is bound to its row, which a statement does not tell: add objects of the model, or "
                "seal the values with their row first, insert(Model).values(seal(Model, {…}))"
            )

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return what wraps what came from the driver; nothing is decrypted before somebody reads it."""
        field = SealedField(self)
        mixed = self.accepted is not None

        def process(value: Any) -> Any:
            if value.__class__ is bytes:
                return Sealed(value, field)
            if value is None:
                return None
            if mixed and isinstance(value, str):
                return Sealed(value, field)
            # SQLite lets anyone put anything into a column; what is no value fails when it is read.
            return Sealed(bytes(value) if isinstance(value, memoryview) else b"", field)

        return process

    def compare_values(self, x: Any, y: Any) -> bool:
        """Compare two values as the ORM does to find out what has changed; one that nobody read equals only itself."""
        if x.__class__ is Sealed:
            x = x._known if x._known is not UNREAD else x._data
        if y.__class__ is Sealed:
            y = y._known if y._known is not UNREAD else y._data
        return self.type_.compare_values(x, y)
