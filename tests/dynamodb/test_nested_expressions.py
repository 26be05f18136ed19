"""Expressions about protected values in maps and lists: encrypted where that is possible, refused everywhere else."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key

from fieldcrypt import DecryptionError, Encryptor
from fieldcrypt_dynamodb import EncryptedClient, EncryptedTable, Protected, ProtectedAttributeError, ProtectedTable
from tests.dynamodb.nested import ITEM, PATHS, read
from tests.dynamodb.nested import description as description
from tests.dynamodb.patients import KEY, WIRE_KEY, stored
from tests.dynamodb.patients import client as client
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.dynamodb.patients import table as table
from tests.support.wiretap import Secrets

SECRET = "219-09-1111"
HOME = {"kind": "home", "number": 5550122}


def update(table: EncryptedTable, text: str, **values: Any) -> dict[str, Any]:
    """Update the item, and return it as it is then."""
    given = {"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}
    table.update_item(Key=KEY, UpdateExpression=text, **given)
    return read(table)


def test_a_nested_value_is_set_by_its_path(table: EncryptedTable) -> None:
    table.put_item(Item=ITEM)
    assert update(table, "SET profile.ssn = :new", new=SECRET)["profile"] == {**ITEM["profile"], "ssn": SECRET}


def test_a_client_sets_a_nested_value(client: EncryptedClient, raw: Any) -> None:
    client.put_item(TableName="patients", Item={**WIRE_KEY, "profile": {"M": {}}})
    client.update_item(
        TableName="patients",
        Key=WIRE_KEY,
        UpdateExpression="SET #p.#s = :new",
        ExpressionAttributeNames={"#p": "profile", "#s": "ssn"},
        ExpressionAttributeValues={":new": {"S": SECRET}},
    )
    assert client.get_item(TableName="patients", Key=WIRE_KEY)["Item"]["profile"] == {"M": {"ssn": {"S": SECRET}}}


@pytest.mark.parametrize(
    ("text", "values", "changed"),
    [
        ("SET profile = :new", {"new": {"ssn": SECRET, "city": "Rome"}}, {"profile": {"ssn": SECRET, "city": "Rome"}}),
        ("SET profile = :new", {"new": None}, {"profile": None}),
        ("SET profile.ssn = if_not_exists(profile.ssn, :new)", {"new": SECRET}, {}),
        ("SET profile = if_not_exists(profile, :new)", {"new": {"ssn": SECRET}}, {}),
        ("SET profile.city = :new", {"new": "Rome"}, {"profile": {**ITEM["profile"], "city": "Rome"}}),
        (
            "SET addresses[1].street = :new",
            {"new": "Oak Street 2"},
            {"addresses": [ITEM["addresses"][0], {"city": "Bergen", "street": "Oak Street 2"}]},
        ),
        (
            "SET addresses = list_append(addresses, :new)",
            {"new": [{"street": "Oak Street 2"}]},
            {"addresses": [*ITEM["addresses"], {"street": "Oak Street 2"}]},
        ),
        (
            "SET notes = list_append(:new, if_not_exists(notes, :none))",
            {"new": ["sleeps badly"], "none": []},
            {"notes": ["sleeps badly", *ITEM["notes"]]},
        ),
        ("SET notes[0] = :new", {"new": "sleeps badly"}, {"notes": ["sleeps badly", *ITEM["notes"][1:]]}),
        ("SET phones[1] = :new", {"new": HOME}, {"phones": [ITEM["phones"][0], HOME]}),
        ("REMOVE notes[0], phones[0].extra.pin", {}, {"notes": ITEM["notes"][1:]}),
        ("REMOVE addresses[0].street", {}, {"addresses": [{"city": "Oslo"}, {"city": "Bergen"}]}),
        ("SET phones[0].label = :new", {"new": "Z"}, {}),
        ("SET ward.bed = ward.bed + :new ADD profile.visits :new", {"new": 1}, {"ward": {"bed": 6}}),
    ],
)
def test_an_update_leaves_the_item_as_dynamodb_would(
    table: EncryptedTable, text: str, values: dict[str, Any], changed: dict[str, Any]
) -> None:
    """Read through the wrapper."""
    table.put_item(Item=ITEM)
    found = update(table, text, **values)
    assert {name: found[name] for name in changed} == changed


REFUSED = [
    "SET profile.ssn.x = :s",
    "SET phones[0].number = :s",
    "SET phones[0].extra = :m",
    "SET phones[0].extra.pin = :s",
    "SET phones[0].kind = :s",
    "REMOVE phones[0].kind",
    "ADD phones[0].kind :n",
    "ADD profile.ssn :n",
    "DELETE profile.ssn :n",
    "ADD profile :n",
    "SET profile.ssn = profile.ssn + :n",
    "SET profile.ssn = profile.born",
    "SET profile.ssn = profile.ssn",
    "SET ward = profile.ssn",
    "SET ward = profile",
    "SET ward = if_not_exists(profile.city, profile.ssn)",
    "SET profile.copy = profile.ssn",
    "SET addresses[0] = addresses[1]",
    "SET profile.ssn = list_append(profile.ssn, :l)",
    "SET profile[0] = :s",
    "SET addresses.street = :s",
    "SET notes = :s",
    "SET profile = :l",
    "SET phones = :l",
    "SET phones = list_append(phones, :l)",
    "SET #literal = :s",
    "SET #element = :s",
    "SET #around = :m",
    "SET #around.pin = :s",
    "SET #inside = :s",
    "SET ssn.part = :s",
]


@pytest.mark.parametrize("text", REFUSED)
def test_an_update_that_would_store_plaintext_or_break_a_value_is_refused(
    table: EncryptedTable, secrets: Secrets, text: str
) -> None:
    table.put_item(Item=ITEM)
    values = {":s": SECRET, ":n": 5, ":l": [{"number": 5550122}], ":m": {"pin": b"\0pin-two"}}
    names = {
        "#literal": "profile.ssn",
        "#element": "addresses[3].street",
        "#around": "phones[0].extra",
        "#inside": "profile.ssn.x",
    }
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError, match=r"patients"):
        table.update_item(
            Key=KEY,
            UpdateExpression=text,
            ExpressionAttributeValues={name: value for name, value in values.items() if name in text},
            **({"ExpressionAttributeNames": {n: v for n, v in names.items() if n in text}} if "#" in text else {}),
        )


@pytest.mark.parametrize(
    "text",
    [
        "profile.ssn = :s",
        ":s = profile.ssn",
        "profile.ssn <> :s",
        "profile = :s",
        "contains(notes, :s)",
        "notes[0] = :s",
        "phones[0].number IN (:s)",
        "begins_with(addresses[0].street, :s)",
        "size(profile.ssn) > :s",
        "attribute_type(profile, :s)",
        "profile.ssn.x = :s",
        "#literal = :s",
        "ward = :s AND NOT profile.ssn BETWEEN :s AND :s",
        "attribute_exists(profile.ssn.x)",
        "attribute_exists(#literal)",
    ],
)
@pytest.mark.parametrize("where", ["FilterExpression", "ConditionExpression"])
def test_what_compares_protected_values_is_refused(
    table: EncryptedTable, secrets: Secrets, text: str, where: str
) -> None:
    given: dict[str, Any] = (
        {where: text, "ExpressionAttributeValues": {":s": SECRET}} if ":s" in text else {where: text}
    )
    given |= {"ExpressionAttributeNames": {"#literal": "profile.ssn"}} if "#" in text else {}
    operation = table.scan if where == "FilterExpression" else table.delete_item
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
        operation(**given, **({} if where == "FilterExpression" else {"Key": KEY}))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (Attr("profile.ssn").exists(), 1),
        (Attr("profile.email").not_exists(), 1),
        (Attr("addresses[1].street").exists(), 0),
        (Attr("profile").exists() & Attr("profile.city").eq("Oslo"), 1),
        (Attr("phones[0].kind").eq("home"), 1),
    ],
)
def test_what_asks_for_presence_or_for_plain_members_is_asked(table: EncryptedTable, text: Any, count: int) -> None:
    table.put_item(Item=ITEM)
    assert table.scan(FilterExpression=text)["Count"] == count


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("profile.ssn", {"profile": {"ssn": ITEM["profile"]["ssn"]}}),
        ("profile.city, ward", {"profile": {"city": "Oslo"}, "ward": {"bed": 5}}),
        ("profile", {"profile": ITEM["profile"]}),
        ("addresses[0].street", {"addresses": [{"street": "Elm Street 1"}]}),
        ("phones[0]", {"phones": ITEM["phones"][:1]}),
        ("phones[0].label", {"phones": [{"label": "x"}]}),
        ("notes[2]", {"notes": ["likes tea"]}),
    ],
)
def test_a_projection_returns_what_was_asked_for(table: EncryptedTable, text: str, found: dict[str, Any]) -> None:
    table.put_item(Item=ITEM)
    assert table.get_item(Key=KEY, ProjectionExpression=text)["Item"] == found
    assert table.query(KeyConditionExpression=Key("clinic").eq("north"), ProjectionExpression=text)["Items"] == [found]


@pytest.mark.parametrize("text", ["phones[0].number", "phones[0].extra", "profile.ssn.x", "#literal"])
def test_a_projection_that_could_not_be_decrypted_is_refused(table: EncryptedTable, text: str) -> None:
    names = {"ExpressionAttributeNames": {"#literal": "profile.ssn"}} if "#" in text else {}
    with pytest.raises(ProtectedAttributeError):
        table.get_item(Key=KEY, ProjectionExpression=text, **names)


@pytest.mark.parametrize("which", ["ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"])
def test_what_an_update_returns_is_decrypted(table: EncryptedTable, which: str) -> None:
    table.put_item(Item=ITEM)
    found = table.update_item(
        Key=KEY,
        UpdateExpression="SET profile.ssn = :new",
        ExpressionAttributeValues={":new": SECRET},
        ReturnValues=which,
    )["Attributes"]
    assert found["profile"]["ssn"] == (SECRET if which.endswith("NEW") else ITEM["profile"]["ssn"])


def test_what_is_removed_of_an_element_told_apart_is_not_asked_for_alone(table: EncryptedTable) -> None:
    """The old number would be returned without the kind to which it is bound, after it is gone."""
    table.put_item(Item=ITEM)
    with pytest.raises(ProtectedAttributeError, match="ALL_OLD"):
        table.update_item(Key=KEY, UpdateExpression="REMOVE phones[0].number", ReturnValues="UPDATED_OLD")


def test_transactions_and_batches_encrypt_nested_values(client: EncryptedClient) -> None:
    profile = {"M": {"ssn": {"S": SECRET}}}
    second = {**WIRE_KEY, "number": {"N": "2"}}
    client.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": "patients", "Item": {**WIRE_KEY, "profile": {"M": {}}}}},
            {"Put": {"TableName": "patients", "Item": {**second, "profile": profile}}},
        ]
    )
    update = {
        "TableName": "patients",
        "Key": WIRE_KEY,
        "UpdateExpression": "SET profile.ssn = :s",
        "ExpressionAttributeValues": {":s": {"S": SECRET}},
    }
    client.transact_write_items(TransactItems=[{"Update": update}])
    asked = {"patients": {"Keys": [WIRE_KEY, second], "ProjectionExpression": "profile.ssn"}}
    found = client.batch_get_item(RequestItems=asked)["Responses"]["patients"]
    assert found == [{"profile": profile}] * 2


def test_a_path_that_is_spelled_like_a_declared_name_is_refused(
    raw: Any, resource: Any, encryptor: Encryptor, secrets: Secrets
) -> None:
    """As boto3's Attr takes the name."""
    literal = {"profile.ssn": Protected(str, literal_name=True)}
    description = ProtectedTable("patients", encryptor, key=("clinic", "number"), attributes=literal)
    table = EncryptedTable(resource.Table("patients"), description)
    for name in ("profile.ssn", "profile.ssn.x", "profile.ssn[0]"):
        with (
            secrets.nothing_is_sent(),
            pytest.raises(ProtectedAttributeError, match=r"^patients\.profile\.ssn is one n"),
        ):
            table.scan(FilterExpression=Attr(name).eq(SECRET))
        with (
            secrets.nothing_is_sent(),
            pytest.raises(ProtectedAttributeError, match=r"^patients\.profile\.ssn is one n"),
        ):
            update(table, f"SET {name} = :new", new=SECRET)
    table.put_item(Item={**KEY, "profile": {"city": "Oslo"}})
    assert table.scan(FilterExpression=Attr("profile.city").eq("Oslo"))["Count"] == 1


# Searchable ones


@pytest.fixture
def searchable(raw: Any, resource: Any, encryptor: Encryptor) -> EncryptedTable:
    attributes = {**PATHS, "profile.contact.email": Protected(str, index="email_tag")}
    description = ProtectedTable(
        "patients", encryptor, key=("clinic", "number"), tenant="clinic", attributes=attributes
    )
    return EncryptedTable(resource.Table("patients"), description)


def with_email(email: str, **more: Any) -> dict[str, Any]:
    return {**KEY, "profile": {"contact": {"email": email}, **more}}


def found_by_email(table: EncryptedTable, email: str, **how: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = table.query(
        IndexName="by_email", KeyConditionExpression=Key("profile.contact.email").eq(email), **how
    )["Items"]
    return items


def test_a_nested_value_is_found_by_an_index(searchable: EncryptedTable) -> None:
    """Whose key is the companion at the top of the item."""
    searchable.put_item(Item=with_email("ann@example.org"))
    assert found_by_email(searchable, "ann@example.org") == [with_email("ann@example.org")]
    assert searchable.scan(FilterExpression=Attr("profile.contact.email").is_in(["ann@example.org"]))["Count"] == 1


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("SET profile.contact.email = :new", "ann@example.com"),
        ("SET profile.contact = :new", {"email": "ann@example.com"}),
        ("SET profile = :new", {"contact": {"email": "ann@example.com"}}),
    ],
)
def test_the_tag_follows_what_is_set(searchable: EncryptedTable, text: str, new: Any) -> None:
    searchable.put_item(Item=with_email("ann@example.org"))
    update(searchable, text, new=new)
    assert not found_by_email(searchable, "ann@example.org")
    assert found_by_email(searchable, "ann@example.com")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("REMOVE profile.contact.email", {}),
        ("REMOVE profile.contact", {}),
        ("REMOVE profile", {}),
        ("SET profile.contact = :new", {"new": {}}),
        ("SET profile = :new", {"new": None}),
        ("SET profile.contact.email = :new", {"new": None}),
    ],
)
def test_the_tag_goes_with_its_value(searchable: EncryptedTable, raw: Any, text: str, values: dict[str, Any]) -> None:
    searchable.put_item(Item=with_email("ann@example.org"))
    update(searchable, text, **values)
    assert "email_tag" not in stored(raw)


@pytest.mark.parametrize("asked", ["profile.city", "profile.contact.city", "clinic"])
def test_what_was_read_to_compare_is_cut_off_again(searchable: EncryptedTable, asked: str) -> None:
    searchable.put_item(Item=with_email("ann@example.org", city="Oslo"))
    expected = {"profile.city": {"profile": {"city": "Oslo"}}, "clinic": {"clinic": "north"}}
    found = found_by_email(searchable, "ann@example.org", ProjectionExpression=asked)
    assert found == [expected.get(asked, {})]


def test_a_planted_tag_finds_nothing(searchable: EncryptedTable, raw: Any) -> None:
    """Who can write to the table cannot have an item found that does not have the value."""
    searchable.put_item(Item=with_email("ann@example.org"))
    other = {**with_email("bob@example.org"), "number": 2}
    searchable.put_item(Item=other)
    tag = stored(raw)["email_tag"]
    raw.put_item(TableName="patients", Item={**stored(raw, {**WIRE_KEY, "number": {"N": "2"}}), "email_tag": tag})
    assert found_by_email(searchable, "ann@example.org") == [with_email("ann@example.org")]


def test_a_value_of_another_item_does_not_decrypt(table: EncryptedTable, raw: Any) -> None:
    table.put_item(Item=ITEM)
    raw.put_item(TableName="patients", Item={**stored(raw), "number": {"N": "2"}})
    with pytest.raises(DecryptionError):
        table.get_item(Key={**KEY, "number": 2})
