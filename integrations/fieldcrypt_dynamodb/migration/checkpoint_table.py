"""The DynamoDB table in which migrations write down how far they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from time import sleep
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import MigrationError
from fieldcrypt_dynamodb.migration.access import REFUSED, Client, call
from fieldcrypt_dynamodb.replicas import add_replica, enable_streams

__all__ = ["CheckpointTable"]

_KEY = ("migration", "part")


class CheckpointTable:
    """The table with the checkpoints of all migrations. It has the text keys `migration` and `part`.

    IAM actions: `dynamodb:Query`, `dynamodb:PutItem`, `dynamodb:UpdateItem`, `dynamodb:DeleteItem` and
    `dynamodb:DescribeTable` on the table; for `create_table` see `DynamoKeyStore.create_table`.

    Args:
        name: the table's.
        client_factory: makes a boto3 DynamoDB client, called at first use and again in a forked child.
        region: of the default client, if not the one that boto3 is configured for. A table that is in one region only
            does for data in several, if that region is named to all.
        replication: how far a replica of the table may be behind: so long a region waits before it begins to write.

    Attributes:
        is_named: its region was named.

    Raises:
        ConfigurationError: there are both a factory and a region.
    """

    def __init__(
        self,
        name: str = "fieldcrypt-migrations",
        client_factory: Callable[[], Any] | None = None,
        *,
        region: str | None = None,
        replication: timedelta = timedelta(seconds=5),
    ) -> None:
        if client_factory is not None and region is not None:
            raise ConfigurationError("CheckpointTable takes a client_factory or a region: a factory knows its region")
        self.name = name
        self.is_named = region is not None
        self._client = Client(client_factory, region)
        self._replication = replication.total_seconds()

    def create_table(self, replicas: Sequence[str] = ()) -> None:
        """Make the table, billed per request, unless it exists, and its replicas; return when they can be used.

        Args:
            replicas: the other regions, if the data is in a global table.

        Raises:
            MigrationError, KeyStoreError: it cannot be made.
        """
        client = self._client()
        try:
            with suppress(client.exceptions.ResourceInUseException):  # it exists, or is being made elsewhere
                client.create_table(
                    TableName=self.name,
                    BillingMode="PAY_PER_REQUEST",
                    AttributeDefinitions=[{"AttributeName": part, "AttributeType": "S"} for part in _KEY],
                    KeySchema=[
                        {"AttributeName": part, "KeyType": kind}
                        for part, kind in zip(_KEY, ("HASH", "RANGE"), strict=True)
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
        return str(self._client().meta.region_name)

    def regions(self) -> frozenset[str]:
        """Return all regions that have the table; none if it does not exist."""
        try:
            found = call(self._client(), "describe_table", self.name, frozenset({"ResourceNotFoundException"}))["Table"]
        except ClientError:
            return frozenset()
        return frozenset(each["RegionName"] for each in found.get("Replicas", ())) | {self.region}

    def settle(self) -> None:
        """Wait until what is written here is everywhere, and what was written elsewhere at the same time is here."""
        if len(self.regions()) > 1:
            sleep(self._replication)

    # Items

    def items(self, migration: str) -> list[dict[str, Any]]:
        """Return what is written down about a migration."""
        found: list[dict[str, Any]] = []
        params: dict[str, Any] = {
            "KeyConditionExpression": "#migration = :name",
            "ExpressionAttributeNames": _names("#migration"),
            "ExpressionAttributeValues": {":name": {"S": migration}},
            "ConsistentRead": True,
        }
        while True:
            response = call(self._client(), "query", self.name, **params)
            found += response["Items"]
            if "LastEvaluatedKey" not in response:
                return found
            params["ExclusiveStartKey"] = response["LastEvaluatedKey"]

    def add(self, migration: str, part: str, values: Mapping[str, Any]) -> None:
        """Write down something new; what there is already stays."""
        self._under(
            "put_item",
            "attribute_not_exists(#part)",
            Item={"migration": {"S": migration}, "part": {"S": part}, **values},
            ExpressionAttributeNames=_names("#part"),
        )

    def update(
        self, migration: str, part: str, update: str, condition: str, values: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Change what is written down, and return it as it is then; None if the condition does not hold.

        Args:
            migration, part: the key.
            update, condition: expressions in which names have a # before them.
            values: for their placeholders.
        """
        response = self._under(
            "update_item",
            condition,
            Key={"migration": {"S": migration}, "part": {"S": part}},
            UpdateExpression=update,
            ExpressionAttributeNames=_names(update + condition),
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )
        return None if response is None else response["Attributes"]

    def delete(self, item: Mapping[str, Any]) -> bool:
        """Forget something, and return True, unless it was begun again or leased since it was read."""
        name = next((each for each in ("began", "leased_until") if each in item), None)
        if name is None:
            condition, values = "attribute_not_exists(#leased_until)", {}
        else:
            condition, values = f"#{name} = :before", {"ExpressionAttributeValues": {":before": item[name]}}
        key = {part: item[part] for part in _KEY}
        names = _names(condition)
        return self._under("delete_item", condition, Key=key, ExpressionAttributeNames=names, **values) is not None

    def _under(self, operation: str, condition: str, **params: Any) -> Any:
        """Send what is done under a condition; return None if that does not hold."""
        try:
            return call(
                self._client(), operation, self.name, frozenset({REFUSED}), ConditionExpression=condition, **params
            )
        except ClientError:
            return None

    def __repr__(self) -> str:
        return f"CheckpointTable({self.name!r})"


def _names(expressions: str) -> dict[str, str]:
    return {f"#{name}": name for name in re.findall(r"#(\w+)", expressions)}
