"""Indexes of every kind in a migration of a DynamoDB table."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt_dynamodb import EncryptedTable, ItemSeal, Protected
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


class TestTogether(OnMoto):
    """Indexes of several attributes."""

    def test_a_backfill_fills_and_follows_the_members(
        self, dynamodb: DynamoDb, people: EncryptedTable, encryptor: Encryptor
    ) -> None:
        """The tag of an item that lacks it, or has that of other values; none where a member is missing."""
        client, before = dynamodb.client(), bare(dynamodb)
        other = client.get_item(TableName="people", Key={"id": {"S": "p-1"}})["Item"]["who_tag"]
        key: Any = {"TableName": "people", "Key": {"id": {"S": "p-0"}}}
        client.update_item(**key, UpdateExpression="SET who_tag = :t", ExpressionAttributeValues={":t": other})
        key["Key"] = {"id": {"S": "p-1"}}
        client.update_item(**key, UpdateExpression="REMOVE who_tag")
        key["Key"] = {"id": {"S": "p-2"}}
        client.update_item(**key, UpdateExpression="REMOVE born")
        job = migration(dynamodb, described(encryptor))
        assert job.plan().stale_tags["people.who_tag"] == 3
        assert job.verify().reasons["p-0",] == "who_tag has another blind index tag than its value"
        assert job.backfill().changed == 3
        after = bare(dynamodb)
        assert after[:2] == before[:2]
        assert "who_tag" not in after[2]
        assert job.verify().wrong == 0

    def test_an_undo_takes_all_tags_away(
        self, dynamodb: DynamoDb, people: EncryptedTable, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """Of several attributes too, once one of them is plaintext again."""
        for number, name in enumerate(PEOPLE):
            secrets.allow(*person(number, name).values(), str(person(number, name)["born"]))
        mixed = {
            name: Protected(each.type, index=each.indexes, accept_plaintext=SOON) for name, each in ATTRIBUTES.items()
        }
        job = migration(dynamodb, described(encryptor, attributes=mixed))
        assert job.undo().changed == 3
        assert bare(dynamodb) == [{}, {}, {}]

    def test_a_member_that_others_change_meanwhile_is_not_tagged_as_it_was(
        self, dynamodb: DynamoDb, people: EncryptedTable, encryptor: Encryptor
    ) -> None:
        """A write of tags alone has the condition that all is as it was read of which they are made."""
        people.put_item(Item={**person(0, "Meyer"), "ward": "north"})
        before = bare(dynamodb)[0]["place_tag"]
        raw_key: Any = {"TableName": "people", "Key": {"id": {"S": "p-0"}}}
        dynamodb.client().update_item(**raw_key, UpdateExpression="REMOVE place_tag")
        met: list[int] = []

        def move(params: Any, **_: Any) -> None:
            if params["TableName"] == "people" and not met:
                met.append(1)
                people.put_item(Item={**person(0, "Meyer"), "ward": "south"})

        def factory(_: str | None) -> Any:
            client = dynamodb.client()
            client.meta.events.register("before-parameter-build.dynamodb.UpdateItem", move)
            return client

        assert migration(dynamodb, described(encryptor), factory).backfill().failed == 0
        assert met == [1]
        assert bare(dynamodb)[0]["place_tag"] != before
        assert migration(dynamodb, described(encryptor)).verify().wrong == 0


class TestDrop(OnMoto):
    def test_the_tags_of_an_index_go_from_every_item_and_others_stay(
        self, dynamodb: DynamoDb, people: EncryptedTable, encryptor: Encryptor
    ) -> None:
        """From the attributes of all levels, from sets, and from the key of an index, which the report names."""
        before = bare(dynamodb)
        job = migration(dynamodb, described(encryptor))
        assert job.tagged("name_prefix", "name_end", "ssn_last4") == {"people": 3}
        report = job.drop_index("name_prefix", "name_end", "ssn_last4", batch=2)
        assert (report.changed, report.left, report.complete) == (3, 0, True)
        assert any("delete the index by_ssn_last4" in remark for remark in report.remarks)
        gone = {"name_prefix_2", "name_prefix_3", "name_prefix_4", "name_end", "ssn_last4"}
        assert bare(dynamodb) == [{name: tag for name, tag in item.items() if name not in gone} for item in before]
        assert job.verify().wrong == 3
        assert job.backfill().changed == 3
        assert bare(dynamodb) == before

    @pytest.mark.parametrize("name", ["name", "id", "ward", "blood_tag "])
    def test_what_is_no_companion_is_never_erased(
        self, dynamodb: DynamoDb, people: EncryptedTable, encryptor: Encryptor, name: str
    ) -> None:
        """Neither a protected attribute nor the key, nor what the description does not know."""
        with pytest.raises(ConfigurationError, match="is no companion of people"):
            migration(dynamodb, described(encryptor)).drop_index("blood_tag", name)
        assert all("blood_tag" in item for item in bare(dynamodb))

    def test_it_goes_on_where_it_was_killed(
        self, dynamodb: DynamoDb, people: EncryptedTable, encryptor: Encryptor
    ) -> None:
        """By another process, and items that were done already are not written again."""

        def kill(_: Any) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            migration(dynamodb, described(encryptor), segments=1).drop_index("name_end", batch=1, on_progress=kill)
        assert sum("name_end" in item for item in bare(dynamodb)) == 2
        report = migration(dynamodb, described(encryptor)).drop_index("name_end", batch=1)
        assert (report.rows, report.changed, report.complete) == (3, 3, True)
        assert not any("name_end" in item for item in bare(dynamodb))

    def test_a_seal_over_tags_is_made_again(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """So that items can be read afterwards; one whose seal was broken stays as it is, and is named."""
        CheckpointTable(client_factory=dynamodb.client).create_table()
        sealed = described(encryptor, seal=ItemSeal("seal", over=("blood", "blood_tag")))
        table = EncryptedTable(create_table(dynamodb, "ssn_tag"), sealed)
        for number, name in enumerate(PEOPLE):
            table.put_item(Item=person(number, name))
        client = dynamodb.client()
        client.update_item(
            TableName="people",
            Key={"id": {"S": "p-0"}},
            UpdateExpression="SET blood_tag = :t",
            ExpressionAttributeValues={":t": {"B": bytes(16)}},  # no tag: two rows may have one in common
        )
        report = migration(dynamodb, sealed).drop_index("blood_tag")
        assert (report.changed, list(report.failures), report.complete) == (2, [("p-0",)], False)
        assert table.get_item(Key={"id": "p-1"})["Item"]["blood"] == "AB+"


class TestShred(OnMoto):
    def test_the_tags_of_a_shredded_tenant_go(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """Those that are not per tenant would go on telling who has a value; a seal does not keep them."""
        CheckpointTable(client_factory=dynamodb.client).create_table()
        sealed = described(encryptor, tenant="clinic", seal=ItemSeal("seal", over=("blood", "blood_tag")))
        table = EncryptedTable(create_table(dynamodb, "ssn_tag"), sealed)
        for number, name in enumerate(PEOPLE):
            table.put_item(Item={**person(number, name), "clinic": f"c-{number}"})
        kept = bare(dynamodb)[1:]
        encryptor.data_keys.shred("c-0", by="ann")
        job = migration(dynamodb, sealed)
        assert "who_tag has a blind index tag, but its data key was shredded" in job.verify().reasons["p-0",]
        assert job.backfill().changed == 1
        assert bare(dynamodb)[0].keys() == {"clinic", "seal"}
        assert bare(dynamodb)[1:] == kept
        assert job.verify().wrong == 0
