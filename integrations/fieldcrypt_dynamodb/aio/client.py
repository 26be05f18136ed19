"""The wrapper of a client of aiobotocore."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fieldcrypt_dynamodb.aio.exchange import run_async
from fieldcrypt_dynamodb.client import AnyClient
from fieldcrypt_dynamodb.request.exchange import Exchange, Response

__all__ = ["AsyncEncryptedClient"]


class AsyncEncryptedClient(AnyClient[Coroutine[Any, Any, Response]]):
    """A DynamoDB client of aiobotocore or aioboto3 that encrypts and decrypts the items of protected tables.

        async with aioboto3.Session().client("dynamodb") as client:
            client = AsyncEncryptedClient(client, [patients])
            await client.put_item(TableName="patients", Item={"id": {"S": "1"}, "ssn": {"S": "078-05-1120"}})

    It is what `EncryptedClient` is, with calls that are awaited, and paginators for `async for`. The event loop never
    waits for a key service or for decryption: both are left to threads.

    Args:
        client: aiobotocore's. It is used, not changed: code that uses it directly gets ciphertext.
        tables: the descriptions of the protected tables.

    Raises:
        ConfigurationError: the client is boto3's, or a table is described twice.
    """

    _asynchronous = True

    def _run(self, exchange: Exchange, send: Callable[..., Awaitable[Response]]) -> Coroutine[Any, Any, Response]:
        return run_async(exchange, send)
