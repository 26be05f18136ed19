"""aiobotocore's client with protected attributes: in DynamoDB's form, and in Python's if it is a resource's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fieldcrypt import Encryptor
from fieldcrypt_dynamodb import (
    AsyncEncryptedClient,
    AsyncEncryptedTable,
    EncryptedClient,
    ProtectedAttributeError,
    ProtectedTable,
    Unreadable,
    WriteAppliedError,
    decrypt_stream_record,
    of_tenant,
)
from tests.dynamodb.aio.connected import client_of, resource_of, table_of
from tests.dynamodb.patients import ITEM, KEY, SSN, WIRE_ITEM, WIRE_KEY, stored
from tests.dynamodb.patients import description as description
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.support.dynamodb import DynamoDb, OnMoto

PUT = {"TableName": "patients", "Item": WIRE_ITEM}


def numbered(count: int) -> list[dict[str, Any]]:
    return [{**WIRE_ITEM, "number": {"N": str(number)}} for number in range(count)]


class TestClient(OnMoto):
    def test_all_operations_work(self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable) -> None:
        """One item, batches and transactions; the synchronous client reads the same."""

        async def story() -> None:
            async with client_of(dynamodb) as bare:
                client = AsyncEncryptedClient(bare, [description])
                await client.put_item(**PUT)
                where: dict[str, Any] = {"TableName": "patients", "Key": WIRE_KEY}
                assert (await client.get_item(**where))["Item"] == WIRE_ITEM
                updated = await client.update_item(
                    **where,
                    UpdateExpression="SET ssn = :ssn",
                    ConditionExpression="email = :email",
                    ExpressionAttributeValues={":ssn": {"S": "219-09-9999"}, ":email": {"S": "ann@example.org"}},
                    ReturnValues="UPDATED_NEW",
                )
                assert updated["Attributes"] == {"ssn": {"S": "219-09-9999"}}
                by_email = {
                    "KeyConditionExpression": "email = :email",
                    "ExpressionAttributeValues": {":email": {"S": "ANN@example.org"}},
                }
                found = await client.query(TableName="patients", IndexName="by_email", **by_email)
                assert found["Items"] == [{**WIRE_ITEM, "ssn": {"S": "219-09-9999"}}]
                assert (await client.delete_item(**where, ReturnValues="ALL_OLD"))["Attributes"] == found["Items"][0]
                await client.transact_write_items(TransactItems=[{"Put": PUT}])
                read = await client.transact_get_items(TransactItems=[{"Get": where}])
                assert read["Responses"] == [{"Item": WIRE_ITEM}]
                await client.batch_write_item(RequestItems={"patients": [{"DeleteRequest": {"Key": WIRE_KEY}}]})
                assert (await client.batch_get_item(RequestItems={"patients": {"Keys": [WIRE_KEY]}}))["Responses"] == {
                    "patients": []
                }
                await client.put_item(**PUT)

        asyncio.run(story())
        assert EncryptedClient(raw, [description]).scan(TableName="patients")["Items"] == [WIRE_ITEM]

    def test_what_carries_no_item_is_passed_on_and_what_is_not_known_refused(
        self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable
    ) -> None:
        """As the synchronous client does, from the same lists; nothing is sent of what is refused."""

        async def story() -> None:
            async with client_of(dynamodb) as bare:
                client = AsyncEncryptedClient(bare, [description])
                assert sorted((await client.list_tables())["TableNames"]) == ["other", "patients"]
                await client.get_waiter("table_exists").wait(TableName="patients")
                await client.put_item(TableName="other", Item={**WIRE_KEY, "ward": {"N": "5"}})
                with pytest.raises(ProtectedAttributeError, match="PartiQL"):
                    await client.execute_statement(Statement="SELECT * FROM patients")
                with pytest.raises(ProtectedAttributeError, match="ssn"):
                    await client.scan(
                        TableName="patients",
                        FilterExpression="begins_with(ssn, :start)",
                        ExpressionAttributeValues={":start": {"S": "078"}},
                    )
                assert not hasattr(client, "generate_presigned_url")

        asyncio.run(story())

    def test_meta_has_a_client_that_encrypts_in_the_form_of_its_owner(
        self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable
    ) -> None:
        """Python's form for a table's, whose exceptions work in an except clause; transactions too."""

        async def story() -> None:
            async with table_of(dynamodb) as bare:
                table = AsyncEncryptedTable(bare, description)
                client = table.meta.client
                assert isinstance(client, AsyncEncryptedClient)
                put = {"TableName": "patients", "Item": ITEM, "ConditionExpression": "attribute_not_exists(clinic)"}
                await client.transact_write_items(TransactItems=[{"Put": put}])
                read = await client.transact_get_items(TransactItems=[{"Get": {"TableName": "patients", "Key": KEY}}])
                assert read["Responses"] == [{"Item": ITEM}]
                with pytest.raises(client.exceptions.ConditionalCheckFailedException):
                    await table.put_item(Item=ITEM, ConditionExpression="attribute_not_exists(clinic)")

        asyncio.run(story())
        assert stored(raw)["ssn"].keys() == {"B"}

    def test_a_resource_s_client_takes_python_s_values(
        self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable
    ) -> None:
        """Whoever wraps it by itself; of one tenant, too."""

        async def story() -> None:
            async with resource_of(dynamodb) as resource:
                client = of_tenant(AsyncEncryptedClient(resource.meta.client, [description]), "north")
                await client.put_item(TableName="patients", Item=ITEM)
                assert (await client.get_item(TableName="patients", Key=KEY))["Item"] == ITEM

        asyncio.run(story())
        assert stored(raw)["ssn"].keys() == {"B"}


class TestPaginators(OnMoto):
    def test_pages_are_decrypted(self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable) -> None:
        """One by one, all at once, or as a JMESPath expression finds them."""
        items = numbered(7)

        async def story() -> None:
            async with client_of(dynamodb) as bare:
                client = AsyncEncryptedClient(bare, [description])
                for item in items:
                    await client.put_item(TableName="patients", Item=item)
                paginator = client.get_paginator("scan")
                small: dict[str, Any] = {"TableName": "patients", "PaginationConfig": {"PageSize": 3}}
                pages = [page["Items"] async for page in paginator.paginate(**small)]
                assert [len(page) for page in pages[:3]] == [3, 3, 1]
                assert [item for page in pages for item in page] == items
                assert (await paginator.paginate(**small).build_full_result())["Items"] == items
                assert [ssn async for ssn in paginator.paginate(**small).search("Items[].ssn.S")] == [SSN] * 7

        asyncio.run(story())

    def test_one_that_cannot_be_read_does_not_take_the_others_with_it(
        self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable
    ) -> None:
        """If the reader says so."""

        async def story() -> list[Any]:
            async with client_of(dynamodb) as bare:
                client = AsyncEncryptedClient(bare, [description])
                await client.put_item(**PUT)
                await bare.put_item(TableName="patients", Item={**WIRE_KEY, "number": {"N": "2"}, "ssn": {"B": b"x"}})
                pages = client.get_paginator("scan").paginate(TableName="patients", on_unreadable="mark")
                return [item["ssn"] async for page in pages for item in page["Items"]]

        found = asyncio.run(story())
        assert [each for each in found if not isinstance(each, Unreadable)] == [{"S": SSN}]
        assert len(found) == 2


class TestAfterTheWrite(OnMoto):
    def test_a_write_that_was_applied_says_so(
        self, dynamodb: DynamoDb, raw: Any, encryptor: Encryptor, description: ProtectedTable
    ) -> None:
        """Though what it returned cannot be decrypted; and the error has it."""

        async def story() -> WriteAppliedError:
            async with client_of(dynamodb) as bare:
                client = AsyncEncryptedClient(bare, [description])
                await client.put_item(**PUT)
                await bare.update_item(
                    TableName="patients",
                    Key=WIRE_KEY,
                    UpdateExpression="SET ssn = :ssn",
                    ExpressionAttributeValues={":ssn": {"B": b"damaged"}},
                )
                with pytest.raises(WriteAppliedError) as failure:
                    await client.delete_item(TableName="patients", Key=WIRE_KEY, ReturnValues="ALL_OLD")
                return failure.value

        error = asyncio.run(story())
        assert error.response["Attributes"]["ssn"] == {"B": b"damaged"}
        assert raw.scan(TableName="patients")["Items"] == []

    def test_a_cancelled_transaction_has_its_items_decrypted(
        self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable
    ) -> None:
        """In its reasons."""

        async def story() -> Any:
            async with client_of(dynamodb) as bare:
                client = AsyncEncryptedClient(bare, [description])
                await client.put_item(**PUT)
                put = {**PUT, "ConditionExpression": "attribute_not_exists(clinic)"}
                with pytest.raises(ClientError, match="TransactionCanceled") as failure:
                    await client.transact_write_items(
                        TransactItems=[{"Put": {**put, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}]
                    )
                return failure.value.response["CancellationReasons"]

        assert asyncio.run(story())[0]["Item"]["ssn"] == {"S": SSN}


class TestStreams(OnMoto):
    def test_a_record_is_decrypted_in_a_thread(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """From `get_records` of aiobotocore's client of DynamoDB Streams."""
        notes = ProtectedTable("notes", encryptor, key=("id",), attributes={"text": str})
        made = dynamodb.client().create_table(
            TableName="notes",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        arn = made["TableDescription"]["LatestStreamArn"]
        item = {"id": {"S": "1"}, "text": {"S": "Dear Ann"}}

        async def story() -> list[Any]:
            async with client_of(dynamodb) as bare, client_of(dynamodb, "dynamodbstreams") as streams:
                await AsyncEncryptedClient(bare, [notes]).put_item(TableName="notes", Item=item)
                shards = (await streams.describe_stream(StreamArn=arn))["StreamDescription"]["Shards"]
                position = await streams.get_shard_iterator(
                    StreamArn=arn, ShardId=shards[0]["ShardId"], ShardIteratorType="TRIM_HORIZON"
                )
                found = await streams.get_records(ShardIterator=position["ShardIterator"])
                return [await asyncio.to_thread(decrypt_stream_record, each, notes) for each in found["Records"]]

        assert [record["dynamodb"]["NewImage"] for record in asyncio.run(story())] == [item]
