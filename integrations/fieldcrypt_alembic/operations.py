"""Keeps generated migrations from dropping tables of fieldcrypt."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import renderers
from alembic.operations.ops import (
    CreateIndexOp,
    CreateTableOp,
    DropColumnOp,
    DropTableOp,
    MigrateOperation,
    ModifyTableOps,
    UpgradeOps,
)

from fieldcrypt_alembic.kept_tables import content_of

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

__all__ = ["keep_tables"]

# Databases that make a table, or an index, "if it does not exist".
_TABLES_IF_NOT_EXISTS = frozenset({"postgresql", "sqlite", "mysql", "mariadb"})
_INDEXES_IF_NOT_EXISTS = frozenset({"postgresql", "sqlite", "mariadb"})

_log = logging.getLogger("alembic.autogenerate.fieldcrypt")  # besides what else Alembic has found


class StayOp(MigrateOperation):
    """Nothing, in place of an operation that would take something away.

    Args:
        reason: written into the migration, unless empty.
    """

    def __init__(self, reason: str = "") -> None:
        self.reason = reason


@renderers.dispatch_for(StayOp)
def _render(_: AutogenContext, operation: StayOp) -> list[str]:
    return [f"# {operation.reason}", "pass"] if operation.reason else []


class CreateKeptTableOp(CreateTableOp):
    """Makes a table that `downgrade()` leaves in place."""

    def reverse(self) -> Any:
        """Return what stands in `downgrade()`."""
        content = content_of((column.name, column.type) for column in self.to_table().columns)
        return StayOp(f"The table {self.table_name} stays: it holds {content}.")


class CreateKeptIndexOp(CreateIndexOp):
    """Makes an index of such a table, which stays with it."""

    def reverse(self) -> Any:
        """Return what stands in `downgrade()`."""
        return StayOp()


def keep_tables(autogen_context: AutogenContext, upgrade_ops: UpgradeOps) -> None:
    """Take out of a migration, and of its way back, what would drop a table of fieldcrypt, its columns or indexes."""
    operations = [*upgrade_ops.ops]
    dropped: set[tuple[str | None, str]] = set()
    made: set[tuple[str | None, str]] = set()
    for operation in operations:
        if isinstance(operation, (DropTableOp, CreateTableOp)):
            content = content_of((column.name, column.type) for column in operation.to_table().columns)
            if content is not None:
                (dropped if isinstance(operation, DropTableOp) else made).add((operation.schema, operation.table_name))
    for schema, table in sorted(dropped, key=str):
        _log.info(
            "Kept table %r, which holds fieldcrypt's keys or checkpoints", f"{schema}.{table}" if schema else table
        )
    upgrade_ops.ops = []
    for operation in operations:
        where = getattr(operation, "schema", None), getattr(operation, "table_name", None)
        if where in dropped:
            continue
        if where in made:
            upgrade_ops.ops += _kept(autogen_context, operation)
        elif not isinstance(operation, ModifyTableOps) or _without_drops(autogen_context, operation):
            upgrade_ops.ops.append(operation)


def _kept(autogen_context: AutogenContext, operation: MigrateOperation) -> Iterator[MigrateOperation]:
    """Yield what makes a table and its indexes again after a downgrade, which has left them in place."""
    dialect: Any = autogen_context.dialect
    database = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    if isinstance(operation, CreateTableOp):
        kept = CreateKeptTableOp.from_table(operation.to_table(), _namespace_metadata=operation._namespace_metadata)
        kept.if_not_exists = True if database in _TABLES_IF_NOT_EXISTS else None
        yield kept
    elif isinstance(operation, ModifyTableOps) and database in _INDEXES_IF_NOT_EXISTS:
        for each in operation.ops:
            if isinstance(each, CreateIndexOp):
                index = CreateKeptIndexOp.from_index(each.to_index())
                index.if_not_exists = True
                yield index
    else:
        yield operation  # an index that the way back drops, for the way here could not make it again


def _without_drops(autogen_context: AutogenContext, operation: ModifyTableOps) -> bool:
    """Take fieldcrypt's columns out of those that a table loses; return True if anything is left to do."""
    if any(isinstance(each, DropColumnOp) for each in operation.ops):
        inspector: Any = autogen_context.inspector
        columns = inspector.get_columns(operation.table_name, schema=operation.schema)
        if content_of((column["name"], column["type"]) for column in columns) is not None:
            operation.ops = [each for each in operation.ops if not isinstance(each, DropColumnOp)]
    return bool(operation.ops)
