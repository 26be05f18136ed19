"""Reading and writing items of one table, no faster than the capacity that may be used."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Set
from time import sleep
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from fieldcrypt import MigrationError
from fieldcrypt.spi.migration import Pace, UnitError

__all__ = ["CONFIG", "TableAccess"]

_retries: Any = {"total_max_attempts": 5, "mode": "standard"}
CONFIG = Config(connect_timeout=5, read_timeout=30, retries=_retries, max_pool_connections=64)  # of a job's client

_TRIES = 8  # of a request that is throttled, beyond what boto3 tries
_FIRST_WAIT = 0.1  # seconds; doubled each time
_THROTTLED = frozenset(
    {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}
    | {"TransactionConflictException", "ReplicatedWriteConflictException", "InternalServerError"}
)
_NO_TABLE = "ResourceNotFoundException"
_REFUSED = "ConditionalCheckFailedException"
_OF_THE_ITEM = frozenset({"ValidationException", "ItemCollectionSizeLimitExceededException"})  # not of the request


class TableAccess:
    """A table's items in DynamoDB's own form, as they are: neither encrypted nor decrypted.

    Whatever DynamoDB refuses, or that it cannot be reached, is a MigrationError that says what to do.

    Args:
        client, table: returns boto3's, and the table's name.
        capacity: read capacity units to use per second at most, and as many write capacity units; None: no limit.
    """

    def __init__(self, client: Callable[[], Any], table: str, capacity: float | None = None) -> None:
        self._client, self._table = client, table
        self._reads, self._writes = Pace(capacity), Pace(capacity)

    @property
    def region(self) -> str:
        """The region in which it is used."""
        return str(self._client().meta.region_name)

    def describe(self) -> dict[str, Any] | None:
        """Return what DynamoDB says of the table; None if there is none."""
        try:
            found: dict[str, Any] = self._call("describe_table", {}, {_NO_TABLE})["Table"]
        except ClientError:
            return None
        return found

    def regions(self, described: Mapping[str, Any] | None) -> frozenset[str]:
        """Return all regions that have the table, to go by what `describe` returned."""
        if described is None:
            return frozenset()
        return frozenset({self.region, *(each["RegionName"] for each in described.get("Replicas", ()))})

    def expires_by(self) -> str | None:
        """Return the attribute that says when items expire, if one does."""
        name: str | None = self._call("describe_time_to_live", {})["TimeToLiveDescription"].get("AttributeName")
        return name

    def page(self, operation: str = "scan", **params: Any) -> dict[str, Any]:
        """Return the response about a page of the table, as it is now."""
        return self._paced(self._reads, operation, {**params, "ConsistentRead": True})

    def pages(self, operation: str = "scan", **params: Any) -> Iterator[dict[str, Any]]:
        """Yield the responses about all pages of the table, of a segment, or of a query."""
        response = self.page(operation, **params)
        yield response
        while "LastEvaluatedKey" in response:
            response = self.page(operation, **params, ExclusiveStartKey=response["LastEvaluatedKey"])
            yield response

    def get(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return an item as it is now."""
        found: dict[str, Any] | None = self.page("get_item", Key=key).get("Item")
        return found

    def write(
        self,
        operation: str,
        params: Mapping[str, Any],
        answers: Set[str] = frozenset(),
        beat: Callable[[], object] | None = None,
    ) -> dict[str, Any] | None:
        """Write to an item, and return the response; None if its condition does not hold.

        Raises:
            ClientError: one of the answers.
        """
        try:
            return self._paced(self._writes, operation, params, {_REFUSED, *answers}, beat)
        except ClientError as error:
            self._writes.take(1.0)
            if _code(error) != _REFUSED:
                raise
        return None

    def update(self, params: Mapping[str, Any], beat: Callable[[], object]) -> bool:
        """Write to an item; False if its condition does not hold. `beat` is called before each time that it is sent.

        Raises:
            ValueError: DynamoDB does not take what it would be, because of its size for example.
        """
        try:
            return self.write("update_item", params, _OF_THE_ITEM, beat) is not None
        except ClientError as error:
            reason = error.response["Error"].get("Message", "").partition(" numeric value")[0]  # which would follow
        except ParamValidationError as error:
            reason = type(error).__name__
        raise UnitError(f"DynamoDB does not take the item: {reason}")

    def _paced(
        self,
        pace: Pace,
        operation: str,
        params: Mapping[str, Any],
        answers: Set[str] = frozenset(),
        beat: Callable[[], object] | None = None,
    ) -> dict[str, Any]:
        response = self._call(operation, {**params, "ReturnConsumedCapacity": "TOTAL"}, answers, beat)
        pace.take(float(response.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)))
        return response

    def _call(
        self,
        operation: str,
        params: Mapping[str, Any],
        answers: Set[str] = frozenset(),
        beat: Callable[[], object] | None = None,
    ) -> dict[str, Any]:
        """Send a request, again if it is throttled; ClientErrors that answer it are the caller's."""
        tried = 0
        while True:
            if beat is not None:
                beat()
            try:
                found: dict[str, Any] = getattr(self._client(), operation)(TableName=self._table, **params)
            except ParamValidationError:  # which boto3 does not send, and whose message has the values
                raise
            except BotoCoreError as error:
                raise self._refused_error(operation, error) from error
            except ClientError as error:
                if _code(error) in answers:
                    raise
                if _code(error) not in _THROTTLED or tried == _TRIES:
                    raise self._refused_error(operation, error) from error
            else:
                return found
            sleep(_FIRST_WAIT * 2**tried * (0.5 + random.random()))  # noqa: S311 (so that not all wait alike)
            tried += 1

    def _refused_error(self, operation: str, error: Exception) -> MigrationError:
        return MigrationError(f"{operation} on {self._table}: {error}. What is done stays; run it again to go on")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
