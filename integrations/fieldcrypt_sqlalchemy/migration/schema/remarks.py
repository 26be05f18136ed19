"""What is left to do to a table at the end of a migration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, text

from fieldcrypt_sqlalchemy.migration.row.table_rows import TableRows

__all__ = ["old_versions", "remarks"]

_REWRITE: Mapping[str, str] = {
    "postgresql": "VACUUM FULL {}",
    "mysql": "OPTIMIZE TABLE {}",
    "mariadb": "OPTIMIZE TABLE {}",
    "sqlite": "VACUUM",
}
_HAS_HISTORY = text(
    "SELECT 1 FROM information_schema.tables WHERE table_name = :name AND "
    "table_schema = COALESCE(:schema, DATABASE()) AND table_type = 'SYSTEM VERSIONED'"
)


def remarks(connection: Connection, source: TableRows) -> Iterator[str]:
    """Yield what only you can do when a migration is finished, in words."""
    table = source.full_name
    for column in source.columns:
        if column.plain is not None:
            yield f"drop the column: ALTER TABLE {table} DROP COLUMN {column.plain.name}"
        elif column.type.accepted is not None:
            yield f"take accept_plaintext, accept and accept_until away from {table}.{column.name}"
    yield from old_versions(connection, source)
    yield "plaintext is in write-ahead logs, backups and exports until these expire: docs/guides/migration.md"


def old_versions(connection: Connection, source: TableRows) -> Iterator[str]:
    """Yield what keeps former versions of the rows, in words."""
    table, dialect = source.full_name, connection.dialect.name
    of_table = {"name": source.table.name, "schema": source.schema}
    if dialect in ("mysql", "mariadb") and connection.scalar(_HAS_HISTORY, of_table) is not None:
        yield (
            "the database keeps former versions of the rows (SYSTEM VERSIONING), with what they had. Remove them: "
            f"DELETE HISTORY FROM {table}"
        )
    if dialect in _REWRITE:
        rewrite = _REWRITE[dialect].format(table)
        yield f"old versions of the rows are in the table's file until it is rewritten: {rewrite}"
