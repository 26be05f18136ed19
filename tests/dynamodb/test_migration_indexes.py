"""Indexes of every kind in a migration of a DynamoDB table."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fieldcrypt import Encryptor
from fieldcrypt_dynamodb import EncryptedTable, Protected
from fieldcrypt_dynamodb.migration import CheckpointTable
from tests.dynamodb.migrations import encryptor as encryptor
from tests.dynamodb.migrations import migration
from tests.dynamodb.migrations import provider as provider
from tests.dynamodb.plaintext import SOON
from tests.dynamodb.searched import ATTRIBUTES, create_table, described
from tests.support.dynamodb import DynamoDb, OnMoto
from tests.support.wiretap import Secrets

PEOPLE = ("Meyer", "Mo", "Øster")


def person(number: int, name: str) -> dict[str, Any]:
    return {
        "id": f"p-{number}",
        "ssn": f"078-05-112{number}",
        "email": f"{name}@example.org",
        "name": name,
        "born": dt.date(1990, 5, 17),
        "height": 170 + number,
        "blood": "AB+",
    }


@pytest.fixture
def people(dynamodb: DynamoDb, encryptor: Encryptor) -> EncryptedTable:
    """A table of people that was written by its description, with an index on the tags of a part."""
    CheckpointTable(client_factory=dynamodb.client).create_table()
    table = EncryptedTable(create_table(dynamodb, "ssn_last4"), described(encryptor))
    for number, name in enumerate(PEOPLE):
        table.put_item(Item=person(number, name))
    return table


def bare(dynamodb: DynamoDb) -> list[dict[str, Any]]:
    """The tags of all items, as DynamoDB has them."""
    found = dynamodb.client().scan(TableName="people", ConsistentRead=True)["Items"]
    return [
        {name: sorted(value["BS"]) if "BS" in value else value for name, value in sorted(item.items()) if _is_tag(name)}
        for item in sorted(found, key=lambda item: str(item["id"]))
    ]


def _is_tag(name: str) -> bool:
    return name not in ATTRIBUTES and name != "id"


class TestFill(OnMoto):
    def test_items_get_the_tags_that_the_table_would_have_written(
        self, dynamodb: DynamoDb, people: EncryptedTable, encryptor: Encryptor
    ) -> None:
        """In keys of indexes, attributes for each level and sets; `verify` names the companions that lack them."""
        before = bare(dynamodb)
        lost = ["ssn_last4", "name_prefix_2", "name_end", "height_range", "blood_tag"]
        for number in range(len(PEOPLE)):
            dynamodb.client().update_item(
                TableName="people",
                Key={"id": {"S": f"p-{number}"}},
                UpdateExpression=f"REMOVE {', '.join(lost)}",
            )
        job = migration(dynamodb, described(encryptor))
        assert job.plan().stale_tags == {f"people.{name}": 3 for name in ("ssn", "name", "height", "blood")}
        assert job.verify().reasons[("p-0",)] == (
            "ssn has another blind index tag than its value: ssn_last4; "
            "name has another blind index tag than its value: name_prefix_2, name_end; "
            "height has another blind index tag than its value; blood has another blind index tag than its value"
        )
        assert job.backfill().changed == 3
        assert bare(dynamodb) == before
        assert job.verify().wrong == 0

    def test_plaintext_is_encrypted_where_an_index_cannot_tag_it(
        self, dynamodb: DynamoDb, people: EncryptedTable, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """Beyond the bounds of a range it has none of its tags, and the failure names the companion."""
        secrets.allow("1850-01-01")
        dynamodb.client().update_item(
            TableName="people",
            Key={"id": {"S": "p-1"}},
            UpdateExpression="SET born = :b",
            ExpressionAttributeValues={":b": {"S": "1850-01-01"}},
        )
        mixed = {**ATTRIBUTES, "born": Protected(dt.date, index=ATTRIBUTES["born"].indexes, accept_plaintext=SOON)}
        job = migration(dynamodb, described(encryptor, attributes=mixed))
        report = job.backfill()
        companion = ATTRIBUTES["born"].indexes[0].companions[0]
        assert {key: str(error) for key, error in report.failures.items()} == {
            ("p-1",): f"{companion}: no tag can be made of the value (ValueError)"
        }
        item = dynamodb.client().get_item(TableName="people", Key={"id": {"S": "p-1"}})["Item"]
        assert "B" in item["born"]
        assert [name for name in item if name.startswith("born_range")] == []
        assert job.verify().reasons == {("p-1",): f"born cannot be tagged: {report.failures['p-1',]}"}
