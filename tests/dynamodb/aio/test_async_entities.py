"""Entities of one table with aioboto3: `of_entity` of a table, a client and a resource."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fieldcrypt import DecryptionError
from fieldcrypt_dynamodb import (
    AsyncEncryptedClient,
    AsyncEncryptedResource,
    AsyncEncryptedTable,
    EncryptedTable,
    ProtectedAttributeError,
    ProtectedTable,
    of_entity,
    of_tenant,
)
from tests.dynamodb.aio.connected import client_of, resource_of, table_of
from tests.dynamodb.shop import EMAIL, INVOICE, INVOICE_KEY, ITEMS, MEMO_KEY, ORDER, USER, USER_KEY
from tests.dynamodb.shop import description as description
from tests.dynamodb.shop import encryptor as encryptor
from tests.dynamodb.shop import filled as filled
from tests.dynamodb.shop import plain as plain
from tests.dynamodb.shop import table as table
from tests.support.dynamodb import DynamoDb, OnMoto

BY_EMAIL: dict[str, Any] = {
    "IndexName": "GSI1",
    "KeyConditionExpression": "email = :e",
    "ExpressionAttributeValues": {":e": EMAIL},
}


class TestOfEntity(OnMoto):
    def test_a_table_of_one_entity_has_its_items_alone(
        self, dynamodb: DynamoDb, filled: EncryptedTable, description: ProtectedTable
    ) -> None:
        """In scans, and in queries for the same partition or an index that several use; with a tenant, too."""

        async def story() -> None:
            async with table_of(dynamodb, "app-prod") as bare:
                table = AsyncEncryptedTable(bare, description)
                users, orders = of_entity(table, "user"), of_entity(table, "order")
                assert (await users.query(**BY_EMAIL))["Items"] == [USER]
                assert (await of_tenant(users, "acme").scan())["Items"] == [USER]
                partition = {"KeyConditionExpression": "PK = :p", "ExpressionAttributeValues": {":p": "USER#1"}}
                assert (await orders.query(**partition))["Items"] == [ORDER]
                assert len((await table.scan())["Items"]) == len(ITEMS)

        asyncio.run(story())

    def test_the_keys_of_others_are_refused(
        self, dynamodb: DynamoDb, filled: EncryptedTable, description: ProtectedTable
    ) -> None:
        """Also what the key does not tell: an item of another entity is not given."""

        async def story() -> None:
            async with table_of(dynamodb, "app-prod") as bare:
                table = AsyncEncryptedTable(bare, description)
                with pytest.raises(ProtectedAttributeError):
                    await of_entity(table, "order").get_item(Key=USER_KEY)
                with pytest.raises(DecryptionError, match="is memo, and not invoice"):
                    await of_entity(table, "invoice").get_item(Key=MEMO_KEY)

        asyncio.run(story())

    def test_a_write_says_whose_it_is_where_the_key_does_not(
        self, dynamodb: DynamoDb, filled: EncryptedTable, plain: Any, description: ProtectedTable
    ) -> None:
        """A client's and a resource's table likewise; what is written is encrypted."""
        update = {"UpdateExpression": "SET iban = :i", "ExpressionAttributeValues": {":i": "DE02120300000000202051"}}

        async def story() -> Any:
            async with resource_of(dynamodb) as bare_resource, client_of(dynamodb) as bare_client:
                resource = AsyncEncryptedResource(bare_resource, [description])
                with pytest.raises(ProtectedAttributeError, match="of_entity"):
                    await (await resource.Table("app-prod")).update_item(Key=INVOICE_KEY, **update)
                await (await of_entity(resource, "invoice").Table("app-prod")).update_item(Key=INVOICE_KEY, **update)
                invoices = of_entity(AsyncEncryptedClient(bare_client, [description]), "invoice")
                pages = invoices.get_paginator("scan").paginate(TableName="app-prod")
                return [item async for page in pages for item in page["Items"]]

        [found] = asyncio.run(story())
        assert found["iban"] == {"S": "DE02120300000000202051"}
        assert found.keys() == INVOICE.keys()
        assert plain.get_item(Key=INVOICE_KEY)["Item"]["iban"] != "DE02120300000000202051"
