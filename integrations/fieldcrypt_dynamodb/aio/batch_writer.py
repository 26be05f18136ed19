"""Writes in batches, as aioboto3's Table has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from fieldcrypt.spi import discreet
from fieldcrypt_dynamodb.batch_writer import BATCH, AnyBatchWriter, Write

__all__ = ["AsyncBatchWriter"]


class AsyncBatchWriter(AnyBatchWriter[Awaitable[dict[str, Any]]]):
    """Collects puts and deletes, and sends them 25 at a time; the rest when the `async with` block ends.

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
        self._meanwhile: list[list[list[Any]]] = []  # for each batch that is being sent, the keys added since

    @discreet
    async def put_item(self, Item: dict[str, Any]) -> None:  # noqa: N803 (boto3's name)
        """Put an item."""
        if self._add({"PutRequest": {"Item": Item}}):
            await self._flush()

    @discreet
    async def delete_item(self, Key: dict[str, Any]) -> None:  # noqa: N803 (boto3's name)
        """Delete an item."""
        if self._add({"DeleteRequest": {"Key": Key}}):
            await self._flush()

    def _add(self, write: Write) -> bool:
        if self._keys:
            for later in self._meanwhile:
                later.append(self._key(write))
        return super()._add(write)

    async def _flush(self) -> None:
        later: list[list[Any]] = []
        self._meanwhile.append(later)
        try:
            response = await self._sent()
        finally:
            self._meanwhile = [each for each in self._meanwhile if each is not later]
        self._add_unprocessed(response, later)

    async def __aenter__(self) -> Self:
        return self

    @discreet
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio  # here, so that users of boto3 do not load it

        while self._waiting:
            await self._flush()
            if self._waiting and self._pause:
                await asyncio.sleep(self._pause)
