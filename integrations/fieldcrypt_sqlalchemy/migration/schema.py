"""Whether a table is as the model says, and what has to change if it is not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import BINARY, Connection, LargeBinary, MetaData, Table, func, inspect, or_, select
from sqlalchemy.exc import NoSuchTableError, SAWarning
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import NullType, TypeEngine

from fieldcrypt_sqlalchemy.column.storage import size_needed
from fieldcrypt_sqlalchemy.engine.internals import BINARY_TYPE, copy_column
from fieldcrypt_sqlalchemy.migration.column import MigratedColumn
from fieldcrypt_sqlalchemy.migration.database import changes_of_values, kind_on_postgresql
from fieldcrypt_sqlalchemy.migration.key_types import unfit_key
from fieldcrypt_sqlalchemy.migration.text_schema import problems_of_text

if TYPE_CHECKING:
    from fieldcrypt_sqlalchemy.migration.source import SqlSource

__all__ = ["problems"]

_MODIFY = "ALTER TABLE {table} MODIFY {column} LONGBLOB"  # keeps the bytes; of a text column make it utf8mb4 before
_ROOM_OF_MYSQL = {"tinyblob": 255, "blob": 65_535, "mediumblob": 16_777_215, "longblob": None}  # bytes
_TO_BINARY: Mapping[str, str] = {
    "postgresql": "ALTER TABLE {table} ALTER COLUMN {column} TYPE bytea USING convert_to({column}, 'UTF8')",
    "mysql": _MODIFY,
    "mariadb": _MODIFY,
}


def problems(connection: Connection, source: SqlSource, step: str) -> list[str]:
    """Return what keeps a step from being done, in words, with the statement that helps where there is one."""
    look, is_view = inspect(connection), False
    if connection.dialect.name == "postgresql":  # where a name may lead into another schema
        is_view = kind_on_postgresql(connection, source)[0] in ("v", "m")
    if is_view or source.table.name in look.get_view_names(source.schema):
        return [f"{source.full_name} is a view: give the table whose rows it shows"]
    try:
        with warnings.catch_warnings():  # of types that SQLAlchemy does not know, about which more is said here
            warnings.simplefilter("ignore", SAWarning)
            columns = {each["name"]: each for each in look.get_columns(source.table.name, source.schema)}
    except NoSuchTableError:
        return [f"there is no table {source.full_name}"]
    missing = [each for each in _expected(source) if each.name not in columns]
    if missing:
        told = (f"{source.full_name} has no column {each.name}: {_add(connection, source, each)}" for each in missing)
        return list(told)
    found = list(changes_of_values(connection, source))
    return [*found, *_of_key(connection, source, columns), *_of_columns(connection, source, columns, step)]


def _of_columns(connection: Connection, source: SqlSource, columns: Mapping[str, Any], step: str) -> Iterator[str]:
    for migrated in source.columns:
        stored = columns[migrated.stored_name]
        if step == "backfill" and not migrated.type.write:
            yield (
                f"{source.full_name}.{migrated.stored_name} is declared with write=False, for as long as there are "
                "processes that read plaintext alone: encrypt when all run a release without it"
            )
        if migrated.type.text is not None:
            yield from problems_of_text(connection, source, migrated, stored)
        elif not _is_binary(stored["type"], connection.dialect.name):
            yield _not_binary(connection, source, migrated.stored_name, stored["type"], migrated.plain is not None)
        else:
            yield from _too_short(connection, source, migrated, stored["type"])
        if migrated.plain is not None and step == "undo" and not stored["nullable"]:
            yield f"{source.full_name}.{migrated.stored_name} is NOT NULL, so that it cannot be emptied again"
        if migrated.plain is not None and step == "finish" and not columns[migrated.plain.name]["nullable"]:
            yield f"{source.full_name}.{migrated.plain.name} is NOT NULL, so that plaintext cannot be taken out"


def _of_key(connection: Connection, source: SqlSource, columns: Mapping[str, Any]) -> Iterator[str]:
    """Yield why rows cannot be told apart, or gone through, by the key that the model declares."""
    unfit = False
    for each in source.key:
        reason = unfit_key(each, columns[each.name]["type"], connection.dialect)
        if reason is not None:
            unfit = True
            yield f"{source.full_name}.{each.name}, of the primary key, {reason}"
    if unfit:
        return
    key = source.key
    if connection.dialect.name == "sqlite" or any(columns[each.name]["nullable"] for each in source.key):
        query = select(key[0]).where(or_(*(each.is_(None) for each in key))).limit(1)
        if connection.execute(query).first() is not None:
            yield f"{source.full_name} has rows whose primary key is NULL, by which they cannot be told apart"
    if not _is_unique(connection, source):
        query = select(func.count()).select_from(source.target).group_by(*key).having(func.count() > 1).limit(1)
        if connection.execute(query).first() is not None:
            yield (
                f"{source.full_name} has several rows with the same primary key, as the model declares it, by which "
                "they cannot be told apart: give it a key that is unique, also among tables that inherit from it"
            )


def _is_unique(connection: Connection, source: SqlSource) -> bool:
    """Return True if the database itself keeps the key unique."""
    name, schema = source.table.name, source.schema
    if connection.dialect.name == "postgresql":
        kind, has_children = kind_on_postgresql(connection, source)
        if kind == "r" and has_children:
            return False  # rows of tables that inherit have keys of their own
    look, key = inspect(connection), {each.name for each in source.key}
    unique: list[Sequence[Any]] = [look.get_pk_constraint(name, schema)["constrained_columns"]]
    unique += [each["column_names"] for each in look.get_unique_constraints(name, schema)]
    return any(columns and key.issuperset(columns) for columns in unique)


def _expected(source: SqlSource) -> Iterator[Any]:
    yield from source.key
    for migrated in source.columns:
        yield migrated.column
        for other in (migrated.companion, migrated.plain):
            if other is not None:
                yield other


def _add(connection: Connection, source: SqlSource, column: Any) -> str:
    there = Table(source.table.name, MetaData(), schema=source.schema)
    table = connection.dialect.identifier_preparer.format_table(there)
    free = copy_column(column)
    free.nullable = True  # for now it is empty
    return f"ALTER TABLE {table} ADD COLUMN {CreateColumn(free).compile(dialect=connection.dialect)}".strip()


def _is_binary(type_: TypeEngine[Any], dialect: str) -> bool:
    return isinstance(type_, (BINARY_TYPE, LargeBinary)) or (dialect == "sqlite" and isinstance(type_, NullType))


def _too_short(connection: Connection, source: SqlSource, migrated: MigratedColumn, type_: Any) -> Iterator[str]:
    """Yield that a binary column has no room for the longest text that there is, once it is encrypted."""
    room = _ROOM_OF_MYSQL.get(type_.__visit_name__.lower(), getattr(type_, "length", None))
    if room is None or connection.dialect.name not in ("mysql", "mariadb"):
        return
    needed = size_needed(source.longest_plaintext(connection, migrated), migrated.type.pad)
    if needed > room or isinstance(type_, BINARY):  # which fills up with zeros
        name = f"{source.full_name}.{migrated.stored_name}"
        change = _MODIFY.format(table=source.full_name, column=migrated.stored_name)
        yield f"{name} is {type_!s}, and the longest value takes {needed} bytes once it is encrypted: {change}"


def _not_binary(connection: Connection, source: SqlSource, column: str, type_: TypeEngine[Any], is_new: bool) -> str:
    table = source.full_name
    told = f"{table}.{column} is {type_!s}, and encrypted values are binary: "
    if is_new:
        return told + "make the new column binary (docs/alembic.md)"
    told += "declare storage=, or encrypt into a new column, copies={…}"
    change = _TO_BINARY.get(connection.dialect.name)
    if change is None:
        return told
    return f"{told}; or change the type, which writes the table anew: {change.format(table=table, column=column)}"
