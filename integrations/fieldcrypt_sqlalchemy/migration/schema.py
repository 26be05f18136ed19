"""Whether the tables are as the models say, and what has to change if they are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, LargeBinary, inspect, or_, select
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import NullType, TypeEngine, _Binary

from fieldcrypt_sqlalchemy.engine.internals import copy_column
from fieldcrypt_sqlalchemy.migration.part import Part

__all__ = ["problems"]

_MODIFY = "ALTER TABLE {table} MODIFY {column} LONGBLOB"  # keeps the bytes; of a text column make it utf8mb4 before
_TO_BINARY: Mapping[str, str] = {
    "postgresql": "ALTER TABLE {table} ALTER COLUMN {column} TYPE bytea USING convert_to({column}, 'UTF8')",
    "mysql": _MODIFY,
    "mariadb": _MODIFY,
}


def problems(engine: Engine, parts: Sequence[Part], step: str) -> list[str]:
    """Return what keeps a step from being done, in words, with the statement that helps where there is one."""
    with engine.connect() as connection:
        return [problem for part in parts for problem in _of_part(connection, part, step)]


def _of_part(connection: Connection, part: Part, step: str) -> Iterator[str]:
    try:
        columns = {each["name"]: each for each in inspect(connection).get_columns(part.table.name, part.table.schema)}
    except NoSuchTableError:
        yield f"there is no table {part.table.fullname}"
        return
    missing = [each for each in _expected(part) if each.name not in columns]
    for column in missing:
        yield f"{part.table.fullname} has no column {column.name}: {_add(connection, part, column)}"
    if missing:
        return
    for migrated in part.columns:
        stored = columns[migrated.column.name]
        if not _is_binary(stored["type"], connection.dialect.name):
            yield _not_binary(connection, part, migrated.column.name, stored["type"], migrated.plain is not None)
        if migrated.plain is not None and step == "undo" and not stored["nullable"]:
            yield f"{part.table.fullname}.{migrated.column.name} is NOT NULL, so that it cannot be emptied again"
        if migrated.plain is not None and step == "finish" and not columns[migrated.plain.name]["nullable"]:
            yield f"{part.table.fullname}.{migrated.plain.name} is NOT NULL, so that plaintext cannot be taken out"
    if connection.dialect.name == "sqlite":  # which takes NULL as a key, and no order finds the rows behind it
        query = select(part.key[0]).where(or_(*(each.is_(None) for each in part.key))).limit(1)
        if connection.execute(query).first() is not None:
            yield f"{part.table.fullname} has rows whose primary key is NULL, by which they cannot be told apart"


def _expected(part: Part) -> Iterator[Any]:
    yield from part.key
    for migrated in part.columns:
        yield migrated.column
        for other in (migrated.companion, migrated.plain):
            if other is not None:
                yield other


def _add(connection: Connection, part: Part, column: Any) -> str:
    table = connection.dialect.identifier_preparer.format_table(part.table)
    free = copy_column(column)
    free.nullable = True  # for now it is empty
    return f"ALTER TABLE {table} ADD COLUMN {CreateColumn(free).compile(dialect=connection.dialect)}".strip()


def _is_binary(type_: TypeEngine[Any], dialect: str) -> bool:
    return isinstance(type_, (_Binary, LargeBinary)) or (dialect == "sqlite" and isinstance(type_, NullType))


def _not_binary(connection: Connection, part: Part, column: str, type_: TypeEngine[Any], is_new: bool) -> str:
    table = part.table.fullname
    told = f"{table}.{column} is {type_!s}, and encrypted values are binary: "
    if is_new:
        return told + "make the new column binary (docs/alembic.md)"
    told += "encrypt into a new column, copies={…}"
    change = _TO_BINARY.get(connection.dialect.name)
    if change is None:
        return told
    return f"{told}; or change the type, which writes the table anew: {change.format(table=table, column=column)}"
