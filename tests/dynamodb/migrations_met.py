"""Migrations of DynamoDB tables that are met by somebody else, or stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.dynamodb.migrations import TABLE
from tests.support.dynamodb import DynamoDb

CHECKPOINTS = "fieldcrypt-migrations"


def stop(progress: object) -> None:
    """Stop a step, as somebody does at the keyboard."""
    raise KeyboardInterrupt


def plain_items(dynamodb: DynamoDb) -> int:
    """How many items DynamoDB itself has with plaintext."""
    found = dynamodb.client().scan(TableName=TABLE, ConsistentRead=True)["Items"]
    return sum("B" not in item["email"] for item in found)


def before(dynamodb: DynamoDb, operation: str, table: str, act: Callable[[int], object]) -> Callable[[str | None], Any]:
    """Make clients that do something right before each request of a kind about a table; it is told which one it is."""
    calls = iter(range(1, 1_000_000))

    def asked(params: Any, **_: Any) -> None:
        if params["TableName"] == table:
            act(next(calls))

    def factory(_: str | None) -> Any:
        client = dynamodb.client()
        client.meta.events.register(f"before-parameter-build.dynamodb.{operation}", asked)
        return client

    return factory


def set_checkpoint(dynamodb: DynamoDb, part: str, **values: Any) -> None:
    """Write to a checkpoint, as somebody does who can write to that table."""
    dynamodb.client().update_item(
        TableName=CHECKPOINTS,
        Key={"migration": {"S": TABLE}, "part": {"S": part}},
        UpdateExpression="SET " + ", ".join(f"#{each} = :{each}" for each in values),
        ExpressionAttributeNames={f"#{each}": each for each in values},
        ExpressionAttributeValues={f":{each}": value for each, value in values.items()},
    )
