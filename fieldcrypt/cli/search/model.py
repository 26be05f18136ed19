"""Finding the model whose indexes a command looks at, and how its rows are read."""

from __future__ import annotations

import sys
from inspect import isroutine
from typing import Any

from fieldcrypt.cli.target import find, set_up
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.migration.engine.migration import StoredMigration

__all__ = ["find_model"]


def find_model(path: str, engine: str | None) -> StoredMigration:
    """Return a migration that reads the rows of what a path names; none of its steps is run.

    Args:
        path: of a model or Table of SQLAlchemy, a model of PynamoDB, a ProtectedTable, or a migration.
        engine: the path of the Engine for SQLAlchemy. Default: the only one in the model's module.

    Raises:
        ConfigurationError: there is no such thing, or no Engine.
    """
    set_up()
    found: Any = find(path, object)
    if isroutine(found):
        found = find(path, StoredMigration)
    if isinstance(found, StoredMigration):
        return found
    if "sqlalchemy" in sys.modules and (migration := _of_sqlalchemy(found, path, engine)) is not None:
        return migration
    if "pynamodb" in sys.modules and (migration := _of_pynamodb(found)) is not None:
        return migration
    if "fieldcrypt_dynamodb" in sys.modules:
        from fieldcrypt_dynamodb import ProtectedTable
        from fieldcrypt_dynamodb.migration import TableMigration

        if isinstance(found, ProtectedTable):
            return TableMigration(found)
    raise ConfigurationError(f"{path} is no model of SQLAlchemy or PynamoDB, no ProtectedTable and no migration")


def _of_sqlalchemy(model: Any, path: str, engine: str | None) -> StoredMigration | None:
    from sqlalchemy import Engine, Table, inspect
    from sqlalchemy.orm import Mapper

    from fieldcrypt_sqlalchemy.migration import Migration

    if not isinstance(inspect(model, raiseerr=False), (Table, Mapper)):
        return None
    if engine is not None:
        return Migration(find(engine, Engine), model)
    module = sys.modules[path.partition(":")[0]]
    engines = {id(each): each for each in vars(module).values() if isinstance(each, Engine)}
    if len(engines) != 1:
        raise ConfigurationError(f"name the Engine with which {path} is read: --engine package.module:name")
    return Migration(next(iter(engines.values())), model)


def _of_pynamodb(model: Any) -> StoredMigration | None:
    from pynamodb.models import Model

    if not (isinstance(model, type) and issubclass(model, Model)):
        return None
    from fieldcrypt_dynamodb.migration import TableMigration
    from fieldcrypt_pynamodb.migration import MigratedModel

    return TableMigration(MigratedModel(model))
