"""The wrapper of a boto3 resource."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.meta import Meta
from fieldcrypt_dynamodb.protected_table import ProtectedTable
from fieldcrypt_dynamodb.request.batches import Requests
from fieldcrypt_dynamodb.request.exchange import Exchange, Response, Send, run
from fieldcrypt_dynamodb.request.operations import check_kind
from fieldcrypt_dynamodb.table import AnyTable, EncryptedTable
from fieldcrypt_dynamodb.wire_client import wire_client
from fieldcrypt_dynamodb.wrapper import BatchOperations, passed_member

__all__ = ["AnyResource", "EncryptedResource"]

A = TypeVar("A")  # a response, or an awaitable of one


class AnyResource(BatchOperations[A]):
    """What all wrappers of a resource have in common, whether their calls return a response or have to be awaited."""

    _table_wrapper: type[AnyTable[Any]] = EncryptedTable

    def __init__(self, resource: Any, tables: Iterable[ProtectedTable]) -> None:
        check_kind(type(self).__name__, resource, asynchronous=self._asynchronous)
        self._resource = resource
        self._requests = Requests(tables, PYTHON)
        self._tables = {table.name: table for table in self._requests.tables}
        self._wire = wire_client(resource.meta.client)

    @property
    def meta(self) -> Any:
        """boto3's, with a client that encrypts, in Python's form."""
        meta, wrapper = self._resource.meta, self._table_wrapper._client_wrapper
        return Meta(meta, wrapper._of_resource(meta.client, self._wire, self._requests))

    def __getattr__(self, name: str) -> Any:
        return passed_member(self, "_resource", name, (), "resource")

    def _wrapped(self, name: str, table: Any) -> Any:
        requests = self._requests.for_table(name)
        if requests is None:
            return table
        return self._table_wrapper._of_resource(table, self._tables[requests.table.name], self._wire, self._requests)


class EncryptedResource(AnyResource[Response]):
    """A boto3 DynamoDB resource whose protected tables encrypt and decrypt.

        dynamodb = EncryptedResource(boto3.resource("dynamodb"), [patients])
        dynamodb.Table("patients").put_item(Item={"id": "1", "ssn": "078-05-1120"})

    Args:
        resource: boto3's. It is used, not changed.
        tables: the descriptions of the protected tables.

    Raises:
        ConfigurationError: a table is described twice, or the resource is async.
    """

    def _run(self, exchange: Exchange, send: Send) -> Response:
        return run(exchange, send)

    def Table(self, name: str) -> Any:  # noqa: N802 (boto3's name)
        """Return a table: an `EncryptedTable` if it is protected, boto3's own if not."""
        return self._wrapped(name, self._resource.Table(name))  # an ARN may be of another account

    def create_table(self, **params: Any) -> Any:
        """Make a table, and return it as `Table` does."""
        return self.Table(self._resource.create_table(**params).name)
