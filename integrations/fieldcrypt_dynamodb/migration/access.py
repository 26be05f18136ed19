"""Reading and writing items of one table, no faster than the capacity that may be used."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from time import sleep
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from fieldcrypt import call_after_fork
from fieldcrypt.migration import MigrationError, Pace
from fieldcrypt_dynamodb.migration.errors import code_of, in_words
from fieldcrypt_dynamodb.migration.target import Item

__all__ = ["Client", "TableAccess", "client_of"]

_TRIES = 8  # of a request that is throttled, beyond what boto3 tries
_FIRST_WAIT = 0.1  # seconds; doubled each time
_THROTTLED = frozenset(
    {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}
    | {"TransactionConflictException", "InternalServerError"}
)
_CONNECTIONS = 64


def client_of(region: str | None) -> Any:
    """Make a boto3 DynamoDB client for a job."""
    retries: Any = {"total_max_attempts": 5, "mode": "standard"}
    config = Config(connect_timeout=5, read_timeout=30, retries=retries, max_pool_connections=_CONNECTIONS)
    return boto3.session.Session().client("dynamodb", region_name=region, config=config)


class Client:
    """A boto3 client that is made at first use, and again in a forked child.

    Args:
        factory: makes it; None: by default.
        region: of the default client.
    """

    def __init__(self, factory: Callable[[], Any] | None, region: str | None) -> None:
        self._factory = factory or partial(client_of, region)
        self._reset()
        call_after_fork(self._reset)

    def _reset(self) -> None:
        self._client: Any = None
        self._lock = Lock()

    def __call__(self) -> Any:
        """Return it."""
        with self._lock:
            if self._client is None:
                self._client = self._factory()
            return self._client


class TableAccess:
    """A table's items in DynamoDB's own form, as they are: neither encrypted nor decrypted.

    Args:
        client: boto3's.
        table: the table's name.
        capacity: read, and as many write, capacity units a second to use at most; None: as many as there are.
    """

    def __init__(self, client: Any, table: str, capacity: float | None) -> None:
        self._client = client
        self._table = table
        self._reads, self._writes = Pace(capacity), Pace(capacity)

    def describe(self) -> dict[str, Any] | None:
        """Return what DynamoDB says of the table; None if there is none."""
        with in_words(f"DescribeTable of {self._table}"):
            try:
                found: dict[str, Any] = self._client.describe_table(TableName=self._table)["Table"]
            except self._client.exceptions.ResourceNotFoundException:
                return None
            return found

    def expires_by(self) -> str | None:
        """Return the attribute that says when items expire, if one does."""
        with in_words(f"DescribeTimeToLive of {self._table}"):
            found = self._client.describe_time_to_live(TableName=self._table)["TimeToLiveDescription"]
            name: str | None = found.get("AttributeName")
            return name

    def scan(
        self, segment: tuple[int, int], after: Item | None, limit: int
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """Return a page of a segment, and after which key to go on; None if there is nothing more.

        Args:
            segment: its number, and of how many.
            after: the key that the last page ended with.
            limit: items at most.
        """
        params: dict[str, Any] = {"Segment": segment[0], "TotalSegments": segment[1], "Limit": limit}
        if after is not None:
            params["ExclusiveStartKey"] = after
        response = self._sent(self._reads, "scan", {**params, "ConsistentRead": True})
        return response["Items"], response.get("LastEvaluatedKey")

    def get(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return an item as it is now."""
        found: dict[str, Any] | None = self._sent(self._reads, "get_item", {"Key": key, "ConsistentRead": True}).get(
            "Item"
        )
        return found

    def update(self, params: Mapping[str, Any]) -> bool:
        """Write to an item; False if its condition does not hold.

        Raises:
            ValueError: DynamoDB does not take what it would be, because of its size for example.
        """
        try:
            self._sent(self._writes, "update_item", params)
        except ClientError as error:
            if code_of(error) == "ConditionalCheckFailedException":
                return False
            said = error.response["Error"].get("Message", "")
        else:
            return True
        raise ValueError(f"DynamoDB does not take the item: {said}")

    def _sent(self, pace: Pace, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        send = getattr(self._client, operation)
        for tried in range(_TRIES + 1):
            with in_words(f"{operation} on {self._table}"):
                try:
                    response: dict[str, Any] = send(TableName=self._table, ReturnConsumedCapacity="TOTAL", **params)
                except ClientError as error:
                    code = code_of(error)
                    if operation == "update_item" and code in _OF_THE_ITEM:
                        pace.take(1.0)
                        item_error = error
                        break
                    if code not in _THROTTLED or tried == _TRIES:
                        raise
                else:
                    pace.take(float(response.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)))
                    return response
            sleep(_FIRST_WAIT * 2**tried * (0.5 + random.random()))  # noqa: S311 (so that not all wait alike)
        else:
            raise MigrationError(f"{operation} on {self._table} is throttled")
        raise item_error


# What DynamoDB says of one item, and not of the request.
_OF_THE_ITEM = frozenset(
    {"ConditionalCheckFailedException", "ValidationException", "ItemCollectionSizeLimitExceededException"}
)
