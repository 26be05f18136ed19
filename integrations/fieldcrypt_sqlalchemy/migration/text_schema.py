"""Whether a column of text or JSON is as it is declared, and has room for its values once they are encrypted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Connection, String
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import CompileError
from sqlalchemy.types import NullType, TypeEngine

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy.column.storage import TextStorage, room_needed
from fieldcrypt_sqlalchemy.migration.column import MigratedColumn

if TYPE_CHECKING:
    from fieldcrypt_sqlalchemy.migration.source import SqlSource

__all__ = ["problems_of_text"]

_MODIFY = "ALTER TABLE {table} MODIFY {column} {type}{null}"
_CHANGES: Mapping[str, str] = {
    "postgresql": "ALTER TABLE {table} ALTER COLUMN {column} TYPE {type}",
    "mysql": _MODIFY,
    "mariadb": _MODIFY,
}


def problems_of_text(
    connection: Connection, source: SqlSource, migrated: MigratedColumn, found: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what keeps a column from being encrypted where it is, in words, with the statement that helps.

    Args:
        connection: to the database.
        source: the table.
        migrated: the column.
        found: what the database says of it.
    """
    declared, name = migrated.type.text, f"{source.full_name}.{migrated.column.name}"
    assert declared is not None  # noqa: S101
    dialect, type_ = connection.dialect, found["type"]
    there = _storage(type_)
    change = _change(source, migrated, found, dialect)
    if there is None or (declared.is_json and not _holds_json(type_, dialect.name)):
        if dialect.name != "sqlite" or not isinstance(type_, NullType):
            yield f"{name} is {type_!s}, and is declared with storage={declared.type!r}: {change}"
        return
    room, promised = there.room(dialect), declared.room(dialect)
    if dialect.name == "sqlite":
        room = promised  # it knows no lengths
    if room is not None and (promised is None or room < promised):
        yield f"{name} is {type_!s}, too short for encrypted values as they are declared: {change}"
    elif room is not None and migrated.type.accept_plaintext is not None:
        longest = source.longest_plaintext(connection, migrated)
        needed = room_needed(longest, migrated.type.pad)
        if needed > room:
            yield (
                f"{name} has room for {room} characters, and its longest value of {longest} bytes takes {needed} once "
                "it is encrypted: make the column longer, and declare it so"
            )


def _change(source: SqlSource, migrated: MigratedColumn, found: Mapping[str, Any], dialect: Dialect) -> str:
    """Return the statement that gives a column the declared type."""
    try:
        type_ = migrated.type.load_dialect_impl(dialect).compile(dialect=dialect)
    except CompileError:  # of MySQL, where a String needs a length
        return "declare a length"
    return _CHANGES.get(dialect.name, "change its type").format(
        table=source.full_name,
        column=migrated.column.name,
        type=type_,
        null="" if found["nullable"] else " NOT NULL",
    )


def _storage(type_: TypeEngine[Any]) -> TextStorage | None:
    try:
        return TextStorage(type_)
    except ConfigurationError:
        return None


def _holds_json(type_: TypeEngine[Any], dialect: str) -> bool:
    return isinstance(type_, JSON) or (dialect in ("mysql", "mariadb") and isinstance(type_, String))
