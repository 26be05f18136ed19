"""`plain={…}`: what nobody declared is not sent."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt_dynamodb import EncryptedTable, Entity, Protected, ProtectedAttributeError, ProtectedTable
from tests.dynamodb.patients import KEY, SSN
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.dynamodb.patients import table as table
from tests.support.wiretap import Secrets

ATTRIBUTES: dict[str, Any] = {
    "ssn": str,
    "email": Protected(str, index="email_tag"),
    "profile.ssn": str,
    "phones[kind].number": int,
}
PLAIN = {"ward", "profile.city", "phones[kind].label", "prefs.colour", "visits"}
ITEM: dict[str, Any] = {
    **KEY,
    "ssn": SSN,
    "email": "ann@example.org",
    "ward": {"floor": 5},
    "profile": {"ssn": SSN, "city": "Oslo"},
    "phones": [{"kind": "home", "number": 5550100, "label": "x"}],
    "prefs": {"colour": "red"},
}
UNKNOWN = "born in Oslo"


def closed(encryptor: Encryptor, plain: Any) -> ProtectedTable:
    return ProtectedTable(
        "patients", encryptor, key=("clinic", "number"), tenant="clinic", attributes=ATTRIBUTES, plain=plain
    )


@pytest.fixture
def description(encryptor: Encryptor) -> ProtectedTable:
    return closed(encryptor, PLAIN)


def test_what_is_declared_is_stored(table: EncryptedTable) -> None:
    """The key, the tenant, and the member that distinguishes elements are known."""
    table.put_item(Item=ITEM)
    assert table.get_item(Key=KEY)["Item"] == ITEM


@pytest.mark.parametrize(
    "more",
    [
        {"born": UNKNOWN},
        {"profile": {"born": UNKNOWN}},
        {"profile": {"city": "Oslo", "born": UNKNOWN}},
        {"phones": [{"kind": "home", "born": UNKNOWN}]},
        {"prefs": {"colour": "red", "born": UNKNOWN}},
        {"prefs": UNKNOWN},
    ],
    ids=str,
)
def test_what_nobody_declared_is_not_put(table: EncryptedTable, secrets: Secrets, more: dict[str, Any]) -> None:
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
        table.put_item(Item={**ITEM, **more})


@pytest.mark.parametrize("read", ["get_item", "delete_item"])
def test_what_nobody_declared_is_not_sent_in_a_key(table: EncryptedTable, secrets: Secrets, read: str) -> None:
    """DynamoDB refuses such a key, but has seen it by then."""
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError, match="'born' is not declared"):
        getattr(table, read)(Key={**KEY, "born": UNKNOWN})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SET born = :v", UNKNOWN),
        ("SET ward = :v, born = :v", UNKNOWN),
        ("ADD born :v", {UNKNOWN}),
        ("DELETE born :v", {UNKNOWN}),
        ("SET profile.born = :v", UNKNOWN),
        ("SET profile = :v", {"born": UNKNOWN}),
        ("SET profile = if_not_exists(profile, :v)", {"born": UNKNOWN}),
        ("SET phones[0].born = :v", UNKNOWN),
        ("SET phones[0] = :v", {"kind": "home", "born": UNKNOWN}),
        ("SET prefs = :v", {"born": UNKNOWN}),
        ("SET prefs = if_not_exists(prefs, :v)", {"born": UNKNOWN}),
        ("SET prefs.born = :v", UNKNOWN),
    ],
)
def test_what_nobody_declared_is_not_set(table: EncryptedTable, secrets: Secrets, text: str, value: Any) -> None:
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
        table.update_item(Key=KEY, UpdateExpression=text, ExpressionAttributeValues={":v": value})


@pytest.mark.parametrize(
    "condition",
    [Attr("born").eq(UNKNOWN), Attr("ward").eq(5) | Attr("profile.born").contains(UNKNOWN), Attr("prefs").eq(UNKNOWN)],
)
def test_what_nobody_declared_is_not_compared(table: EncryptedTable, secrets: Secrets, condition: Any) -> None:
    """The value that it is compared with would be one of its values."""
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
        table.scan(FilterExpression=condition)
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
        table.put_item(Item=ITEM, ConditionExpression=condition)


def test_what_holds_nothing_of_the_application_s_works(table: EncryptedTable) -> None:
    """Plain members are compared and set, and anything can be removed, or asked whether it is there."""
    table.put_item(Item=ITEM)
    table.update_item(
        Key=KEY,
        UpdateExpression="SET profile.city = :v, ward.floor = :n REMOVE born, profile.born ADD visits :n",
        ConditionExpression=Attr("born").not_exists() & Attr("profile.city").eq("Oslo"),
        ExpressionAttributeValues={":v": "Rome", ":n": 6},
    )
    found = table.scan(FilterExpression=Attr("profile.city").eq("Rome") & Attr("prefs.colour").eq("red"))["Items"]
    assert [(item["ward"], item["visits"]) for item in found] == [({"floor": 6}, 6)]


def test_what_is_read_need_not_be_declared(table: EncryptedTable, resource: Any) -> None:
    """What somebody else writes can be read, and projected."""
    resource.Table("patients").put_item(Item={**KEY, "born": UNKNOWN, "profile": {"born": UNKNOWN}, "prefs": 5})
    item = table.get_item(Key=KEY, ProjectionExpression="born, profile.born, prefs")["Item"]
    assert item == {"born": UNKNOWN, "profile": {"born": UNKNOWN}, "prefs": 5}


def test_a_plain_map_may_have_all_other_members(raw: Any, resource: Any, encryptor: Encryptor) -> None:
    """But for those that are protected in it."""
    table = EncryptedTable(resource.Table("patients"), closed(encryptor, {"profile"}))
    item = {**KEY, "profile": {"ssn": SSN, "born": UNKNOWN}}
    table.put_item(Item=item)
    assert table.get_item(Key=KEY)["Item"] == item


def test_entities_that_are_all_closed_have_closed_filters(
    raw: Any, resource: Any, encryptor: Encryptor, secrets: Secrets
) -> None:
    """Of any entity, and of one: what one of them declares is known to a scan of all."""
    entities = {
        "user": Entity({"ssn": str}, key={"clinic": "n*"}, plain={"ward"}),
        "order": Entity(key={"clinic": "s*"}, plain={"total", "lines.count"}),
    }
    table = EncryptedTable(
        resource.Table("patients"), ProtectedTable("patients", encryptor, key=("clinic", "number"), entities=entities)
    )
    table.put_item(Item={**KEY, "ssn": SSN, "ward": 5})
    assert table.scan(FilterExpression=Attr("ward").eq(5) & Attr("total").not_exists())["Count"] == 1
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
        table.scan(FilterExpression=Attr("born").eq(UNKNOWN))
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
        table.put_item(Item={**KEY, "total": 5})


@pytest.mark.parametrize("plain", ["ward", {"ssn"}, {"profile.ssn"}, {"profile[].x"}], ids=str)
def test_a_contradiction_is_refused(encryptor: Encryptor, plain: Any) -> None:
    """A single name, what is protected, or a map as a list."""
    with pytest.raises(ConfigurationError):
        closed(encryptor, plain)
