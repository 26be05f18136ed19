"""The encrypted column type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from sqlalchemy import Column, Table, event
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import CompileError
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ColumnElement, Null
from sqlalchemy.types import LargeBinary, TypeDecorator, TypeEngine, to_instance

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, FieldcryptError
from fieldcrypt_sqlalchemy.conversion import conversion
from fieldcrypt_sqlalchemy.errors import without_parameters

__all__ = ["Encrypted"]

# With None on the other side these become IS NULL and IS NOT NULL, which the database can answer.
_NULL_TESTS = frozenset({operators.is_, operators.is_not, operators.eq, operators.ne})


class _Comparator(TypeDecorator.Comparator[Any]):
    """Lets through the tests for NULL and refuses all other operators: the database sees only ciphertext."""

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        if op in _NULL_TESTS and len(other) == 1 and (_is_null(other[0]) or self._is_itself(other[0])):
            return super().operate(op, *other, **kwargs)
        raise _refusal(op, self.type)

    def _is_itself(self, other: Any) -> bool:
        """Say whether this is SQLAlchemy looking a column up in a dict, for which it has to compare equal to itself."""
        return isinstance(other, ColumnElement) and hash(other) == hash(self.expr)

    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
        raise _refusal(op, self.type)


def _is_null(other: Any) -> bool:
    return other is None or isinstance(other, Null)


def _refusal(op: Any, type_: Any) -> TypeError:
    name = getattr(op, "__name__", str(op))
    return TypeError(
        f"the database cannot apply {name!r} to {type_.described}: it holds ciphertext, which differs each time that a "
        "value is encrypted. Only is_(None) and is_not(None) work; to search for equal values use a blind index"
    )


class Encrypted(TypeDecorator[Any]):
    """A column whose values are encrypted in the client and stored as binary. NULL stays NULL.

        ssn = mapped_column(Encrypted(String, encryptor))

    Values are bound to the field's name, which by default is `table.column`, with the names that the database knows
    (without schema). Give a name to a column whose table may be renamed, or that is read through other integrations.

    Args:
        type_: what the application sees: any SQLAlchemy type but PickleType.
        encryptor: where keys come from. It may be configured after the models are declared.
        name: the field's name, if not `table.column`.
        pad: hide the exact length of values by padding them to a multiple of so many bytes (2 to 65,535).

    Raises:
        ConfigurationError: the type cannot be encrypted.
    """

    impl = LargeBinary
    cache_ok = True
    comparator_factory = _Comparator

    def __init__(
        self,
        type_: TypeEngine[Any] | type[TypeEngine[Any]],
        encryptor: Encryptor,
        *,
        name: str | None = None,
        pad: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(encryptor, Encryptor):
            raise ConfigurationError(f"Encrypted(type, encryptor): a {type(encryptor).__name__} is no Encryptor")
        # All arguments are attributes of the same names: SQLAlchemy's statement cache tells types apart by these.
        self.type_ = to_instance(type_)
        self.encryptor = encryptor
        self.name = name
        self.pad = pad
        self._derived = False
        if isinstance(self.type_, Encrypted):
            raise ConfigurationError("a column cannot be encrypted twice")
        conversion(self.type_, DefaultDialect())  # raises now what it would raise at the first value

    @property
    def described(self) -> str:
        """The field's name for messages."""
        return f"the encrypted column {self.name}" if self.name else "an encrypted column"

    @property
    def python_type(self) -> type[Any]:
        """The Python type of the values that the application sees."""
        return self.type_.python_type

    def with_variant(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: on the other dialect the column would not be encrypted."""
        raise ConfigurationError("an Encrypted type has no variants: it is binary on every database")

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the binary type of a database, the one without a small limit on MySQL."""
        if dialect.name in ("mysql", "mariadb"):
            from sqlalchemy.dialects.mysql import LONGBLOB  # here, for those who use another database

            return LONGBLOB()
        return super().load_dialect_impl(dialect)

    def _set_parent(self, parent: Any, outer: bool = False, **kw: Any) -> None:
        super()._set_parent(parent, outer=outer, **kw)
        if isinstance(parent, Column):
            event.listen(parent, "after_parent_attach", _bind_to_table)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Return what encrypts a value on its way to the driver."""
        to_field, _, field = self._prepared(dialect)
        encrypt = field.encrypt
        to_driver = self.impl_instance.bind_processor(dialect)

        def process(value: Any) -> Any:
            if value is None:
                return None
            try:
                if to_field is not None:
                    value = to_field(value)
                    if value is None:
                        return None
                data = encrypt(value)
            except (TypeError, ValueError, FieldcryptError) as error:
                refused = without_parameters(error)
            else:
                return data if to_driver is None else to_driver(data)
            raise refused

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return what decrypts a value that came from the driver."""
        _, from_field, field = self._prepared(dialect)
        decrypt = field.decrypt

        def process(value: Any) -> Any:
            if value is None:
                return None
            if not isinstance(value, (bytes, memoryview)):  # SQLite lets anyone put anything into a column
                raise DecryptionError
            return decrypt(value)

        if from_field is None:
            return process

        def convert(value: Any) -> Any:
            return None if value is None else from_field(process(value))

        return convert

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        """Refuse to render a value into SQL text: it would be the plaintext, in the database's log."""
        raise CompileError(f"a value of {self.described} cannot be rendered as a literal")

    def compare_values(self, x: Any, y: Any) -> bool:
        """Compare two values of the application, as the ORM does to find out what has changed."""
        return self.type_.compare_values(x, y)

    @property
    def sort_key_function(self) -> Callable[[Any], Any] | None:  # type: ignore[override]
        """How the ORM sorts values of the application."""
        return self.type_.sort_key_function

    def _prepared(self, dialect: Dialect) -> tuple[Callable[[Any], Any] | None, Callable[[Any], Any] | None, Any]:
        if self.name is None:
            raise without_parameters(
                ConfigurationError(
                    "this Encrypted type belongs to no column, so its field has no name: give it one, "
                    "Encrypted(…, name=…)"
                )
            )
        kind, to_field, from_field = conversion(self.type_, dialect)
        return to_field, from_field, self.encryptor.field(self.name, kind, pad=self.pad)

    def __repr__(self) -> str:
        return f"Encrypted({self.type_!r}, name={self.name!r})"


def _bind_to_table(column: Column[Any], table: Any) -> None:
    """Give a column that joins a table a type of its own, with the field's name.

    A copy, because one type object may have been given to several columns.
    """
    if not isinstance(table, Table) or not isinstance(column.type, Encrypted):
        return
    if column.primary_key or column.unique or column.index or column.foreign_keys:
        raise ConfigurationError(
            f"{table.name}.{column.name} is encrypted, so it cannot be a key, unique or indexed: the database would "
            "compare ciphertext, which differs each time that a value is encrypted"
        )
    if column.type.name is None or column.type._derived:
        bound = column.type.copy()
        bound.name = f"{table.name}.{column.name}"
        bound._derived = True
        column.type = bound
