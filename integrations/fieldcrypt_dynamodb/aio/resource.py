"""The wrapper of a resource of aioboto3."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fieldcrypt_dynamodb.aio.exchange import run_async
from fieldcrypt_dynamodb.aio.table import AsyncEncryptedTable
from fieldcrypt_dynamodb.request.exchange import Exchange, Response
from fieldcrypt_dynamodb.resource import AnyResource

__all__ = ["AsyncEncryptedResource"]


class AsyncEncryptedResource(AnyResource[Coroutine[Any, Any, Response]]):
    """A DynamoDB resource of aioboto3 whose protected tables encrypt and decrypt.

        async with aioboto3.Session().resource("dynamodb") as dynamodb:
            table = await AsyncEncryptedResource(dynamodb, [patients]).Table("patients")
            await table.put_item(Item={"id": "1", "ssn": "078-05-1120"})

    Args:
        resource: aioboto3's. It is used, not changed.
        tables: the descriptions of the protected tables.

    Raises:
        ConfigurationError: the resource is boto3's, or a table is described twice.
    """

    _asynchronous = True
    _table_wrapper = AsyncEncryptedTable

    def _run(self, exchange: Exchange, send: Callable[..., Awaitable[Response]]) -> Coroutine[Any, Any, Response]:
        return run_async(exchange, send)

    async def Table(self, name: str) -> Any:  # noqa: N802 (aioboto3's name)
        """Return a table: an `AsyncEncryptedTable` if it is protected, aioboto3's own if not."""
        return self._wrapped(name, await self._resource.Table(name))

    async def create_table(self, **params: Any) -> Any:
        """Make a table, and return it as `Table` does."""
        return await self.Table((await self._resource.create_table(**params)).name)
