"""The form of values in the database: how a migration reads, writes and counts them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, String, and_, cast, collate, func
from sqlalchemy.dialects.mysql import CHAR
from sqlalchemy.engine import Dialect
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from fieldcrypt import DecryptionError
from fieldcrypt.spi import MIN_SIZE, SELF_CONTAINED, STORED, text_form
from fieldcrypt.spi.migration import MarkedError, UnitError
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.value.storage import TextStorage
from fieldcrypt_sqlalchemy.value.text_values import binary, check_plaintext

__all__ = ["StoredForm", "as_told", "stored_form"]

_HEADS = [bytes([version]) for version in (STORED, SELF_CONTAINED)]


def _exact_on_mysql(text: ColumnElement[Any]) -> ColumnElement[Any]:
    return collate(cast(text, CHAR(charset="utf8mb4")), "utf8mb4_bin")


# What makes a text one that is compared character by character: the collation of a column may take FC1. for fc1., and a
# plaintext that begins so for a value. SQLite compares what functions return so anyway.
_EXACT: Mapping[str, Callable[[ColumnElement[Any]], ColumnElement[Any]]] = {
    "postgresql": lambda text: collate(text, "C"),
    "mysql": _exact_on_mysql,
    "mariadb": _exact_on_mysql,
}


class StoredForm:
    """A binary column: it holds values as they are, and plaintext as UTF-8 or bytes.

    Attributes:
        read_as, written_as: the types to read and to write the column with, past what guards it.
    """

    read_as: TypeEngine[Any] = NullType()
    written_as: TypeEngine[Any] = LargeBinary()

    def load(self, stored: Any) -> Any:
        """Return the value, or the plaintext, that the column holds.

        Raises:
            MarkedError: it looks like a value, and is none.
        """
        return stored

    def dump(self, value: bytes) -> Any:
        """Return what the column is to hold of a value.

        Raises:
            ValueError: it has no room for it.
        """
        return value

    def dump_plaintext(self, value: Any) -> Any:
        """Return what the column held of a value before it was encrypted in place.

        Raises:
            ValueError, DecryptionError: it holds no plaintext of such values, or would not read it again.
        """
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, bytes):
            return value
        raise DecryptionError

    def is_ours(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """Return the condition that what is stored has the form of a value, authentic or not (SPEC section 4)."""
        return and_(func.substr(column, 1, 1, type_=LargeBinary).in_(_HEADS), func.length(column) >= MIN_SIZE)

    def is_filled(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """Return the condition that something is stored, be it a value or not, and not an empty text."""
        return func.length(column) > 0

    def is_under(self, column: ColumnElement[Any], key_id: bytes) -> ColumnElement[bool]:
        """Return the condition that a value is under a data key: it begins with its id (SPEC section 4)."""
        heads = [head + key_id for head in _HEADS]
        return func.substr(column, 1, len(heads[0]), type_=LargeBinary).in_(heads)


class _TextForm(StoredForm):
    """A column of text, or of JSON; if it is `mixed` there may be something else than the field's own values."""

    def __init__(self, storage: TextStorage, dialect: Dialect, mixed: bool, name: str) -> None:
        self.storage, self._mixed, self._name = storage, mixed, name
        self._room, self._dialect = storage.room(dialect), dialect.name
        self.read_as, self.written_as = _AsHeld(storage), storage.type

    def load(self, stored: Any) -> Any:
        if stored is None:
            return None
        try:
            return binary(self.storage, stored, self._mixed)
        except DecryptionError:
            pass  # raised below, where nothing is behind it
        raise MarkedError(self._name) if text_form.is_marked(stored) else DecryptionError

    def dump(self, value: bytes) -> Any:
        stored = text_form.encode(value)
        self._check(self.storage.check_fits, stored, self._room)
        return stored

    def _check(self, check: Callable[..., None], value: Any, *arguments: Any) -> None:
        try:
            check(value, *arguments, self._name)
        except ValueError as error:
            refused = str(error)  # which is of the column
        else:
            return
        raise UnitError(refused)

    def dump_plaintext(self, value: Any) -> Any:
        self._check(check_plaintext, value)
        if self.storage.is_json:
            if not _is_json(value):
                raise UnitError(f"{self._name}: JSON does not hold the value as it is, so it stays encrypted")
        elif isinstance(value, str):
            self._check(self.storage.check_fits, value, self._room)
        else:
            raise DecryptionError
        return value

    def is_ours(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        text, before = self._text(column)
        length = func.length(text) if self._dialect == "sqlite" else func.char_length(text)
        is_long = length >= text_form.size(MIN_SIZE) + 2 * len(before)
        return and_(self._begins_with(column, [text_form.PREFIX]), is_long)

    def is_filled(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        return func.length(self._text(column)[0]) > 0

    def _text(self, column: ColumnElement[Any]) -> tuple[ColumnElement[Any], str]:
        """Return a column's text, and what stands in it before a value: in JSON a quotation mark."""
        return (cast(column, String), '"') if self.storage.is_json else (column, "")

    def _begins_with(self, column: ColumnElement[Any], heads: Sequence[str]) -> ColumnElement[bool]:
        """Return the condition that a column's text begins with one of several texts of one length."""
        text, before = self._text(column)
        head: ColumnElement[Any] = func.substr(text, 1, len(before + heads[0]), type_=String)
        head = _EXACT[self._dialect](head) if self._dialect in _EXACT else head
        return head.in_([before + each for each in heads])

    def is_under(self, column: ColumnElement[Any], key_id: bytes) -> ColumnElement[bool]:
        # 17 bytes are 22 characters, and four bits of the next one.
        heads = {text_form.encode(head + key_id + bytes([rest << 6]))[:27] for head in _HEADS for rest in range(4)}
        return self._begins_with(column, sorted(heads))


class _Document:
    """A document of JSON as it was read: equal to one that is the same in JSON, where 1, 1.0 and true differ."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Document) and repr(self.content) == repr(other.content)

    def __repr__(self) -> str:  # without what is in it
        return "<document>"


def as_told(value: Any) -> Any:
    """Return what was read of a column as other drivers and other columns tell it."""
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return value.content if isinstance(value, _Document) else value


class _AsHeld(TypeDecorator[Any]):
    """Reads what a column of text or JSON holds, row by row: what is no JSON does not keep others from it."""

    impl: Any = String
    cache_ok = True

    def __init__(self, storage: TextStorage) -> None:
        super().__init__()
        self.storage = storage
        self.impl = storage.type

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return self.storage.type

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        read = self.storage.from_driver(dialect, coltype)
        if not self.storage.is_json:
            return read

        def process(value: Any) -> Any:
            value = value if read is None else read(value)
            return None if value is None else _Document(value)

        return process


def stored_form(type_: Encrypted, dialect: Dialect) -> StoredForm:
    """Return what a column of a type holds in a database."""
    text = type_.text
    if text is None:
        return StoredForm()
    return _TextForm(text, dialect, type_.accepted is not None, type_.described)


def _is_json(value: Any) -> bool:
    try:
        return bool(json.loads(json.dumps(value)) == value)
    except (TypeError, ValueError):
        return False
