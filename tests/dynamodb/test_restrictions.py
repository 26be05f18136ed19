"""DynamoDB's restrictions that emulators do not check: what leaves here keeps to the documented numbers.

Source: "Quotas and constraints in Amazon DynamoDB", Amazon DynamoDB Developer Guide, and the API Reference of each
operation. What a request grows by here (tags in place of values, conditions, attributes beside those that were asked
for) must not break what the application's own request kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, Encryptor, FieldcryptError, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_dynamodb import (
    EncryptedClient,
    EncryptedTable,
    IndexedBy,
    ItemSeal,
    Protected,
    ProtectedAttributeError,
    ProtectedTable,
    of_tenant,
)
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, encrypted
from tests.dynamodb.confidential import KINDS, Kind, create_table, narrowed, requests, watched, wired
from tests.support.dynamodb import DynamoDb
from tests.support.wiretap import Secrets

EXPRESSION, OPERATORS, OPERANDS, PLACEHOLDER, VARIABLES = 4_096, 300, 100, 255, 2 * 1_048_576  # bytes, or how many
WRITES, GETS, ACTIONS = 25, 100, 100  # of one request
RANGE_KEY = 1_024  # bytes; a hash key may have twice as many

WORDS = {"AND", "OR", "NOT", "IN", "BETWEEN"}
CLAUSES = {"SET", "REMOVE", "ADD", "DELETE"}
FUNCTIONS = {"attribute_exists", "attribute_not_exists", "begins_with", "contains", "if_not_exists", "list_append"} | {
    "size"
}
# Names in the requests of tests/dynamodb/confidential.py, which are the application's.
OWN_NAMES = {"id", "email", "ssn", "ward", "balance", "notes", "photo", "profile", "city", "addresses", "street"} | {
    *("phones", "number", "kind", "born", "salary"),
}


def tokens(text: str) -> list[str]:
    return re.findall(r"[#:]?\w+|<>|<=|>=|[=<>+\-,()\[\].]", text)


def broken_by_expression(parameter: str, text: str) -> Iterator[str]:
    """Yield what one expression breaks."""
    found = tokens(text)
    signs = {"+", "-"} if parameter == "UpdateExpression" else {"=", "<>", "<", "<=", ">", ">="}
    operators = sum(each in signs | WORDS | FUNCTIONS for each in found)
    if len(text.encode()) > EXPRESSION or operators > OPERATORS:
        yield f"{len(text.encode())} bytes, {operators} operators"
    lists = [each.count(",") + 1 for each in re.findall(r"IN \(([^)]*)\)", text)]
    yield from (f"a list of {length}" for length in lists if length > OPERANDS)
    known = WORDS | CLAUSES | FUNCTIONS | OWN_NAMES
    yield from (f"{each} is bare" for each in found if each[0].isalpha() and each not in known)
    if re.search(r"\(\([^()]*\)\)", re.sub(r"\w+ ?\([^()]*\)", "x", text)):
        yield f"redundant parentheses: {text}"
    if parameter == "KeyConditionExpression" and not {"OR", "IN", "NOT"}.isdisjoint(found):
        yield f"several at once: {text}"


def broken_by_part(part: dict[str, Any]) -> Iterator[str]:
    """Yield what a request breaks, or a part of it that has expressions of its own."""
    expressions = {key: text for key, text in part.items() if key.endswith("Expression")}
    for parameter, text in expressions.items():
        yield from (f"{parameter}: {each}" for each in broken_by_expression(parameter, text))
    names, values = part.get("ExpressionAttributeNames", {}), part.get("ExpressionAttributeValues", {})
    used = {each for text in expressions.values() for each in tokens(text) if each[0] in "#:"}
    yield from (f"{each} is not both used and defined" for each in used ^ (names.keys() | values.keys()))
    yield from (f"{each} is too long" for each in used if len(each) > PLACEHOLDER)
    if len(str(names)) + len(str(values)) > VARIABLES:
        yield "too many substitution variables"
    for parameter in ("ProjectionExpression", "UpdateExpression"):
        found = sorted(targets(tokens(part.get(parameter, "")), names))
        yield from (f"{one} and {other} overlap" for one, other in pairwise(found) if other[: len(one)] == one)


def targets(found: list[str], names: dict[str, str]) -> Iterator[list[str]]:
    """Yield the paths that a projection reads or an update changes, in their segments."""
    depth = 0
    path: list[str] | None = None
    for each in [",", *found]:
        depth += (each == "(") - (each == ")")
        if depth == 0 and (each == "," or each in CLAUSES):
            if path:
                yield path
            path = []
        elif each == "=" or each.startswith(":"):
            if path:
                yield path
            path = None
        elif path is not None and each not in ".[]":
            path.append(names.get(each, each))
    if path:
        yield path


def broken(operation: str, body: dict[str, Any]) -> list[str]:
    """Return the restrictions that a request breaks."""
    of_tables = list(body.get("RequestItems", {}).values())
    actions = [action for each in body.get("TransactItems", ()) for action in each.values()]
    found = [each for part in (body, *actions, *of_tables) if isinstance(part, dict) for each in broken_by_part(part)]
    items = sum(len(each["Keys"] if isinstance(each, dict) else each) for each in of_tables)
    if items > (GETS if operation == "BatchGetItem" else WRITES) or len(actions) > ACTIONS:
        found.append(f"{items or len(actions)} items")
    return found


@pytest.fixture
def sent(secrets: Secrets) -> Iterator[Callable[[], list[tuple[str, Any]]]]:
    """What a test has sent to DynamoDB; it must have kept to the restrictions."""
    secrets.allow("x")
    yield lambda: secrets.bodies("DynamoDB_20120810")
    requests = secrets.bodies("DynamoDB_20120810")
    assert requests
    assert not [each for operation, body in requests for each in broken(operation, body)]


# Reserved words, all of them: the requests below name them by placeholders.
ATTRIBUTES: dict[str, Any] = {"name": Protected(str, index="status"), "size": str, "year": int}
NAMES = {"#n": "name", "#s": "size", "#y": "year", "#w": "view"}


@pytest.fixture
def encryptor() -> Encryptor:
    """One whose index key rotates, so that each value has two tags."""
    provider, store, other = LocalKeyProvider.generate(), MemoryKeyStore(), MemoryKeyStore()
    for each in (store, other):
        Encryptor(provider, each).blind_index("people.name").tag("x")
    for key_id in other.key_ids():
        store.add(other.get(key_id))
    encryptor = Encryptor(provider, store)
    assert len(encryptor.blind_index("people.name").tags("x")) == 2
    return encryptor


@pytest.fixture
def table(moto: DynamoDb) -> Any:
    index = {"KeySchema": [{"AttributeName": "status", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
    return moto.resource().create_table(
        TableName="people",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "status", "AttributeType": "B"},
        ],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[{"IndexName": "by_name", **index}],
    )


@pytest.fixture
def people(table: Any, encryptor: Encryptor) -> EncryptedTable:
    return EncryptedTable(table, ProtectedTable("people", encryptor, key=["id"], attributes=ATTRIBUTES))


@pytest.fixture
def sealed(table: Any, encryptor: Encryptor) -> EncryptedTable:
    """With a seal, and with tenants, which updates need conditions for."""
    seal = ItemSeal("state", over=("size", "level"))
    described = ProtectedTable("people", encryptor, key=["id"], tenant="group", attributes=ATTRIBUTES, seal=seal)
    return of_tenant(EncryptedTable(table, described), "north")


@pytest.fixture
def client(moto: DynamoDb, table: Any, encryptor: Encryptor) -> EncryptedClient:
    return EncryptedClient(moto.client(), [ProtectedTable("people", encryptor, key=["id"], attributes=ATTRIBUTES)])


def many(number: int) -> list[str]:
    return [f"person {each}" for each in range(number)]


@pytest.mark.parametrize("number", [1, 50, 60, 100])
def test_a_search_for_many_values(people: EncryptedTable, sent: Any, number: int) -> None:
    """Which have twice as many tags, and one list takes a hundred."""
    people.put_item(Item={"id": "1", "name": "person 0"})
    assert people.scan(FilterExpression=Attr("name").is_in(many(number)))["Count"] == 1
    assert len(sent()[-1][1]["ExpressionAttributeValues"]) == 2 * number


def test_a_search_that_grows_beyond_an_expression_is_refused(
    people: EncryptedTable, sent: Any, secrets: Secrets
) -> None:
    """Before anything is sent; without protected values it is DynamoDB's affair."""
    long: Any = Attr("name").is_in(many(100))
    for part in range(1, 4):
        long |= Attr("name").is_in([f"{each}, {part}" for each in many(100)])
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError, match=r"FilterExpression .* bytes.* 4,096"):
        people.scan(FilterExpression=long)
    people.scan(FilterExpression=Attr("name").is_in(many(100)))


def test_a_search_that_grows_beyond_the_operators_is_refused(
    people: EncryptedTable, sent: Any, secrets: Secrets
) -> None:
    """Two lists are joined by OR."""
    alone: Any = Attr("view").eq(0)
    for number in range(1, 149):
        alone |= Attr("view").eq(number)
    people.scan(FilterExpression=alone | Attr("name").is_in(many(50)))  # 299
    with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError, match=r"301 operators.* 300"):
        people.scan(FilterExpression=alone | Attr("name").is_in(many(60)))


def test_a_query_asks_for_one_tag_at_a_time(people: EncryptedTable, sent: Any) -> None:
    """As the key of an index is one value."""
    found = people.query(
        IndexName="by_name",
        KeyConditionExpression=Key("name").eq("x"),
        FilterExpression=Attr("view").gt(1),
        ProjectionExpression="#s, #w",
        ExpressionAttributeNames={"#s": "size", "#w": "view"},
    )
    assert not found["Items"]
    assert [operation for operation, _ in sent()].count("Query") == 2


def test_an_update_of_all_attributes(sealed: EncryptedTable, sent: Any) -> None:
    """Has the tag as well, and conditions on tenant and seal beside its own."""
    sealed.put_item(Item={"id": "1", "group": "north", "size": "large"})
    sealed.update_item(
        Key={"id": "1"},
        UpdateExpression="SET #n = :n, #y = if_not_exists(#y, :y), #w = :w",
        ConditionExpression=Attr("id").exists() | Attr("view").eq(1),
        ExpressionAttributeNames={"#n": "name", "#y": "year", "#w": "view"},
        ExpressionAttributeValues={":n": "x", ":y": 1990, ":w": 2},
    )
    _, body = sent()[-1]
    assert body["UpdateExpression"].count(" = ") == 4
    assert body["ConditionExpression"].count(" AND ") == 2


def test_a_projection_reads_nothing_twice(sealed: EncryptedTable, sent: Any) -> None:
    """Under the application's placeholder, and one of fieldcrypt's."""
    sealed.put_item(Item={"id": "1", "group": "north", "size": "large", "level": 3})
    names = {"#i": "id", "#g": "group", "#s": "size"}
    found = sealed.get_item(Key={"id": "1"}, ProjectionExpression="#i, #g, #s", ExpressionAttributeNames=names)
    assert found["Item"] == {"id": "1", "group": "north", "size": "large"}


def test_a_batch_writer_sends_no_more_than_a_batch(people: EncryptedTable, sent: Any) -> None:
    """However many are put, and however large they become."""
    with people.batch_writer() as batch:
        for number in range(60):
            batch.put_item(Item={"id": str(number), "name": f"person {number}", "size": "x" * 9_000})
    assert [len(body["RequestItems"]["people"]) for _, body in sent() if "RequestItems" in body] == [25, 25, 10]


def test_the_largest_batches_and_transactions_stay_as_large(client: EncryptedClient, sent: Any) -> None:
    """Nothing is added to them but what is in an item, or in its expressions."""
    actions: list[Any] = [
        {
            "Update": {
                "TableName": "people",
                "Key": {"id": {"S": str(number)}},
                "UpdateExpression": "SET #n = :n",
                "ConditionExpression": "#n = :n OR attribute_not_exists(#n)",
                "ExpressionAttributeNames": {"#n": "name"},
                "ExpressionAttributeValues": {":n": {"S": f"person {number}"}},
            }
        }
        for number in range(ACTIONS)
    ]
    client.transact_write_items(TransactItems=actions)
    keys = [{"id": {"S": str(number)}} for number in range(GETS)]
    asked = {"Keys": keys, "ProjectionExpression": "#n, #y", "ExpressionAttributeNames": {"#n": "name", "#y": "year"}}
    found = client.batch_get_item(RequestItems={"people": asked})["Responses"]["people"]
    assert len(found) == GETS


@pytest.mark.parametrize("size", [1, 32])
def test_tags_have_room_in_keys(table: Any, encryptor: Encryptor, sent: Any, size: int) -> None:
    """Of tables and indexes, the range key of which is the shorter one; and they are never empty."""
    how = {"name": Protected(str, index=IndexedBy("status", tag_size=size))}
    people = EncryptedTable(table, ProtectedTable("people", encryptor, key=["id"], attributes=how))
    people.put_item(Item={"id": "1", "name": "n" * 9_000})
    assert 1 <= len(table.get_item(Key={"id": "1"})["Item"]["status"].value) <= RANGE_KEY


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_requests_of_every_kind(moto: DynamoDb, encryptor: Encryptor, secrets: Secrets, kind: Kind, sent: Any) -> None:
    """Whatever conditions, paths and attributes they get."""
    create_table(moto)
    watched(kind, secrets)
    description = ProtectedTable("people", encryptor, key=["id"], **kind.how)
    client = narrowed(EncryptedClient(moto.client(), [description]), kind)
    for (operation, params), _ in requests(kind):
        with suppress(FieldcryptError, TypeError, ValueError, ClientError):
            getattr(client, operation)(**wired(params))


def test_a_prefix_leaves_room_for_the_tag() -> None:
    """Of 64 hexadecimal digits at most."""
    assert IndexedBy("status", prefix="x" * (RANGE_KEY - 64), tag_size=32)
    with pytest.raises(ConfigurationError, match=r"more than 1,024 bytes"):
        IndexedBy("status", prefix="\N{BULLET}" * 331)


class TestPynamo:
    @pytest.fixture
    def person(self, moto: DynamoDb, table: Any, encryptor: Encryptor) -> Any:
        @encrypted(encryptor)
        class Person(Model):
            Meta = moto.meta("people")
            id = UnicodeAttribute(hash_key=True)
            name = EncryptedAttribute(UnicodeAttribute(), index="status")
            status = BlindIndexAttribute()
            view = NumberAttribute(null=True)

        return Person

    @pytest.mark.parametrize("number", [50, 60, 100])
    def test_a_search_for_many_values(self, person: Any, sent: Any, number: int) -> None:
        """As with boto3."""
        person("1", name="person 0").save()
        assert len(list(person.scan(person.name.is_in(*many(number))))) == 1

    def test_an_update(self, person: Any, sent: Any) -> None:
        """Has the tag as well."""
        one = person("1", name="person 0")
        one.save()
        one.update(actions=[person.name.set("x"), person.view.set(1)], condition=person.view.does_not_exist())
