"""What only you can do when a migration is finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fieldcrypt_sqlalchemy.migration.column import MigratedColumn

__all__ = ["after_finish"]

_REWRITE: Mapping[str, str] = {
    "postgresql": "VACUUM FULL {}",
    "mysql": "OPTIMIZE TABLE {}",
    "mariadb": "OPTIMIZE TABLE {}",
    "sqlite": "VACUUM",
}


def after_finish(table: str, columns: Sequence[MigratedColumn], dialect: str, has_history: bool) -> tuple[str, ...]:
    """Return what is left to do to a table, in words."""
    remarks = []
    for column in columns:
        if column.plain is not None:
            remarks.append(f"drop the column: ALTER TABLE {table} DROP COLUMN {column.plain.name}")
        elif column.type.accepted is not None:
            remarks.append(f"take accept_plaintext, accept and accept_until away from {table}.{column.name}")
    if has_history:
        remarks.append(
            "the database keeps former versions of the rows (SYSTEM VERSIONING), with their plaintext. Remove them: "
            f"DELETE HISTORY FROM {table}"
        )
    if dialect in _REWRITE:
        rewrite = _REWRITE[dialect].format(table)
        remarks.append(f"old versions of the rows are in the table's file until it is written anew: {rewrite}")
    remarks.append("plaintext is in write-ahead logs, backups and exports until these expire: docs/migration.md")
    return tuple(remarks)
