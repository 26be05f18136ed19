"""Tables for models of PynamoDB, and what is sent to them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.httpsession import URLLib3Session

from fieldcrypt.testing import LocalAws

REGION = "us-east-1"


@contextmanager
def table_meta(aws: LocalAws, name: str) -> Iterator[Any]:
    """A Meta for models, without a table yet; all tables are deleted in the end."""
    settings = {
        "table_name": name,
        "region": REGION,
        "host": aws.endpoint(REGION),
        "aws_access_key_id": "local",
        "aws_secret_access_key": "local",
        "billing_mode": "PAY_PER_REQUEST",
    }
    yield type("Meta", (), settings)
    client = aws.client("dynamodb", REGION)
    for each in client.list_tables()["TableNames"]:
        client.delete_table(TableName=each)


@contextmanager
def nothing_is_sent_of(*secrets: str) -> Iterator[list[str]]:
    """The bodies of all requests; in the end none of them may have one of the texts, nor its base64 in any position."""
    bodies: list[str] = []
    send = URLLib3Session.send

    def watch(self: Any, request: Any) -> Any:
        bodies.append(request.body.decode() if isinstance(request.body, bytes) else str(request.body))
        return send(self, request)

    URLLib3Session.send = watch  # type: ignore[method-assign]
    try:
        yield bodies
    finally:
        URLLib3Session.send = send  # type: ignore[method-assign]
    for secret in secrets:
        for form in _forms(secret):
            assert not any(form in body for body in bodies), f"{secret} was sent"


def _forms(secret: str) -> list[str]:
    data = secret.encode()
    shifted = [base64.b64encode(data[skipped:]).decode().rstrip("=")[:-1] for skipped in range(3)]
    return [secret, *shifted]


def raw(aws: LocalAws, table: str, key: dict[str, Any]) -> dict[str, Any]:
    """An item as DynamoDB has it."""
    item: dict[str, Any] = aws.client("dynamodb", REGION).get_item(TableName=table, Key=key)["Item"]
    return item


def put_raw(aws: LocalAws, table: str, item: dict[str, Any]) -> None:
    """Write an item as somebody does who can write to the table."""
    aws.client("dynamodb", REGION).put_item(TableName=table, Item=item)
