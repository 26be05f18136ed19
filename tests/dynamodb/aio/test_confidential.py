"""No plaintext of a protected value is sent through aiobotocore and aioboto3 either, and none is in an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fieldcrypt import Encryptor, FieldcryptError
from fieldcrypt_dynamodb import AsyncEncryptedClient, AsyncEncryptedTable, ProtectedTable
from tests.dynamodb.aio.connected import client_of, table_of
from tests.dynamodb.confidential import KINDS, NAME, Kind, create_table, narrowed, requests, shown, watched, wired
from tests.dynamodb.patients import encryptor as encryptor
from tests.support.dynamodb import DynamoDb
from tests.support.wiretap import Secrets


@asynccontextmanager
async def of_client(dynamodb: DynamoDb, description: ProtectedTable, kind: Kind) -> AsyncIterator[Any]:
    async with client_of(dynamodb) as bare:
        client = narrowed(AsyncEncryptedClient(bare, [description]), kind)

        async def call(operation: str, params: dict[str, Any]) -> None:
            if operation == "scan":
                async for _ in client.get_paginator("scan").paginate(**wired(params)):
                    pass
            else:
                await getattr(client, operation)(**wired(params))

        yield call


@asynccontextmanager
async def of_table(dynamodb: DynamoDb, description: ProtectedTable, kind: Kind) -> AsyncIterator[Any]:
    async with table_of(dynamodb, NAME) as bare:
        table = narrowed(AsyncEncryptedTable(bare, description), kind)

        async def call(operation: str, params: dict[str, Any]) -> None:
            if "TableName" in params:
                own = {key: value for key, value in params.items() if key != "TableName"}
                await getattr(table, operation)(**own)
            elif operation == "batch_write_item":
                async with table.batch_writer() as batch:
                    for write in params["RequestItems"][NAME]:
                        ((kind, each),) = write.items()
                        await (batch.put_item if kind == "PutRequest" else batch.delete_item)(**each)

        yield call


async def refusal(call: Any, operation: str, params: dict[str, Any]) -> Exception | None:
    """Return what a request raises."""
    try:
        await call(operation, params)
    except (FieldcryptError, TypeError, ValueError, AttributeError, ClientError) as error:
        return error
    return None


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("door", [of_client, of_table])
def test_no_plaintext_is_sent_nor_shown(
    moto: DynamoDb, encryptor: Encryptor, secrets: Secrets, kind: Kind, door: Callable[..., Any]
) -> None:
    """By requests that are answered, and by those that are refused."""
    create_table(moto)
    confidential = watched(kind, secrets)
    description = ProtectedTable(NAME, encryptor, key=["id"], **kind.how)

    async def story() -> None:
        async with door(moto, description, kind) as call:
            for (operation, params), must in requests(kind):
                refused = await refusal(call, operation, params)
                assert not (must and refused), (operation, params, refused)
                assert not [text for text in confidential if text in shown(refused)], (operation, params)

    asyncio.run(story())
