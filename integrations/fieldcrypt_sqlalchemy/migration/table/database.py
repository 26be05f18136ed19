"""What a database does to values besides storing them: triggers, storage engines, character sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Table, text

__all__ = ["columns_set_on_update", "kind_on_postgresql", "changes_of_values", "triggers", "writes_as_told"]

_MYSQL = ("mysql", "mariadb")
_ON_POSTGRESQL = (
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = :name AND "
    "CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = :schema END"
)
_KIND = text(
    f"SELECT CAST(c.relkind AS text), EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = c.oid) {_ON_POSTGRESQL}"  # noqa: S608 (our own)
)
# Of all tables that rows are in: no trigger for UPDATE, no rule, nothing foreign, and no type that cuts values off.
_WRITES_AS_TOLD = text(
    f"WITH RECURSIVE tree(oid) AS (SELECT c.oid {_ON_POSTGRESQL} "  # noqa: S608 (our own)
    "UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid) "
    "SELECT bool_and(c.relkind IN ('r', 'p') AND NOT c.relhasrules AND NOT EXISTS (SELECT 1 FROM pg_trigger t "
    "WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 16 > 0) AND NOT EXISTS (SELECT 1 FROM "
    "pg_attribute a WHERE a.attrelid = c.oid AND a.atttypid = CAST('name' AS regtype))) "
    "FROM tree JOIN pg_class c USING (oid)"
)
_TRIGGERS = (
    "SELECT DISTINCT trigger_name FROM information_schema.triggers WHERE event_manipulation = 'UPDATE' AND "
    "event_object_table = :name AND event_object_schema = COALESCE(:schema, {}) ORDER BY trigger_name"
)
_TRIGGERS_ON_SQLITE = "SELECT name FROM {} WHERE type = 'trigger' AND lower(tbl_name) = lower(:name) ORDER BY name"
_SET_ON_UPDATE = text(
    "SELECT column_name FROM information_schema.columns WHERE table_name = :name AND "
    "table_schema = COALESCE(:schema, DATABASE()) AND extra LIKE '%on update%'"
)
_ENGINE = text(
    "SELECT t.engine FROM information_schema.tables t JOIN information_schema.engines e ON e.engine = t.engine WHERE "
    "t.table_name = :name AND t.table_schema = COALESCE(:schema, DATABASE()) AND e.transactions <> 'YES'"
)
_SESSION = text("SELECT @@character_set_client, @@character_set_connection, @@character_set_results")
_CHARACTER_SETS = text(
    "SELECT DISTINCT character_set_name FROM information_schema.columns WHERE table_name = :name AND "
    "table_schema = COALESCE(:schema, DATABASE()) AND character_set_name IS NOT NULL"
)
_ENCODINGS = text("SELECT current_setting('client_encoding'), current_setting('server_encoding')")


def changes_of_values(connection: Connection, read: Sequence[Table], others: Sequence[Table]) -> Iterator[str]:
    """Yield why values would not be read as they are, or rows not be left as they are if a step is stopped.

    Args:
        read: the tables with the values.
        others: that are written as well.
    """
    tables = (*read, *others)
    places = [(table.name, {"name": table.name, "schema": connection.schema_for_object(table)}) for table in tables]
    if connection.dialect.name in _MYSQL:
        for name, place in places:
            engine = connection.scalar(_ENGINE, place)
            if engine is not None:
                yield (
                    f"{name} is a table of the engine {engine}, which has no transactions, so that what others write "
                    f"meanwhile would be lost: ALTER TABLE {name} ENGINE=InnoDB"
                )
        used = set(connection.execute(_SESSION).one())
        for name, place in places[: len(read)]:
            for found in connection.scalars(_CHARACTER_SETS, place):
                if not used <= {"utf8mb4", found}:
                    yield (
                        f"the connection does not use utf8mb4, and {name} has columns of {found}, so that characters "
                        "would be read as '?': connect with charset=utf8mb4"
                    )
    elif connection.dialect.name == "postgresql":
        client, server = connection.execute(_ENCODINGS).one()
        if client not in ("UTF8", server):
            yield (
                f"the connection has the encoding {client}, and the database {server}, so that not all characters "
                "would be read as they are: connect with client_encoding=utf8"
            )


def triggers(connection: Connection, name: str, schema: str | None) -> Sequence[str]:
    """Return the names of what is done whenever a row of a table is changed, as far as the user may see them."""
    dialect = connection.dialect
    if dialect.name == "sqlite":
        there = "sqlite_master" if schema is None else f"{dialect.identifier_preparer.quote(schema)}.sqlite_master"
        return connection.scalars(text(_TRIGGERS_ON_SQLITE.format(there)), {"name": name}).all()
    current = "DATABASE()" if dialect.name in _MYSQL else "current_schema()"
    return connection.scalars(text(_TRIGGERS.format(current)), {"name": name, "schema": schema}).all()


def writes_as_told(connection: Connection, name: str, schema: str | None) -> bool:
    """Return True if PostgreSQL has nothing that could change what is written to a table."""
    return bool(connection.scalar(_WRITES_AS_TOLD, {"name": name, "schema": schema}))


def kind_on_postgresql(connection: Connection, name: str, schema: str | None) -> tuple[str | None, bool]:
    """Return a table's `relkind`, or None if there is none, and whether others inherit from it."""
    kind = connection.execute(_KIND, {"name": name, "schema": schema}).first()
    return (None, False) if kind is None else (kind[0], kind[1])


def columns_set_on_update(connection: Connection, name: str, schema: str | None) -> list[str]:
    """Return the columns that the database sets to another value when a row is written."""
    if connection.dialect.name not in _MYSQL:
        return []
    return list(connection.scalars(_SET_ON_UPDATE, {"name": name, "schema": schema}))
