"""Searches by parts, beginnings, ends and ranges."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt.search import Prefixes, Suffixes, domain, last
from fieldcrypt_dynamodb import (
    EncryptedTable,
    Entity,
    IndexedBy,
    Protected,
    ProtectedAttributeError,
    ProtectedTable,
    Unreadable,
    ends_with,
    of_entity,
)
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.searched import ATTRIBUTES, create_table, described
from tests.support.dynamodb import DynamoDb, OnMoto

ANN = {
    "id": "1",
    "ssn": "078-05-1120",
    "email": "Ann@Example.org",
    "name": "Meyer",
    "born": dt.date(1990, 3, 1),
    "height": 171,
    "blood": "AB",
    "ward": "North",
}
BOB = {
    "id": "2",
    "ssn": "219-09-1120",
    "email": "bob@example.com",
    "name": "Meier",
    "born": dt.date(1991, 3, 1),
    "height": 190,
    "blood": "0",
    "ward": "South",
}
EVE = {"id": "3", "name": "Li", "ssn": "n/a"}


@pytest.fixture
def bare(dynamodb: DynamoDb) -> Any:
    return create_table(
        dynamodb, "email_domain", "name_prefix_2", "name_prefix_4", "blood_tag", "ssn_last4", "who_tag", "born_range_4"
    )


@pytest.fixture
def table(bare: Any, encryptor: Encryptor) -> EncryptedTable:
    table = EncryptedTable(bare, described(encryptor))
    with table.batch_writer() as batch:
        for item in (ANN, BOB, EVE):
            batch.put_item(Item=item)
    return table


def ids(response: Any) -> str:
    return "".join(sorted(item["id"] for item in response["Items"]))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Attr("ssn").eq("078-05-1120"), "1"),
        (Attr("ssn").eq("1120"), ""),
        (Attr("ssn_last4").eq("1120"), "12"),
        (Attr("ssn_last4").is_in(["1120", "9999"]), "12"),
        (Attr("ssn").ne("078-05-1120"), "23"),
        (~Attr("ssn_last4").eq("1120"), "3"),
        (Attr("email_domain").eq("example.org") | Attr("id").eq("3"), "13"),
        (Attr("name").begins_with("ME"), "12"),
        (Attr("name").begins_with("meye"), "1"),
        (Attr("name").begins_with("meyers"), ""),
        (ends_with("name", "er"), "12"),
        (~ends_with("name", "yer"), "23"),
        (ends_with("name", "meyer"), ""),
        (ends_with(Attr("name"), "Meyer") & Attr("id").exists(), "1"),
        (ends_with("ssn", "05-1120"), "1"),
        (Attr("born").between(dt.date(1990, 2, 1), dt.date(1990, 12, 31)), "1"),
        (Attr("born").gt(dt.date(1990, 3, 1)), "2"),
        (Attr("born").lte(dt.date(1990, 3, 1)), "1"),
        (Attr("height").between(150, 180), "1"),
        (Attr("height").gte(171), "12"),
        (Attr("height").lt(171), ""),
        (Attr("blood").eq("AB"), "1"),
        (Attr("who_tag").eq({"name": "MEYER", "born": ANN["born"]}), "1"),
        (~Attr("who_tag").eq({"name": "MEYER", "born": BOB["born"]}), "123"),
        (Attr("place_tag").eq({"ward": "South", "email": "x@example.com"}), "2"),
        (Attr("ssn").exists() & Attr("blood").is_in(["0", "A"]), "2"),
    ],
)
def test_a_filter_finds_what_it_would_find_in_plaintext(table: EncryptedTable, condition: Any, expected: str) -> None:
    assert ids(table.scan(FilterExpression=condition)) == expected


@pytest.mark.parametrize(
    ("index", "condition", "expected"),
    [
        ("by_email_domain", Key("email_domain").eq("example.org"), "1"),
        ("by_ssn_last4", Key("ssn_last4").eq("1120"), "12"),
        ("by_name_prefix_2", Key("name").begins_with("me"), "12"),
        ("by_name_prefix_4", Key("name").begins_with("meyer"), "1"),
        ("by_name_prefix_2", Key("name_prefix_2").begins_with("Meyer"), "1"),
        ("by_name_prefix_4", Key("name_prefix_4").begins_with("meye"), "1"),
        ("by_born_range_4", Key("born_range_4").between(dt.date(1990, 1, 1), dt.date(1991, 3, 1)), "12"),
        ("by_born_range_4", Key("born_range_4").gt(dt.date(1991, 3, 1)), ""),
        ("by_born_range_4", Key("born_range_4").lte(dt.date(1990, 3, 1)), "1"),
        ("by_blood_tag", Key("blood").eq("AB"), "1"),
        ("by_who_tag", Key("who_tag").eq({"name": "meier", "born": BOB["born"]}), "2"),
    ],
)
def test_a_query_of_an_index_finds_it_too(table: EncryptedTable, index: str, condition: Any, expected: str) -> None:
    assert ids(table.query(IndexName=index, KeyConditionExpression=condition)) == expected


class TestRefusals(OnMoto):
    @pytest.mark.parametrize(
        ("condition", "reason"),
        [
            (Key("born").gt(ANN["born"]), "no index has in its key: ask by the one that it has, born_range_0 or"),
            (Key("height").gt(1), "no index has in its key$"),
            (Key("born_range_0").gt(ANN["born"]), "more than 50 terms at this level"),
            (Key("name_prefix_4").begins_with("me"), "no index that answers startswith of such a text"),
            (
                Key("name_prefix_4").eq("meye"),
                "ask for 'name', by its value, or for this level by its name: startswith of",
            ),
            (
                Key("born_range_4").eq(ANN["born"]),
                "ask for 'born', by its value, or for this level by its name: between,",
            ),
            (Key("ssn_last4").between("1", "2"), "compare it with the part: by =, and filters by <> and IN as well"),
            (Key("ssn_tag").between("1", "2"), "conditions ask for 'ssn', by its value$"),
            (Key("email").begins_with("ann"), r'IndexedBy\("…", of=Prefixes'),
        ],
    )
    def test_a_key_condition_that_no_index_answers_is_refused(
        self, table: EncryptedTable, condition: Any, reason: str
    ) -> None:
        """In words that say what would."""
        with pytest.raises((ProtectedAttributeError, ValueError), match=reason):
            table.query(IndexName="by_email_domain", KeyConditionExpression=condition)

    def test_tags_beside_other_texts_are_asked_for_by_the_name_of_their_index(
        self, dynamodb: DynamoDb, encryptor: Encryptor
    ) -> None:
        """And not by the value of the attribute that they are a part of."""
        index = IndexedBy("GSI1PK", name="domain", prefix="AT#", of=domain())
        described = ProtectedTable("people", encryptor, key=["id"], attributes={"email": Protected(str, index=index)})
        table = EncryptedTable(create_table(dynamodb, "other"), described)
        with pytest.raises(
            ProtectedAttributeError, match="filled by fieldcrypt: conditions ask for 'domain' in its place"
        ):
            table.scan(FilterExpression=Attr("GSI1PK").eq("example.org"))

    @pytest.mark.parametrize("name", ["born_range", "born_range_9"])
    def test_a_level_that_there_is_not_is_refused(self, table: EncryptedTable, name: str) -> None:
        """Else the bounds would be sent as they are, for no item to be found."""
        between = "1990-03-01", "1991-03-01"
        for operation, how in (
            (table.scan, {"FilterExpression": Attr(name).between(*between)}),
            (table.query, {"IndexName": "by_born_range_4", "KeyConditionExpression": Key(name).between(*between)}),
            (table.delete_item, {"Key": {"id": "1"}, "ConditionExpression": Attr(name).not_exists()}),
        ):
            with pytest.raises(ProtectedAttributeError, match=f"people.{name} is no attribute with tags of 'born'"):
                operation(**how)

    @pytest.mark.parametrize("name", ["born_range", "born_range_9"])
    def test_a_level_that_no_entity_has_is_refused_where_none_is_named(
        self, dynamodb: DynamoDb, encryptor: Encryptor, name: str
    ) -> None:
        """What an entity has under that name itself is asked for by naming that one."""
        entities = {"person": Entity(ATTRIBUTES, key={"id": "P#*"}), "tool": Entity(key={"id": "T#*"})}
        described = ProtectedTable("people", encryptor, key=["id"], entities=entities)
        table = EncryptedTable(create_table(dynamodb, "born_range_4"), described)
        saw = {"id": "T#1", name: "1990-04-01"}
        table.put_item(Item=saw)
        between = "1990-03-01", "1991-03-01"
        for operation, how in (
            (table.scan, {"FilterExpression": Attr(name).between(*between)}),
            (table.query, {"IndexName": "by_born_range_4", "KeyConditionExpression": Key(name).between(*between)}),
        ):
            with pytest.raises(ProtectedAttributeError, match=rf"people.{name} is no attribute.*name the entity"):
                operation(**how)
        assert of_entity(table, "tool").scan(FilterExpression=Attr(name).between(*between))["Items"] == [saw]

    @pytest.mark.parametrize(
        "condition",
        [
            ~Attr("blood").eq("AB"),
            Attr("name").begins_with("meyers") | Attr("id").eq("1"),
            ~ends_with("name", "meyer"),
            Attr("born_range_4").gt(ANN["born"]) | Attr("id").eq("1"),
        ],
    )
    def test_what_has_to_be_compared_is_refused_where_nothing_is(self, table: EncryptedTable, condition: Any) -> None:
        """Other values have the same tags."""
        with pytest.raises(ProtectedAttributeError, match="other values share"):
            table.scan(FilterExpression=condition)
        with pytest.raises(ProtectedAttributeError, match="other values share"):
            table.delete_item(Key={"id": "1"}, ConditionExpression=condition)

    def test_what_has_to_be_compared_is_not_counted(self, table: EncryptedTable) -> None:
        with pytest.raises(ProtectedAttributeError, match="cannot be counted"):
            table.scan(FilterExpression=Attr("blood").eq("AB"), Select="COUNT")


class TestAttacks(OnMoto):
    @pytest.mark.parametrize(
        "condition",
        [
            Attr("ssn_last4").eq("1120"),
            Attr("name").begins_with("meye"),
            ends_with("name", "yer"),
            Attr("born").between(ANN["born"], ANN["born"]),
            Attr("height").lt(180),
            Attr("blood").eq("AB"),
        ],
    )
    def test_copied_tags_find_nothing(self, table: EncryptedTable, bare: Any, condition: Any) -> None:
        """All of Ann's, in Eve's item."""
        items = {item["id"]: item for item in bare.scan()["Items"]}
        values = {name: value for name, value in items["1"].items() if name not in (*ANN, "id")}
        bare.put_item(Item={**items["3"], **values})
        assert "3" not in ids(table.scan(FilterExpression=condition))

    def test_a_set_has_as_many_tags_whatever_the_value(self, table: EncryptedTable, bare: Any) -> None:
        """So that the length of short texts does not show, nor does the end of a text that has none."""
        assert {len(item["name_end"]) for item in bare.scan()["Items"]} == {2}

    def test_an_item_whose_companions_are_moved_elsewhere_reads_the_same(
        self, bare: Any, table: EncryptedTable
    ) -> None:
        """Tags have no part in reading."""
        stored = bare.get_item(Key={"id": "1"})["Item"]
        bare.put_item(Item={**stored, "name_prefix_2": stored["name_prefix_4"], "name_end": {b"x"}})
        assert table.get_item(Key={"id": "1"})["Item"] == ANN


@pytest.mark.parametrize("form", ["dynamodb", "json"])
def test_items_elsewhere_have_the_tags_too(encryptor: Encryptor, form: Any) -> None:
    """Sets of them as well, which only come with their values."""
    table = described(encryptor)
    stored = table.encrypt_item(ANN, to=form)
    assert {"ssn_last4", "email_domain", "name_prefix_2", "name_end", "born_range_0", "who_tag"} < stored.keys()
    assert table.decrypt_item(stored, form=form, to="python") == ANN
    assert not any(
        "name" in name or "who" in name for name in table.encrypt_item({**ANN, "name": None}) if name != "name"
    )


def test_an_item_that_cannot_be_judged_is_returned(bare: Any, table: EncryptedTable) -> None:
    """One of whose members of a compound cannot be read may or may not be what was looked for."""
    stored = bare.get_item(Key={"id": "1"})["Item"]
    bare.put_item(Item={**stored, "born": b"damaged"})
    condition = Attr("who_tag").eq({"name": "Meyer", "born": ANN["born"]})
    [found] = table.scan(FilterExpression=condition, on_unreadable="mark")["Items"]
    assert isinstance(found["born"], Unreadable)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"index": IndexedBy("t", partitions=2)}, "depend on the item, to which values are not bound"),
        ({"index": IndexedBy("t", of=Prefixes(2, 3), accept_leakage=True)}, "depend on the item"),
        ({"index": IndexedBy("t", of=domain(), prefix="D#")}, "searches need another name"),
        ({"index": IndexedBy("t", of=Suffixes(3, 3), prefix="D#", accept_leakage=True)}, "several levels are binary"),
        ({"index": IndexedBy("id", of=last(4), rotates=False)}, "items are found by whole values"),
        ({"index": ["t", IndexedBy("ssn", of=domain())]}, "cannot hold tags or a seal as well"),
        ({"index": IndexedBy("t", partitions=51)}, "can need 102 tags, and at most 100 fit"),
    ],
)
def test_a_declaration_that_cannot_be_kept_is_refused(encryptor: Encryptor, how: Any, reason: str) -> None:
    bound = "depend" not in reason
    with pytest.raises(ConfigurationError, match=reason):
        ProtectedTable("people", encryptor, key=["id"], attributes={"ssn": Protected(str, **how)}, bound=bound)
