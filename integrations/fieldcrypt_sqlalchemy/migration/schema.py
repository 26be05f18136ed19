"""Whether a table is as the model says, and what has to change if it is not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, LargeBinary, MetaData, Table, func, inspect, or_, select, text
from sqlalchemy.exc import NoSuchTableError, SAWarning
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import NullType, TypeEngine

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy.engine.internals import BINARY_TYPE, copy_column
from fieldcrypt_sqlalchemy.migration.key_types import unfit_key
from fieldcrypt_sqlalchemy.migration.positions import stored_key
from fieldcrypt_sqlalchemy.migration.text_schema import problems_of_text

if TYPE_CHECKING:
    from fieldcrypt_sqlalchemy.migration.source import SqlSource

__all__ = ["columns_set_on_update", "has_history", "problems"]

_MODIFY = "ALTER TABLE {table} MODIFY {column} LONGBLOB"  # keeps the bytes; of a text column make it utf8mb4 before
_TO_BINARY: Mapping[str, str] = {
    "postgresql": "ALTER TABLE {table} ALTER COLUMN {column} TYPE bytea USING convert_to({column}, 'UTF8')",
    "mysql": _MODIFY,
    "mariadb": _MODIFY,
}
_KIND_ON_POSTGRESQL = text(
    "SELECT c.relkind, EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = c.oid) FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = :name AND "
    "CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = :schema END"
)
_HIDES_ROWS = text("SELECT row_security_active(CAST(:name AS text))")
_SET_ON_UPDATE = text(
    "SELECT column_name FROM information_schema.columns WHERE table_name = :name AND "
    "table_schema = COALESCE(:schema, DATABASE()) AND extra LIKE '%on update%'"
)

_HAS_HISTORY = text(
    "SELECT 1 FROM information_schema.tables WHERE table_name = :name AND "
    "table_schema = COALESCE(:schema, DATABASE()) AND table_type = 'SYSTEM VERSIONED'"
)


def problems(connection: Connection, source: SqlSource, step: str) -> list[str]:
    """Return what keeps a step from being done, in words, with the statement that helps where there is one."""
    look = inspect(connection)
    if source.table.name in look.get_view_names(source.schema):
        return [f"{source.full_name} is a view: give the table whose rows it shows"]
    try:
        with warnings.catch_warnings():  # of types that SQLAlchemy does not know, about which more is said here
            warnings.simplefilter("ignore", SAWarning)
            columns = {each["name"]: each for each in look.get_columns(source.table.name, source.schema)}
    except NoSuchTableError:
        return [f"there is no table {source.full_name}"]
    if _hides_rows(connection, source):
        return [
            f"{source.full_name} has row-level security, which may hide rows from this user of the database, so that "
            "no step would come to them: work as a user with BYPASSRLS, or as the owner if it is not forced on that"
        ]
    missing = [each for each in _expected(source) if each.name not in columns]
    if missing:
        told = (f"{source.full_name} has no column {each.name}: {_add(connection, source, each)}" for each in missing)
        return list(told)
    return [*_of_key(connection, source, columns), *_of_columns(connection, source, columns, step)]


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
    if reason := _unwritable(connection, source):
        yield reason
        return
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


def _unwritable(connection: Connection, source: SqlSource) -> str | None:
    """Return why a checkpoint cannot hold keys like those of the table, as one of them shows; None if it can."""
    row = connection.execute(select(*source.key).limit(1)).first()
    try:
        stored_key(source.full_name, None if row is None else tuple(row))
    except ConfigurationError as error:
        return str(error)
    return None


def _is_unique(connection: Connection, source: SqlSource) -> bool:
    """Return True if the database itself keeps the key unique."""
    name, schema = source.table.name, source.schema
    if connection.dialect.name == "postgresql":
        kind, has_children = connection.execute(_KIND_ON_POSTGRESQL, {"name": name, "schema": schema}).one()
        if kind == "r" and has_children:
            return False  # rows of tables that inherit have keys of their own
    look, key = inspect(connection), {each.name for each in source.key}
    unique: list[Sequence[Any]] = [look.get_pk_constraint(name, schema)["constrained_columns"]]
    unique += [each["column_names"] for each in look.get_unique_constraints(name, schema)]
    return any(columns and key.issuperset(columns) for columns in unique)


def columns_set_on_update(connection: Connection, name: str, schema: str | None) -> list[str]:
    """Return the columns that the database sets to another value when a row is written."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        return []
    return list(connection.scalars(_SET_ON_UPDATE, {"name": name, "schema": schema}))


def has_history(connection: Connection, name: str, schema: str | None) -> bool:
    """Return True if the database keeps former versions of the rows of a table."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        return False
    return connection.scalar(_HAS_HISTORY, {"name": name, "schema": schema}) is not None


def _expected(source: SqlSource) -> Iterator[Any]:
    yield from source.key
    for migrated in source.columns:
        yield migrated.column
        for other in (migrated.companion, migrated.plain):
            if other is not None:
                yield other


def _add(connection: Connection, source: SqlSource, column: Any) -> str:
    table = _quoted(connection, source)
    free = copy_column(column)
    free.nullable = True  # for now it is empty
    return f"ALTER TABLE {table} ADD COLUMN {CreateColumn(free).compile(dialect=connection.dialect)}".strip()


def _hides_rows(connection: Connection, source: SqlSource) -> bool:
    if connection.dialect.name != "postgresql":
        return False
    return bool(connection.scalar(_HIDES_ROWS, {"name": _quoted(connection, source)}))


def _quoted(connection: Connection, source: SqlSource) -> str:
    there = Table(source.table.name, MetaData(), schema=source.schema)
    return connection.dialect.identifier_preparer.format_table(there)


def _is_binary(type_: TypeEngine[Any], dialect: str) -> bool:
    return isinstance(type_, (BINARY_TYPE, LargeBinary)) or (dialect == "sqlite" and isinstance(type_, NullType))


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
