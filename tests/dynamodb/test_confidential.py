"""No plaintext of a protected value is sent, whatever is asked in whatever way, and none is in an error."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from fieldcrypt import Encryptor, FieldcryptError
from fieldcrypt_dynamodb import EncryptedClient, EncryptedResource, EncryptedTable, IndexedBy, Protected, ProtectedTable
from tests.dynamodb.confidential import KINDS, NAME, Kind, create_table, narrowed, requests, shown, watched, wired
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.support.dynamodb import DynamoDb
from tests.support.wiretap import Secrets

Call = Callable[[str, dict[str, Any]], Any]


def of_client(dynamodb: DynamoDb, description: ProtectedTable, kind: Kind) -> Call:
    client = narrowed(EncryptedClient(dynamodb.client(), [description]), kind)
    return lambda operation, params: getattr(client, operation)(**wired(params))


def of_resource(dynamodb: DynamoDb, description: ProtectedTable, kind: Kind) -> Call:
    """Through its client, in Python's form."""
    client = narrowed(EncryptedResource(dynamodb.resource(), [description]), kind).meta.client
    return lambda operation, params: getattr(client, operation)(**params)


def of_table(dynamodb: DynamoDb, description: ProtectedTable, kind: Kind) -> Call:
    """Through its own methods, where it has them."""
    table = narrowed(EncryptedTable(dynamodb.resource().Table(NAME), description), kind)

    def call(operation: str, params: dict[str, Any]) -> Any:
        if "TableName" in params:
            return getattr(table, operation)(**{key: value for key, value in params.items() if key != "TableName"})
        if operation != "batch_write_item":
            return getattr(table.meta.client, operation)(**params)
        with table.batch_writer() as batch:
            for write in params["RequestItems"][NAME]:
                ((kind, each),) = write.items()
                (batch.put_item if kind == "PutRequest" else batch.delete_item)(**each)
        return None

    return call


def of_paginators(dynamodb: DynamoDb, description: ProtectedTable, kind: Kind) -> Call:
    client = narrowed(EncryptedClient(dynamodb.client(), [description]), kind)

    def call(operation: str, params: dict[str, Any]) -> Any:
        if operation in ("scan", "query"):
            return list(client.get_paginator(operation).paginate(**wired(params)))
        return getattr(client, operation)(**wired(params))

    return call


def refusal(call: Call, operation: str, params: dict[str, Any]) -> Exception | None:
    """Return what a request raises."""
    try:
        call(operation, params)
    except (FieldcryptError, TypeError, ValueError, AttributeError, ClientError) as error:
        return error
    return None


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("door", [of_client, of_resource, of_table, of_paginators])
def test_no_plaintext_is_sent_nor_shown(
    moto: DynamoDb, encryptor: Encryptor, secrets: Secrets, kind: Kind, door: Callable[..., Call]
) -> None:
    """By requests that are answered, and by those that are refused."""
    create_table(moto)
    call = door(moto, ProtectedTable(NAME, encryptor, key=["id"], **kind.how), kind)
    confidential = watched(kind, secrets)
    for (operation, params), must in requests(kind):
        refused = refusal(call, operation, params)
        assert not (must and refused), (operation, params, refused)
        assert not [text for text in confidential if text in shown(refused)], (operation, params)


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("scan", {"FilterExpression": "born = :a", "ExpressionAttributeValues": {":a": "2nd of July"}}),
        ("query", {"KeyConditionExpression": "day = :a", "ExpressionAttributeValues": {":a": "2nd of July"}}),
        ("put_item", {"Item": {"day": dt.date(1990, 7, 2), "born": "2nd of July"}}),
        ("get_item", {"Key": {"day": "2nd of July"}}),
        ("delete_item", {"Key": {"day": "2nd of July"}}),
        ("delete_item", {"Key": "2nd of July"}),
    ],
)
def test_a_text_that_is_no_value_is_in_no_error(
    raw: Any, resource: Any, encryptor: Encryptor, operation: str, params: dict[str, Any]
) -> None:
    """Nor in one behind it, as that of the parser."""
    by_day = Protected(dt.date, index=IndexedBy("clinic", rotates=False))
    born = Protected(dt.date, index="born_tag")
    described = ProtectedTable("patients", encryptor, key=["clinic"], attributes={"day": by_day, "born": born})
    table = EncryptedTable(resource.Table("patients"), described)
    with pytest.raises((TypeError, ValueError, ParamValidationError)) as caught:
        getattr(table, operation)(**params)
    assert "July" not in shown(caught.value)


def test_a_text_that_is_not_base64_is_in_no_error(encryptor: Encryptor) -> None:
    described = ProtectedTable("patients", encryptor, key=["id"], attributes={"photo": bytes})
    with pytest.raises(ValueError, match="base64") as caught:
        described.encrypt_item({"id": {"S": "1"}, "photo": {"B": "Gesicht mit Bärtchen"}}, form="json")
    assert "Gesicht" not in shown(caught.value)


def test_what_is_no_text_is_no_value_of_a_type_that_is_sent_as_text(raw: Any, encryptor: Encryptor) -> None:
    described = ProtectedTable("patients", encryptor, key=["id"], attributes={"number": uuid.UUID})
    with pytest.raises(TypeError, match=r"patients\.number of the item {'id': '1'}: expected the text of a UUID"):
        EncryptedClient(raw, [described]).put_item(TableName="patients", Item={"id": {"S": "1"}, "number": {"S": 5}})
