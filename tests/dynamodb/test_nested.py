"""Protected values in maps and lists of items."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, ProtectedRecord
from fieldcrypt_dynamodb import (
    EncryptedClient,
    EncryptedTable,
    Entity,
    IndexedBy,
    ItemSeal,
    Protected,
    ProtectedAttributeError,
    ProtectedTable,
    Unreadable,
)
from fieldcrypt_dynamodb.item.values import bytes_of
from tests.dynamodb.nested import ITEM, PATHS, read
from tests.dynamodb.nested import description as description
from tests.dynamodb.patients import KEY, WIRE_KEY, stored
from tests.dynamodb.patients import client as client
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.dynamodb.patients import table as table
from tests.dynamodb.plaintext import SOON
from tests.support.wiretap import Secrets


@pytest.fixture
def record(encryptor: Encryptor) -> ProtectedRecord:
    """The same, as a record of the core."""
    return ProtectedRecord("patients", encryptor, key=("clinic", "number"), tenant="clinic", fields=PATHS)


def test_nested_values_are_read_as_they_were_put(table: EncryptedTable) -> None:
    """And no plaintext was sent, as for every test."""
    table.put_item(Item=ITEM)
    assert read(table) == ITEM


def test_what_is_stored_is_ciphertext_in_place_of_the_value(table: EncryptedTable, raw: Any) -> None:
    table.put_item(Item=ITEM)
    profile = stored(raw)["profile"]["M"]
    assert {name: next(iter(value)) for name, value in profile.items()} == {
        "ssn": "B",
        "born": "B",
        "city": "S",
        "sizes": "NS",
    }


def test_a_client_reads_what_a_table_put(table: EncryptedTable, client: EncryptedClient) -> None:
    table.put_item(Item=ITEM)
    item = client.get_item(TableName="patients", Key=WIRE_KEY)["Item"]
    assert item["phones"]["L"][0]["M"] == {
        "kind": {"S": "home"},
        "number": {"N": "5550100"},
        "label": {"S": "x"},
        "extra": {"M": {"pin": {"B": b"\0pin-one"}}},
    }


def test_a_record_reads_what_a_table_put(table: EncryptedTable, resource: Any, record: ProtectedRecord) -> None:
    """The contexts of nested values are those of SPEC section 2."""
    table.put_item(Item=ITEM)
    found = bytes_of_binary(resource.Table("patients").get_item(Key=KEY)["Item"])
    assert record.decrypt(found) == ITEM


def test_a_table_reads_what_a_record_made(table: EncryptedTable, resource: Any, record: ProtectedRecord) -> None:
    resource.Table("patients").put_item(Item=record.encrypt(ITEM))
    assert read(table) == ITEM


def bytes_of_binary(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: bytes_of_binary(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [bytes_of_binary(inner) for inner in value]
    return bytes(value) if hasattr(value, "value") else value


@pytest.mark.parametrize(
    "wrong",
    [
        {"profile": "219-09-9999"},
        {"profile": ["219-09-9999"]},
        {"addresses": {"street": "Elm Street 1"}},
        {"notes": {"has a cat"}},
        {"phones": [{"number": 5550100}]},
        {"phones": [{"kind": 1.5, "number": 5550100}]},
        {"profile.ssn": "219-09-9999"},
        {"addresses[0].street": "Elm Street 1"},
        {"addresses[0]": {"street": "Elm Street 1"}},
        {"phones[0].extra": {"pin": b"\0pin-one"}},
        {"profile.ssn.last": "9999"},
        {"profile\\.ssn": "219-09-9999"},
        {"phones": [{"kind": "home", "extra.pin": b"\0pin-one"}]},
    ],
    ids=str,
)
def test_an_item_of_another_shape_is_refused(table: EncryptedTable, secrets: Secrets, wrong: dict[str, Any]) -> None:
    """Where nobody looks for protected values they would be stored as they are."""
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
        table.put_item(Item={**ITEM, **wrong})


def test_the_refusal_of_a_name_with_a_dot_says_how_to_declare_it(table: EncryptedTable) -> None:
    with pytest.raises(ProtectedAttributeError, match=r"profile\.ssn.*literal_name=True"):
        table.put_item(Item={**KEY, "profile.ssn": "219-09-9999"})


def test_a_name_with_a_dot_that_leads_to_nothing_protected_is_one_like_any_other(
    table: EncryptedTable, raw: Any
) -> None:
    item = {**KEY, "ssn.checked": "yes", "profile.city": "Oslo", "ward[0].bed": "5", "a.b": {"ssn": "6"}, "..": "7"}
    table.put_item(Item=item)
    assert read(table) == item
    assert stored(raw)["ssn.checked"] == {"S": "yes"}


def test_a_literal_name_protects_the_attribute_of_that_name(raw: Any, resource: Any, encryptor: Encryptor) -> None:
    literal = {"profile.ssn": Protected(str, literal_name=True)}
    description = ProtectedTable("patients", encryptor, key=("clinic", "number"), attributes=literal)
    table = EncryptedTable(resource.Table("patients"), description)
    item = {**KEY, "profile.ssn": "219-09-9999", "profile": {"ssn": "plain here"}}
    table.put_item(Item=item)
    assert read(table) == item
    assert bytes_of(stored(raw)["profile.ssn"])


def test_elements_told_apart_cannot_be_exchanged(table: EncryptedTable, raw: Any) -> None:
    """By who can write to the table."""
    phones = [{"kind": kind, "number": number} for kind, number in (("home", 5550100), ("work", 5550111))]
    table.put_item(Item={**KEY, "phones": phones})
    item = stored(raw)
    home, work = (element["M"] for element in item["phones"]["L"])
    home["number"], work["number"] = work["number"], home["number"]
    raw.put_item(TableName="patients", Item=item)
    with pytest.raises(DecryptionError):
        read(table)


def test_a_nested_value_does_not_decrypt_at_another_path(table: EncryptedTable, raw: Any, encryptor: Encryptor) -> None:
    table.put_item(Item={**KEY, "notes": ["has a cat"], "addresses": [{"street": "Elm Street 1"}]})
    item = stored(raw)
    item["notes"]["L"][0] = item["addresses"]["L"][0]["M"]["street"]
    raw.put_item(TableName="patients", Item=item)
    with pytest.raises(DecryptionError):
        read(table)


@pytest.mark.parametrize("planted", [{"S": "plain"}, {"M": {"ssn": {"S": "planted"}}}], ids=str)
def test_what_was_not_encrypted_is_refused_when_it_is_read(table: EncryptedTable, raw: Any, planted: Any) -> None:
    """Whether the value was exchanged, or the map around it."""
    table.put_item(Item=ITEM)
    raw.put_item(TableName="patients", Item={**stored(raw), "profile": planted})
    with pytest.raises(DecryptionError):
        read(table)


class Whole:
    """A scheme that encrypts items as a whole, or might."""

    def recognises(self, item: Any) -> bool:
        return "whole" in item

    def read(self, item: Any) -> Any:
        return {name: value for name, value in item.items() if name != "whole"}


def test_items_that_another_scheme_encrypted_have_nested_values_of_their_types(
    raw: Any, resource: Any, encryptor: Encryptor
) -> None:
    accept: Any = {"accept": [Whole()], "accept_until": SOON}
    description = ProtectedTable("patients", encryptor, key=("clinic", "number"), attributes=PATHS, **accept)
    born = {"profile": {"born": "1990-01-02", "city": "Oslo"}}
    resource.Table("patients").put_item(Item={**KEY, "whole": True, **born})
    found = read(EncryptedTable(resource.Table("patients"), description))
    assert found == {**KEY, "profile": {"born": dt.date(1990, 1, 2), "city": "Oslo"}}


def test_plaintext_is_read_while_that_is_accepted(raw: Any, resource: Any, encryptor: Encryptor) -> None:
    """Beside values that were encrypted since."""
    plain = resource.Table("patients")
    attributes = {path: Protected(kind, accept_plaintext=SOON) for path, kind in PATHS.items()}
    table = EncryptedTable(
        plain, ProtectedTable("patients", encryptor, key=("clinic", "number"), attributes=attributes)
    )
    plain.put_item(Item={**KEY, "profile": {"born": "1990-01-02"}, "notes": ["old"], "phones": [{"kind": "home"}]})
    table.update_item(
        Key=KEY,
        UpdateExpression="SET profile.ssn = :s, notes = list_append(notes, :n)",
        ExpressionAttributeValues={":s": "219-09-9999", ":n": ["new note"]},
    )
    assert read(table) == {
        **KEY,
        "profile": {"born": dt.date(1990, 1, 2), "ssn": "219-09-9999"},
        "notes": ["old", "new note"],
        "phones": [{"kind": "home"}],
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"attributes": {"profile": str, "profile.ssn": str}},
        {"attributes": {"profile[].ssn": str, "profile.ssn": str}},
        {"attributes": {"phones[kind].number": str, "phones[].number": str}},
        {"attributes": {"phones[kind].kind": str}},
        {"attributes": {"clinic.ssn": str}},
        {"attributes": {"profile\\.ssn": str}},
        {"attributes": {"phones[].number": Protected(str, index="email_tag")}},
        {"attributes": {"profile.ssn": Protected(str, index="profile")}},
        {"attributes": {"profile.ssn": Protected(str, index=IndexedBy("number", rotates=False))}},
        {"attributes": {"profile.ssn": Protected(str, context={"path": "other"})}},
        {"attributes": {"profile.ssn": str}, "seal": ItemSeal("seal", over=("profile.ssn",))},
    ],
    ids=str,
)
def test_a_declaration_that_contradicts_itself_is_refused(encryptor: Encryptor, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        ProtectedTable("patients", encryptor, key=("clinic", "number"), **wrong)


@pytest.mark.parametrize("path", ["profile.", "profile..ssn", "[].ssn", "phones[kind]", ""])
def test_what_is_no_path_is_refused(encryptor: Encryptor, path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        ProtectedTable("patients", encryptor, key=("clinic", "number"), attributes={path: str})


def test_a_seal_covers_what_is_encrypted_in_a_list(raw: Any, resource: Any, encryptor: Encryptor) -> None:
    """Who writes to the table cannot exchange two elements that nothing distinguishes."""
    description = ProtectedTable(
        "patients", encryptor, key=("clinic", "number"), attributes=PATHS, seal=ItemSeal("seal", over=("notes",))
    )
    table = EncryptedTable(resource.Table("patients"), description)
    table.put_item(Item=ITEM)
    assert read(table) == ITEM
    item = stored(raw)
    item["notes"]["L"].reverse()
    raw.put_item(TableName="patients", Item=item)
    with pytest.raises(DecryptionError):
        read(table)


def test_a_table_may_have_values_in_maps_alone(raw: Any, resource: Any, encryptor: Encryptor) -> None:
    """Here not bound to items, and without a tenant."""
    description = ProtectedTable(
        "patients", encryptor, key=("clinic", "number"), attributes={"a.b[].c": str}, bound=False
    )
    table = EncryptedTable(resource.Table("patients"), description)
    item = {**KEY, "a": {"b": [{"c": "a secret text"}]}}
    table.put_item(Item=item)
    raw.put_item(TableName="patients", Item={**stored(raw), "number": {"N": "2"}})
    assert table.get_item(Key={**KEY, "number": 2})["Item"] == {**item, "number": 2}


def test_numbers_are_those_of_the_form(table: EncryptedTable) -> None:
    """Plain members beside protected ones are as boto3 gives them."""
    table.put_item(Item={**KEY, "profile": {"born": "1990-01-02", "size": 7}})
    profile = read(table)["profile"]
    assert (type(profile["size"]), profile["born"]) == (Decimal, dt.date(1990, 1, 2))


def test_a_key_that_has_the_name_of_a_path_is_refused(table: EncryptedTable, secrets: Secrets) -> None:
    """DynamoDB refuses it too, but has seen the value by then."""
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
        table.get_item(Key={**KEY, "profile.ssn": "219-09-9999"})


@pytest.fixture
def damaged(table: EncryptedTable, raw: Any) -> None:
    """An item of which one note was changed."""
    table.put_item(Item=ITEM)
    item = stored(raw)
    note = item["notes"]["L"][0]
    note["B"] = note["B"][:-1] + bytes([note["B"][-1] ^ 1])
    raw.put_item(TableName="patients", Item=item)


def test_one_unreadable_element_is_marked_in_its_place(table: EncryptedTable, damaged: None) -> None:
    notes = table.get_item(Key=KEY, on_unreadable="mark")["Item"]["notes"]
    assert isinstance(notes[0], Unreadable)
    assert notes[1:] == ITEM["notes"][1:]


def test_an_element_told_by_too_long_a_text_is_marked(table: EncryptedTable, raw: Any) -> None:
    """Nothing is bound to that: somebody else wrote it."""
    table.put_item(Item=ITEM)
    item = stored(raw)
    item["phones"]["L"][0]["M"]["kind"] = {"S": "x" * 70_000}
    raw.put_item(TableName="patients", Item=item)
    with pytest.raises(DecryptionError, match=re.escape("patients.phones[kind].number of the item")):
        read(table)
    [found] = table.scan(on_unreadable="mark")["Items"]
    assert isinstance(found["phones"][0]["number"], Unreadable)
    assert found["phones"][1:] == ITEM["phones"][1:]


def test_an_error_names_the_path_and_the_item(table: EncryptedTable, damaged: None) -> None:
    with pytest.raises(DecryptionError, match=r"patients\.notes\[\] of the item .*'north'"):
        read(table)


def test_a_mark_is_not_put_back(table: EncryptedTable, damaged: None, secrets: Secrets) -> None:
    """Nor set by an update."""
    found = table.get_item(Key=KEY, on_unreadable="mark")["Item"]
    with secrets.nothing_is_sent(), pytest.raises((TypeError, DecryptionError)):
        table.put_item(Item=found)
    with secrets.nothing_is_sent(), pytest.raises((TypeError, DecryptionError)):
        table.update_item(Key=KEY, UpdateExpression="SET notes = :n", ExpressionAttributeValues={":n": found["notes"]})


def test_an_error_about_a_value_that_is_written_names_its_path(table: EncryptedTable) -> None:
    """And does not show it."""
    with pytest.raises(TypeError, match=r"patients\.phones\[kind\]\.number") as caught:
        table.put_item(Item={**KEY, "phones": [{"kind": "home", "number": "555-0100"}]})
    assert "555-0100" not in str(caught.value)


def test_lists_in_lists_are_led_through(raw: Any, resource: Any, encryptor: Encryptor) -> None:
    description = ProtectedTable(
        "patients", encryptor, key=("clinic", "number"), attributes={"rows[][].cell": str, "a[x].b[y].c": str}
    )
    table = EncryptedTable(resource.Table("patients"), description)
    a = [{"x": "x1", "b": [{"y": 2, "c": "secret-c1"}, {"y": 3, "c": "secret-c2"}]}]
    item = {**KEY, "rows": [[{"cell": "secret-11"}, {}], [], [{"cell": "secret-31"}]], "a": a}
    table.put_item(Item=item)
    table.update_item(
        Key=KEY,
        UpdateExpression="SET #rows[0][1] = :v, #rows[2][0].cell = :c",
        ExpressionAttributeNames={"#rows": "rows"},
        ExpressionAttributeValues={":v": {"cell": "secret-12"}, ":c": "secret-32"},
    )
    assert read(table) == {
        **item,
        "rows": [[{"cell": "secret-11"}, {"cell": "secret-12"}], [], [{"cell": "secret-32"}]],
    }
    with pytest.raises(ProtectedAttributeError):
        table.update_item(
            Key=KEY, UpdateExpression="SET a[0].b[0] = :v", ExpressionAttributeValues={":v": {"y": 2, "c": "secret-c3"}}
        )


def test_a_filter_about_any_entity_refuses_the_name_of_a_path(
    raw: Any, resource: Any, encryptor: Encryptor, secrets: Secrets
) -> None:
    """Nobody knows whose items it finds."""
    entities = {"user": Entity({"profile.ssn": str}, key={"clinic": "n*"}), "other": Entity(key={"clinic": "s*"})}
    table = EncryptedTable(
        resource.Table("patients"), ProtectedTable("patients", encryptor, key=("clinic", "number"), entities=entities)
    )
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError):
        table.scan(
            FilterExpression="#p = :s",
            ExpressionAttributeNames={"#p": "profile.ssn"},
            ExpressionAttributeValues={":s": "219-09-9999"},
        )


def test_an_item_without_protected_values_needs_no_tenant(raw: Any, resource: Any, encryptor: Encryptor) -> None:
    """Though it has the map in which others have some."""
    description = ProtectedTable(
        "patients", encryptor, key=("clinic", "number"), tenant="owner", attributes={"profile.ssn": str}
    )
    table = EncryptedTable(resource.Table("patients"), description)
    table.put_item(Item={**KEY, "profile": {"city": "Oslo"}})
    assert read(table) == {**KEY, "profile": {"city": "Oslo"}}
    with pytest.raises(ProtectedAttributeError, match="owner"):
        table.put_item(Item={**KEY, "profile": {"ssn": "219-09-9999"}})
