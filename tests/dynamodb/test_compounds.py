"""Indexes of several attributes: what writes make of their tags."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr

from fieldcrypt import CompoundIndex, ConfigurationError, Encryptor
from fieldcrypt_dynamodb import (
    EncryptedTable,
    Entity,
    Protected,
    ProtectedAttributeError,
    ProtectedTable,
    of_entity,
    of_tenant,
)
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.searched import create_table
from tests.support.dynamodb import DynamoDb, OnMoto

WHO = CompoundIndex("who_tag", of={"surname": "casefold", "ward": None})
ANN = {"id": "1", "surname": "Meyer", "ward": "North"}
BOTH = "SET surname = :s, ward = :w"


def finds(table: EncryptedTable, surname: str, ward: str) -> bool:
    return bool(table.scan(FilterExpression=Attr("who_tag").eq({"surname": surname, "ward": ward}))["Items"])


class TestUpdates(OnMoto):
    @pytest.fixture
    def bare(self, dynamodb: DynamoDb) -> Any:
        return create_table(dynamodb, "who_tag")

    @pytest.fixture
    def table(self, bare: Any, encryptor: Encryptor) -> EncryptedTable:
        described = ProtectedTable("people", encryptor, key=["id"], attributes={"surname": str}, indexes=[WHO])
        table = EncryptedTable(bare, described)
        table.put_item(Item=ANN)
        return table

    def test_one_that_sets_all_members_sets_the_tag(self, table: EncryptedTable) -> None:
        values = {":s": "Li", ":w": "South"}
        table.update_item(Key={"id": "1"}, UpdateExpression=BOTH, ExpressionAttributeValues=values)
        assert finds(table, "li", "South")
        assert not finds(table, "meyer", "North")

    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("SET surname = :s", {":s": "Li"}),
            ("SET ward = :w", {":w": "South"}),
            ("SET surname = :s, ward = id", {":s": "Li"}),
            ("SET surname = :s, ward = if_not_exists(ward, :w)", {":s": "Li", ":w": "South"}),
            ("SET surname = :s ADD ward :w", {":s": "Li", ":w": 1}),
        ],
    )
    def test_one_that_leaves_a_member_unknown_is_refused(
        self, table: EncryptedTable, text: str, values: dict[str, Any]
    ) -> None:
        """The old tag would find the item by what it was."""
        with pytest.raises(ProtectedAttributeError, match=r"people\.who_tag is the tag of surname and ward together"):
            table.update_item(Key={"id": "1"}, UpdateExpression=text, ExpressionAttributeValues=values)

    @pytest.mark.parametrize("text", ["REMOVE ward", "REMOVE surname SET ward = :w", "SET surname = :n"])
    def test_one_that_removes_a_member_removes_the_tag(self, table: EncryptedTable, bare: Any, text: str) -> None:
        """NULL counts as nothing."""
        values = {name: value for name, value in ((":w", "South"), (":n", None)) if name in text}
        more = {"ExpressionAttributeValues": values} if values else {}
        table.update_item(Key={"id": "1"}, UpdateExpression=text, **more)
        assert "who_tag" not in bare.scan()["Items"][0]

    def test_a_plain_member_stays_a_text_without_a_tag_too(self, table: EncryptedTable) -> None:
        """Else the item could not be put as it is read."""
        with pytest.raises(ProtectedAttributeError, match=r"people\.ward is in the index 'who_tag', so it is a text"):
            table.update_item(
                Key={"id": "1"}, UpdateExpression="SET ward = :w REMOVE surname", ExpressionAttributeValues={":w": 5}
            )

    def test_an_item_without_a_member_has_no_tag(self, table: EncryptedTable, bare: Any) -> None:
        table.put_item(Item={"id": "1", "surname": "Meyer"})
        assert "who_tag" not in bare.scan()["Items"][0]

    def test_a_plain_member_that_is_no_text_is_refused(self, table: EncryptedTable) -> None:
        with pytest.raises(ProtectedAttributeError, match=r"people\.ward is in the index 'who_tag', so it is a text"):
            table.put_item(Item={**ANN, "ward": 5})

    def test_a_copied_tag_finds_nothing(self, table: EncryptedTable, bare: Any) -> None:
        """Ann's tag in Bob's item."""
        table.put_item(Item={"id": "2", "surname": "Li", "ward": "South"})
        tag = bare.get_item(Key={"id": "1"})["Item"]["who_tag"]
        bare.update_item(Key={"id": "2"}, UpdateExpression="SET who_tag = :t", ExpressionAttributeValues={":t": tag})
        found = table.scan(FilterExpression=Attr("who_tag").eq({"surname": "Meyer", "ward": "North"}))
        assert [item["id"] for item in found["Items"]] == ["1"]

    @pytest.mark.parametrize("asked", ["Meyer", {"surname": "Meyer"}, {"surname": "Meyer", "ward": "x", "id": "1"}])
    def test_a_search_names_all_members(self, table: EncryptedTable, asked: Any) -> None:
        with pytest.raises(ProtectedAttributeError, match="compared with a map of surname and ward"):
            table.scan(FilterExpression=Attr("who_tag").eq(asked))

    def test_the_key_and_the_tenant_are_known_to_an_update(self, bare: Any, encryptor: Encryptor) -> None:
        """Though the key does not name the tenant."""
        index = CompoundIndex("who_tag", of={"surname": None, "id": None, "ward": None}, per_tenant=True)
        how: dict[str, Any] = {"key": ["id"], "tenant": "ward", "attributes": {"surname": str}, "indexes": [index]}
        table = of_tenant(EncryptedTable(bare, ProtectedTable("people", encryptor, **how)), "North")
        table.put_item(Item=ANN)
        table.update_item(Key={"id": "1"}, UpdateExpression="SET surname = :s", ExpressionAttributeValues={":s": "Li"})
        asked = {"surname": "Li", "id": "1", "ward": "North"}
        assert table.scan(FilterExpression=Attr("who_tag").eq(asked))["Items"] == [{**ANN, "surname": "Li"}]

    def test_an_entity_has_its_own(self, bare: Any, encryptor: Encryptor) -> None:
        """Under another name than that of an attribute which others use as well."""
        index = CompoundIndex("GSI1PK", name="who", prefix="WHO#", of={"surname": None, "ward": None})
        entities = {
            "person": Entity({"surname": str}, key={"id": "P#*"}, indexes=[index]),
            "thing": Entity(key={"id": "T#*"}),
        }
        table = EncryptedTable(bare, ProtectedTable("people", encryptor, key=["id"], entities=entities))
        ann, thing = {**ANN, "id": "P#1"}, {"id": "T#1", "GSI1PK": "anything"}
        table.put_item(Item=ann)
        table.put_item(Item=thing)
        found = of_entity(table, "person").scan(FilterExpression=Attr("who").eq({"surname": "Meyer", "ward": "North"}))
        assert found["Items"] == [ann]
        with pytest.raises(ProtectedAttributeError):
            table.scan(FilterExpression=Attr("who").eq({"surname": "Meyer", "ward": "North"}))
        with pytest.raises(ProtectedAttributeError, match="compare it, by =, with a map"):
            of_entity(table, "person").scan(FilterExpression=Attr("who").not_exists())  # no item has it by this name


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (CompoundIndex("who_tag", of={"ward": None, "floor": None}), "one of its members has to be protected"),
        (CompoundIndex("who_tag", of={"ward": None, "home.zip": None}), r"'home\.zip' is nested"),
        (CompoundIndex("surname", of={"surname": None, "ward": None}), "cannot hold tags or a seal as well"),
        (CompoundIndex("surname_tag", of={"surname": None, "ward": None}), "cannot hold the tags of two indexes"),
        (CompoundIndex("who", prefix="W#", of={"surname": None, "ward": None}), "searches need another name"),
        (CompoundIndex("who_tag", partitions=60, of={"surname": None, "ward": None}), "can need 120 tags"),
        (
            CompoundIndex("who_tag", of={"surname": None, "surname_tag": None}),
            "'surname_tag' is no attribute with a value",
        ),
        (CompoundIndex("who_tag", of={"surname": None, "who_tag": None}), "'who_tag' is no attribute with a value"),
        (CompoundIndex("who_tag", of={"surname": None, "home": None}), "'home' is nested, or has nested values"),
        (CompoundIndex("who_tag", of={"surname": None, "home.zip": None}), r"'home\.zip' is nested"),
        (CompoundIndex("id", rotates=False, of={"surname": None, "ward": None}), "of which an item may lack one"),
        ("who_tag", "not a str"),
    ],
)
def test_a_contradictory_declaration_is_refused(encryptor: Encryptor, index: Any, reason: str) -> None:
    attributes: dict[str, Any] = {"surname": Protected(str, index="surname_tag"), "home.zip": str}
    with pytest.raises(ConfigurationError, match=reason):
        ProtectedTable("people", encryptor, key=["id"], attributes=attributes, indexes=[index])


def test_a_member_that_no_item_may_have_is_refused(encryptor: Encryptor) -> None:
    """Where plain attributes are declared: keys and the tenant are known."""
    index = CompoundIndex("who_tag", of={"surname": None, "id": None, "clinic": None, "ward": None})
    how: dict[str, Any] = {"key": ["id"], "tenant": "clinic", "attributes": {"surname": str}, "indexes": [index]}
    with pytest.raises(ConfigurationError, match="its member 'ward' is not declared"):
        ProtectedTable("people", encryptor, plain={"floor"}, **how)
    ProtectedTable("people", encryptor, plain={"ward"}, **how)
    entity = Entity({"surname": str}, key={"id": "P#*"}, tenant="clinic", plain={"floor"}, indexes=[index])
    with pytest.raises(ConfigurationError, match="its member 'ward' is not declared"):
        ProtectedTable("app", encryptor, key=["id"], entities={"person": entity})
