"""Columns of text and JSON that hold encrypted values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import CHAR, JSON, NCHAR, Enum, LargeBinary, String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from fieldcrypt import ConfigurationError
from fieldcrypt.spi import FromPlaintext, text_form
from fieldcrypt_sqlalchemy.internals.column import variant_mapping

__all__ = ["TextStorage", "room_needed", "size_needed", "storage_of"]

_OVERHEAD = 58  # bytes that a stored value has in addition to the text or the bytes that it is of (SPEC section 4)
_UNREADABLE = b""  # stands for what is no JSON: nobody reads it
# Characters that the types without a length have room for, by their names. The other databases have no small limit.
_ROOM_OF_MYSQL = {"tinytext": 255, "text": 65_535, "unicode_text": 65_535, "mediumtext": 16_777_215}

Process = Callable[[Any], Any]


class TextStorage:
    """The database's type of a protected column that is not binary, and how values stand in it.

    What a column holds is text, or of a JSON column a document: a value in text form, or plaintext while that is
    accepted.

    Args:
        type_: the database's type.

    Raises:
        ConfigurationError: it is no type of text or JSON that keeps a text as it is.
    """

    __slots__ = ("is_json", "type")

    def __init__(self, type_: TypeEngine[Any]) -> None:
        self.type = type_
        self.is_json = isinstance(type_, JSON)
        for each in _each(type_):
            fits = isinstance(each, JSON if self.is_json else String) and not isinstance(each, (CHAR, NCHAR, Enum))
            if not fits or isinstance(each, TypeDecorator):
                raise ConfigurationError(
                    f"storage={each!r} keeps no text as it is given: it is a String, a Text or a JSON of SQLAlchemy's "
                    "own. (A CHAR adds blanks.) Without storage= the column is binary"
                )

    def check_room(self, inner: TypeEngine[Any], pad: int | None) -> None:
        """Refuse a length that is too short for the values that the column is declared for.

        Raises:
            ConfigurationError: a value of the declared length, of ASCII characters, does not fit.
        """
        length = _declared_length(inner)
        needed = room_needed(length, pad)
        for type_ in _each(self.type):
            room = getattr(type_, "length", None)
            if room is not None and room < needed:
                raise ConfigurationError(
                    f"storage={type_!r} is too short: {length} characters take {needed} once they are encrypted, more "
                    "if the value is not ASCII, or the Encryptor has no key store. Make it longer, or Text"
                )

    def from_plaintext(self, kind: Any, accepted: bool) -> FromPlaintext | None:
        """Return what makes values of the plaintext that a column holds (see `Reading`).

        Args:
            kind: the type of the field.
            accepted: whether there may be plaintext.

        Raises:
            ConfigurationError: there may, and a column of this type holds no plaintext of such values.
        """
        if kind is str and not self.is_json:
            return None
        if self.is_json and (kind in (str, object) or not accepted):
            return _text if kind is str else _document
        if not accepted:
            return None
        raise ConfigurationError(
            f"plaintext of type {getattr(kind, '__name__', kind)} is not read in place from {self.type!r}: that is for "
            "text, and for documents where storage is JSON. Encrypt it into a new column"
        )

    def room(self, dialect: Dialect) -> int | None:
        """Return how many characters a column has room for, if that is limited."""
        type_: Any = variant_mapping(self.type).get(dialect.name, self.type)
        if self.is_json:
            return None
        if type_.length is None and dialect.name in ("mysql", "mariadb"):
            return _ROOM_OF_MYSQL.get(type_.__visit_name__.lower())
        length: int | None = type_.length
        return length

    def check_fits(self, stored: Any, room: int | None, described: str) -> None:
        """Refuse what a column has no room for.

        Raises:
            ValueError: it has not.
        """
        if room is not None and len(stored) > room:
            raise ValueError(
                f"a value of {described} takes {len(stored)} characters as it is stored, and the column has room for "
                f"{room}: make the column longer"
            )

    def to_driver(self, dialect: Dialect, described: str) -> Process | None:
        """Return what is done with what a column is to hold on its way to the driver."""
        bind = self.type.dialect_impl(dialect).bind_processor(dialect)
        room = self.room(dialect)
        if room is None:
            return bind

        def process(stored: Any) -> Any:
            self.check_fits(stored, room, described)
            return stored if bind is None else bind(stored)

        return process

    def from_driver(self, dialect: Dialect, coltype: object) -> Process | None:
        """Return what makes what a column holds of what came from the driver."""
        read = self.type.dialect_impl(dialect).result_processor(dialect, coltype)
        if read is None or not self.is_json:
            return read

        def process(value: Any) -> Any:
            try:
                return read(value)
            except (TypeError, ValueError):  # whose message has the document
                return _UNREADABLE

        return process


def storage_of(storage: TypeEngine[Any] | None, inner: TypeEngine[Any], pad: int | None) -> TextStorage | None:
    """Return how a column that is declared so holds its values; None: in binary.

    Raises:
        ConfigurationError: the type is no text, or too short.
    """
    if storage is None:
        return None
    text = TextStorage(storage)
    text.check_room(inner, pad)
    return text


def room_needed(length: int, pad: int | None) -> int:
    """Return how many characters the stored form of a text of so many bytes takes ."""
    return text_form.size(size_needed(length, pad))


def size_needed(length: int, pad: int | None) -> int:
    """Return how many bytes the stored form of a text of so many bytes takes (SPEC section 13)."""
    return _OVERHEAD + (length if pad is None else (length // pad + 1) * pad)


def _each(type_: TypeEngine[Any]) -> Iterator[TypeEngine[Any]]:
    yield type_
    yield from variant_mapping(type_).values()


def _declared_length(inner: TypeEngine[Any]) -> int:
    """Return how many characters or bytes the longest value has, if its type says so, else 0."""
    if isinstance(inner, TypeDecorator):
        return _declared_length(inner.impl_instance)
    if isinstance(inner, Enum) or not isinstance(inner, (String, LargeBinary)):
        return 0
    return inner.length or 0


def _text(document: Any) -> Any:
    if not isinstance(document, str):
        raise TypeError
    return document


def _document(document: Any) -> Any:
    return document
