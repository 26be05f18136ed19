"""What the wrappers of clients, resources and Tables have in common, whether their calls return or are awaited."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Generic, TypeVar

from fieldcrypt.spi import discreet
from fieldcrypt_dynamodb.errors import RefusedMemberError
from fieldcrypt_dynamodb.item.binding import Tenant
from fieldcrypt_dynamodb.request.batches import Requests
from fieldcrypt_dynamodb.request.exchange import Exchange, Params, checked
from fieldcrypt_dynamodb.request.operations import of_boto3
from fieldcrypt_dynamodb.wire_client import method_of

__all__ = ["BatchOperations", "ItemOperations", "Wrapper", "passed_member"]

A = TypeVar("A")  # a response, or an awaitable of one


def passed_member(wrapper: Any, wrapped: str, name: str, passed: Container[str], kind: str) -> Any:
    """Return a member of what is wrapped, if it is one of those that are passed on.

    Args:
        wrapper: looked at only if the name is public, because a copy in the making has nothing yet.
        wrapped: the wrapper's attribute with what is wrapped.
        name: the member's.
        passed: the names of those that are passed on.
        kind: what boto3 calls what is wrapped.

    Raises:
        AttributeError: there is no such member.
        RefusedMemberError: an AttributeError too; it is not passed on.
    """
    if name.startswith("_"):
        raise AttributeError(name)
    found = of_boto3(getattr(wrapper, wrapped), name)
    if name in passed:
        return found
    raise RefusedMemberError(
        f"{name}: it would give access to protected items past their encryption. boto3's own {kind} has it"
    )


class Wrapper(Generic[A]):
    """Runs operations by a client that takes DynamoDB's own form of values."""

    _asynchronous = False
    _wire: Any

    def _run(self, exchange: Exchange, send: Any) -> A:
        raise NotImplementedError

    def _call(self, exchange: Callable[[Params], Exchange], operation: str, params: Params) -> A:
        return self._run(checked(exchange, params, self._wire, operation), method_of(self._wire, operation))


class ItemOperations(Wrapper[A]):
    """The operations on the items of one table, named as boto3 names them."""

    def _on_table(self, operation: str, params: Params) -> A:
        raise NotImplementedError

    @discreet
    def put_item(self, **params: Any) -> A:
        """Encrypt and put an item."""
        return self._on_table("put_item", params)

    @discreet
    def get_item(self, **params: Any) -> A:
        """Get and decrypt an item."""
        return self._on_table("get_item", params)

    @discreet
    def update_item(self, **params: Any) -> A:
        """Update an item, with encrypted values."""
        return self._on_table("update_item", params)

    @discreet
    def delete_item(self, **params: Any) -> A:
        """Delete an item."""
        return self._on_table("delete_item", params)

    @discreet
    def query(self, **params: Any) -> A:
        """Find items by key, or by a searchable attribute whose tags are the key of an index."""
        return self._on_table("query", params)

    @discreet
    def scan(self, **params: Any) -> A:
        """Read all items, or filter them."""
        return self._on_table("scan", params)


class BatchOperations(Wrapper[A]):
    """The operations on items of several tables, named as boto3 names them."""

    _requests: Requests

    def _be_of_tenant(self, tenant: Tenant) -> None:
        self._requests = self._requests.of_tenant(tenant)

    def _be_of_entity(self, name: str) -> None:
        self._requests = self._requests.of_entity(name)

    @discreet
    def batch_get_item(self, **params: Any) -> A:
        """Get and decrypt items."""
        return self._call(self._requests.batch_get_item, "batch_get_item", params)

    @discreet
    def batch_write_item(self, **params: Any) -> A:
        """Encrypt and put, or delete, items."""
        return self._call(self._requests.batch_write_item, "batch_write_item", params)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(table.name for table in self._requests.tables)})"
