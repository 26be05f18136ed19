"""The wrapper of a Table of aioboto3."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from copy import copy
from typing import Any, Self

from fieldcrypt_dynamodb.aio.batch_writer import AsyncBatchWriter
from fieldcrypt_dynamodb.aio.client import AsyncEncryptedClient
from fieldcrypt_dynamodb.aio.exchange import run_async
from fieldcrypt_dynamodb.batch_writer import BATCH
from fieldcrypt_dynamodb.request.exchange import Exchange, Response
from fieldcrypt_dynamodb.table import AnyTable

__all__ = ["AsyncEncryptedTable"]


class AsyncEncryptedTable(AnyTable[Coroutine[Any, Any, Response]]):
    """A Table of aioboto3 that encrypts and decrypts protected attributes.

        async with aioboto3.Session().resource("dynamodb") as dynamodb:
            table = AsyncEncryptedTable(await dynamodb.Table("patients"), patients)
            await table.put_item(Item={"id": "1", "ssn": "078-05-1120"})

    It is what `EncryptedTable` is, with calls that are awaited. The event loop never waits for a key service or
    for decryption: both are left to threads.

    Args:
        table: aioboto3's. It is used, not changed: code that uses it directly gets ciphertext.
        description: what is protected in it.

    Raises:
        ConfigurationError: the table is boto3's, or the description is that of another table.
    """

    _asynchronous = True
    _client_wrapper = AsyncEncryptedClient

    def _run(self, exchange: Exchange, send: Callable[..., Awaitable[Response]]) -> Coroutine[Any, Any, Response]:
        return run_async(exchange, send)

    async def update(self, **params: Any) -> Self:
        """Change the table itself, and return it."""
        other = copy(self)
        other._table = await self._table.update(**params)
        return other

    def batch_writer(
        self,
        overwrite_by_pkeys: Sequence[str] | None = None,
        flush_amount: int = BATCH,
        on_exit_loop_sleep: float = 0,
    ) -> AsyncBatchWriter:
        """Return an asynchronous context manager that puts and deletes items in batches."""
        return AsyncBatchWriter(
            self._table.name, self._write_batch, overwrite_by_pkeys, flush_amount, on_exit_loop_sleep
        )
