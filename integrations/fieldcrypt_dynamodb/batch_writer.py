"""Writes in batches, as boto3's Table has them, but without logging anything of the items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

__all__ = ["BatchWriter"]

_BATCH = 25  # the most that DynamoDB takes

Write = dict[str, Any]


class BatchWriter:
    """Collects puts and deletes, and sends them 25 at a time; the last when the `with` block ends.

    Args:
        table: the name of the table.
        send: takes `RequestItems`, and returns the response of `batch_write_item`.
        overwrite_by_pkeys: key attributes by which a later write takes the place of one that was not sent yet.
    """

    def __init__(
        self, table: str, send: Callable[[dict[str, Any]], dict[str, Any]], overwrite_by_pkeys: Sequence[str] | None
    ) -> None:
        self._table = table
        self._send = send
        self._keys = overwrite_by_pkeys
        self._waiting: list[Write] = []

    def put_item(self, Item: dict[str, Any]) -> None:  # noqa: N803 (boto3's name)
        """Put an item."""
        self._add({"PutRequest": {"Item": Item}}, Item)

    def delete_item(self, Key: dict[str, Any]) -> None:  # noqa: N803 (boto3's name)
        """Delete an item."""
        self._add({"DeleteRequest": {"Key": Key}}, Key)

    def _add(self, write: Write, item: dict[str, Any]) -> None:
        if self._keys:
            key = [item[name] for name in self._keys]
            self._waiting = [each for each in self._waiting if self._key(each) != key]
        self._waiting.append(write)
        if len(self._waiting) >= _BATCH:
            self._flush()

    def _key(self, write: Write) -> list[Any]:
        item = write["PutRequest"]["Item"] if "PutRequest" in write else write["DeleteRequest"]["Key"]
        return [item[name] for name in self._keys or ()]

    def _flush(self) -> None:
        batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
        response = self._send({self._table: batch})
        for writes in response["UnprocessedItems"].values():  # of this table, by its name or its ARN
            self._waiting += writes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._waiting:
            self._flush()
