"""Frames of fieldcrypt in tracebacks that boto3 is in hold no plaintext, whatever fails and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from fieldcrypt import Encryptor, IndexedBy, KeyPolicy, Protection
from fieldcrypt_dynamodb import EncryptedTable, ProtectedTable, decrypt_stream_record
from tests.support.doubles import CountingProvider, RowStore, outage
from tests.support.frames import held

SSN = "078-05-1120"
OTHER = "219-09-9999"


class World:
    """A table with two items, and keys that fail on request."""

    def __init__(self) -> None:
        self.provider, self.store = CountingProvider(), RowStore()
        self.encryptor = Encryptor(self.provider, self.store, KeyPolicy(replication_wait=timedelta(0)))
        protected = {"ssn": Protection(str, index=IndexedBy("ssn_tag")), "notes": Protection(str)}
        self.described = ProtectedTable("patients", self.encryptor, key=("id",), attributes=protected, tenant="clinic")
        how: Any = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
        self.plain = boto3.resource("dynamodb", **how).Table("patients")
        boto3.client("dynamodb", **how).create_table(
            TableName="patients",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        self.table = EncryptedTable(self.plain, self.described)

    def write(self) -> None:
        for number in "12":
            self.table.put_item(Item=item(number))


def item(number: str = "3", **values: Any) -> dict[str, Any]:
    return {"id": number, "clinic": "a", "ssn": SSN, "notes": OTHER} | values


@pytest.fixture
def world() -> Iterator[World]:
    """A world, in moto's DynamoDB."""
    with mock_aws():
        yield World()


def _batch(world: World, **values: Any) -> None:
    with world.table.batch_writer() as batch:
        batch.put_item(Item=item(**values))


def _update(world: World, **values: Any) -> Any:
    return world.table.update_item(
        Key={"id": "1"},
        UpdateExpression="SET ssn = :ssn",
        ConditionExpression="clinic = :clinic AND attribute_not_exists(gone)",
        ExpressionAttributeValues={":clinic": "a", ":ssn": values.get("ssn", OTHER)},
    )


WRITES: dict[str, Callable[..., Any]] = {
    "put_item": lambda world, **values: world.table.put_item(Item=item(**values)),
    "a batch": _batch,
    "update_item": _update,
    "encrypt_item": lambda world, **values: world.described.encrypt_item(item(**values)),
    "the client": lambda world, **values: world.table.meta.client.put_item(TableName="patients", Item=item(**values)),
}
READS: dict[str, Callable[[World], Any]] = {
    "get_item": lambda world: world.table.get_item(Key={"id": "1"}),
    "scan": lambda world: world.table.scan(),
    "decrypt_item": lambda world: world.described.decrypt_item(world.plain.get_item(Key={"id": "1"})["Item"]),
    "a stream": lambda world: decrypt_stream_record(
        {"dynamodb": {"NewImage": world.plain.get_item(Key={"id": "1"})["Item"]}}, world.described
    ),
}


def raised(work: Callable[[], Any]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 (whatever it is)
        work()
    return caught.value


@pytest.mark.parametrize("write", WRITES)
class TestWriting:
    def test_keys_that_cannot_be_had(self, world: World, write: str) -> None:
        """The key service is away, before the first value."""
        world.provider.wrap_failure = outage
        assert held(raised(lambda: WRITES[write](world)), SSN, OTHER) == []

    def test_a_value_of_another_type(self, world: World, write: str) -> None:
        """Beside one that is right."""
        assert held(raised(lambda: WRITES[write](world, ssn=[SSN])), SSN, OTHER) == []


@pytest.mark.parametrize("write", [write for write in WRITES if write != "encrypt_item"])  # which sends nothing
def test_a_database_that_is_away(world: World, write: str) -> None:
    """Or has no such table."""
    world.plain.delete()
    assert held(raised(lambda: WRITES[write](world)), SSN, OTHER) == []


@pytest.mark.parametrize("read", READS)
class TestReading:
    def test_keys_that_cannot_be_had(self, world: World, read: str) -> None:
        """The key store is down."""
        world.write()
        world.encryptor.forget()
        world.store.go_down()
        assert held(raised(lambda: READS[read](world)), SSN, OTHER) == []

    def test_a_value_that_was_exchanged(self, world: World, read: str) -> None:
        """With another one of the item, which is in order."""
        world.write()
        for number in "12":
            found: Any = world.plain.get_item(Key={"id": number})["Item"]
            world.plain.put_item(Item=found | {"notes": found["ssn"]})
        assert held(raised(lambda: READS[read](world)), SSN, OTHER) == []
