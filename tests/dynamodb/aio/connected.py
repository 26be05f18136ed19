"""What aioboto3 has of moto's DynamoDB, for as long as a test needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig

from tests.support.dynamodb import FIRST, DynamoDb

_SESSION = aioboto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=FIRST)
_CONFIG = AioConfig(connect_timeout=20, read_timeout=20, retries={"total_max_attempts": 1})


def client_of(dynamodb: DynamoDb, service: str = "dynamodb") -> Any:
    """Return an asynchronous context manager of a client, which makes one attempt per call."""
    return _SESSION.client(service, endpoint_url=dynamodb.endpoints[FIRST], config=_CONFIG)


def resource_of(dynamodb: DynamoDb) -> Any:
    """Return the same of a resource."""
    return _SESSION.resource("dynamodb", endpoint_url=dynamodb.endpoints[FIRST], config=_CONFIG)


@asynccontextmanager
async def table_of(dynamodb: DynamoDb, name: str = "patients") -> AsyncIterator[Any]:
    """Give a Table of aioboto3."""
    async with resource_of(dynamodb) as resource:
        yield await resource.Table(name)
