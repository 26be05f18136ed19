"""A step over a DynamoDB table is killed at every request that it sends, and gone on with by another process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from fieldcrypt import Encryptor
from fieldcrypt_dynamodb import EncryptedTable
from fieldcrypt_dynamodb.migration import CheckpointTable, TableMigration
from tests.dynamodb.migrations import TABLE, Fill, described, encryptor, fill, items, migration, provider
from tests.support.dynamodb import DynamoDb, OnMoto

__all__ = ["encryptor", "fill", "provider"]

LEASE = 0.05
ITEMS = 3


class KilledError(BaseException):
    """A process is no more: it sends nothing after that."""


def killed_at(dynamodb: DynamoDb, number: int) -> Callable[[str | None], Any]:
    """Make clients of one process, which dies before it sends its request so many; its count is an attribute."""

    def count(**_: Any) -> None:
        factory.sent += 1  # type: ignore[attr-defined]
        if factory.sent >= number:  # type: ignore[attr-defined]
            raise KilledError

    def factory(_: str | None) -> Any:
        client = dynamodb.client()
        client.meta.events.register("before-parameter-build.dynamodb", count)
        return client

    factory.sent = 0  # type: ignore[attr-defined]
    return factory


def plain(dynamodb: DynamoDb) -> int:
    """How many items DynamoDB itself has with plaintext."""
    return sum("S" in item["email"] for item in dynamodb.client().scan(TableName=TABLE)["Items"])


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the leases of the dead end soon: to each other these processes are one that lives."""
    monkeypatch.setattr("fieldcrypt_dynamodb.migration.entries.LEASE", LEASE)


class TestKills(OnMoto):
    def test_a_backfill_and_an_undo_killed_at_every_request(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor
    ) -> None:
        """Whoever goes on comes to the end, nothing is lost, and what is complete is as DynamoDB has it."""
        bare = fill(ITEMS)
        table = described(encryptor)
        said = [item["email"] for item in items(bare)]

        def job(factory: Callable[[str | None], Any]) -> TableMigration:
            return migration(dynamodb, table, factory, checkpoints=CheckpointTable(client_factory=factory))

        for number in range(1, 200):
            is_killed = False
            for step, left in (("backfill", 0), ("undo", ITEMS)):
                try:
                    getattr(job(killed_at(dynamodb, number)), step)(batch=2)
                except KilledError:
                    is_killed = True
                    time.sleep(LEASE * 1.5)
                    assert getattr(job(dynamodb.client), step)(batch=2).complete
                assert plain(dynamodb) == left
                assert [item["email"] for item in items(EncryptedTable(bare, table))] == said
            if not is_killed:
                return
        pytest.fail("it sends more requests than it should")
