"""Every operation and parameter of boto3's DynamoDB is known: a new one fails here before it leaves unwatched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.session
import pytest
from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder, Key
from botocore import xform_name
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_dynamodb import (
    EncryptedClient,
    EncryptedResource,
    EncryptedTable,
    IndexedBy,
    ItemSeal,
    Protected,
    ProtectedAttributeError,
    ProtectedTable,
)
from fieldcrypt_dynamodb.expression.conditions import rewrite
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.syntax import Node, conditions
from fieldcrypt_dynamodb.expression.updates import Update
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_dynamodb.request.operations import ENCRYPTED, NOT_ON_PROTECTED, PASSED
from fieldcrypt_dynamodb.request.parameters import KNOWN, LEGACY
from fieldcrypt_dynamodb.request.table import TableRequests
from fieldcrypt_dynamodb.table import PASSED as TABLE_PASSED
from tests.support.strategies import relaxed

MODEL = botocore.session.get_session().get_service_model("dynamodb")
TABLE = ProtectedTable(
    "t",
    Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()),
    key=["id"],
    attributes={"ssn": str, "email": Protected(str, index=IndexedBy("tag", normaliser="casefold"))},
)


def holds_items(shape: Any, seen: frozenset[str] = frozenset()) -> bool:
    """Return True if there is an attribute's value in a shape."""
    if shape is None or shape.name in seen:
        return False
    if shape.name == "AttributeValue":
        return True
    seen |= {shape.name}
    inner = list(getattr(shape, "members", {}).values())
    inner += [getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)]
    return any(holds_items(each, seen) for each in inner)


@pytest.mark.parametrize("operation", MODEL.operation_names)
def test_every_operation_is_encrypted_or_refused_or_carries_no_item(operation: str) -> None:
    """By botocore's model of the service."""
    name = xform_name(operation)
    assert [name in group for group in (ENCRYPTED, NOT_ON_PROTECTED, PASSED)].count(True) == 1
    shape = MODEL.operation_model(operation)
    if name in PASSED and name != "describe_export":  # which tells the filter of an export
        assert not holds_items(shape.input_shape)
        assert not holds_items(shape.output_shape)


@pytest.mark.parametrize("operation", sorted(KNOWN))
def test_every_parameter_is_handled_or_refused(operation: str) -> None:
    (model,) = (MODEL.operation_model(each) for each in MODEL.operation_names if xform_name(each) == operation)
    shape: Any = model.input_shape
    assert set(shape.members) - LEGACY - KNOWN[operation] == set()


@pytest.mark.parametrize(
    ("shape", "members"),
    [
        (
            "KeysAndAttributes",
            {"Keys", "AttributesToGet", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"},
        ),
        ("WriteRequest", {"PutRequest", "DeleteRequest"}),
        ("TransactGetItem", {"Get"}),
        ("TransactWriteItem", {"ConditionCheck", "Put", "Delete", "Update"}),
        ("AttributeValue", {"S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL"}),
    ],
)
def test_what_batches_and_transactions_are_made_of_is_known(shape: str, members: set[str]) -> None:
    found: Any = MODEL.shape_for(shape)
    assert set(found.members) == members


@pytest.fixture
def resource() -> Any:
    return boto3.resource("dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


def test_every_member_of_a_table_is_known(resource: Any) -> None:
    """Those of boto3 that are not passed on are encrypted, or refused here by name."""
    plain, encrypted = resource.Table("t"), EncryptedTable(resource.Table("t"), TABLE)
    handled = {name for name in dir(EncryptedTable) if not name.startswith("_")}
    members = {name for name in dir(plain) if not name.startswith("_")}
    assert members - handled - TABLE_PASSED == {"get_available_subresources"}
    with pytest.raises(ProtectedAttributeError):
        encrypted.get_available_subresources()


def test_every_member_of_a_resource_is_known(resource: Any) -> None:
    """Of boto3's collections of tables, none encrypts."""
    handled = {name for name in dir(EncryptedResource) if not name.startswith("_")}
    members = {name for name in dir(resource) if not name.startswith("_")}
    assert members - handled == {"get_available_subresources", "tables"}


def test_every_member_of_a_meta_is_known(resource: Any) -> None:
    """Both of a Table's and of a resource's."""
    for wrapper, wrapped in (
        (EncryptedTable(resource.Table("t"), TABLE), resource.Table("t")),
        (EncryptedResource(resource, [TABLE]), resource),
    ):
        members = {name for name in dir(wrapped.meta) if not name.startswith("_")}
        assert {name for name in members if not hasattr(wrapper.meta, name)} == {"copy"}
        assert isinstance(wrapper.meta.client, EncryptedClient)


def test_every_member_of_a_client_is_known(resource: Any) -> None:
    plain = resource.meta.client
    encrypted = EncryptedClient(plain, [TABLE])
    operations = ENCRYPTED | PASSED | set(NOT_ON_PROTECTED)
    for name in {name for name in dir(plain) if not name.startswith("_")} - operations:
        if name in ("can_paginate", "close", "exceptions", "get_paginator", "get_waiter", "meta", "waiter_names"):
            assert getattr(encrypted, name) is not None
        else:
            assert name == "generate_presigned_url"
            with pytest.raises(ProtectedAttributeError):
                getattr(encrypted, name)


# Expressions

_SIGNS = r"""ssn email tag ward #s #e #w :a :b = <> < >= ( ) , . [ ] 0 + - ' " ; --"""
_NAMES = "AND OR NOT IN BETWEEN SET REMOVE ADD DELETE if_not_exists list_append attribute_exists size contains \u00e9"
WORDS = st.sampled_from([*_SIGNS.split(), *_NAMES.split()])
TEXTS = st.lists(WORDS, min_size=1, max_size=14).map(" ".join)
NAMES = {"#s": "ssn", "#e": "email", "#w": "ward"}
SECRET = "a secret that must not leave"


SEALED = ProtectedTable(
    "t",
    Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()),
    key=["id"],
    attributes={"email": Protected(str, index="tag")},
    seal=ItemSeal("seal", ("email",)),
)
OPEN = ProtectedTable(
    "t", Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()), key=["id"], attributes={"other": str}
)  # the same, with nothing of it protected


def rewritten(given: dict[str, Any], change: Callable[[Placeholders], str]) -> dict[str, Any] | None:
    """What would leave; None if it is refused."""
    (name,) = given
    request = {**given, "ExpressionAttributeNames": NAMES}
    try:
        places = Placeholders({**request, "ExpressionAttributeValues": {":a": "plain", ":b": SECRET}}, PYTHON)
        request[name] = change(places)
        places.put_into(request)
    except ProtectedAttributeError:
        return None
    return request


def roots(node: Node) -> set[str]:
    """The attributes in a condition."""
    own = {node.path.root} if node.path is not None else set()
    return own.union(*map(roots, node.parts))


def parts(node: Node) -> Iterator[Node]:
    """The conditions that a condition is made of."""
    if node.kind in ("and", "or", "not"):
        for part in node.parts:
            yield from parts(part)
    else:
        yield node


@given(TEXTS, st.sampled_from(["ward = :a AND ", "attribute_exists(ssn) OR ", ""]))
@relaxed
def test_no_condition_leaves_that_compares_a_protected_attribute(text: str, before: str) -> None:
    """Whatever it looks like."""

    def change(places: Placeholders) -> str:
        return rewrite(before + text, TABLE, places, PYTHON, None, compares=True).text

    request = rewritten({"FilterExpression": before + text}, change)
    if request is not None:
        for part in parts(conditions(request["FilterExpression"], request.get("ExpressionAttributeNames", {}))):
            assert part.kind in ("attribute_exists", "attribute_not_exists") or not roots(part) & {"ssn", "email"}
            if "tag" in roots(part):
                values = [request["ExpressionAttributeValues"][each.value] for each in part.parts if each.value]
                assert all(value.keys() == {"B"} for value in values)


@given(TEXTS, st.sampled_from(["SET ", "REMOVE ", "ADD ", "SET ssn = :b, "]))
@relaxed
def test_no_update_leaves_that_sets_a_protected_attribute_to_plaintext(text: str, before: str) -> None:
    items = Items(TABLE, PYTHON)

    def change(places: Placeholders) -> str:
        update = Update(before + text, items, places)
        return update.rewritten({"id": "1"}, items.binding({"id": "1"}) if update.protected else None)

    request = rewritten({"UpdateExpression": before + text}, change)
    if request is not None:
        left = Update(request["UpdateExpression"], Items(OPEN, PYTHON), Placeholders(request, PYTHON))
        for path, value, _ in left._sets:
            if path.root in ("ssn", "email", "tag"):
                name = value.value or value.parts[1].value
                assert name is not None
                assert request["ExpressionAttributeValues"][name].keys() == {"B"}
        assert all(clause == "REMOVE" or path.root == "ward" for clause, path, _ in left._others)


@pytest.mark.parametrize(
    "text",
    [
        "ward = :a",
        "a.b[0].c = :a AND NOT (size(d) > :a OR e BETWEEN :a AND :b) AND f IN (:a, :b) AND contains(g, :a)",
        "attribute_exists(ssn) and attribute_not_exists(#e) or #w<>:a",
    ],
)
def test_what_has_nothing_to_do_with_protected_attributes_leaves_as_it_is(text: str) -> None:
    places = Placeholders({"FilterExpression": text, "ExpressionAttributeNames": NAMES}, WIRE)
    assert rewrite(text, TABLE, places, WIRE, None, compares=True).text == text


@pytest.mark.parametrize("text", ["(#e = :a)AND(ward = :b)OR(#e = :a)", "NOT(#e = :a)AND NOT(ward = :b)"])
def test_words_stay_apart(text: str) -> None:
    """Also where only parentheses stood between them."""
    places = Placeholders(
        {
            "FilterExpression": text,
            "ExpressionAttributeNames": NAMES,
            "ExpressionAttributeValues": {":a": "x", ":b": 1},
        },
        PYTHON,
    )
    found = rewrite(text, TABLE, places, PYTHON, None, compares=True).text
    assert re.sub(r":fc\d+", ":a", re.sub(r"#fc\d+", "#e", found)) == text


@pytest.mark.parametrize("text", ["email IN ({0})", "(email IN ({0}))", "NOT email IN ({0})"])
def test_no_list_is_longer_than_dynamodb_takes(text: str) -> None:
    """Which lists of values become while an index key rotates, for they have two tags then."""
    Items(TABLE, PYTHON).encrypted({"id": "1", "email": "x"})  # before there is a key, there are no tags
    values = {f":v{number}": str(number) for number in range(250)}
    places = Placeholders({"ExpressionAttributeValues": values}, PYTHON)
    found = rewrite(text.format(", ".join(values)), TABLE, places, PYTHON, None, compares=True).text
    assert [len(each.split(",")) for each in found.split(" OR ")] == [100, 100, 50]
    assert found.removeprefix("NOT ").startswith("(#")
    assert found.endswith("))")
    assert conditions(found, places.names)


@pytest.mark.parametrize(
    "text",
    [
        "SET a = :a, b.c[1] = b.c[0] + :b, d = if_not_exists(e, :a) REMOVE f, g[2] ADD h :a DELETE i :b",
        "SET a = list_append(:a, b.c), d = (e - :a)",
    ],
)
def test_so_do_updates(text: str) -> None:
    places = Placeholders({"UpdateExpression": text}, WIRE)
    assert Update(text, Items(TABLE, WIRE), places).rewritten({}, None) == text


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (Attr("ward").eq(1) & Attr("email").eq("x"), "(#n0 = :v0 AND #tag = :tag)"),
        (Attr("ward").eq(1) | Attr("email").eq("x"), "(#n0 = :v0 OR #tag = :tag)"),
        ("a = :a AND b = :b", "a = :a AND b = :b"),
        ("a = :a OR b = :b", "(a = :a OR b = :b)"),
        ("(a = :a OR b = :b) OR NOT a = :b", "((a = :a OR b = :b) OR NOT a = :b)"),
        ("(a = :a) OR (b = :b)", "((a = :a) OR (b = :b))"),
        ("NOT (a = :a OR b = :b)", "NOT (a = :a OR b = :b)"),
    ],
)
def test_what_an_update_adds_to_a_condition_needs_no_redundant_parentheses(given: Any, sent: str) -> None:
    """Which DynamoDB refuses; neither moto nor ministack does."""
    values = {} if not isinstance(given, str) else {"ExpressionAttributeValues": {":a": 1, ":b": 2}}
    request = TableRequests(SEALED, PYTHON).update({"Key": {"id": "1"}, "ConditionExpression": given, **values})
    found = request["ConditionExpression"]
    for placeholder, name in request["ExpressionAttributeNames"].items():
        found = found.replace(placeholder, f"#{name}") if name in ("seal", "tag") else found
    found = re.sub(r":fc\d+", ":tag", found)
    assert found == f"attribute_exists(#seal) AND {sent}"


def test_a_condition_of_boto3_s_takes_the_room_that_boto3_gives_it() -> None:
    """An expression has 4 KB, which some hundred values fill."""
    wards: ConditionBase = Attr("ward").is_in([*range(90)])
    for number in range(1, 6):
        wards |= Attr(f"ward_{number}").is_in([*range(99)])
    request = next(TableRequests(TABLE, PYTHON).scan({"FilterExpression": wards}))
    assert request["FilterExpression"] == ConditionExpressionBuilder().build_expression(wards).condition_expression
    assert 3_800 < len(request["FilterExpression"]) < 4_096


def test_placeholders_of_two_conditions_and_of_the_application_are_different_ones() -> None:
    """boto3 replaces the application's by its own, if they are called alike."""
    request = next(
        TableRequests(TABLE, PYTHON).query(
            {
                "KeyConditionExpression": Key("id").eq("1"),
                "FilterExpression": Attr("ward").eq(5) & Attr("bed").eq(6),
                "ProjectionExpression": "#n0",
                "ExpressionAttributeNames": {"#n0": "name"},
            }
        )
    )
    names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
    shown = {name: request[name] for name in ("KeyConditionExpression", "FilterExpression", "ProjectionExpression")}
    for placeholder, content in {**names, **values}.items():
        shown = {name: re.sub(rf"{placeholder}\b", str(content), text) for name, text in shown.items()}
    assert shown == {
        "KeyConditionExpression": "id = {'S': '1'}",
        "FilterExpression": "(ward = {'N': '5'} AND bed = {'N': '6'})",
        "ProjectionExpression": "name",
    }


def test_what_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(ProtectedAttributeError, match="too many nested parentheses"):
        conditions("(" * 900 + "ward = :ward" + ")" * 900, {})


def test_errors_of_aws_keep_their_class(resource: Any) -> None:
    """So that `except client.exceptions.…` goes on working."""
    client = EncryptedClient(resource.meta.client, [TABLE])
    assert issubclass(client.exceptions.ConditionalCheckFailedException, ClientError)
