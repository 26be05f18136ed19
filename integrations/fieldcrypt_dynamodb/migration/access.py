"""Reading and writing items of one table, no faster than the capacity that may be used."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from time import sleep
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from fieldcrypt import call_after_fork
from fieldcrypt.migration import MigrationError, Pace
from fieldcrypt.migration.engine.unit import UnitError

__all__ = ["CONFIG", "REFUSED", "Client", "TableAccess", "call"]

_retries: Any = {"total_max_attempts": 5, "mode": "standard"}
CONFIG = Config(connect_timeout=5, read_timeout=30, retries=_retries, max_pool_connections=64)  # of a job's client

REFUSED = "ConditionalCheckFailedException"
_TRIES = 8  # of a request that is throttled, beyond what boto3 tries
_FIRST_WAIT = 0.1  # seconds; doubled each time
_THROTTLED = frozenset(
    {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}
    | {"TransactionConflictException", "ReplicatedWriteConflictException", "InternalServerError"}
)
# What DynamoDB says of one item, and not of the request.
_OF_THE_ITEM = frozenset({REFUSED, "ValidationException", "ItemCollectionSizeLimitExceededException"})


class Client:
    """A boto3 client that is made at first use, and again in a forked child.

    Args:
        factory: makes it; None: by default.
        region: of the default client.
    """

    def __init__(self, factory: Callable[[], Any] | None, region: str | None = None) -> None:
        self._factory = factory or (lambda: boto3.session.Session().client("dynamodb", region, config=CONFIG))
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


def call(
    client: Any,
    operation: str,
    table: str,
    answers: frozenset[str] = frozenset(),
    beat: Callable[[], object] | None = None,
    **params: Any,
) -> Any:
    """Send a request about a table, again if it is throttled, and return the response.

    Args:
        client, operation, table, params: what is sent.
        answers: errors by which DynamoDB says what the caller asked.
        beat: is called before each time that it is sent.

    Raises:
        ClientError: one of the answers.
        ParamValidationError: boto3 does not send it, and its message has the values.
        MigrationError: DynamoDB refuses, or cannot be reached; it says what to do.
    """
    for tried in range(_TRIES + 1):
        if beat is not None:
            beat()
        try:
            return getattr(client, operation)(TableName=table, **params)
        except ParamValidationError:
            raise
        except BotoCoreError as error:
            refused: Exception = error
            break
        except ClientError as error:
            refused, code = error, code_of(error)
            if code in answers:
                raise
            if code not in _THROTTLED or tried == _TRIES:
                break
        sleep(_FIRST_WAIT * 2**tried * (0.5 + random.random()))  # noqa: S311 (so that not all wait alike)
    raise MigrationError(f"{operation} on {table}: {refused}. What is done stays; run it again to go on") from refused


def code_of(error: ClientError) -> str:
    """Return the name that DynamoDB gives to an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


class TableAccess:
    """A table's items in DynamoDB's own form, as they are: neither encrypted nor decrypted.

    Args:
        client: returns boto3's.
        table: the table's name.
        capacity: read, and as many write, capacity units a second to use at most; None: as many as there are.
    """

    def __init__(self, client: Callable[[], Any], table: str, capacity: float | None) -> None:
        self._client, self._table = client, table
        self._reads, self._writes = Pace(capacity), Pace(capacity)

    @property
    def region(self) -> str:
        """The region in which it is used."""
        return str(self._client().meta.region_name)

    def describe(self) -> dict[str, Any] | None:
        """Return what DynamoDB says of the table; None if there is none."""
        try:
            found = call(self._client(), "describe_table", self._table, frozenset({"ResourceNotFoundException"}))
        except ClientError:
            return None
        described: dict[str, Any] = found["Table"]
        return described

    def expires_by(self) -> str | None:
        """Return the attribute that says when items expire, if one does."""
        found = call(self._client(), "describe_time_to_live", self._table)["TimeToLiveDescription"]
        name: str | None = found.get("AttributeName")
        return name

    def scan(self, **params: Any) -> dict[str, Any]:
        """Return the response about a page of the table."""
        return self._sent(self._reads, "scan", {**params, "ConsistentRead": True})

    def scans(self, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield the responses about all pages of the table, or of a segment."""
        response = self.scan(**params)
        yield response
        while "LastEvaluatedKey" in response:
            response = self.scan(**params, ExclusiveStartKey=response["LastEvaluatedKey"])
            yield response

    def get(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return an item as it is now."""
        response = self._sent(self._reads, "get_item", {"Key": key, "ConsistentRead": True})
        found: dict[str, Any] | None = response.get("Item")
        return found

    def update(self, params: Mapping[str, Any], beat: Callable[[], object]) -> bool:
        """Write to an item; False if its condition does not hold. `beat` is called before each time that it is sent.

        Raises:
            ValueError: DynamoDB does not take what it would be, because of its size for example.
        """
        try:
            self._sent(self._writes, "update_item", params, _OF_THE_ITEM, beat)
        except ClientError as error:
            self._writes.take(1.0)
            if code_of(error) == REFUSED:
                return False
            said = error.response["Error"].get("Message", "").partition(" numeric value")[0]  # which would follow
        except ParamValidationError as error:
            said = type(error).__name__
        else:
            return True
        raise UnitError(f"DynamoDB does not take the item: {said}")

    def _sent(
        self,
        pace: Pace,
        operation: str,
        params: Mapping[str, Any],
        answers: frozenset[str] = frozenset(),
        beat: Callable[[], object] | None = None,
    ) -> dict[str, Any]:
        response: dict[str, Any] = call(
            self._client(), operation, self._table, answers, beat, ReturnConsumedCapacity="TOTAL", **params
        )
        pace.take(float(response.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)))
        return response
