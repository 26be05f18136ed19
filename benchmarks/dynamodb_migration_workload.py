"""What `benchmarks/dynamodb_migration.py` migrates, and the processes that do it and that write meanwhile.

python -m benchmarks.dynamodb_migration_workload backfill|write …   is how it starts them
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from fieldcrypt import Encryptor, LocalKeyProvider
from fieldcrypt_dynamodb import DynamoKeyStore, EncryptedTable, Protected, ProtectedTable, of_tenant
from fieldcrypt_dynamodb.migration import TableMigration

__all__ = ["ATTRIBUTES", "CLINICS", "MARK", "Place", "original"]

MARK = "plaintext:"  # with which every value begins, so that items can be searched for it
ATTRIBUTES = ("name", "ssn", "email", "notes")
CLINICS = 20
REGION = "us-east-1"
_PAUSE = 0.05  # seconds between two changes of a writer

_SOON = datetime.now(UTC).date() + timedelta(days=30)
_CONFIG = Config(connect_timeout=20, read_timeout=60, retries={"total_max_attempts": 3}, max_pool_connections=64)


class Place:
    """The table, where it is and how it is protected.

    Args:
        url: of DynamoDB.
        key: the local key, in hexadecimal digits.
    """

    def __init__(self, url: str, key: str) -> None:
        self._session = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local")  # noqa: S106
        self._where: dict[str, Any] = {"region_name": REGION, "endpoint_url": url, "config": _CONFIG}
        self.keys = DynamoKeyStore("data-keys", self.client)
        self.encryptor = Encryptor(LocalKeyProvider(bytes.fromhex(key)), self.keys)
        self.described = ProtectedTable(
            "patients",
            self.encryptor,
            key=["id"],
            tenant="clinic",
            attributes={
                "name": Protected(str, accept_plaintext=_SOON),
                "ssn": Protected(str, accept_plaintext=_SOON),
                "email": Protected(str, accept_plaintext=_SOON, index="email_tag"),
                "notes": Protected(list, accept_plaintext=_SOON),
            },
        )

    def client(self, _: str | None = None) -> Any:
        """Make boto3's client."""
        return self._session.client("dynamodb", **self._where)

    def table(self) -> EncryptedTable:
        """Return the table as the application has it."""
        return EncryptedTable(self._session.resource("dynamodb", **self._where).Table("patients"), self.described)

    def migration(self, client_factory: Any = None) -> TableMigration:
        """Return the migration."""
        return TableMigration(self.described, client_factory or self.client)


def original(number: int, attribute: str) -> Any:
    """What an item has before anybody changes it."""
    text = f"{MARK}{attribute} of {number}"
    return [text, {"of": number}] if attribute == "notes" else text


def backfill(url: str, key: str, workers: str, batch: str, journal: str) -> None:
    """Run the backfill; note each item before it is sent, and if DynamoDB said that it has been changed."""
    place = Place(url, key)
    with Path(journal).open("a", encoding="ascii") as written:

        def note(what: str, item: str) -> None:
            written.write(f"{what} {item}\n")
            written.flush()

        def factory(_: str | None) -> Any:
            client = place.client()

            def before(params: Any, context: Any, **_: Any) -> None:
                if params["TableName"] == "patients":
                    context["item"] = params["Key"]["id"]["N"]
                    note("sent", context["item"])

            def after(http_response: Any, context: Any, **_: Any) -> None:
                if "item" in context and http_response.status_code == 400:
                    note("kept", context["item"])

            client.meta.events.register("before-parameter-build.dynamodb.UpdateItem", before)
            client.meta.events.register("after-call.dynamodb.UpdateItem", after)
            return client

        report = place.migration(factory).backfill(workers=int(workers), batch=int(batch))
    assert report.complete and not report.failed, report  # noqa: S101, PT018


def write(url: str, key: str, number: str, items: str, journal: str) -> None:
    """Change random items until killed; note what was acknowledged. Two writers share no item."""
    place = Place(url, key)
    table = place.table()
    chance = random.Random(int(number))
    with Path(journal).open("a", encoding="ascii") as written:
        for serial in itertools.count():
            item = 2 * chance.randrange(int(items) // 2) + int(number)
            attribute = chance.choice(ATTRIBUTES)
            text = f"{MARK}{attribute} of {item}, change {serial} of writer {number}"
            found = table.get_item(Key={"id": item}, ConsistentRead=True)["Item"]
            assert found["ssn"].startswith(MARK)  # noqa: S101 (read while some items are plaintext)
            written.write(f"begin\t{item}\t{attribute}\t{text}\n")
            written.flush()
            of_tenant(table, found["clinic"]).update_item(
                Key={"id": item},
                UpdateExpression="SET #attribute = :value, seen = :serial",
                ExpressionAttributeNames={"#attribute": attribute},
                ExpressionAttributeValues={
                    ":value": [text, {"of": item}] if attribute == "notes" else text,
                    ":serial": serial,
                },
            )
            written.write(f"done\t{item}\t{attribute}\t{text}\n")
            written.flush()
            time.sleep(_PAUSE)


if __name__ == "__main__":
    arguments: Sequence[str] = sys.argv[2:]
    {"backfill": backfill, "write": write}[sys.argv[1]](*arguments)
