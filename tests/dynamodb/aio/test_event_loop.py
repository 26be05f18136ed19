"""The event loop goes on while keys are fetched and items decrypted; what is cancelled or abandoned does no harm."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from aiobotocore.httpsession import AIOHTTPSession

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore, WrappedKey
from fieldcrypt_dynamodb import AsyncEncryptedClient, AsyncEncryptedTable, ProtectedTable
from fieldcrypt_dynamodb.aio.exchange import run_async
from fieldcrypt_dynamodb.item.forms import WIRE
from fieldcrypt_dynamodb.request.table import TableRequests
from tests.dynamodb.aio.connected import client_of, table_of
from tests.dynamodb.patients import ITEM, KEY, SSN, stored
from tests.dynamodb.patients import description as description
from tests.dynamodb.patients import raw as raw
from tests.support.doubles import PATIENCE, Toll
from tests.support.dynamodb import DynamoDb, OnMoto
from tests.support.loop_lag import ATTEMPTS, MAX_LAG, SlowProvider, lag_during
from tests.support.processes import in_child
from tests.support.servers import until

CALLER = contextvars.ContextVar("CALLER", default="nobody")
PAGE = 5000  # items: more than DynamoDB gives at once
MAX_PAGE_LAG = 0.05  # seconds; decrypting a page takes longer
MANY = 100  # calls, more than threads of asyncio's


class Kms(LocalKeyProvider):
    """A key service that is away for the tenant `south` until its gate is opened, and notes who asks."""

    def __init__(self) -> None:
        super().__init__(bytes(32))
        self.toll = Toll()
        self.asked_by: list[str] = []

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        self._wait(context)
        return super().wrap(data_key, context)

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        self._wait(context)
        return super().unwrap(wraps, context)

    def _wait(self, context: Mapping[str, str]) -> None:
        self.asked_by.append(CALLER.get())
        if context.get("fieldcrypt:tenant") == "south":
            self.toll.wait()


@pytest.fixture
def kms() -> Kms:
    return Kms()


@pytest.fixture
def encryptor(kms: Kms) -> Encryptor:
    return Encryptor(kms, MemoryKeyStore())


def of(clinic: str, number: int = 1) -> dict[str, Any]:
    """An item of a clinic, which is the tenant."""
    return {**ITEM, "clinic": clinic, "number": number}


class TestTicks(OnMoto):
    def test_none_is_late_while_a_key_service_answers(
        self, dynamodb: DynamoDb, raw: Any, encryptor: Encryptor, description: ProtectedTable
    ) -> None:
        """At the first write, which makes keys, and at the first read and search of a new process."""
        encryptor.configure(SlowProvider(bytes(32)), MemoryKeyStore())

        async def lag(clinic: str) -> float:
            async with table_of(dynamodb) as bare:
                await bare.get_item(Key=KEY)  # the first call of a client takes time by itself
                table = AsyncEncryptedTable(bare, description)
                _, writing = await lag_during(table.put_item(Item=of(clinic)))
                encryptor.configure(encryptor.provider, encryptor.store)  # which forgets all keys
                _, reading = await lag_during(table.get_item(Key={**KEY, "clinic": clinic}))
                return max(writing, reading)

        assert min(asyncio.run(lag(f"clinic {number}")) for number in range(ATTEMPTS)) < MAX_LAG

    def test_none_is_late_while_a_page_is_decrypted(self, encryptor: Encryptor) -> None:
        """Of 5,000 items of ten attributes, which takes longer than a tick may be late."""
        attributes = {f"attribute {number}": str for number in range(10)}
        requests = TableRequests(ProtectedTable("items", encryptor, key=("id",), attributes=attributes), WIRE)
        items = [{"id": {"S": str(number)}, **{name: {"S": name} for name in attributes}} for number in range(PAGE)]
        page = {"Items": [requests.items.encrypted(item) for item in items], "Count": PAGE, "ScannedCount": PAGE}

        async def scan(**_: Any) -> dict[str, Any]:
            return page

        async def lag() -> float:
            found, late = await lag_during(run_async(requests.scan({"TableName": "items"}), scan))
            assert found["Items"] == items
            return late

        assert min(asyncio.run(lag()) for _ in range(ATTEMPTS)) < MAX_PAGE_LAG


class TestKeyServiceThatIsAway(OnMoto):
    def test_others_go_on(self, dynamodb: DynamoDb, raw: Any, kms: Kms, description: ProtectedTable) -> None:
        """Whoever has keys, and the application's own threads, though a hundred calls wait; then these are answered."""

        async def story() -> None:
            async with client_of(dynamodb) as bare, table_of(dynamodb) as bare_table:
                table = AsyncEncryptedTable(bare_table, description)
                await table.put_item(Item=of("north"))
                waiting = [asyncio.create_task(table.put_item(Item=of("south", number))) for number in range(MANY)]
                await asyncio.to_thread(kms.toll.until_reached)
                client = AsyncEncryptedClient(bare, [description])
                for _ in range(3):
                    await asyncio.wait_for(table.get_item(Key=KEY), PATIENCE)
                    await asyncio.wait_for(client.scan(TableName="patients"), PATIENCE)
                assert not any(task.done() for task in waiting)
                kms.toll.open()
                await asyncio.gather(*waiting)

        asyncio.run(story())
        assert raw.scan(TableName="patients", Select="COUNT")["Count"] == 1 + MANY

    def test_others_go_on_while_items_of_another_scheme_are_read(
        self, dynamodb: DynamoDb, raw: Any, encryptor: Encryptor
    ) -> None:
        """Whose reader asks a key service for each."""
        toll = Toll()

        class Reader:
            def recognises(self, item: Mapping[str, Any], /) -> bool:
                return "signature" in item

            def read(self, item: Mapping[str, Any], /) -> Mapping[str, Any]:
                toll.wait()
                return {"clinic": item["clinic"], "number": item["number"], "ssn": {"S": SSN}}

        day = dt.date.today() + dt.timedelta(days=30)
        mixed: dict[str, Any] = {"accept": [Reader()], "accept_until": day}
        both = ProtectedTable("patients", encryptor, key=("clinic", "number"), attributes={"ssn": str}, **mixed)
        first, second = ({"clinic": "south", "number": number} for number in (1, 2))

        async def story() -> None:
            async with table_of(dynamodb) as bare:
                await bare.put_item(Item={**first, "signature": b"x"})
                table = AsyncEncryptedTable(bare, both)
                await table.put_item(Item={**second, "ssn": SSN})
                waiting = [asyncio.create_task(table.get_item(Key=first)) for _ in range(3)]
                await asyncio.to_thread(toll.until_reached, 2)
                await asyncio.wait_for(table.get_item(Key=second), PATIENCE)
                assert not any(task.done() for task in waiting)
                toll.open()
                assert [found["Item"]["ssn"] for found in await asyncio.gather(*waiting)] == [SSN] * 3

        asyncio.run(story())

    def test_no_thread_is_left_over(self, dynamodb: DynamoDb, raw: Any, kms: Kms, description: ProtectedTable) -> None:
        """Those that took the places of others that waited end with them."""

        async def story() -> None:
            async with table_of(dynamodb) as bare:
                table = AsyncEncryptedTable(bare, description)
                waiting = [asyncio.create_task(table.put_item(Item=of("south", number))) for number in range(20)]
                await asyncio.to_thread(kms.toll.until_reached)
                kms.toll.open()
                await asyncio.gather(*waiting)
                await asyncio.gather(*[table.put_item(Item=of("north", number)) for number in range(50)])

        asyncio.run(story())
        until(lambda: sum(thread.name == "fieldcrypt-aio" for thread in threading.enumerate()) == 2, "threads end")


class TestCancellation(OnMoto):
    def test_a_write_that_waits_for_a_key_is_never_sent(
        self, dynamodb: DynamoDb, raw: Any, kms: Kms, description: ProtectedTable
    ) -> None:
        """Not even when the key comes."""

        async def story() -> None:
            async with table_of(dynamodb) as bare:
                table = AsyncEncryptedTable(bare, description)
                write = asyncio.create_task(table.put_item(Item=of("south")))
                await asyncio.to_thread(kms.toll.until_reached)
                write.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await write
                kms.toll.open()
                await table.put_item(Item=of("south", 2))  # goes through the same key

        asyncio.run(story())
        assert [item["number"] for item in raw.scan(TableName="patients")["Items"]] == [{"N": "2"}]

    def test_a_write_that_was_sent_may_be_done(
        self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever cancels it learns no more than of any request that is cancelled; the next call works."""
        send = AIOHTTPSession.send
        sent = asyncio.Event()

        async def slow(self: Any, request: Any) -> Any:
            response = await send(self, request)
            sent.set()
            await asyncio.sleep(PATIENCE)
            return response

        async def story() -> None:
            async with table_of(dynamodb) as bare:
                table = AsyncEncryptedTable(bare, description)
                monkeypatch.setattr(AIOHTTPSession, "send", slow)
                write = asyncio.create_task(table.put_item(Item=ITEM, ReturnValues="ALL_OLD"))
                await sent.wait()
                write.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await write
                monkeypatch.setattr(AIOHTTPSession, "send", send)
                assert (await table.get_item(Key=KEY))["Item"] == ITEM

        asyncio.run(story())


class TestThreads(OnMoto):
    def test_they_see_what_the_caller_put_into_its_context(
        self, dynamodb: DynamoDb, raw: Any, kms: Kms, description: ProtectedTable
    ) -> None:
        """As traces and loggers do, which a key provider or `on_event` may use."""

        async def story() -> None:
            async with table_of(dynamodb) as bare:
                CALLER.set("ann")
                await AsyncEncryptedTable(bare, description).put_item(Item=ITEM)

        asyncio.run(story())
        assert set(kms.asked_by) == {"ann"}

    def test_an_event_loop_may_end_before_them(
        self, dynamodb: DynamoDb, raw: Any, kms: Kms, description: ProtectedTable
    ) -> None:
        """The next one is served as the first was."""

        async def abandoned() -> None:
            async with table_of(dynamodb) as bare:
                asyncio.get_running_loop().call_later(0.1, kms.toll.open)
                await asyncio.wait_for(AsyncEncryptedTable(bare, description).put_item(Item=of("south")), 0.01)

        async def served() -> Any:
            async with table_of(dynamodb) as bare:
                table = AsyncEncryptedTable(bare, description)
                await table.put_item(Item=of("south", 2))
                return await table.scan()

        with pytest.raises(TimeoutError):
            asyncio.run(abandoned())
        kms.toll.open()
        assert asyncio.run(served())["Items"] == [of("south", 2)]

    def test_a_forked_child_has_its_own(self, dynamodb: DynamoDb, raw: Any, description: ProtectedTable) -> None:
        """Those of the parent are not there."""

        async def put(number: int) -> None:
            async with table_of(dynamodb) as bare:
                await AsyncEncryptedTable(bare, description).put_item(Item=of("north", number))

        def work() -> bytes:
            asyncio.run(put(2))
            return b"done"

        asyncio.run(put(1))
        assert in_child(work) == b"done"
        assert {"clinic", "number", "ssn"} <= stored(raw, {"clinic": {"S": "north"}, "number": {"N": "2"}}).keys()
