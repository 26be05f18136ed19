"""aioboto3's Table and resource with protected attributes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from fieldcrypt import ConfigurationError, DecryptionError
from fieldcrypt_dynamodb import (
    AsyncBatchWriter,
    AsyncEncryptedResource,
    AsyncEncryptedTable,
    EncryptedResource,
    EncryptedTable,
    ProtectedAttributeError,
    ProtectedTable,
    of_tenant,
)
from tests.dynamodb.aio.connected import resource_of, table_of
from tests.dynamodb.patients import ITEM, KEY, SSN, stored
from tests.dynamodb.patients import description as description
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.support.dynamodb import DynamoDb, OnMoto


class TestTable(OnMoto):
    def test_items_come_back(self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable) -> None:
        """Protected values in Python's types; in DynamoDB they are binary, and the synchronous wrapper reads them."""

        async def story() -> None:
            async with table_of(dynamodb) as bare:
                table = AsyncEncryptedTable(bare, description)
                await table.put_item(Item=ITEM)
                assert (await table.get_item(Key=KEY))["Item"] == ITEM

        asyncio.run(story())
        assert stored(raw)["ssn"].keys() == {"B"}
        assert EncryptedTable(dynamodb.resource().Table("patients"), description).get_item(Key=KEY)["Item"] == ITEM

    def test_all_operations_work(self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable) -> None:
        """With conditions of boto3's, projections, and what writes return."""

        async def story() -> None:
            async with table_of(dynamodb) as bare:
                table = AsyncEncryptedTable(bare, description)
                await table.put_item(Item=ITEM)
                updated = await table.update_item(
                    Key=KEY,
                    UpdateExpression="SET ssn = :ssn",
                    ConditionExpression=Attr("email").eq("ann@example.org"),
                    ExpressionAttributeValues={":ssn": "219-09-9999"},
                    ReturnValues="ALL_NEW",
                )
                assert updated["Attributes"] == {**ITEM, "ssn": "219-09-9999"}
                query = {"IndexName": "by_email", "KeyConditionExpression": Key("email").eq("ann@example.org")}
                assert (await table.query(**query))["Items"] == [updated["Attributes"]]
                scan = {"FilterExpression": Attr("email").eq("ann@example.org"), "ProjectionExpression": "ssn"}
                assert (await table.scan(**scan))["Items"] == [{"ssn": "219-09-9999"}]
                deleted = await table.delete_item(Key=KEY, ReturnValues="ALL_OLD")
                assert deleted["Attributes"] == updated["Attributes"]
                assert "Item" not in await table.get_item(Key=KEY)

        asyncio.run(story())

    def test_a_condition_that_fails_says_so_with_the_item(
        self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable
    ) -> None:
        """DynamoDB's error, with the item decrypted."""

        async def story() -> Any:
            async with table_of(dynamodb) as bare:
                table = AsyncEncryptedTable(bare, description)
                await table.put_item(Item=ITEM)
                with pytest.raises(ClientError, match="ConditionalCheckFailed") as failure:
                    await table.put_item(
                        Item=ITEM,
                        ConditionExpression="attribute_not_exists(clinic)",
                        ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    )
                return failure.value.response

        assert asyncio.run(story())["Item"]["ssn"] == {"S": SSN}

    def test_what_watches_a_method_of_one_client_calls_the_method(
        self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable
    ) -> None:
        """As with boto3: it sees Python's values, which are converted once all the same."""
        seen: list[Any] = []

        async def story() -> None:
            async with table_of(dynamodb) as bare:
                put_item = bare.meta.client.put_item

                async def watched(**params: Any) -> Any:
                    seen.append(params["Item"]["ward"])
                    return await put_item(**params)

                bare.meta.client.put_item = watched
                await AsyncEncryptedTable(bare, description).put_item(Item=ITEM)

        asyncio.run(story())
        assert (set(stored(raw)["ssn"]), seen) == ({"B"}, [5])

    def test_it_is_the_table_of_one_tenant(self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable) -> None:
        """Items of others do not decrypt there."""

        async def story() -> None:
            async with table_of(dynamodb) as bare:
                table = AsyncEncryptedTable(bare, description)
                await table.put_item(Item=ITEM)
                assert (await of_tenant(table, "north").get_item(Key=KEY))["Item"] == ITEM
                with pytest.raises(DecryptionError, match="not one of the tenant"):
                    await of_tenant(table, "south").get_item(Key=KEY)

        asyncio.run(story())


class TestBatchWriter(OnMoto):
    def test_it_writes_all_that_it_is_given(self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable) -> None:
        """By several tasks, and what comes later takes the place of what was not sent yet."""
        items = [{"clinic": "north", "number": number, "ssn": f"078-05-{1000 + number}"} for number in range(60)]

        async def story() -> Any:
            async with table_of(dynamodb) as bare:
                table = AsyncEncryptedTable(bare, description)
                async with table.batch_writer(overwrite_by_pkeys=["clinic", "number"]) as writer:
                    await asyncio.gather(*[writer.put_item(Item=item) for item in items])
                    await writer.put_item(Item={**items[-1], "ssn": "219-09-9999"})
                    await writer.delete_item(Key={"clinic": "north", "number": 0})
                return (await table.scan())["Items"]

        found = sorted(asyncio.run(story()), key=lambda item: item["number"])
        assert found == [*items[1:-1], {**items[-1], "ssn": "219-09-9999"}]

    def test_what_was_not_processed_is_sent_again(self) -> None:
        """Until nothing is left, with a pause at the end if one is asked for."""
        sent: list[list[Any]] = []

        async def send(items: dict[str, Any]) -> dict[str, Any]:
            sent.append(items["patients"])
            return {"UnprocessedItems": {"patients": items["patients"][1:]} if items["patients"][1:] else {}}

        async def story() -> None:
            async with AsyncBatchWriter("patients", send, flush_amount=3, on_exit_loop_sleep=0.001) as writer:
                for number in range(4):
                    await writer.delete_item(Key={"number": number})

        asyncio.run(story())
        assert [[each["DeleteRequest"]["Key"]["number"] for each in batch] for batch in sent] == [
            [0, 1, 2],
            [1, 2, 3],
            [2, 3],
            [3],
        ]

    def test_what_waits_is_sent_when_the_block_is_cancelled(self) -> None:
        """As with aioboto3; but not the batch of which the sending was cancelled."""
        sent: list[int] = []

        async def send(items: dict[str, Any]) -> dict[str, Any]:
            numbers = [each["DeleteRequest"]["Key"]["number"] for each in items["patients"]]
            if 0 in numbers:
                await asyncio.Event().wait()
            sent.extend(numbers)
            return {"UnprocessedItems": {}}

        async def story() -> None:
            async with asyncio.timeout(0.01), AsyncBatchWriter("patients", send, flush_amount=2) as writer:
                await asyncio.gather(*[writer.delete_item(Key={"number": number}) for number in range(3)])

        with pytest.raises(TimeoutError):
            asyncio.run(story())
        assert sent == [2]

    @pytest.mark.parametrize("flush_amount", [2, 1])
    def test_what_was_not_processed_does_not_come_after_a_later_write(self, flush_amount: int) -> None:
        """Which another task added while the batch was under way, and which is waiting or was sent by then."""
        sent: list[list[str]] = []
        answered = asyncio.Event()

        async def send(items: dict[str, Any]) -> dict[str, Any]:
            sent.append([each["PutRequest"]["Item"]["ssn"] for each in items["patients"]])
            if len(sent) > 1:
                return {"UnprocessedItems": {}}
            await answered.wait()
            return {"UnprocessedItems": items}

        async def story() -> None:
            keys = ["clinic", "number"]
            async with AsyncBatchWriter("patients", send, keys, flush_amount) as writer, asyncio.TaskGroup() as tasks:
                for number in range(flush_amount):
                    tasks.create_task(writer.put_item({"clinic": "north", "number": number, "ssn": f"old {number}"}))
                await asyncio.sleep(0)
                await writer.put_item({"clinic": "north", "number": 0, "ssn": "new 0"})
                answered.set()

        asyncio.run(story())
        assert [ssn for batch in sent[1:] for ssn in batch] == ["new 0", "old 1"][:flush_amount]


class TestResource(OnMoto):
    def test_its_tables_encrypt_if_they_are_described(
        self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable
    ) -> None:
        """And so do its batches; a table that is not described is aioboto3's own."""

        async def story() -> None:
            async with resource_of(dynamodb) as bare:
                resource = AsyncEncryptedResource(bare, [description])
                assert not isinstance(await resource.Table("other"), AsyncEncryptedTable)
                await (await resource.Table("patients")).put_item(Item=ITEM)
                await resource.batch_write_item(
                    RequestItems={"patients": [{"PutRequest": {"Item": {**ITEM, "number": 2}}}]}
                )
                found = await resource.batch_get_item(RequestItems={"patients": {"Keys": [KEY, {**KEY, "number": 2}]}})
                assert sorted(item["number"] for item in found["Responses"]["patients"]) == [1, 2]

        asyncio.run(story())

    def test_what_is_async_and_what_is_not_are_told_apart(
        self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable
    ) -> None:
        """Each wrapper names the one to use, also for what was not awaited or entered."""

        async def story() -> None:
            context = resource_of(dynamodb)
            with pytest.raises(ConfigurationError, match="use async with"):
                AsyncEncryptedResource(context, [description])
            async with context as resource, table_of(dynamodb) as table:
                with pytest.raises(ConfigurationError, match="use AsyncEncryptedTable"):
                    EncryptedTable(table, description)
                with pytest.raises(ConfigurationError, match="use AsyncEncryptedResource"):
                    EncryptedResource(resource, [description])
                awaitable = resource.Table("patients")
                with pytest.raises(ConfigurationError, match="what awaiting it gives"):
                    AsyncEncryptedTable(awaitable, description)
                await awaitable
                with pytest.raises(ConfigurationError, match="use EncryptedTable"):
                    AsyncEncryptedTable(dynamodb.resource().Table("patients"), description)
                with pytest.raises(ProtectedAttributeError, match="past their encryption"):
                    AsyncEncryptedResource(resource, [description]).tables  # noqa: B018

        asyncio.run(story())
