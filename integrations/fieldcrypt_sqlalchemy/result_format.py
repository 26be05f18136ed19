"""Has psycopg fetch encrypted columns in PostgreSQL's binary format: as text, every byte of them is sent as two.

psycopg has one format for all columns of a result, and returns bytes of a type that it does not know (a native enum, or
citext), whatever the model calls it. So a statement runs in text first, which tells the types that its columns have in
the database, and in binary from then on if psycopg reads all of these alike.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DataError

from fieldcrypt_sqlalchemy.types import Encrypted

__all__: list[str] = []

_BINARY = "fieldcrypt_binary"  # noted on what SQLAlchemy compiled: the types of a result to fetch in binary, or ()
_TEXT_FORMAT, _BINARY_FORMAT = 0, 1  # psycopg.pq.Format

# And not float4, which has in text the few digits that it was written with.
_ALIKE = frozenset(
    {"bool", "bpchar", "bytea", "date", "float8", "int2", "int4", "int8", "name", "numeric", "text", "time"}
    | {"timestamp", "timestamptz", "uuid", "varchar"}
)

Types = tuple[int, ...]  # PostgreSQL's numbers of the types of a result's columns


@event.listens_for(Engine, "before_cursor_execute")
def _choose(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    compiled = context.compiled
    if compiled is not None and compiled.__dict__.get(_BINARY):
        cursor.format = _BINARY_FORMAT


@event.listens_for(Engine, "after_cursor_execute")
def _learn(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    compiled, dialect = context.compiled, connection.dialect
    if dialect.driver != "psycopg" or dialect.is_async or compiled is None or not compiled.statement.is_select:
        return
    notes = compiled.__dict__
    known = notes.get(_BINARY)
    if known == ():
        return
    types = tuple(map(cursor.pgresult.ftype, range(cursor.pgresult.nfields)))
    if known is None:
        protected = any(isinstance(column.type, Encrypted) for column in notes["_result_columns"])
        notes[_BINARY] = types if protected and _read_alike(types, cursor.adapters) else ()
    elif types != known and not _read_alike(types, cursor.adapters):
        notes[_BINARY] = ()
        raise DataError(statement, None, ValueError("a column has another type than before: execute this again"))


def _read_alike(types: Types, adapters: Any) -> bool:
    """Say whether psycopg itself reads all these types, and into the same objects in both formats."""
    for oid in types:
        type_, loader = adapters.types.get(oid), adapters.get_loader(oid, _TEXT_FORMAT)
        if type_ is None or type_.name not in _ALIKE or not loader.__module__.startswith("psycopg"):
            return False
    return True
