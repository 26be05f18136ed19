"""What only you can do when a migration is finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fieldcrypt_sqlalchemy.migration.part import Part

__all__ = ["after_finish"]

_REWRITE: Mapping[str, str] = {
    "postgresql": "VACUUM FULL {}",
    "mysql": "OPTIMIZE TABLE {}",
    "mariadb": "OPTIMIZE TABLE {}",
    "sqlite": "VACUUM",
}


def after_finish(parts: Sequence[Part], dialect: str) -> tuple[str, ...]:
    """Return what is left to do, in words."""
    remarks = []
    for part in parts:
        for column in part.columns:
            if column.plain is not None:
                remarks.append(f"drop the column: ALTER TABLE {part.table.fullname} DROP COLUMN {column.plain.name}")
            elif column.type.accepted is not None:
                remarks.append(
                    f"take accept_plaintext, accept and accept_until away from {part.table.fullname}.{column.name}"
                )
        if dialect in _REWRITE:
            rewrite = _REWRITE[dialect].format(part.table.fullname)
            remarks.append(f"old versions of the rows are in the table's file until it is written anew: {rewrite}")
    remarks.append("plaintext is in write-ahead logs, backups and exports until these expire: docs/migration.md")
    return tuple(remarks)
