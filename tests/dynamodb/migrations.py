"""A table of patients that was filled before it was protected, and migrations of it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import pytest

from fieldcrypt import Encryptor, IndexedBy, KeyPolicy, _system
from fieldcrypt_dynamodb import Protected, ProtectedTable
from fieldcrypt_dynamodb.migration import CheckpointTable, TableMigration
from tests.dynamodb.plaintext import SOON
from tests.support.doubles import CountingProvider, RowStore
from tests.support.dynamodb import DynamoDb
from tests.support.wiretap import Secrets

TABLE = "patients"


def create(dynamodb: DynamoDb, **how: Any) -> Any:
    """Make a table with the keys clinic and number, and one for checkpoints; return the first as boto3 has it."""
    CheckpointTable(client_factory=dynamodb.client).create_table()
    attributes = how.pop("AttributeDefinitions", [])
    return dynamodb.resource().create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "clinic", "AttributeType": "S"},
            {"AttributeName": "number", "AttributeType": "N"},
            *attributes,
        ],
        KeySchema=[
            {"AttributeName": "clinic", "KeyType": "HASH"},
            {"AttributeName": "number", "KeyType": "RANGE"},
        ],
        **how,
    )


def key(number: int) -> dict[str, Any]:
    """The key of an item, as DynamoDB has it."""
    return {"clinic": {"S": f"clinic {number % 5}"}, "number": {"N": str(number)}}


def name(number: int) -> tuple[str, int]:
    """The key of an item, as reports have it."""
    return f"clinic {number % 5}", number


def email(number: int) -> str:
    return f"Ann{number}@example.org"


@pytest.fixture
def provider() -> CountingProvider:
    return CountingProvider()


@pytest.fixture
def encryptor(provider: CountingProvider) -> Encryptor:
    """An Encryptor whose new keys are used at once."""
    policy = KeyPolicy(replication_wait=dt.timedelta(0), propagation_delay=dt.timedelta(0))
    return Encryptor(provider, RowStore(), policy=policy)


def described(encryptor: Encryptor, how: dict[str, Any] | None = None, **table: Any) -> ProtectedTable:
    """A description of two protected attributes, one of them searchable."""
    how = {"accept_plaintext": SOON} if how is None else how
    attributes = {
        "email": Protected(str, index=IndexedBy("email_tag", normaliser="casefold"), **how),
        "notes": Protected(list, **how),
    }
    return ProtectedTable(
        TABLE, encryptor, key=["clinic", "number"], **{"tenant": "clinic", "attributes": attributes, **table}
    )


Fill = Callable[..., Any]


@pytest.fixture
def fill(dynamodb: DynamoDb, secrets: Secrets) -> Fill:
    """Puts items of plaintext into a new table, which it returns as boto3 has it.

    That plaintext may be sent: to put it there, and back to the table that has it, in conditions.
    """

    def fill(count: int, **how: Any) -> Any:
        table = create(dynamodb, **how)
        with table.batch_writer() as batch:
            for number in range(count):
                values = {"email": email(number), "notes": [email(number), 7_777_777]}
                secrets.allow(*values.values())
                batch.put_item(Item={"clinic": f"clinic {number % 5}", "number": number, "ward": number, **values})
        return table

    return fill


def migration(dynamodb: DynamoDb, table: Any, client_factory: Any = None, **how: Any) -> TableMigration:
    return TableMigration(table, client_factory or dynamodb.client, **{"segments": 2, **how})


def later(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """Have it be later: keys are told apart by the second in which they were made."""
    monkeypatch.setattr(_system, "wall_clock", lambda: time.time() + seconds)


def items(table: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.scan(ConsistentRead=True)["Items"]
    return sorted(found, key=lambda item: int(item["number"]))


def before_update(dynamodb: DynamoDb, act: Callable[[], object], at: int = 1) -> Callable[[str | None], Any]:
    """Make clients that do something right before they send an update of an item for the so manieth time."""
    calls = iter(range(1, 1_000_000))

    def before(params: Any, **_: Any) -> None:
        if params["TableName"] == TABLE and next(calls) == at:
            act()

    def factory(_: str | None) -> Any:
        client = dynamodb.client()
        client.meta.events.register("before-parameter-build.dynamodb.UpdateItem", before)
        return client

    return factory


def told(report: Any) -> tuple[int, int, int, bool]:
    """The numbers of a step's report."""
    return report.rows, report.changed, report.failed, report.complete
