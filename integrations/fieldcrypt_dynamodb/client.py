"""The wrapper of a boto3 client."""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import copy
from typing import Any, Self, TypeVar

from fieldcrypt.spi import discreet
from fieldcrypt_dynamodb.errors import ProtectedAttributeError, RefusedMemberError
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE
from fieldcrypt_dynamodb.meta import is_of_resource
from fieldcrypt_dynamodb.protected_table import ProtectedTable
from fieldcrypt_dynamodb.request.batches import Requests
from fieldcrypt_dynamodb.request.exchange import Exchange, Params, Response, Send, run
from fieldcrypt_dynamodb.request.operations import NOT_ON_PROTECTED, PASSED, READS, check_kind, of_boto3, tables_named
from fieldcrypt_dynamodb.request.parameters import boto3_params
from fieldcrypt_dynamodb.wire_client import wire_client
from fieldcrypt_dynamodb.wrapper import BatchOperations, ItemOperations

__all__ = ["AnyClient", "EncryptedClient"]

A = TypeVar("A")  # a response, or an awaitable of one

_ATTRIBUTES = frozenset({"can_paginate", "close", "exceptions", "get_waiter", "meta", "waiter_names"})


class AnyClient(ItemOperations[A], BatchOperations[A]):
    """What all wrappers of a client have in common, whether their calls return a response or have to be awaited."""

    def __init__(self, client: Any, tables: Iterable[ProtectedTable]) -> None:
        check_kind(type(self).__name__, client, asynchronous=self._asynchronous)
        of_resource = is_of_resource(client)
        self._client, self._wire = client, wire_client(client) if of_resource else client
        self._requests = Requests(tables, PYTHON if of_resource else WIRE)

    @classmethod
    def _of_resource(cls, client: Any, wire: Any, requests: Requests) -> Self:
        """Return the wrapper of a resource's client, with operations that exist already."""
        self = cls.__new__(cls)
        self._client, self._wire, self._requests = client, wire, requests
        return self

    @discreet
    def transact_get_items(self, **params: Any) -> A:
        """Get and decrypt items, in a transaction."""
        return self._call(self._requests.transact_get_items, "transact_get_items", params)

    @discreet
    def transact_write_items(self, **params: Any) -> A:
        """Encrypt and write items, in a transaction."""
        return self._call(self._requests.transact_write_items, "transact_write_items", params)

    def get_paginator(self, operation_name: str) -> Any:
        """Return boto3's paginator of an operation, whose pages are decrypted."""
        method = getattr(self, operation_name)
        paginator = self._client.get_paginator(operation_name)
        if operation_name not in PASSED:
            paginator = copy(paginator)
            paginator._method = method
        return paginator

    def _on_table(self, operation: str, params: Params) -> A:
        requests = self._requests.for_table(params.get("TableName"))
        if requests is None:
            if operation in READS:
                params, _ = boto3_params(params)
            return getattr(self._client, operation)(**params)  # type: ignore[no-any-return]
        return self._call(getattr(requests, operation), operation, params)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = of_boto3(self._client, name)  # an AttributeError, if there is none
        if name in PASSED or name in _ATTRIBUTES:
            return found
        if name not in NOT_ON_PROTECTED:
            raise RefusedMemberError(
                f"{name}: its effect on protected items is not known. boto3's own client can do it"
            )

        def on_other_tables(**params: Any) -> Any:
            self._refuse_protected(name, params)
            return found(**params)

        return on_other_tables

    def _refuse_protected(self, operation: str, params: dict[str, Any]) -> None:
        for named in tables_named(operation, params):
            for table in self._requests.tables:
                if re.search(rf"(?<![\w-]){re.escape(table.name)}(?![\w-])", named):
                    raise ProtectedAttributeError(
                        f"{operation} on the protected table {table.name}: {NOT_ON_PROTECTED[operation]}"
                    )
            if not self._requests.knows_all:
                raise ProtectedAttributeError(f"{operation}: what it touches may be protected, and is not known here")


class EncryptedClient(AnyClient[Response]):
    """A boto3 DynamoDB client that encrypts and decrypts the items of protected tables.

        client = EncryptedClient(boto3.client("dynamodb"), [patients])
        client.put_item(TableName="patients", Item={"id": {"S": "1"}, "ssn": {"S": "078-05-1120"}})

    Methods have the names and arguments of boto3's, and return what boto3's do. Those that read or write items work on
    protected attributes; those that carry no item are passed on; all others are refused. Requests for tables that are
    not described are passed on as they are. Reads also take `on_unreadable="mark"`: then an `Unreadable` stands for
    each value that cannot be read, instead of an error being raised. Paginators pass it on.

    Args:
        client: boto3's. It is used, not changed: code that uses it directly gets ciphertext. Values have DynamoDB's own
            form; those of a resource's client, `resource.meta.client`, have Python's, as boto3 has it.
        tables: the descriptions of the protected tables.

    Raises:
        ConfigurationError: a table is described twice, or the client is async.
    """

    def _run(self, exchange: Exchange, send: Send) -> Response:
        return run(exchange, send)
