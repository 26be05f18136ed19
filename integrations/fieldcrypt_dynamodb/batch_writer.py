"""Writes in batches, as boto3's Table has them, but without logging anything of the items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from fieldcrypt.spi import discreet

__all__ = ["BATCH", "AnyBatchWriter", "BatchWriter", "Write"]

BATCH = 25  # the most that DynamoDB takes

A = TypeVar("A")  # a response, or an awaitable of one
Write = dict[str, Any]


class AnyBatchWriter(Generic[A]):
    """What all batch writers have in common, whether their calls return a response or have to be awaited.

    Args:
        table: the name of the table.
        send: takes `RequestItems`, and returns the response of `batch_write_item`.
        overwrite_by_pkeys: key attributes by which a later write takes the place of one that has not been sent yet.
        flush_amount: how many writes are sent at a time.
    """

    def __init__(
        self,
        table: str,
        send: Callable[[dict[str, Any]], A],
        overwrite_by_pkeys: Sequence[str] | None,
        flush_amount: int = BATCH,
    ) -> None:
        self._table = table
        self._send = send
        self._keys = overwrite_by_pkeys
        self._amount = flush_amount
        self._waiting: list[Write] = []

    def _add(self, write: Write) -> bool:
        """Add a write, and return True if there are enough to be sent."""
        if self._keys:
            key = self._key(write)
            self._waiting = [each for each in self._waiting if self._key(each) != key]
        self._waiting.append(write)
        return len(self._waiting) >= self._amount

    def _key(self, write: Write) -> list[Any]:
        item = write["PutRequest"]["Item"] if "PutRequest" in write else write["DeleteRequest"]["Key"]
        return [item[name] for name in self._keys or ()]

    def _sent(self) -> A:
        """Send what was added first."""
        batch, self._waiting = self._waiting[: self._amount], self._waiting[self._amount :]
        return self._send({self._table: batch})

    def _add_unprocessed(self, response: dict[str, Any], later: Sequence[list[Any]] = ()) -> None:
        """Add what was not processed, except for writes with a key that was added later."""
        for writes in response["UnprocessedItems"].values():  # of this table, by its name or its ARN
            self._waiting += [write for write in writes if self._key(write) not in later]


class BatchWriter(AnyBatchWriter[dict[str, Any]]):
    """Collects puts and deletes, and sends them 25 at a time; the rest when the `with` block ends."""

    @discreet
    def put_item(self, Item: dict[str, Any]) -> None:  # noqa: N803 (boto3's name)
        """Put an item."""
        if self._add({"PutRequest": {"Item": Item}}):
            self._flush()

    @discreet
    def delete_item(self, Key: dict[str, Any]) -> None:  # noqa: N803 (boto3's name)
        """Delete an item."""
        if self._add({"DeleteRequest": {"Key": Key}}):
            self._flush()

    def _flush(self) -> None:
        self._add_unprocessed(self._sent())

    def __enter__(self) -> Self:
        return self

    @discreet
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._waiting:
            self._flush()
