"""A migration of a table: the steps, as a program calls them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fieldcrypt import ConfigurationError
from fieldcrypt.spi.migration import Part, StoredMigration, Which
from fieldcrypt_dynamodb.lazy_client import ClientFactory, LazyClient
from fieldcrypt_dynamodb.migration.access import CONFIG, TableAccess
from fieldcrypt_dynamodb.migration.checkpoint_table import CheckpointTable
from fieldcrypt_dynamodb.migration.checkpoints import Checkpoints
from fieldcrypt_dynamodb.migration.entries import MOST_SEGMENTS
from fieldcrypt_dynamodb.migration.erased.items import ErasedItems
from fieldcrypt_dynamodb.migration.source import TableSource
from fieldcrypt_dynamodb.migration.target import MigratedTable, migrated_table
from fieldcrypt_dynamodb.protected_table import ProtectedTable

__all__ = ["TableMigration"]


class TableMigration(StoredMigration):
    """Takes the protected attributes of a table from what is stored to what is declared, while others read and write.

        migration = TableMigration(patients)                # a ProtectedTable; clients as boto3 is configured
        migration = TableMigration(MigratedModel(Patient))  # of PynamoDB: fieldcrypt_pynamodb.migration

    Attributes are encrypted in place, from what their `accept_plaintext` and `accept` accept, and again after a
    rotation. Every step can be interrupted, killed, run by several processes at once, and repeated. An item is written
    under the condition that what is written again is as it was read: nothing that somebody else has written is lost.

    IAM actions: on the table `dynamodb:DescribeTable`, `dynamodb:DescribeTimeToLive` and `dynamodb:Scan`; for backfill
    and undo `dynamodb:GetItem` and `dynamodb:UpdateItem`; and see `CheckpointTable`.

    Args:
        table: the description of the table, whose protected attributes say what they accept; of a table with entities
            that of one of them, `of_entity(description, "user")`.
        client_factory: makes a boto3 DynamoDB client for a region, called at first use and again in a forked child.
            Default: one that waits 5 seconds for a connection, 30 for an answer, and makes 5 attempts; of a model where
            its Meta says.
        region: of the client, if not the one that boto3 is configured for, or that a model's Meta names: where this
            process works at the table. It does not name the region of the checkpoints to others, as a global table
            needs it.
        checkpoints: the table that is written down in how far it is; or its name, and then it is used by the same
            client as the table. `create_table` makes it.
        capacity: the read capacity units, and as many write capacity units, that all workers of a process may use
            per second; None: no limit.
        segments: into how many parts the table is divided for workers, 1 to 1,000.
        name: what its checkpoints are kept under. Default: the table's name, and the entity's.

    Raises:
        ConfigurationError: the table is none; or there are too many segments. At first use: the client is of another
            region or endpoint than the model.
    """

    def __init__(
        self,
        table: ProtectedTable | MigratedTable,
        client_factory: ClientFactory | None = None,
        *,
        region: str | None = None,
        checkpoints: CheckpointTable | str = "fieldcrypt-migrations",
        capacity: float | None = None,
        segments: int = 16,
        name: str | None = None,
    ) -> None:
        if not 1 <= segments <= MOST_SEGMENTS:
            raise ConfigurationError(f"a table is divided into 1 to {MOST_SEGMENTS:,} segments")
        migrated = migrated_table(table)
        client = LazyClient(lambda region: _client(migrated, client_factory, region), region, CONFIG)
        if isinstance(checkpoints, str):
            checkpoints = CheckpointTable(checkpoints, lambda _: client())
        self.checkpoints = checkpoints
        access = TableAccess(client, migrated.name, capacity)
        self._source = TableSource(migrated, access, checkpoints)
        only = table.only_entity if isinstance(table, ProtectedTable) else None
        name = name or (migrated.name if only is None else f"{migrated.name}.{only}")
        self._migrated, self._access = migrated, access
        self._journal = Checkpoints(checkpoints, name, segments, lambda: access.region)
        super().__init__(name, [Part(self._source, self._journal)])

    def erasing(self, companions: Sequence[str]) -> Sequence[Part]:
        source = ErasedItems(self._migrated, self._access, self.checkpoints, companions)
        return [Part(source, self._journal)]

    def values_under(self, key_id: bytes) -> dict[str, int]:
        """Return how many values of each attribute, and seals, are under a data key; nothing of those that have none.

        All items are read, and nothing is decrypted.

        Raises:
            MigrationError: DynamoDB refuses.
        """
        pages = self._source.pages(Which.ALL)
        found = Counter(name for items in pages for item in items for name in item.under(key_id))
        return {f"{self._source.name}.{name}": count for name, count in found.items()}


def _client(table: MigratedTable, factory: ClientFactory | None, region: str | None) -> Any:
    """Make the client of a migration, which is where the table is."""
    own = table.client(CONFIG)
    if own is not None and factory is None and region in (None, own.meta.region_name):
        return own
    if own is not None and region is None:
        region = own.meta.region_name
    client = LazyClient(factory, region, CONFIG)()
    if own is not None:
        where, other = (f"{each.meta.endpoint_url} in {each.meta.region_name}" for each in (own, client))
        if where != other:
            raise ConfigurationError(
                f"{table.name} is at {where}, as the model's Meta says, and the client is for {other}: leave "
                "client_factory and region away, or make a client for the model's region and host"
            )
    return client
