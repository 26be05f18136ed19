"""Checks that a table is as the model declares it, and says what to change if it is not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
    cast,
    func,
    inspect,
    not_,
    select,
    text,
    true,
)
from sqlalchemy.dialects.mysql import CHAR
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import CompileError, NoSuchTableError, SAWarning
from sqlalchemy.schema import CreateColumn, CreateIndex
from sqlalchemy.types import BINARY, JSON, LargeBinary, NullType, String, TypeEngine

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy.internals.column import BINARY_TYPE, copy_column
from fieldcrypt_sqlalchemy.migration.journal.checkpoint_tables import checkpoint_tables
from fieldcrypt_sqlalchemy.migration.row.column import MigratedColumn
from fieldcrypt_sqlalchemy.migration.row.table_rows import TableRows
from fieldcrypt_sqlalchemy.migration.schema.key import key_problems
from fieldcrypt_sqlalchemy.migration.table.database import changes_of_values, kind_on_postgresql
from fieldcrypt_sqlalchemy.value.storage import TextStorage, room_needed, size_needed

__all__ = ["problems"]

_MODIFY = "ALTER TABLE {table} MODIFY {column} {type}{null}"
_CHANGE: Mapping[str, str] = {
    "postgresql": "ALTER TABLE {table} ALTER COLUMN {column} TYPE {type}",
    "mysql": _MODIFY,
    "mariadb": _MODIFY,
}
_BINARY: Mapping[str, str] = {  # which keep the bytes; of a text column of MySQL make it utf8mb4 before
    "postgresql": "bytea USING convert_to({column}, 'UTF8')",
    "mysql": "LONGBLOB",
    "mariadb": "LONGBLOB",
}
_ROOM_OF_MYSQL = {"tinyblob": 255, "blob": 65_535, "mediumblob": 16_777_215, "longblob": None}  # bytes
# How many bytes a text has in UTF-8, whatever the database keeps it in.
_OCTETS: Mapping[str, Callable[[Any], Any]] = {
    "postgresql": lambda held: func.octet_length(func.convert_to(held, "UTF8")),
    "mysql": lambda held: func.octet_length(cast(held, CHAR(charset="utf8mb4"))),
    "mariadb": lambda held: func.octet_length(cast(held, CHAR(charset="utf8mb4"))),
    "sqlite": lambda held: func.length(cast(held, LargeBinary)),
}
_HIDES_ROWS = text("SELECT row_security_active(CAST(:name AS text))")


def problems(connection: Connection, source: TableRows, step: str) -> list[str]:
    """Return what keeps a step from being done, in words, with the statement that helps where there is one."""
    look, table, place = inspect(connection), source.full_name, (source.table.name, source.schema)
    # On PostgreSQL a name without a schema may lead into any.
    is_view = connection.dialect.name == "postgresql" and kind_on_postgresql(connection, *place)[0] in ("v", "m")
    if is_view or source.table.name in look.get_view_names(source.schema):
        return [f"{table} is a view: give the table whose rows it shows"]
    try:
        with warnings.catch_warnings():  # of types that SQLAlchemy does not know, which are reported below
            warnings.simplefilter("ignore", SAWarning)
            columns = {each["name"]: each for each in look.get_columns(*place)}
    except NoSuchTableError:
        return [f"there is no table {table}, or the user of the engine has no right to it"]
    name = _quoted(source).replace("%%", "%")  # which SQLAlchemy doubles for statements
    if connection.dialect.name == "postgresql" and connection.scalar(_HIDES_ROWS, {"name": name}):
        return [
            f"{table} has row-level security, which may hide rows from this user of the database, so that no step "
            "would come to them: work as a user with BYPASSRLS, or as the owner if it is not forced on that"
        ]
    expected = list(source.key)
    for field in source.every:
        of_field = (getattr(field, "column", None), *field.companions, getattr(field, "plain", None))
        expected += [each for each in of_field if each is not None]
    missing = [each for each in expected if each.name not in columns]
    if missing:
        added = [f"{table} has no column {each.name}: {_add(connection, source, each)}" for each in missing]
        return [*added, *_indexes_of(source, {each.name for each in missing})]
    changed = list(changes_of_values(connection, source.tables, checkpoint_tables.sorted_tables))
    return [*changed, *key_problems(connection, source, columns), *_of_columns(connection, source, columns, step)]


def _quoted(source: TableRows) -> str:
    there = Table(source.table.name, MetaData(), schema=source.schema)
    return source.dialect.identifier_preparer.format_table(there)


def _add(connection: Connection, source: TableRows, column: Any) -> str:
    free = copy_column(column)
    free.nullable = True  # for now it is empty
    return f"ALTER TABLE {_quoted(source)} ADD COLUMN {CreateColumn(free).compile(dialect=connection.dialect)}".strip()


def _indexes_of(source: TableRows, missing: set[str]) -> Iterator[str]:
    """Yield what makes the indexes that the model declares on columns that are missing, as its companions have them."""
    own = source.table
    there = Table(own.name, MetaData(), *(Column(each.name) for each in own.columns), schema=source.schema)
    declared: list[tuple[Any, ...]] = [
        (each.name, [column.name for column in each.columns], each.unique, each.dialect_kwargs)
        for each in own.indexes
        if len(each.columns) == len(each.expressions)
    ]
    declared += [
        (each.name if isinstance(each.name, str) else f"uq_{own.name}_{'_'.join(names)}", names, True, {})
        for each in own.constraints
        if isinstance(each, UniqueConstraint) and (names := [column.name for column in each.columns])
    ]
    for name, names, unique, how in sorted(declared, key=lambda index: str(index[0])):
        if missing.isdisjoint(names):
            continue
        index = Index(name, *(there.c[each] for each in names), unique=unique, **how)
        statement = str(CreateIndex(index).compile(dialect=source.dialect)).strip()
        yield f"{source.full_name} has no index {name}: {statement}"


def _of_columns(connection: Connection, source: TableRows, columns: Mapping[str, Any], step: str) -> Iterator[str]:
    for name in (name for field in source.fields for name in field.tag_names if step == "drop"):
        if not columns[name]["nullable"]:
            yield f"{source.full_name}.{name} is NOT NULL, so that tags cannot be taken out"
    for migrated in source.columns:
        name, stored = f"{source.full_name}.{migrated.stored_name}", columns[migrated.stored_name]
        if step == "backfill" and not migrated.type.write:
            yield (
                f"{name} is declared with write=False, for as long as there are processes that read plaintext alone: "
                "encrypt when all run a release without it"
            )
        yield from (_of_binary if migrated.type.text is None else _of_text)(connection, source, migrated, stored, name)
        if step in ("plan", "backfill") and migrated.type.text is None:
            yield from _too_short(connection, source, migrated, stored["type"], name)
        if migrated.plain is not None and step == "undo" and not stored["nullable"]:
            yield f"{name} is NOT NULL, so that it cannot be emptied again"
        if migrated.plain is not None and step == "finish" and not columns[migrated.plain.name]["nullable"]:
            yield f"{source.full_name}.{migrated.plain.name} is NOT NULL, so that plaintext cannot be taken out"


def _of_binary(
    connection: Connection, source: TableRows, migrated: MigratedColumn, stored: Mapping[str, Any], name: str
) -> Iterator[str]:
    type_, dialect, column = stored["type"], connection.dialect.name, migrated.stored_name
    if isinstance(type_, (BINARY_TYPE, LargeBinary)) or (dialect == "sqlite" and isinstance(type_, NullType)):
        return
    problem = f"{name} is {type_!s}, and encrypted values are binary: "
    if migrated.plain is not None:
        yield problem + "make the new column binary (docs/guides/alembic.md)"
        return
    problem += "declare storage=, or encrypt into a new column, copies={…}"
    if dialect in _BINARY:
        type_ = _BINARY[dialect].format(column=column)
        change = _CHANGE[dialect].format(table=source.full_name, column=column, type=type_, null="")
        problem += f"; or change the type, which rewrites the table: {change}"
    yield problem


def _too_short(
    connection: Connection, source: TableRows, migrated: MigratedColumn, type_: Any, name: str
) -> Iterator[str]:
    room = _ROOM_OF_MYSQL.get(type_.__visit_name__.lower(), getattr(type_, "length", None))
    if room is None or connection.dialect.name not in ("mysql", "mariadb") or not isinstance(type_, BINARY_TYPE):
        return
    needed = size_needed(_longest_plaintext(connection, source, migrated), migrated.type.protection.pad)
    if needed > room or isinstance(type_, BINARY):  # which fills up with zeros
        change = _MODIFY.format(table=source.full_name, column=migrated.stored_name, type="LONGBLOB", null="")
        yield f"{name} is {type_!s}, and the longest value takes {needed} bytes once it is encrypted: {change}"


def _of_text(
    connection: Connection, source: TableRows, migrated: MigratedColumn, stored: Mapping[str, Any], name: str
) -> Iterator[str]:
    """Yield what keeps a column of text or JSON from being encrypted where it is, or from having room for it."""
    declared, dialect, type_ = migrated.type.text, connection.dialect, stored["type"]
    assert declared is not None  # noqa: S101
    there, change = _storage(type_), _to_declared(source, migrated, stored, dialect)
    if there is None or (declared.is_json and not _holds_json(type_, dialect.name)):
        if dialect.name != "sqlite" or not isinstance(type_, NullType):
            yield f"{name} is {type_!s}, and is declared with storage={declared.type!r}: {change}"
        return
    room, promised = there.room(dialect), declared.room(dialect)
    if dialect.name == "sqlite":
        room = promised  # it knows no lengths
    if room is not None and (promised is None or room < promised):
        yield f"{name} is {type_!s}, too short for encrypted values as they are declared: {change}"
    elif room is not None and migrated.type.protection.accept_plaintext is not None:
        longest = _longest_plaintext(connection, source, migrated)
        needed = room_needed(longest, migrated.type.protection.pad)
        if needed > room:
            yield (
                f"{name} has room for {room} characters, and its longest value of {longest} bytes takes {needed} once "
                "it is encrypted: make the column longer, and declare it so"
            )


def _storage(type_: TypeEngine[Any]) -> TextStorage | None:
    try:
        return TextStorage(type_)
    except ConfigurationError:
        return None


def _holds_json(type_: TypeEngine[Any], dialect: str) -> bool:
    return isinstance(type_, JSON) or (dialect in ("mysql", "mariadb") and isinstance(type_, String))


def _to_declared(source: TableRows, migrated: MigratedColumn, stored: Mapping[str, Any], dialect: Dialect) -> str:
    """Return the statement that gives a column the declared type."""
    try:
        type_ = migrated.type.load_dialect_impl(dialect).compile(dialect=dialect)
    except CompileError:  # of MySQL, where a String needs a length
        return "declare a length"
    null, change = "" if stored["nullable"] else " NOT NULL", _CHANGE.get(dialect.name, "change its type")
    return change.format(table=source.full_name, column=migrated.stored_name, type=type_, null=null)


def _longest_plaintext(connection: Connection, source: TableRows, migrated: MigratedColumn) -> int:
    """Return how many bytes the longest text has that a column holds or is filled from, besides encrypted values."""
    if migrated.plain is not None and not isinstance(migrated.plain.type, String):
        return 0  # only Python knows
    held = source.target.c[migrated.plain_name or migrated.stored_name]
    plain = not_(migrated.form.is_ours(held)) if migrated.plain is None else true()
    octets = _OCTETS.get(connection.dialect.name, func.octet_length)(held)
    return connection.scalar(select(func.max(octets)).where(plain)) or 0
