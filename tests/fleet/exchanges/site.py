"""Where the two versions meet: a directory with databases, and a DynamoDB."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine

from fieldcrypt import Encryptor, FileKeyStore, KeyPolicy, KeyStore, LocalKeyProvider
from fieldcrypt_dynamodb import DynamoKeyStore
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.frozen import keys, models, tables

__all__ = ["POLICY", "Site", "eventually"]

# What others did to the keys is seen a moment later.
POLICY = KeyPolicy(
    cache_ttl=timedelta(seconds=0.2),
    grace=timedelta(0),
    rotate_after=timedelta(days=36_500),
    propagation_delay=timedelta(0),
    replication_wait=timedelta(0),
)


class Site:
    """What one version has of the place.

    Args:
        kind: of the key store: "file", "sqlite" or "dynamodb".
        directory: of the databases.
        endpoints: of DynamoDB, by region.
    """

    def __init__(self, kind: str, directory: Path, endpoints: Mapping[str, str]) -> None:
        self.kind = kind
        self.directory = directory
        self.dynamodb: Any = vars(tables)["DynamoDb"](endpoints)  # which each version has in another module
        self.kept: Any = None  # what a step leaves for a later one of the same version

    @cached_property
    def engine(self) -> Engine:
        """The SQL database."""
        return create_engine(f"sqlite:///{self.directory / 'rows.sqlite'}")

    @cached_property
    def store(self) -> KeyStore:
        """The key store."""
        if self.kind == "file":
            return FileKeyStore(self.directory / "keys.sqlite")
        if self.kind == "sqlite":
            return SqlKeyStore(self.engine)
        return DynamoKeyStore("data-keys", client_factory=self.dynamodb.client)

    @cached_property
    def encryptor(self) -> Encryptor:
        """The one for everything; models have it too."""
        models.encryptor.configure(keys.provider(), self.store, policy=POLICY)
        return models.encryptor

    def create(self) -> None:
        """Make the key store, as this version does."""
        if self.kind == "file":
            getattr(FileKeyStore, "create", FileKeyStore)(self.directory / "keys.sqlite")
        else:
            self.store.create_table()  # type: ignore[attr-defined]

    def anew(self) -> Encryptor:
        """Return an Encryptor that has no live keys, under both of the wrapping keys that a rewrap is about."""
        return Encryptor(LocalKeyProvider(keys.OTHER_LOCAL_KEY), self.store, policy=POLICY)


def eventually(true: Callable[[], bool]) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it never is.
    """
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.05)
