"""What is said to someone who begins, and gives something else than is expected."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from boto3.dynamodb.conditions import Attr

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt_dynamodb import (
    EncryptedClient,
    EncryptedTable,
    Entity,
    Protected,
    ProtectedAttributeError,
    ProtectedTable,
    decrypt_stream_record,
    of_tenant,
)
from tests.dynamodb.patients import ITEM, SSN
from tests.dynamodb.patients import description as description
from tests.dynamodb.patients import encryptor as encryptor


@pytest.fixture
def resource() -> Any:
    """One that nothing is sent with."""
    return boto3.resource("dynamodb", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"key": [{"AttributeName": "id", "KeyType": "HASH"}]}, 'people: key=\\("hash",\\)'),
        ({"attributes": ["ssn"]}, 'people: attributes={"ssn": str'),
        ({"attributes": {"ssn": "S"}}, "people.ssn: 'S' has no form"),
        ({"attributes": {"ssn": Protected()}}, "people.ssn: None has no form"),
        ({"attributes": {"ssn": list[str]}}, r"people.ssn: list\[str\] has no form"),
        ({"attributes": {"profile": {"ssn": str}}}, 'people.profile: .* by its path, "profile.…"'),
        ({"attributes": {"cards[0].number": str}}, r"cards\[0\].number: .* each element of a list, .* \[\]"),
        ({"attributes": {"cards[*].number": str}}, r"cards\[\*\].number: .* each element of a list"),
    ],
)
def test_a_wrong_description_says_which_part_of_it(encryptor: Encryptor, how: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ProtectedTable("people", encryptor, **{"key": ("id",), "attributes": {"ssn": str}, **how})


def test_an_entity_names_its_attributes_with_types() -> None:
    attributes: Any = ["name"]
    with pytest.raises(ConfigurationError, match=r'Entity\({"name": str'):
        Entity(attributes, key={"PK": "USER#*"})


def test_a_table_takes_a_table_and_its_description(resource: Any, description: ProtectedTable) -> None:
    """In this order."""
    wrapped: Any = EncryptedTable
    table = resource.Table("patients")
    for given in (description, table), (table, {"ssn": str}):
        with pytest.raises(ConfigurationError, match="is not a ProtectedTable"):
            wrapped(*given)
    for other in ("patients", resource, resource.meta.client, wrapped(table, description)):
        with pytest.raises(ConfigurationError, match="is not a boto3 Table"):
            wrapped(other, description)


def test_a_client_takes_a_list_of_descriptions(resource: Any, description: ProtectedTable) -> None:
    tables: Any = description
    with pytest.raises(TypeError, match=r"a list of ProtectedTable objects, as \[patients\]"):
        EncryptedClient(resource.meta.client, tables)


def test_a_condition_that_is_refused_says_what_would_work(resource: Any, description: ProtectedTable) -> None:
    table = EncryptedTable(resource.Table("patients"), description)
    with pytest.raises(ProtectedAttributeError, match=r"email_tag .* ask for 'email'"):
        table.scan(FilterExpression=Attr("email_tag").eq(b"ann@example.org"))
    for condition, declared in ((Attr("ssn").eq(SSN), '"…"'), (Attr("ssn").between("1", "2"), "of=Range")):
        with pytest.raises(ProtectedAttributeError, match=f"has no index that answers .*IndexedBy.*{declared}"):
            table.scan(FilterExpression=condition)


def test_a_misspelled_parameter_is_refused_as_one_that_is_not_known(resource: Any, description: ProtectedTable) -> None:
    table = EncryptedTable(resource.Table("patients"), description)
    with pytest.raises(ProtectedAttributeError, match="get_item: key is not a parameter that fieldcrypt knows"):
        table.get_item(key={"clinic": "north", "number": 1})


def test_tenants_are_named_where_there_are_some(resource: Any, encryptor: Encryptor) -> None:
    """Else all items would be taken for that tenant's."""
    people = ProtectedTable("people", encryptor, key=["id"], attributes={"ssn": str})
    for each in (
        people,
        EncryptedTable(resource.Table("people"), people),
        EncryptedClient(resource.meta.client, [people]),
    ):
        with pytest.raises(ConfigurationError, match="people has no tenants: tenant="):
            of_tenant(each, "clinic-7")


def test_a_key_in_the_form_of_a_client_is_none_of_a_table(description: ProtectedTable) -> None:
    """Nor is None a tenant; both are told by the type that is named."""
    with pytest.raises(TypeError, match="the key or the tenant is a text, a number or binary, not a dict"):
        description.encrypt_item({**ITEM, "number": {"N": "1"}})
    with pytest.raises(TypeError, match="not a NoneType"):
        description.encrypt_item({**ITEM, "clinic": None})


@pytest.mark.parametrize(("to", "form"), [("dynamodb", "python"), ("json", "python"), ("json", "dynamodb")])
@pytest.mark.parametrize("on_unreadable", ["raise", "mark"])
def test_an_item_that_has_another_form_is_not_taken_for_an_unencrypted_one(
    description: ProtectedTable, to: Any, form: Any, on_unreadable: Any
) -> None:
    item = description.encrypt_item(ITEM, to=to)
    with pytest.raises(TypeError, match='form="'):
        description.decrypt_item(item, form=form, on_unreadable=on_unreadable)


def test_a_line_of_an_export_is_no_item(description: ProtectedTable) -> None:
    line = {"Item": description.encrypt_item(ITEM, to="json")}
    with pytest.raises(TypeError, match="expected values in DynamoDB's form"):
        description.decrypt_item(line, form="json")


def test_a_stream_is_decrypted_record_by_record(description: ProtectedTable) -> None:
    decrypt: Any = decrypt_stream_record
    with pytest.raises(ValueError, match=r'event\["Records"\]'):
        decrypt({"Records": []}, description)
    with pytest.raises(ValueError, match="decoded"):
        decrypt('{"dynamodb": {}}', description)
    with pytest.raises(TypeError, match="takes a ProtectedTable, not a list"):
        decrypt({"dynamodb": {"Keys": {}}}, [description])
