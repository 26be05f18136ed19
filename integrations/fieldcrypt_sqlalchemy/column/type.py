"""The encrypted column type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, NoReturn, Self

from sqlalchemy.engine import Dialect
from sqlalchemy.exc import CompileError
from sqlalchemy.sql.cache_key import NO_CACHE
from sqlalchemy.types import LargeBinary, TypeDecorator, TypeEngine

from fieldcrypt import ConfigurationError, Encryptor, Field, IndexedBy, Protection
from fieldcrypt.schemes import LegacyReader
from fieldcrypt.spi import Accepted, FromPlaintext
from fieldcrypt_sqlalchemy.column.arguments import check_encryptor, inner_type
from fieldcrypt_sqlalchemy.column.comparator import Comparator
from fieldcrypt_sqlalchemy.column.protected import ProtectedType
from fieldcrypt_sqlalchemy.column.tagger import Tagger, check_index
from fieldcrypt_sqlalchemy.errors import parameterless_error
from fieldcrypt_sqlalchemy.internals.column import cache_key
from fieldcrypt_sqlalchemy.offload import in_thread
from fieldcrypt_sqlalchemy.value.conversion import conversion
from fieldcrypt_sqlalchemy.value.processors import binary_type, binding, reading_binary, revealing
from fieldcrypt_sqlalchemy.value.round_trip import stored
from fieldcrypt_sqlalchemy.value.storage import storage_of
from fieldcrypt_sqlalchemy.value.text_values import opening, plaintext_writer, reading, sealing

__all__ = ["HAS_PROTECTED", "Encrypted", "is_searchable"]

HAS_PROTECTED = "fieldcrypt_has_protected"  # an attribute of tables with encrypted columns; migrations show `info`
# Drivers that take bytes as they are. SQLAlchemy would wrap each in an object, which the garbage collector follows.
_TAKE_BYTES = frozenset({"pysqlite", "aiosqlite", "psycopg", "psycopg_async"})


class Encrypted(ProtectedType, TypeDecorator[Any]):
    """A column whose values are encrypted in the client and stored as binary, or as text. NULL stays NULL.

        ssn = mapped_column(Encrypted(String, encryptor))

    Values are bound to the field's name, which by default is `table.column`, with the names that the database knows
    (without schema). A type that is copied from a column keeps that column's name. Give a name to a column whose table
    may be renamed, or that is read through other integrations.

    Args:
        type_: what the application sees: any SQLAlchemy type but PickleType.
        encryptor: where keys come from. It may be configured after the models are declared. Not given on a model that
            `encrypted` decorates.
        name, context, pad, accept_public_key, accept_foreign_keys, accept, accept_until: see `Protection`.
        index: make the column searchable: the name of a companion column, which `blind_index()` declares, an
            `IndexedBy` that says more, or several of these.
        accept_plaintext: see `Protection`. Of text and bytes only, or with `storage` of text and documents of JSON.
        storage: the type that the column has in the database, a String, a Text or a JSON, so that a column that exists
            is encrypted where it is. Values take a third more room than in binary. Default: binary.
        write: False for the first of two deployments, or while an `undo` runs (docs/guides/migration.md): both forms
            are read, and plaintext is written, for processes that read nothing else. Takes `accept_plaintext`.

    Raises:
        ConfigurationError: the type cannot be encrypted, something is to be accepted for ever, or `storage` is too
            short, or no text.
    """

    impl: Any = LargeBinary
    cache_ok = True
    comparator_factory: Any = Comparator

    named_by_table = False  # it has its name from the column that it was declared for

    def __init__(
        self,
        type_: TypeEngine[Any] | type[TypeEngine[Any]],
        encryptor: Encryptor | None = None,
        *,
        name: str | None = None,
        context: Mapping[str, str] | None = None,
        pad: int | None = None,
        index: str | IndexedBy | Sequence[str | IndexedBy] | None = None,
        accept_public_key: bool = False,
        accept_foreign_keys: bool = False,
        accept_plaintext: date | None = None,
        accept: Sequence[LegacyReader[Any]] = (),
        accept_until: date | None = None,
        storage: TypeEngine[Any] | type[TypeEngine[Any]] | None = None,
        write: bool = True,
    ) -> None:
        super().__init__()
        check_encryptor(encryptor)
        self.type_ = inner_type(type_)
        self.encryptor = encryptor
        self.storage = None if storage is None else inner_type(storage)
        self.write = write
        self._tagger: Tagger | None = None
        if isinstance(self.type_, Encrypted):
            raise ConfigurationError("a column cannot be encrypted twice")
        self.protection = Protection(
            conversion(self.type_).type,  # raises now what it would raise at the first value
            name=name,
            context=context,
            pad=pad,
            index=index,
            accept_public_key=accept_public_key,
            accept_foreign_keys=accept_foreign_keys,
            accept_plaintext=accept_plaintext,
            accept=accept,
            accept_until=accept_until,
            storage="binary" if storage is None else "text",
        )
        self.text = storage_of(self.storage, self.type_, pad)
        if self.storage is not None:
            self.impl = self.storage  # what it is to SQLAlchemy and to Alembic, on every database
        if not write and accept_plaintext is None:
            raise ConfigurationError("write=False takes accept_plaintext=date(…), the day by which all is encrypted")
        self._check()

    def _check(self) -> None:
        """Raise what is wrong with the declaration, now and not at the first value."""
        empty = Encryptor()
        field = self.protection.field(empty, "declared")
        self.protection.mixed(empty, field, self.from_plaintext(field.type))
        if self.indexes:
            check_index(self.type_, self.protection)

    @property
    def name(self) -> str | None:
        """The field's name; None before the type belongs to a column."""
        return self.protection.name

    @property
    def indexes(self) -> tuple[IndexedBy, ...]:
        """How the column is searched."""
        return self.protection.indexes

    @property
    def accepted(self) -> Accepted | None:
        """What is read besides the field's own values."""
        return self.protection.accepted

    def _cache_key(self) -> Any:
        """What tells types apart in SQLAlchemy's statement cache, which would look at positional arguments alone."""
        types = [None if type_ is None else cache_key(type_) for type_ in (self.type_, self.storage)]
        if NO_CACHE in types:
            return NO_CACHE  # a type of an application's, which does not say that it may be cached
        # Readers may be such that cannot be compared, so these declarations are told apart by who made them.
        key = type(self), *types, self.encryptor, self.accepted or self.protection, self.write
        if type(self).__module__.startswith("fieldcrypt_sqlalchemy."):
            return key
        theirs = cache_key(super())  # the arguments of an application's class, unless it says that it is not cached
        return theirs if theirs is NO_CACHE else (*key, theirs)

    _static_cache_key: Any = property(lambda self: self._cache_key())

    @property
    def described(self) -> str:
        """The field's name for messages."""
        return f"the encrypted column {self.name}" if self.name else "an encrypted column"

    def named(self, name: str) -> Self:
        """Return a copy with a name that comes from a column, unless it has one: given, or of the column before.

        A view, or a copy of a table, holds the values of the column that its type was taken from.
        """
        named = self.copy()
        if named.name is None:
            named.protection, named._tagger = replace(self.protection, name=name), None
            named.named_by_table = True
        return named

    @property
    def tagger(self) -> Tagger:
        """What makes the tags of a searchable column."""
        if self._tagger is None:
            if self.encryptor is None:
                raise ConfigurationError(f"{self.described} has no encryptor, so it cannot be searched")
            self._tagger = Tagger(self.protection, self.type_, self.encryptor, self.write)
        return self._tagger

    @property
    def python_type(self) -> type[Any]:
        """The Python type of the values that the application sees."""
        return self.type_.python_type

    def with_variant(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: on the other dialect the column would not be encrypted."""
        raise ConfigurationError(
            "an Encrypted type has no variants: it is binary on every database, or what storage= says, which may have "
            "some"
        )

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the declared type, or the binary type of a database."""
        return self.storage or binary_type(dialect) or super().load_dialect_impl(dialect)

    def _to_driver(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Return what wraps bytes for a driver that does not take them as they are; or what does so with text."""
        if self.text is not None:
            return self.text.to_driver(dialect, self.described)
        if dialect.driver in _TAKE_BYTES:
            return None
        wrap: Callable[[bytes], Any] | None = self.impl_instance.bind_processor(dialect)
        return wrap

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what encrypts a value on its way to the driver."""
        to_field, _, field = self.prepared()
        return binding(to_field, self.as_is, self.encrypting(field), self._to_driver(dialect), field)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Return what decrypts a value that came from the driver."""
        _, from_field, field = self.prepared()
        decrypt = self.decrypting(field)
        if self.text is None:
            read = reading_binary(decrypt, field, mixed=self.accepted is not None)
        else:
            read = reading(self.text.from_driver(dialect, coltype), decrypt)
        return revealing(read, from_field, field)

    def decrypting(self, field: Field[Any]) -> Callable[..., Any]:
        """Return what decrypts values of the column's field, and reads what else the column accepts."""
        decrypt: Callable[..., Any] = field.decrypt
        if self.accepted is not None and self.encryptor is not None:
            to_field = stored(self.type_, self.described)[1]
            mixed: Any = self.protection.mixed(self.encryptor, field, self.from_plaintext(field.type), to_field)
            decrypt = mixed.decrypt
        return decrypt if self.text is None else opening(self.text, field, decrypt, self.accepted is not None)

    def encrypting(self, field: Field[Any]) -> Callable[..., Any]:
        """Return what makes of a value of the column's field what the column is to hold, like `Field.encrypt`."""
        if not self.write and self.accepted is not None:
            return plaintext_writer(field, self.accepted, self.described, is_text=self.text is not None)
        return field.encrypt if self.text is None else sealing(field)

    def from_plaintext(self, kind: Any) -> FromPlaintext | None:
        """Return what makes values of plaintext that the column holds, if it is not binary."""
        accepted = self.protection.accept_plaintext is not None
        return None if self.text is None else self.text.from_plaintext(kind, accepted)

    def literal_processor(self, dialect: Dialect) -> Any:
        """Refuse to render a value into SQL text: it would be the plaintext, in the database's log."""
        raise CompileError(f"a value of {self.described} cannot be rendered as a literal")

    @property
    def coercion_listener(self) -> Any:
        """The listener of the type inside, which sqlalchemy-utils' `force_auto_coercion` looks for.

        Raises:
            AttributeError: it has not.
        """
        return self.type_.coercion_listener  # type: ignore[attr-defined]

    def compare_values(self, x: Any, y: Any) -> bool:
        """Compare two values of the application, as the ORM does to find out what has changed."""
        return self.type_.compare_values(x, y)

    @property
    def sort_key_function(self) -> Callable[[Any], Any] | None:  # type: ignore[override]
        """How the ORM sorts values of the application."""
        return self.type_.sort_key_function

    def prepared(self) -> tuple[Callable[[Any], Any] | None, Callable[[Any], Any] | None, Field[Any]]:
        """Return what is done with a value before it is stored, and after it was read, and the field between.

        Raises:
            ConfigurationError: name or encryptor are missing.
        """
        if self.name is None or self.encryptor is None:
            raise parameterless_error(
                ConfigurationError(
                    "this Encrypted type belongs to no column, so its field has no name: give it one, "
                    "Encrypted(…, name=…)"
                    if self.name is None
                    else f"{self.described} has no encryptor: give it one, Encrypted(type, encryptor), or decorate the "
                    "model with @encrypted"
                )
            )
        _, to_field, from_field, _ = stored(self.type_, self.described)
        return to_field, from_field, self.protection.field(self.encryptor, self.name, offload=in_thread)

    @property
    def as_is(self) -> Any:
        """The class whose values are encrypted as they are (see `Conversion`), or None."""
        return stored(self.type_, self.described).as_is

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tagger": None}  # which is made of functions, and made again

    def __repr__(self) -> str:
        return f"Encrypted({self.type_!r}, name={self.name!r})"


def is_searchable(column: Any) -> bool:
    """Return True if a column is encrypted and has companions with tags."""
    return isinstance(column.type, Encrypted) and bool(column.type.indexes)
