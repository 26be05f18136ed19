"""Searches by blind index: tags that are short, and index keys that rotated."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore, Purpose
from fieldcrypt_dynamodb import EncryptedTable, IndexedBy, Protected, ProtectedAttributeError, ProtectedTable
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.support.doubles import Later
from tests.support.dynamodb import OnMoto

SEVEN = "7@example.org"
SETTLED = 3 * 3600.0  # seconds after which an index key has replaced the one before


class TestShortTags(OnMoto):
    @pytest.fixture
    def short(self, raw: Any, resource: Any, encryptor: Encryptor) -> EncryptedTable:
        """A table whose tags are of one byte, so that values share them."""
        return EncryptedTable(
            resource.Table("patients"),
            ProtectedTable(
                "patients",
                encryptor,
                key=("clinic", "number"),
                attributes={"email": Protected(str, index=IndexedBy("email_tag", tag_size=1))},
            ),
        )

    def test_what_only_shares_the_tag_is_left_out(self, short: EncryptedTable, raw: Any, encryptor: Encryptor) -> None:
        """By query, with and without a projection; the count is of what was found."""
        tags = encryptor.blind_index("patients.email", str, tag_size=1)
        sharing = [number for number in range(10_000) if tags.tag(f"{number}@example.org") == tags.tag(SEVEN)]
        with short.batch_writer() as batch:
            for number in {*sharing[:4], *range(20)}:
                batch.put_item(Item={"clinic": "x", "number": number, "email": f"{number}@example.org"})
        by_key = {"IndexName": "by_email", "KeyConditionExpression": Key("email").eq(SEVEN)}
        tag = raw.get_item(TableName="patients", Key={"clinic": {"S": "x"}, "number": {"N": "7"}})["Item"]["email_tag"]
        shared = raw.query(
            TableName="patients",
            IndexName="by_email",
            KeyConditionExpression="email_tag = :t",
            ExpressionAttributeValues={":t": tag},
        )
        assert shared["Count"] > 1
        for found in (
            short.query(**by_key),
            short.query(**by_key, ProjectionExpression="#n", ExpressionAttributeNames={"#n": "number"}),
        ):
            assert [item["number"] for item in found["Items"]] == [7]
            assert found["Count"] == 1
            assert found["ScannedCount"] == shared["Count"]

    @pytest.mark.parametrize(
        "ask",
        [
            lambda t: t.scan(FilterExpression=Attr("email").eq(SEVEN) | Attr("number").eq(1)),
            lambda t: t.scan(FilterExpression=~Attr("email").eq(SEVEN)),
            lambda t: t.scan(FilterExpression=Attr("email").eq(SEVEN), Select="COUNT"),
            lambda t: t.put_item(Item={"clinic": "x", "number": 1}, ConditionExpression=Attr("email").eq(SEVEN)),
            lambda t: t.delete_item(Key={"clinic": "x", "number": 1}, ConditionExpression=Attr("email").eq(SEVEN)),
        ],
    )
    def test_where_nothing_can_be_compared_it_is_refused(self, short: EncryptedTable, ask: Any) -> None:
        """Items that only share the tag would be met."""
        with pytest.raises(ProtectedAttributeError, match="16 bytes"):
            ask(short)


class TestRotation:
    def test_while_two_index_keys_live_both_tags_are_asked_for(
        self, raw: Any, resource: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Page by page, without a value being found twice or not at all."""
        store = MemoryKeyStore()
        provider = LocalKeyProvider.generate()

        def table(encryptor: Encryptor) -> EncryptedTable:
            described = ProtectedTable(
                "patients",
                encryptor,
                key=("clinic", "number"),
                attributes={"email": Protected(str, index="email_tag")},
            )
            return EncryptedTable(resource.Table("patients"), described)

        first, second = table(Encryptor(provider, store)), None
        first.put_item(Item={"clinic": "x", "number": 0, "email": "a"})
        other = MemoryKeyStore()
        second = table(Encryptor(provider, other))  # a region that does not know of the first key yet
        second.put_item(Item={"clinic": "x", "number": 1, "email": "a"})
        for source, target in ((store, other), (other, store)):
            for key_id in list(source.key_ids()):
                if key_id not in set(target.key_ids()):
                    target.add(source.get(key_id))
        both = table(Encryptor(provider, store))
        for number in range(2, 9):
            both.put_item(Item={"clinic": "x", "number": number, "email": "a" if number % 2 else "b"})
        ask: dict[str, Any] = {"IndexName": "by_email", "KeyConditionExpression": Key("email").eq("a")}
        expected = [0, 1, 3, 5, 7]
        assert sorted(item["number"] for item in both.query(**ask)["Items"]) == expected
        assert sorted(item["number"] for item in both.scan(FilterExpression=Attr("email").eq("a"))["Items"]) == expected
        for limit in (1, 2, 3):
            found, page = [], both.query(**ask, Limit=limit)
            found += page["Items"]
            while "LastEvaluatedKey" in page:
                page = both.query(**ask, Limit=limit, ExclusiveStartKey=page["LastEvaluatedKey"])
                assert len(page["Items"]) <= limit + 1  # one more where one tag ends and the other begins
                found += page["Items"]
            assert sorted(item["number"] for item in found) == expected
        assert both.query(**ask, Select="COUNT")["Count"] == 5

    def test_what_is_tagged_again_between_pages_is_not_missed(self, raw: Any, resource: Any, later: Later) -> None:
        """The tags of the active key come last, so it moves on to what is still to be read; whichever tag is less."""
        encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
        how: dict[str, Any] = {"key": ("clinic", "number"), "attributes": {"email": Protected(str, index="email_tag")}}
        table = EncryptedTable(resource.Table("patients"), ProtectedTable("patients", encryptor, **how))
        items = [{"clinic": "x", "number": number, "email": str(number % 6)} for number in range(24)]

        def put() -> None:
            with table.batch_writer() as batch:
                for item in items:
                    batch.put_item(Item=item)

        put()
        asks: list[dict[str, Any]] = [
            {"IndexName": "by_email", "KeyConditionExpression": Key("email").eq(str(email)), "Limit": 2}
            for email in range(6)
        ]
        pages = [table.query(**ask) for ask in asks]
        encryptor.data_keys.rotate(None, Purpose.BLIND_INDEX)
        later.advance(SETTLED)
        put()
        for email, (ask, page) in enumerate(zip(asks, pages, strict=True)):
            found = {item["number"] for item in page["Items"]}
            while "LastEvaluatedKey" in page:
                page = table.query(**ask, ExclusiveStartKey=page["LastEvaluatedKey"])
                found |= {item["number"] for item in page["Items"]}
            assert found == set(range(email, 24, 6))
        later.advance(SETTLED)
        encryptor.data_keys.retire_index_keys(None)
        with pytest.raises(ProtectedAttributeError, match="or of one under a retired index key"):
            table.query(**asks[0], ExclusiveStartKey=pages[0]["LastEvaluatedKey"])
