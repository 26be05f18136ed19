"""What an asynchronous Table and client find by indexes of all kinds."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key

from fieldcrypt import Encryptor
from fieldcrypt_dynamodb import AsyncEncryptedClient, AsyncEncryptedTable, ProtectedAttributeError, ends_with
from tests.dynamodb.aio.connected import client_of, table_of
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.searched import create_table, described
from tests.support.dynamodb import DynamoDb

MEYER = {"ssn": "078-05-1120", "email": "ann@x.org", "name": "Meyer", "born": date(1990, 1, 2), "height": 170}
HOF = {**MEYER, "ssn": "n/a", "email": "bob@x.org", "name": "Meyerhof", "born": date(1991, 7, 1)}
PEOPLE: list[dict[str, Any]] = [
    {**MEYER, "id": "1", "blood": "A", "ward": "North"},
    {**HOF, "id": "2", "ward": "South"},
    {"id": "3", "name": "M", "height": 299},
]


def test_all_kinds_are_found(dynamodb: DynamoDb, encryptor: Encryptor) -> None:
    """By filters and key conditions, also those whose answers have to be compared; and tags follow an update."""
    create_table(dynamodb, "name_prefix_4", "who_tag", "email_domain")

    async def story() -> None:
        async with table_of(dynamodb, "people") as bare:
            table = AsyncEncryptedTable(bare, described(encryptor))
            async with table.batch_writer() as batch:
                for person in PEOPLE:
                    await batch.put_item(Item=person)

            async def found(condition: Any) -> list[str]:
                return sorted(item["id"] for item in (await table.scan(FilterExpression=condition))["Items"])

            assert await found(ends_with("ssn", "1120")) == ["1"]
            assert await found(ends_with("ssn", "5-1120")) == ["1"]
            assert await found(Attr("ssn_last4").eq("1120")) == ["1"]
            assert await found(Attr("email_domain").eq("X.org")) == ["1", "2"]
            assert await found(Attr("name").begins_with("mey")) == ["1", "2"]
            assert await found(Attr("name").begins_with("meyerh")) == ["2"]
            assert await found(Attr("born").between(date(1990, 1, 2), date(1991, 6, 30))) == ["1"]
            assert await found(Attr("height").gt(170)) == ["3"]
            assert await found(Attr("blood").eq("A")) == ["1"]
            for condition in (
                Key("name_prefix_4").begins_with("meyerh"),
                Key("who_tag").eq({"name": "MEYERHOF", "born": date(1991, 7, 1)}),
            ):
                index = f"by_{condition.get_expression()['values'][0].name}"
                answer = await table.query(IndexName=index, KeyConditionExpression=condition)
                assert answer["Items"] == [PEOPLE[1]]
            await table.update_item(
                Key={"id": "2"},
                UpdateExpression="SET #name = :name, born = :born",
                ExpressionAttributeNames={"#name": "name"},
                ExpressionAttributeValues={":name": "Ito", ":born": date(1990, 1, 2)},
            )
            assert await found(Attr("who_tag").eq({"name": "ito", "born": date(1990, 1, 2)})) == ["2"]
            assert await found(Attr("name").begins_with("mey")) == ["1"]
            with pytest.raises(ProtectedAttributeError, match="compared after decryption"):
                await table.delete_item(Key={"id": "1"}, ConditionExpression=Attr("blood").eq("A"))
            half = {"Key": {"id": "2"}, "UpdateExpression": "SET born = :b"}
            with pytest.raises(ProtectedAttributeError, match="the tag of name and born together"):
                await table.update_item(**half, ExpressionAttributeValues={":b": date(1990, 1, 3)})
            with pytest.raises(ProtectedAttributeError, match="of=Range"):
                await found(Attr("name").lt("n"))
            with pytest.raises(ValueError, match="beyond the bounds"):
                await table.put_item(Item={"id": "4", "height": 300})

    asyncio.run(story())


def test_a_client_s_pages_are_compared_too(dynamodb: DynamoDb, encryptor: Encryptor) -> None:
    """Page by page, however few of their items remain."""
    create_table(dynamodb, "email_domain")

    async def story() -> None:
        async with client_of(dynamodb) as bare:
            client = AsyncEncryptedClient(bare, [described(encryptor)])
            for number in range(7):
                name = {"S": f"Meyer{number}"}
                await client.put_item(TableName="people", Item={"id": {"S": str(number)}, "name": name})
            pages = client.get_paginator("scan").paginate(
                TableName="people",
                FilterExpression="begins_with(#name, :start)",
                ExpressionAttributeNames={"#name": "name"},
                ExpressionAttributeValues={":start": {"S": "meyer3"}},
                PaginationConfig={"PageSize": 2},
            )
            assert [item["id"]["S"] async for page in pages for item in page["Items"]] == ["3"]
            half = {"TableName": "people", "Key": {"id": {"S": "3"}}, "UpdateExpression": "SET ward = :w"}
            update = {"Update": {**half, "ExpressionAttributeValues": {":w": {"S": "North"}}}}
            with pytest.raises(ProtectedAttributeError, match="the tag of ward and email together"):
                await client.transact_write_items(TransactItems=[update])

    asyncio.run(story())
