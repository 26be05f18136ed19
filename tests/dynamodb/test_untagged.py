"""Values in which a normaliser finds nothing: stored without a tag, and never searched for."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key

from fieldcrypt import Encryptor
from fieldcrypt_dynamodb import EncryptedClient, EncryptedTable, IndexedBy, Protected, ProtectedTable
from fieldcrypt_dynamodb.migration import CheckpointTable
from tests.dynamodb.migrations import encryptor as encryptor
from tests.dynamodb.migrations import migration
from tests.dynamodb.migrations import provider as provider
from tests.dynamodb.searched import create_table
from tests.support.dynamodb import DynamoDb

PHONE, UNKNOWN = "+1 555 0100", "n/a"
NEWER = "Ann \U0001fae8"  # with a character of Unicode 15.0


@pytest.fixture
def described(encryptor: Encryptor) -> ProtectedTable:
    return ProtectedTable(
        "people",
        encryptor,
        key=["id"],
        attributes={
            "phone": Protected(str, index=IndexedBy("phone_tag", normaliser="digits")),
            "name": Protected(str, index=IndexedBy("name_tag", normaliser="casefold")),
            "book.phone": Protected(str, index=IndexedBy("tag", normaliser="digits")),
        },
    )


@pytest.fixture
def table(dynamodb: DynamoDb, described: ProtectedTable) -> EncryptedTable:
    """A table with an index that has the tags as its key."""
    return EncryptedTable(create_table(dynamodb, "phone_tag"), described)


def tagged(dynamodb: DynamoDb) -> dict[str, bool]:
    """Whether each item has a tag of its phone, by id."""
    items = dynamodb.client().scan(TableName="people", ConsistentRead=True)["Items"]
    return {item["id"]["S"]: "phone_tag" in item for item in items}


def test_every_way_to_write_stores_it_without_a_tag(
    dynamodb: DynamoDb, table: EncryptedTable, described: ProtectedTable
) -> None:
    """So that it can be in a table whose index has the tag as its key."""
    item = {"phone": UNKNOWN, "name": NEWER, "book": {"phone": ""}}
    table.put_item(Item={"id": "put", **item})
    with table.batch_writer() as batch:
        batch.put_item(Item={"id": "batch", **item})
    client = EncryptedClient(dynamodb.client(), [described])
    wire = {"phone": {"S": UNKNOWN}, "name": {"S": NEWER}, "book": {"M": {"phone": {"S": ""}}}}
    put = {"TableName": "people", "Item": {"id": {"S": "transaction"}, **wire}}
    client.transact_write_items(TransactItems=[{"Put": put}])
    table.update_item(
        Key={"id": "update"}, UpdateExpression="SET phone = :p", ExpressionAttributeValues={":p": UNKNOWN}
    )
    assert tagged(dynamodb) == dict.fromkeys(("put", "batch", "transaction", "update"), False)
    bare = dynamodb.client().get_item(TableName="people", Key={"id": {"S": "put"}})["Item"]
    assert "name_tag" not in bare
    assert "tag" not in bare["book"]["M"]
    assert table.get_item(Key={"id": "put"})["Item"] == {"id": "put", **item}


def test_an_update_to_it_takes_the_tag_away(dynamodb: DynamoDb, table: EncryptedTable) -> None:
    """Else the item would be found by the value that it had; and one from it gives a tag."""
    for first, second, expected in ((PHONE, UNKNOWN, False), (UNKNOWN, PHONE, True)):
        table.put_item(Item={"id": "1", "phone": first})
        table.update_item(Key={"id": "1"}, UpdateExpression="SET phone = :p", ExpressionAttributeValues={":p": second})
        assert tagged(dynamodb) == {"1": expected}
        assert table.get_item(Key={"id": "1"})["Item"]["phone"] == second


def test_a_search_for_it_is_refused(table: EncryptedTable) -> None:
    """All such values would count as equal; the error does not show the value."""
    for value in (UNKNOWN, "phone: none"):
        for operation, asked in (
            (table.scan, {"FilterExpression": Attr("phone").eq(value)}),
            (table.scan, {"FilterExpression": Attr("phone").is_in([PHONE, value])}),
            (table.query, {"IndexName": "by_phone_tag", "KeyConditionExpression": Key("phone").eq(value)}),
        ):
            with pytest.raises(ValueError, match="digits") as caught:
                operation(**asked)
            assert value not in str(caught.value)


def test_it_is_not_among_what_is_found(table: EncryptedTable) -> None:
    """It neither equals a value that has a tag, nor keeps others from being found."""
    for number, phone in enumerate((UNKNOWN, PHONE, "555 0199")):
        table.put_item(Item={"id": str(number), "phone": phone})
    found = table.query(IndexName="by_phone_tag", KeyConditionExpression=Key("phone").eq("1-555-0100"))["Items"]
    assert [item["id"] for item in found] == ["1"]
    assert [item["id"] for item in table.scan(FilterExpression=Attr("phone").eq(PHONE))["Items"]] == ["1"]


def test_a_migration_agrees(dynamodb: DynamoDb, table: EncryptedTable, described: ProtectedTable) -> None:
    """Such an item is verified as right; a tag that it should not have is taken away."""
    CheckpointTable(client_factory=dynamodb.client).create_table()
    table.put_item(Item={"id": "1", "phone": UNKNOWN})
    table.put_item(Item={"id": "2", "phone": PHONE})
    job = migration(dynamodb, described)
    assert job.verify().wrong == 0
    client: Any = dynamodb.client()
    stolen = client.get_item(TableName="people", Key={"id": {"S": "2"}})["Item"]["phone_tag"]
    client.update_item(
        TableName="people",
        Key={"id": {"S": "1"}},
        UpdateExpression="SET phone_tag = :t",
        ExpressionAttributeValues={":t": stolen},
    )
    assert job.verify().wrong == 1
    job.backfill(restart=True)
    assert tagged(dynamodb) == {"1": False, "2": True}
