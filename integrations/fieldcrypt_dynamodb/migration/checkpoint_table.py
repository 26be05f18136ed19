"""The DynamoDB table in which migrations write down how far they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from time import sleep
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from fieldcrypt import MigrationError
from fieldcrypt_dynamodb.key_store.replicas import add_replica, enable_streams
from fieldcrypt_dynamodb.lazy_client import ClientFactory, LazyClient
from fieldcrypt_dynamodb.migration.access import CONFIG, TableAccess
from fieldcrypt_dynamodb.migration.conditional import conditional

__all__ = ["CheckpointTable"]

_KEY = ("migration", "part")
_FORMS: dict[type, Callable[[Any], dict[str, Any]]] = {
    str: lambda text: {"S": text},
    bool: lambda flag: {"BOOL": flag},
    int: lambda number: {"N": str(number)},
    float: lambda time: {"N": f"{time:.6f}"},
}


class CheckpointTable:
    """The table with the checkpoints of all migrations. It has the text keys `migration` and `part`.

    IAM actions: `dynamodb:Query`, `dynamodb:UpdateItem`, `dynamodb:DeleteItem` and `dynamodb:DescribeTable` on the
    table; for `create_table` see `DynamoKeyStore.create_table`.

    Args:
        name: the table's.
        client_factory: makes a boto3 DynamoDB client for a region, called at first use and again in a forked child.
        region: of the client, if not the one that boto3 is configured for. A table that is in one region only does for
            data in several, if that region is named to all.
        replication: how far a replica of the table may be behind: so long a region waits before it begins to write.

    Attributes:
        is_named: its region was named.
    """

    def __init__(
        self,
        name: str = "fieldcrypt-migrations",
        client_factory: ClientFactory | None = None,
        *,
        region: str | None = None,
        replication: timedelta = timedelta(seconds=5),
    ) -> None:
        self.name = name
        self.is_named = region is not None
        self._client = LazyClient(client_factory, region, CONFIG)
        self._access = TableAccess(self._client, name)
        self._replication = replication.total_seconds()

    def create_table(self, replicas: Sequence[str] = ()) -> None:
        """Make the table, billed per request, unless it exists, and its replicas; return when they can be used.

        Args:
            replicas: the other regions, if the data is in a global table.

        Raises:
            TypeError: replicas is a single name.
            MigrationError, KeyStoreError: it cannot be made.
        """
        if isinstance(replicas, str):
            raise TypeError("replicas is a sequence of regions, not a single one")
        try:
            client = self._client()
            with suppress(client.exceptions.ResourceInUseException):  # it exists, or is being made elsewhere
                client.create_table(
                    TableName=self.name,
                    BillingMode="PAY_PER_REQUEST",
                    AttributeDefinitions=[{"AttributeName": part, "AttributeType": "S"} for part in _KEY],
                    KeySchema=[
                        {"AttributeName": "migration", "KeyType": "HASH"},
                        {"AttributeName": "part", "KeyType": "RANGE"},
                    ],
                )
            client.get_waiter("table_exists").wait(TableName=self.name, WaiterConfig={"Delay": 1})
        except (BotoCoreError, ClientError) as error:
            raise MigrationError(f"the table {self.name} cannot be made: {error}") from error
        others = [region for region in replicas if region != self.region]
        if others:
            enable_streams(client, self.name)
        for region in others:
            add_replica(client, self.name, region)

    @property
    def region(self) -> str:
        """The region in which it is used."""
        return self._access.region

    def regions(self) -> frozenset[str]:
        """Return all regions that have the table; none if it does not exist."""
        return self._access.regions(self._access.describe())

    def settle(self) -> None:
        """Wait until what is written here is everywhere, and what was written elsewhere at the same time is here."""
        if len(self.regions()) > 1:
            sleep(self._replication)

    def items(self, migration: str) -> list[dict[str, Any]]:
        """Return what is written down about a migration."""
        pages = self._access.pages(
            "query",
            KeyConditionExpression="#migration = :name",
            ExpressionAttributeNames={"#migration": "migration"},
            ExpressionAttributeValues={":name": {"S": migration}},
        )
        return [item for page in pages for item in page["Items"]]

    def write(
        self, migration: str, part: str, values: Mapping[str, Any], before: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Write something down, and return the item as it is then; None if it was not as it must have been.

        Args:
            migration, part: the key.
            values, before: see `conditional`; Python's, or in DynamoDB's own form.
        """
        key = {"migration": {"S": migration}, "part": {"S": part}}
        request = conditional(key, _wire(before), _wire(values))
        response = self._access.write("update_item", {**request, "ReturnValues": "ALL_NEW"})
        return None if response is None else response["Attributes"]

    def delete(self, item: Mapping[str, Any]) -> bool:
        """Forget something, and return True, unless it was begun again or leased since it was read."""
        name = "began" if "began" in item else "leased_until"
        request = conditional({part: item[part] for part in _KEY}, {name: item.get(name)})
        return self._access.write("delete_item", request) is not None

    def __repr__(self) -> str:
        return f"CheckpointTable({self.name!r})"


def _wire(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _FORMS[type(value)](value) if type(value) in _FORMS else value for name, value in values.items()}
