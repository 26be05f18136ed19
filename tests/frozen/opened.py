"""Copies of the frozen databases and tables, opened with the keys that they were written with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine

from fieldcrypt import Encryptor
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.frozen import keys, models, tables
from tests.frozen.data import load_items, load_postgres, load_sqlite
from tests.support.dynamodb import DynamoDb

__all__ = ["Opening", "opened_database", "opened_items"]

Opening = Callable[[str], Engine]


def opened_database(kind: str, name: str, database: Opening, directory: Path) -> Engine:
    """Return the engine of a copy of a database, for which the models' encryptor is configured.

    Args:
        kind: "sqlite" or "postgresql".
        name: the file's.
        database, directory: the fixtures `database` and `tmp_path`.
    """
    if kind == "sqlite":
        load_sqlite(name, directory / "test.sqlite")  # which is where `database` has it
    engine = database(kind)
    if kind == "postgresql":
        load_postgres(name, engine)
    models.encryptor.configure(keys.provider(), SqlKeyStore(engine), policy=keys.POLICY)
    return engine


def opened_items(dynamodb: DynamoDb, name: str) -> Encryptor:
    """Put the tables of a file into a DynamoDB, and return an Encryptor over the key store among them."""
    load_items(dynamodb.client(), name)
    return tables.keys_of(dynamodb)
