"""Item seals: what somebody who writes to the table can no longer do unnoticed."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import (
    CompoundIndex,
    ConfigurationError,
    DecryptionError,
    Encryptor,
    LocalKeyProvider,
    MemoryKeyStore,
)
from fieldcrypt_dynamodb import (
    EncryptedClient,
    EncryptedTable,
    ItemSeal,
    Protected,
    ProtectedAttributeError,
    ProtectedTable,
    of_tenant,
)
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE
from fieldcrypt_dynamodb.item.items import Items
from tests.dynamodb.patients import encryptor as encryptor
from tests.support.dynamodb import DynamoDb
from tests.support.strategies import relaxed

KEY = {"id": "ann"}
WIRE_KEY = {"id": {"S": "ann"}}
ITEM = {**KEY, "clinic": "north", "ssn": "078-05-1120", "role": "nurse", "limits": {"day": 5, "all": [1, 2]}, "seen": 1}


def described(encryptor: Encryptor, **how: Any) -> ProtectedTable:
    return ProtectedTable(
        "staff",
        encryptor,
        key=["id"],
        tenant="clinic",
        attributes={"ssn": Protected(str, index="ssn_tag")},
        seal=ItemSeal("seal", ("role", "limits", "ssn", "ssn_tag", "clinic")),
        **how,
    )


@pytest.fixture
def raw(dynamodb: DynamoDb) -> Any:
    """boto3's own client."""
    client = dynamodb.client()
    client.create_table(
        TableName="staff",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    return client


@pytest.fixture
def table(dynamodb: DynamoDb, raw: Any, encryptor: Encryptor) -> EncryptedTable:
    table = EncryptedTable(dynamodb.resource().Table("staff"), described(encryptor))
    table.put_item(Item=ITEM)
    return table


def stored(raw: Any) -> dict[str, Any]:
    item: dict[str, Any] = raw.get_item(TableName="staff", Key=WIRE_KEY)["Item"]
    return item


def test_a_sealed_item_comes_back(table: EncryptedTable, raw: Any, encryptor: Encryptor) -> None:
    """Without the seal, in both forms, and however DynamoDB spells its numbers."""
    assert table.get_item(Key=KEY)["Item"] == ITEM
    assert table.scan()["Items"] == [ITEM]
    assert "seal" in stored(raw)
    client = EncryptedClient(raw, [described(encryptor)])
    found = client.get_item(TableName="staff", Key=WIRE_KEY)["Item"]
    assert "seal" not in found
    client.put_item(
        TableName="staff", Item={**found, "limits": {"M": {"all": {"NS": ["2.0", "1"]}, "day": {"N": "05.0"}}}}
    )
    assert table.get_item(Key=KEY)["Item"]["limits"] == {"day": 5, "all": {1, 2}}


@pytest.mark.parametrize(
    "changed",
    [
        {"role": {"S": "admin"}},
        {"role": None},
        {"ssn": None},
        {"ssn_tag": None},
        {"clinic": {"S": "south"}},
        {"seal": None},
        {"seal": {"B": b"\x01"}},
        {"limits": {"M": {"day": {"N": "6"}, "all": {"L": [{"N": "1"}, {"N": "2"}]}}}},
        {"limits": {"M": {"day": {"N": "5"}, "all": {"L": [{"N": "2"}, {"N": "1"}]}}}},
        {"limits": {"M": {"day": {"N": "5"}, "all": {"L": [{"N": "1"}, {"S": "2"}]}}}},
    ],
)
def test_changes_of_sealed_attributes_are_noticed(table: EncryptedTable, raw: Any, changed: dict[str, Any]) -> None:
    """Plain or protected ones; and a missing seal."""
    item = {**stored(raw), **changed}
    raw.put_item(TableName="staff", Item={name: value for name, value in item.items() if value is not None})
    for how in (
        {},
        {"ProjectionExpression": "ssn"},
        {"ProjectionExpression": "#r", "ExpressionAttributeNames": {"#r": "role"}},
    ):
        with pytest.raises(DecryptionError):
            table.get_item(Key=KEY, **how)
    with pytest.raises(DecryptionError):
        table.scan()


def test_a_filter_finds_nothing_by_a_changed_attribute(table: EncryptedTable, raw: Any) -> None:
    """Also if only others are read."""
    raw.put_item(TableName="staff", Item={**stored(raw), "role": {"S": "admin"}})
    for projection in ({}, {"ProjectionExpression": "seen"}):
        with pytest.raises(DecryptionError, match="seal"):
            table.scan(FilterExpression=Attr("role").eq("admin"), **projection)
        assert table.scan(FilterExpression=Attr("role").eq("nurse"), **projection)["Items"] == []
    assert table.scan(FilterExpression=Attr("seen").eq(1), ProjectionExpression="seen")["Items"] == [{"seen": 1}]


def test_an_old_value_of_one_attribute_is_noticed(table: EncryptedTable, raw: Any) -> None:
    """Without the seal it would decrypt: it was written for this place."""
    old = stored(raw)["ssn"]
    table.put_item(Item={**ITEM, "ssn": "new"})
    raw.put_item(TableName="staff", Item={**stored(raw), "ssn": old})
    with pytest.raises(DecryptionError, match="seal"):
        table.get_item(Key=KEY)


def test_a_seal_of_another_item_is_noticed(table: EncryptedTable, raw: Any) -> None:
    table.put_item(Item={**ITEM, "id": "bob"})
    raw.put_item(TableName="staff", Item={**stored(raw), "id": {"S": "bob"}})
    with pytest.raises(DecryptionError):
        table.get_item(Key={"id": "bob"})


def test_what_is_not_sealed_may_change(table: EncryptedTable) -> None:
    table.update_item(Key=KEY, UpdateExpression="SET seen = seen + :n", ExpressionAttributeValues={":n": 1})
    assert table.get_item(Key=KEY)["Item"] == {**ITEM, "seen": 2}
    assert table.get_item(Key=KEY, ProjectionExpression="seen")["Item"] == {"seen": 2}
    assert table.get_item(Key=KEY, ProjectionExpression="ssn")["Item"] == {"ssn": ITEM["ssn"]}


@pytest.mark.parametrize(
    "expression",
    ["SET ssn = :v", "SET #r = :v", "REMOVE limits", "SET limits.daily = :v", "REMOVE seal", "SET seal = :v"],
)
def test_updates_that_would_break_the_seal_are_refused(table: EncryptedTable, expression: str) -> None:
    more: dict[str, Any] = {"ExpressionAttributeValues": {":v": "x"}} if ":v" in expression else {}
    if "#r" in expression:
        more["ExpressionAttributeNames"] = {"#r": "role"}
    with pytest.raises(ProtectedAttributeError):
        of_tenant(table, "north").update_item(Key=KEY, UpdateExpression=expression, **more)


@pytest.mark.parametrize("expression", ["SET ssn = :v", "REMOVE ssn", "SET #r = :v, ssn = :w", "REMOVE #r"])
def test_updates_that_would_change_sealed_tags_are_refused(
    dynamodb: DynamoDb, raw: Any, encryptor: Encryptor, expression: str
) -> None:
    """Though what they are made of is not sealed itself."""
    how: dict[str, Any] = {"attributes": {"ssn": Protected(str, index="ssn_tag")}, "key": ["id"]}
    seal, index = ItemSeal("seal", ("ssn_tag", "who_tag")), CompoundIndex("who_tag", of={"ssn": None, "role": None})
    described = ProtectedTable("staff", encryptor, **how, seal=seal, indexes=[index])
    table = EncryptedTable(dynamodb.resource().Table("staff"), described)
    table.put_item(Item=ITEM)
    values = {name: "x" for name in (":v", ":w") if name in expression}
    more: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
    if "#r" in expression:
        more["ExpressionAttributeNames"] = {"#r": "role"}
    with pytest.raises(ProtectedAttributeError, match="is sealed together with other attributes"):
        table.update_item(Key=KEY, UpdateExpression=expression, **more)
    assert table.get_item(Key=KEY)["Item"] == ITEM


def test_an_update_makes_no_item_without_a_seal(table: EncryptedTable) -> None:
    """Which nobody could read."""
    for how in ({"UpdateExpression": "SET seen = :n", "ExpressionAttributeValues": {":n": 1}}, {}):
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            table.update_item(Key={"id": "new"}, **how)


def test_a_part_of_a_sealed_attribute_is_not_read_alone(table: EncryptedTable) -> None:
    with pytest.raises(ProtectedAttributeError, match="as a whole"):
        table.get_item(Key=KEY, ProjectionExpression="limits.daily")


@pytest.mark.parametrize(
    ("attribute", "over"),
    [("seal", ()), ("ssn", ("role",)), ("seal", ("seal",)), ("seal", ("id",)), ("id", ("role",))],
)
def test_seals_that_make_no_sense_are_refused(encryptor: Encryptor, attribute: str, over: Any) -> None:
    with pytest.raises(ConfigurationError):
        ProtectedTable("t", encryptor, key=["id"], attributes={"ssn": str}, seal=ItemSeal(attribute, over))


VALUES = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | st.binary(max_size=5) | st.integers(-(10**20), 10**20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
SEALED = ProtectedTable(
    "t",
    Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()),
    key=["id"],
    attributes={"ssn": str},
    seal=ItemSeal("seal", ("a", "b")),
)


@given(st.dictionaries(st.sampled_from("ab"), VALUES), st.dictionaries(st.sampled_from("ab"), VALUES))
@relaxed
def test_a_seal_holds_for_equal_attributes_and_no_others(one: dict[str, Any], other: dict[str, Any]) -> None:
    items = Items(SEALED, PYTHON)
    seal = items.encrypted({"id": "1", **one})["seal"]
    same = repr(sorted(one.items())) == repr(sorted(other.items())) or _wire(one) == _wire(other)
    try:
        items.decrypted({**_wire({"id": "1", **other}), "seal": seal})
        held = True
    except DecryptionError:
        held = False
    assert held is same


def _wire(item: dict[str, Any]) -> Any:
    return {name: TypeSerializer().serialize(value) for name, value in item.items()}


def test_both_forms_make_one_seal() -> None:
    item = {"id": "1", "a": [1, {"x": b"y"}], "b": {"s", "t"}}
    sealed = Items(SEALED, PYTHON).encrypted(item)
    assert Items(SEALED, WIRE).decrypted(sealed) == _wire(item)
