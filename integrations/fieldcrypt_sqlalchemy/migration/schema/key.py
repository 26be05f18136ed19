"""Checks that rows can be told apart, and read in order, by the primary key of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, inspect, or_, select, text, types

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy.migration.errors import ROW_ERRORS, is_of_a_row
from fieldcrypt_sqlalchemy.migration.journal.checkpoint_tables import stored_key
from fieldcrypt_sqlalchemy.migration.row.table_rows import TableRows
from fieldcrypt_sqlalchemy.migration.table.database import kind_on_postgresql
from fieldcrypt_sqlalchemy.migration.table.keyset import unfit_key

__all__ = ["key_problems"]

_COLLATION = text(
    "SELECT collation_name FROM information_schema.columns WHERE table_name = :name AND column_name = :column AND "
    "table_schema = COALESCE(:schema, DATABASE())"
)


def key_problems(connection: Connection, source: TableRows, columns: Mapping[str, Any]) -> Iterator[str]:
    """Yield why rows cannot be told apart, or gone through, by the key that the model declares."""
    key, table = source.key, source.full_name
    unfit = [(column.name, _unfit(connection, source, column, columns[column.name]["type"])) for column in key]
    if any(reason is not None for _, reason in unfit):
        yield from (f"{table}.{name}, of the primary key, {reason}" for name, reason in unfit if reason is not None)
        return
    if reason := _unwritable(connection, source):
        yield reason
        return
    if connection.dialect.name == "sqlite" or any(columns[column.name]["nullable"] for column in key):
        query = select(key[0]).where(or_(*(column.is_(None) for column in key))).limit(1)
        if connection.execute(query).first() is not None:
            yield f"{table} has rows whose primary key is NULL, by which they cannot be told apart"
    if not _is_unique(connection, source):
        query = select(func.count()).select_from(source.target).group_by(*key).having(func.count() > 1).limit(1)
        if connection.execute(query).first() is not None:
            yield (
                f"{table} has several rows with the same primary key, as the model declares it, by which they cannot "
                "be told apart: give it a key that is unique, also among tables that inherit from it"
            )


def _unfit(connection: Connection, source: TableRows, column: Any, stored: Any) -> str | None:
    reason = unfit_key(column, stored, connection.dialect)
    if reason is None and isinstance(stored, types.CHAR) and _counts_blanks(connection, source, column.name):
        return (
            "is CHAR with a collation that counts blanks at the end, which the database sorts with its blanks and "
            "compares without them, so that pages would pass over rows: change it to VARCHAR"
        )
    return reason


def _counts_blanks(connection: Connection, source: TableRows, column: str) -> bool:
    """Return True if a column has a collation of MariaDB's that does not pad."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        return False
    where = {"name": source.table.name, "schema": source.schema, "column": column}
    return "nopad" in (connection.scalar(_COLLATION, where) or "")


def _unwritable(connection: Connection, source: TableRows) -> str | None:
    """Return why a checkpoint cannot hold keys like those of the table, as one of them shows; None if it can."""
    try:
        row = connection.execute(select(*source.key).limit(1)).first()
    except ROW_ERRORS as error:
        if not is_of_a_row(error):
            raise
        return None  # it is told when its page is read
    try:
        stored_key(source.full_name, None if row is None else tuple(row))
    except ConfigurationError as error:
        return str(error)
    return None


def _is_unique(connection: Connection, source: TableRows) -> bool:
    """Return True if the database itself keeps the key unique."""
    name, schema = source.table.name, source.schema
    if connection.dialect.name == "postgresql":
        kind, has_children = kind_on_postgresql(connection, source.table.name, source.schema)
        if kind == "r" and has_children:
            return False  # rows of tables that inherit have keys of their own
    look, key = inspect(connection), {column.name for column in source.key}
    unique: list[Sequence[Any]] = [look.get_pk_constraint(name, schema)["constrained_columns"]]
    unique += [each["column_names"] for each in look.get_unique_constraints(name, schema)]
    return any(columns and key.issuperset(columns) for columns in unique)
