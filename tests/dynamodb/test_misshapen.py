"""Parameters without the shape that boto3's have: its error, about the wrapper's own tables too, and without values."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ParamValidationError

from fieldcrypt_dynamodb import (
    EncryptedClient,
    EncryptedResource,
    EncryptedTable,
    ProtectedAttributeError,
    ProtectedTable,
)
from tests.dynamodb.patients import KEY, SSN, WIRE_ITEM, WIRE_KEY
from tests.dynamodb.patients import client as client
from tests.dynamodb.patients import description as description
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.dynamodb.patients import table as table
from tests.support.dynamodb import OnMoto
from tests.support.wiretap import Secrets


class TestOneItem(OnMoto):
    @pytest.mark.parametrize(
        ("operation", "params", "says"),
        [
            ("put_item", {}, 'Missing required parameter in input: "Item"'),
            ("put_item", {"Item": f'{{"ssn": "{SSN}"}}'}, r"Invalid type for parameter Item, type: <class .str.>"),
            ("get_item", {"Key": KEY, "ProjectionExpression": None}, "parameter ProjectionExpression, .*NoneType"),
            ("get_item", {"Key": KEY, "ExpressionAttributeNames": 5}, "parameter ExpressionAttributeNames, .*int"),
            ("update_item", {"Key": KEY, "UpdateExpression": ["ssn"]}, "parameter UpdateExpression, .*list"),
            ("query", {"KeyConditionExpression": None}, "parameter KeyConditionExpression, .*NoneType"),
            ("scan", {"FilterExpression": True}, "parameter FilterExpression, .*bool"),
            ("scan", {"FilterExpression": None, "on_unreadable": "mark"}, r"FilterExpression, .*ConditionBase$"),
        ],
    )
    def test_a_table_says_what_boto3_s_says(
        self, table: EncryptedTable, secrets: Secrets, operation: str, params: dict[str, Any], says: str
    ) -> None:
        with secrets.nothing_is_sent(), pytest.raises(ParamValidationError, match=says) as refused:
            getattr(table, operation)(**params)
        assert SSN not in f"{refused.value!r} {refused.value.__cause__!r} {refused.value.__context__!r}"


class TestSeveralItems(OnMoto):
    @pytest.mark.parametrize(
        ("operation", "params", "says"),
        [
            ("batch_get_item", {"RequestItems": [SSN]}, "parameter RequestItems, type: .*list"),
            ("batch_get_item", {"RequestItems": {"patients": {}}}, 'Missing .* in RequestItems.patients: "Keys"'),
            ("batch_write_item", {}, 'Missing required parameter in input: "RequestItems"'),
            ("batch_write_item", {"RequestItems": {"patients": [{"PutRequest": {}}]}}, r'\[0\].PutRequest: "Item"'),
            ("transact_get_items", {"TransactItems": None}, "parameter TransactItems, .*NoneType"),
            ("transact_get_items", {"TransactItems": [{"Get": {"Key": WIRE_KEY}}]}, r'\[0\].Get: "TableName"'),
            ("transact_write_items", {"TransactItems": [{"Get": {}}]}, r'Unknown parameter in .*\[0\]: "Get"'),
            ("transact_write_items", {"TransactItems": [SSN]}, r"parameter TransactItems\[0\], type: .*str"),
        ],
    )
    def test_a_client_says_what_boto3_s_says(
        self, client: EncryptedClient, secrets: Secrets, operation: str, params: dict[str, Any], says: str
    ) -> None:
        with secrets.nothing_is_sent(), pytest.raises(ParamValidationError, match=says) as refused:
            getattr(client, operation)(**params)
        assert SSN not in str(refused.value)

    def test_so_does_a_resource(self, resource: Any, raw: Any, description: ProtectedTable) -> None:
        with pytest.raises(ParamValidationError, match="parameter RequestItems"):
            EncryptedResource(resource, [description]).batch_write_item(RequestItems=None)

    @pytest.mark.parametrize("writes", [("Put", "ConditionCheck"), ()])
    def test_a_transaction_has_one_write_at_each_place(
        self, client: EncryptedClient, secrets: Secrets, writes: tuple[str, ...]
    ) -> None:
        """boto3 sends whatever stands there, and DynamoDB sees the values before it refuses them."""
        given = {kind: {"TableName": "patients", "Item": WIRE_ITEM} for kind in writes}
        with secrets.nothing_is_sent(), pytest.raises(ProtectedAttributeError, match="one write"):
            client.transact_write_items(TransactItems=[given])
