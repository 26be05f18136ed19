"""What it takes to work with a DynamoDB: for boto3's clients and resources, for PynamoDB, in each region."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import Any, Self

import boto3
import pytest
from botocore.config import Config

__all__ = ["FIRST", "SECOND", "DynamoDb", "OnMoto", "put_raw", "raw"]

FIRST, SECOND = "us-east-1", "eu-west-1"
_CREDENTIALS: dict[str, Any] = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
_CONFIG = Config(connect_timeout=20, read_timeout=20, retries={"total_max_attempts": 1})


@cache
def _session() -> Any:
    """One for all: its first client takes a tenth of a second, the others a hundredth."""
    return boto3.session.Session(**_CREDENTIALS)


@cache
def _client(**where: str) -> Any:
    return _session().client("dynamodb", **where, config=_CONFIG)


class DynamoDb:
    """An account's DynamoDB in some regions; in a with statement, one whose tables are deleted at its end.

    Args:
        endpoints: the URL of each region.
    """

    def __init__(self, endpoints: Mapping[str, str]) -> None:
        self.endpoints = dict(endpoints)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for region in self.endpoints:
            client = self.own_client(region)
            for page in client.get_paginator("list_tables").paginate():
                for table in page["TableNames"]:
                    client.delete_table(TableName=table)

    def client(self, region: str | None = None) -> Any:
        """Make a boto3 client that makes one attempt per call, for the first region if none is named."""
        return _session().client("dynamodb", **self._where(region or FIRST), config=_CONFIG)

    def own_client(self, region: str | None = None) -> Any:
        """The same client each time, for what a test prepares or looks at: making one takes as long as many calls."""
        return _client(**self._where(region or FIRST))

    def resource(self, region: str = FIRST) -> Any:
        """Make a boto3 resource, whose tables take Python's own types; one attempt a call."""
        return _session().resource("dynamodb", **self._where(region), config=_CONFIG)

    def meta(self, table_name: str, region: str = FIRST) -> Any:
        """Make the Meta of a PynamoDB model."""
        where = {"region": region, "host": self.endpoints[region], **_CREDENTIALS}
        return type("Meta", (), {"table_name": table_name, "billing_mode": "PAY_PER_REQUEST", **where})

    def _where(self, region: str) -> dict[str, str]:
        return {"region_name": region, "endpoint_url": self.endpoints[region]}


def raw(dynamodb: DynamoDb, table: str, key: dict[str, Any]) -> dict[str, Any]:
    """Return an item as DynamoDB has it."""
    item: dict[str, Any] = dynamodb.own_client().get_item(TableName=table, Key=key)["Item"]
    return item


def put_raw(dynamodb: DynamoDb, table: str, item: dict[str, Any]) -> None:
    """Write an item as somebody does who can write to the table."""
    dynamodb.own_client().put_item(TableName=table, Item=item)


class OnMoto:
    """A base of test classes whose tests run on moto alone: about what is refused, or what DynamoDB has no part in."""

    @pytest.fixture
    def dynamodb(self, moto: DynamoDb) -> DynamoDb:
        """Return moto's, in place of each in turn."""
        return moto
