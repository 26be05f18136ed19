"""Writes in batches, as aioboto3's Table has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from fieldcrypt_dynamodb.batch_writer import BATCH, AnyBatchWriter

__all__ = ["AsyncBatchWriter"]


class AsyncBatchWriter(AnyBatchWriter[Awaitable[dict[str, Any]]]):
    """Collects puts and deletes, and sends them 25 at a time; the last when the `async with` block ends.

    Args:
        table, send, overwrite_by_pkeys, flush_amount: as for `AnyBatchWriter`.
        on_exit_loop_sleep: seconds to wait, at the end, before what DynamoDB did not process is sent again.
    """

    def __init__(
        self,
        table: str,
        send: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]],
        overwrite_by_pkeys: Sequence[str] | None = None,
        flush_amount: int = BATCH,
        on_exit_loop_sleep: float = 0,
    ) -> None:
        super().__init__(table, send, overwrite_by_pkeys, flush_amount)
        self._pause = on_exit_loop_sleep

    async def put_item(self, Item: dict[str, Any]) -> None:  # noqa: N803 (boto3's name)
        """Put an item."""
        if self._add({"PutRequest": {"Item": Item}}):
            await self._flush()

    async def delete_item(self, Key: dict[str, Any]) -> None:  # noqa: N803 (boto3's name)
        """Delete an item."""
        if self._add({"DeleteRequest": {"Key": Key}}):
            await self._flush()

    async def _flush(self) -> None:
        self._add_unprocessed(await self._sent())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio  # which who uses boto3 need not load

        while self._waiting:
            await self._flush()
            if self._waiting and self._pause:
                await asyncio.sleep(self._pause)
