"""The wiretap itself: it hears what is sent in the clear, and takes nothing else for it."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import boto3
import pytest
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.spi import FieldGroup
from tests.support.backends import BACKENDS
from tests.support.dynamodb import FIRST, DynamoDb
from tests.support.wiretap import Secrets, wiretap

SSN = "078-05-1120"
UUID_ = UUID("8c1f2f6e-0b5a-4d43-9a3c-1f6f0a1b2c3d")


@pytest.fixture
def table(moto: DynamoDb, secrets: Secrets) -> DynamoDb:
    """DynamoDB with a table, where the wiretap that all tests have looks away."""
    secrets.allow(SSN)
    moto.client().create_table(
        TableName="accounts",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    return moto


def put(value: Any) -> Callable[[DynamoDb], object]:
    """Put a value into an item."""
    item = {"id": "1", "secret": value}
    return lambda dynamodb: dynamodb.resource().Table("accounts").put_item(Item=item)


def update(dynamodb: DynamoDb) -> None:
    dynamodb.client().update_item(
        TableName="accounts",
        Key={"id": {"S": "1"}},
        UpdateExpression="SET secret = :secret",
        ExpressionAttributeValues={":secret": {"S": SSN}},
    )


def search(dynamodb: DynamoDb) -> None:
    dynamodb.client().scan(
        TableName="accounts", FilterExpression="secret = :s", ExpressionAttributeValues={":s": {"S": SSN}}
    )


def other_session(dynamodb: DynamoDb) -> None:
    client: Any = boto3.client(
        "dynamodb", FIRST, endpoint_url=dynamodb.endpoints[FIRST], aws_access_key_id="x", aws_secret_access_key="y"
    )
    client.get_item(TableName="accounts", Key={"id": {"S": SSN}})


def model(dynamodb: DynamoDb) -> None:
    class Account(Model):
        Meta = dynamodb.meta("accounts")
        id = UnicodeAttribute(hash_key=True)
        secret = UnicodeAttribute()

    Account("1", secret=SSN).save()


LEAKS: dict[str, tuple[Any, Callable[[DynamoDb], object]]] = {
    "a text": (SSN, put(SSN)),
    "a part of a text": (SSN, put(f"ssn: {SSN}.")),
    "deep in a document": (SSN, put({"a": [{"b": {SSN, "other"}}]})),
    "a name in a document": ({SSN: 1}, put({SSN: 2})),
    "bytes": (SSN, put(b"\x00" + SSN.encode() + b"\xff")),
    "base64": (SSN, put(base64.b64encode(SSN.encode()).decode())),
    "base64 in bytes": (SSN, put(base64.b64encode(SSN.encode()))),
    "an update": (SSN, update),
    "a search": (SSN, search),
    "another session": (SSN, other_session),
    "a model of PynamoDB": (SSN, model),
    "a short text": ("x", put("x")),
    "a number": (7, put(7)),
    "a number of another type": (7.0, put(Decimal("7.00"))),
    "digits": (1_234_567, put("no. 1234567")),
    "a truth value": (True, put(True)),
    "a date": (dt.date(2026, 11, 23), put("2026-11-23")),
    "a moment": (dt.datetime(2026, 11, 23, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))), put("2026-11-22T23:00:00Z")),
    "an id": (UUID_, put(UUID_.bytes)),
    "part of a secret": ({"ssn": [SSN]}, put(SSN)),
}


@pytest.mark.parametrize(("secret", "send"), LEAKS.values(), ids=LEAKS.keys())
def test_a_secret_that_is_sent_is_heard(table: DynamoDb, secret: Any, send: Callable[[DynamoDb], object]) -> None:
    """In whatever form, and by whichever client."""
    with pytest.raises(AssertionError, match="DynamoDB_20120810"), wiretap() as heard:  # noqa: PT012
        heard.add(secret)
        send(table)


SILENCE: dict[str, tuple[Any, Any]] = {
    "a short text in a longer one": ("x", "axb"),
    "a short number in a longer one": (7, 77),
    "a number in a text": (7, "7"),
    "a truth value and a number": (True, 1),
    "another value": (SSN, "078-05-1121"),
    "a short name": ({"id": 7}, 8),
    "nothing": (None, None),
}


@pytest.mark.parametrize(("secret", "sent"), SILENCE.values(), ids=SILENCE.keys())
def test_other_values_are_not_taken_for_a_secret(table: DynamoDb, secret: Any, sent: Any) -> None:
    """Short secrets count as a whole, and only among their like."""
    with wiretap() as heard:
        heard.add(secret)
        put(sent)(table)


def test_what_is_plain_on_purpose_may_be_allowed(table: DynamoDb) -> None:
    """A value that is secret in one attribute and a key in another."""
    with wiretap() as heard:
        heard.add(SSN)
        heard.allow(SSN)
        put(SSN)(table)


@pytest.fixture(params=BACKENDS)
def encryptor(request: pytest.FixtureRequest) -> Encryptor:
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), backend=request.param)


USES: dict[str, Callable[[Encryptor], object]] = {
    "encrypted": lambda encryptor: encryptor.field("a.b", str).encrypt(SSN),
    "encrypted with others": lambda encryptor: FieldGroup([encryptor.field("a.b", str)]).encrypt([SSN]),
    "tagged": lambda encryptor: encryptor.blind_index("a.b").tag(SSN),
    "searched for": lambda encryptor: encryptor.blind_index("a.b").tags(SSN),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_what_is_used_with_a_field_is_secret(
    table: DynamoDb, encryptor: Encryptor, use: Callable[[Encryptor], object]
) -> None:
    """Without a word of the test, and also if it was sent before."""
    with pytest.raises(AssertionError, match=SSN), wiretap():  # noqa: PT012
        put(SSN)(table)
        use(encryptor)


def test_what_was_decrypted_is_secret(table: DynamoDb, encryptor: Encryptor) -> None:
    """Though it was encrypted elsewhere."""
    field = encryptor.field("a.b", str)
    data = field.encrypt(SSN)
    with pytest.raises(AssertionError, match=SSN), wiretap():
        put(field.decrypt(data))(table)


def test_what_was_decrypted_with_others_is_secret(table: DynamoDb, encryptor: Encryptor) -> None:
    """Though it was encrypted elsewhere."""
    group = FieldGroup([encryptor.field("a.b", str)])
    data = group.encrypt([SSN])
    with pytest.raises(AssertionError, match=SSN), wiretap():
        put(group.decrypt(data)[0])(table)


def test_a_ciphertext_is_no_leak(table: DynamoDb, encryptor: Encryptor) -> None:
    """Nor is the tag beside it."""
    with wiretap():
        put(encryptor.field("a.b", str).encrypt(SSN))(table)
        put(encryptor.blind_index("a.b").tag(SSN))(table)
