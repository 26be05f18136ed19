"""The wrapper of a boto3 Table."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Self, TypeVar

from fieldcrypt import ConfigurationError
from fieldcrypt_dynamodb.batch_writer import BatchWriter
from fieldcrypt_dynamodb.client import AnyClient, EncryptedClient
from fieldcrypt_dynamodb.item.binding import Tenant
from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.meta import Meta
from fieldcrypt_dynamodb.protected_table import ProtectedTable
from fieldcrypt_dynamodb.request.batches import Requests
from fieldcrypt_dynamodb.request.exchange import Exchange, Params, Response, Send, run
from fieldcrypt_dynamodb.request.operations import check_kind, table_name
from fieldcrypt_dynamodb.wire_client import wire_client
from fieldcrypt_dynamodb.wrapper import ItemOperations, passed_member

__all__ = ["PASSED", "AnyTable", "EncryptedTable"]

A = TypeVar("A")  # a response, or an awaitable of one

# What boto3's Table has that carries no item.
PASSED = frozenset(
    {"archival_summary", "attribute_definitions", "billing_mode_summary", "creation_date_time", "delete"}
    | {"deletion_protection_enabled", "disassociation_protection_enabled", "global_secondary_indexes"}
    | {"global_table_settings_replication_mode", "global_table_version", "global_table_witnesses", "item_count"}
    | {"key_schema", "latest_stream_arn", "latest_stream_label", "load", "local_secondary_indexes"}
    | {"multi_region_consistency", "name", "on_demand_throughput", "provisioned_throughput", "reload", "replicas"}
    | {"restore_summary", "sse_description", "stream_specification", "table_arn", "table_class_summary", "table_id"}
    | {"table_name", "table_size_bytes", "table_status", "vector_indexes", "wait_until_exists"}
    | {"wait_until_not_exists", "warm_throughput"}
)


class AnyTable(ItemOperations[A]):
    """What all wrappers of a Table have in common, whether their calls return a response or have to be awaited."""

    _client_wrapper: type[AnyClient[Any]] = EncryptedClient

    def __init__(self, table: Any, description: ProtectedTable) -> None:
        own = type(self).__name__
        if not isinstance(description, ProtectedTable):
            raise ConfigurationError(
                f"{own}(table, description): a {type(description).__name__} is not a ProtectedTable"
            )
        check_kind(own, table, asynchronous=self._asynchronous)
        if isinstance(table, AnyTable) or getattr(table, "name", None) is None:
            raise ConfigurationError(f"{own}(table, description): a {type(table).__name__} is not a boto3 Table")
        if table_name(table.name) != description.name:
            raise ConfigurationError(f"the table is {table.name}, and the description one of {description.name}")
        self._table, self._wire = table, wire_client(table.meta.client)
        self._description = description
        self._batches = Requests([description], PYTHON, knows_all=False)
        self._requests: Any = self._batches.for_table(description.name)

    @classmethod
    def _of_resource(cls, table: Any, description: ProtectedTable, wire: Any, batches: Requests) -> Self:
        """Return the wrapper of a resource's table, with a client and operations that exist already."""
        self = cls.__new__(cls)
        self._table, self._description, self._wire = table, description, wire
        self._use(batches)
        return self

    def _be_of_tenant(self, tenant: Tenant) -> None:
        self._use(self._batches.of_tenant(tenant))

    def _be_of_entity(self, name: str) -> None:
        self._use(self._batches.of_entity(name))

    def _use(self, batches: Requests) -> None:
        self._batches, self._requests = batches, batches.for_table(self._description.name)

    def _on_table(self, operation: str, params: Params) -> A:
        return self._call(getattr(self._requests, operation), operation, {"TableName": self._table.name, **params})

    @property
    def meta(self) -> Any:
        """boto3's, with a client that encrypts: of this table, and of all that the table's resource describes."""
        meta = self._table.meta
        return Meta(meta, self._client_wrapper._of_resource(meta.client, self._wire, self._batches))

    def _write_batch(self, items: dict[str, Any]) -> A:
        return self._call(self._batches.batch_write_item, "batch_write_item", {"RequestItems": items})

    def __getattr__(self, name: str) -> Any:
        return passed_member(self, "_table", name, PASSED, "Table")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._description.name!r})"


class EncryptedTable(AnyTable[Response]):
    """A boto3 Table that encrypts and decrypts protected attributes.

        table = EncryptedTable(boto3.resource("dynamodb").Table("patients"), patients)
        table.put_item(Item={"id": "1", "ssn": "078-05-1120"})

    Methods have the names and arguments of boto3's, and return what boto3's do; conditions of
    `boto3.dynamodb.conditions` work, too. Protected values are Python's of the declared type: an `int` stays one, where
    boto3 gives a Decimal, and dates and UUIDs work. Reads also take `on_unreadable="mark"`: then an
    `Unreadable` stands for each value that cannot be read, instead of an error being raised.

    Args:
        table: boto3's. It is used, not changed: code that uses it directly gets ciphertext.
        description: what is protected in it.

    Raises:
        ConfigurationError: the description is not a ProtectedTable, or is that of another table; or the table is
            async, or not boto3's.
    """

    def _run(self, exchange: Exchange, send: Send) -> Response:
        return run(exchange, send)

    def update(self, **params: Any) -> Self:
        """Change the table itself, and return it."""
        other = copy(self)
        other._table = self._table.update(**params)
        return other

    def batch_writer(self, overwrite_by_pkeys: Sequence[str] | None = None) -> BatchWriter:
        """Return a context manager that puts and deletes items in batches."""
        return BatchWriter(self._table.name, self._write_batch, overwrite_by_pkeys)
