"""Values that are bound to their row: they open with the row's key, which a type never sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from sqlalchemy.engine import Dialect

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, FieldcryptError
from fieldcrypt.spi import PartOf, located
from fieldcrypt_sqlalchemy.column.companion import Tag
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, parameterless_error
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey
from fieldcrypt_sqlalchemy.value.text_values import reading

__all__ = ["UNOPENED", "RowBound", "Sealed", "SealedField"]


class _Unopened:
    __slots__ = ()


UNOPENED: Any = _Unopened()  # stands for the plaintext of a value that nobody has opened yet


class Sealed:
    """An encrypted value of a row. A model opens it when the attribute is read; who selects a column alone gets this.

    It shows nothing of the value, and opens with the key of the row that it was written for. It can be compared with
    another one, and has neither truth nor text: those of the value are meant, which `open` returns.

    Made by rows that are read, and by `seal`.
    """

    __slots__ = ("_data", "_field", "_opened", "_origin")

    def __init__(
        self, data: Any, field: SealedField, known: Any = UNOPENED, origin: Origin | BoundRow | None = None
    ) -> None:
        self._data = data  # None for NULL, where a statement has to tell for which row that is
        self._field = field
        self._opened = known  # once it was opened, or before it was sealed
        self._origin = origin

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
        return self._field.decrypted(self._data, context, of_tenant)

    def __eq__(self, other: object) -> bool:
        if other is None:
            return False
        if other.__class__ is not Sealed:
            raise self._opaque_error("cannot be compared with a value")
        return self._data == other._data and self._field.name == other._field.name

    def __hash__(self) -> int:
        data = self._data.__class__ if self._data.__class__.__hash__ is None else self._data  # of a document of JSON
        return hash((data, self._field.name))

    def __bool__(self) -> bool:
        raise self._opaque_error("is neither true nor false")

    def __str__(self) -> str:
        raise self._opaque_error("has no text")

    def __format__(self, spec: str) -> str:
        raise self._opaque_error("has no text")

    def _opaque_error(self, what: str) -> ProtectedColumnError:
        return ProtectedColumnError(
            f"a sealed value of {self._field.name} {what}: open it with the key of its row, "
            "sealed.open(key, tenant=tenant), or select objects of the model",
            field=self._field.name,
        )

    def __copy__(self) -> Sealed:
        return self

    def __deepcopy__(self, memo: Any) -> Sealed:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self._data, self._field.name)

    def __repr__(self) -> str:
        return f"<Sealed {self._field.name}>"


class Origin(NamedTuple):
    """What a value that was sealed in this process is to be written with.

    Attributes:
        row: the row that it was sealed for.
        tag: its tag, if its column is searchable.
        replaces: the value that has to be in the row until then, or None if it may be any.
    """

    row: BoundRow
    tag: Tag | None = None
    replaces: Sealed | None = None


class SealedField:
    """Seals and opens the values of one column.

    Args:
        type_: the column's type, with name and encryptor.
        tells: report values that are refused (see `Field.quiet`).

    Attributes:
        decrypt: decrypts a value, given its tenant and context.
        attempt: does so, and tells nobody if the value is refused.
    """

    __slots__ = ("_encrypt", "_is_mixed", "_to_field", "attempt", "decrypt", "field", "from_field", "name", "row_key")

    def __init__(self, type_: Encrypted, *, tells: bool = True) -> None:
        if type_.encryptor is None or type_.name is None:
            raise ConfigurationError(f"{type_.described} has no encryptor")
        self._to_field, self.from_field, field = type_.prepared()
        self.field = field if tells else field.quiet
        self.name = type_.name
        self.row_key: Any = getattr(type_, "row_key", None)
        self._encrypt, self.decrypt = type_.encrypting(self.field), type_.decrypting(self.field)
        self.attempt = type_.decrypting(self.field.quiet)
        self._is_mixed = type_.accepted is not None

    def seal(self, value: Any, row: BoundRow, tag: Tag | None = None, replaces: Sealed | None = None) -> Sealed | None:
        """Return a value encrypted for a row, together with its tag; None stays None.

        Args:
            value: as the application has it.
            row: the row.
            tag: the value's tag, if the column is searchable.
            replaces: the value that has to be in the row until this one is written.

        Raises:
            As `Field.encrypt`, in a form that SQLAlchemy does not wrap with the statement's parameters.
        """
        try:
            plain = value if self._to_field is None else self._to_field(value)
            if plain is None:
                return None if replaces is None else self.null(row, replaces)
            data = self._encrypt(plain, tenant=row.tenant, context=row.context)
            origin = row if tag is None and replaces is None else Origin(row, tag, replaces)
            return Sealed(data, self, value, origin)
        except (TypeError, ValueError, FieldcryptError) as error:
            refused = parameterless_error(located(error, field=self.name, tenant=row.tenant))
        raise refused

    def null(self, row: BoundRow, replaces: Sealed | None = None) -> Sealed:
        """Return NULL, as the value that a row has, or that it gets in place of another one."""
        return Sealed(None, self, None, Origin(row, None, replaces))

    def open(self, sealed: Sealed, context: Mapping[str, str], tenant: str | None, part: PartOf | None = None) -> Any:
        """Return the value in a Sealed, whatever column it says that it is of, and have it remembered there."""
        if sealed._opened is UNOPENED:
            sealed._opened = self.decrypted(sealed._data, context, tenant, part)
        return sealed._opened

    def decrypted(
        self,
        data: Any,
        context: Mapping[str, str],
        tenant: str | None,
        part: PartOf | None = None,
        *,
        tells: bool = True,
    ) -> Any:
        """Return the value that was encrypted for a row; of NULL, None."""
        if data is None:
            return None
        former = {} if part is None or not self._is_mixed else {"part": part}
        value = (self.decrypt if tells else self.attempt)(data, tenant=tenant, context=context, **former)
        return value if self.from_field is None else self.converted(value, data, tenant)

    def converted(self, value: Any, data: Any, tenant: str | None) -> Any:
        """Return a decrypted value as the application has it."""
        try:
            return value if self.from_field is None else self.from_field(value)
        except DecryptionError as error:
            raise self.field.reported_error(error, data, tenant) from None


class _Unpickled:
    """Stands for the field of a Sealed that came from another process, where only a model can open it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def row_key(self) -> NoReturn:
        raise ConfigurationError(
            f"a pickled value of {self.name} cannot be opened alone: pickle the object, whose attribute opens it, or "
            "open the value before it is pickled"
        )


def _unpickle(data: bytes | None, name: str) -> Sealed:
    return Sealed(data, _Unpickled(name), UNOPENED if data is not None else None)  # type: ignore[arg-type]


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
            raise self._not_sealed_error(value)

        return process

    def _not_sealed_error(self, value: Any) -> ProtectedColumnError:
        if value.__class__ is Sealed:
            return ProtectedColumnError(
                f"{self.described} takes no sealed value of another column: open it, and seal its plaintext",
                field=self.name,
            )
        mapper = self.row_key.mapper
        model = mapper.class_.__name__
        named = ((key, getattr(column.type, "name", None)) for key, column in mapper.columns.items())
        key = next((key for key, name in named if name == self.name), "attribute")
        return ProtectedColumnError(
            f"{self.described} is bound to its row, which a statement does not name. Add objects of the model, or seal "
            f"the values with their row: insert({model}).values(seal({model}, {{…}})), "
            f'update({model}).values({key}=seal({model}, {{…}}, defaults=False)["{key}"])',
            field=self.name,
        )

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return what wraps what came from the driver; nothing is decrypted before somebody reads it."""
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
        """Compare two values as the ORM does to find out what has changed; one that nobody read equals only itself."""
        one = x._opened if x.__class__ is Sealed else x
        other = y._opened if y.__class__ is Sealed else y
        if (
            one is UNOPENED or other is UNOPENED
        ):  # what is stored may look like a value of the application's: it is none
            return x.__class__ is y.__class__ is Sealed and bool(x._data == y._data)
        return self.type_.compare_values(one, other)
