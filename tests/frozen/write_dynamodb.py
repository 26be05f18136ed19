"""Wrote the frozen items: see write.py."""

from __future__ import annotations

# isort: off
import tests.frozen.clock as clock  # first: this is a program of its own, too, for the migration that is killed

# isort: on
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldcrypt import Encryptor
from fieldcrypt.migration import Progress
from fieldcrypt.testing import LocalAws
from fieldcrypt_dynamodb import DynamoKeyStore, EncryptedTable
from fieldcrypt_dynamodb.migration import CheckpointTable
from tests.frozen import life, tables
from tests.frozen.data import to_json, write_json
from tests.support.dynamodb import FIRST, SECOND, DynamoDb

KILLED = 9
Scenario = Callable[[DynamoDb, Encryptor, str], object]


def write_dynamodb(directory: Path, advance: Callable[[float], None]) -> dict[str, Any]:
    """Write the items of every table; return the life of the key store."""
    with LocalAws() as aws:
        endpoints = {region: aws.endpoint(region) for region in (FIRST, SECOND)}
        with DynamoDb(endpoints) as dynamodb:
            encryptor = _encryptor(dynamodb)
            kept = life.lead(encryptor, advance)
            encryptor = _encryptor(dynamodb)
            _items(dynamodb, encryptor)
            _write(directory, "items", dynamodb)
        for name, scenario in SCENARIOS.items():
            for kind in tables.MIGRATIONS:
                with DynamoDb(endpoints) as dynamodb:
                    scenario(dynamodb, _encryptor(dynamodb), kind)
                    _write(directory, f"{name}-{kind}", dynamodb)
    return kept


def _encryptor(dynamodb: DynamoDb) -> Encryptor:
    DynamoKeyStore("data-keys", client_factory=dynamodb.client).create_table()
    return tables.keys_of(dynamodb)


def _write(directory: Path, name: str, dynamodb: DynamoDb) -> None:
    client, found = dynamodb.client(), {}
    for table in client.list_tables()["TableNames"]:
        described = client.describe_table(TableName=table)["Table"]
        schema = {each: described[each] for each in ("KeySchema", "AttributeDefinitions")}
        indexes = [
            {each: index[each] for each in ("IndexName", "KeySchema", "Projection")}
            for index in described.get("GlobalSecondaryIndexes", ())
        ]
        if indexes:
            schema["GlobalSecondaryIndexes"] = indexes
        found[table] = {"schema": schema, "items": client.scan(TableName=table)["Items"]}
    write_json(directory / "dynamodb" / f"{name}.json", to_json(found))


def _table(dynamodb: DynamoDb, name: str, *key: tuple[str, str], index: str | None = None) -> Any:
    more: dict[str, Any] = {}
    attributes = [{"AttributeName": each, "AttributeType": kind} for each, kind in key]
    if index is not None:
        attributes.append({"AttributeName": index, "AttributeType": "B"})
        schema = [{"AttributeName": index, "KeyType": "HASH"}]
        more["GlobalSecondaryIndexes"] = [
            {"IndexName": f"by-{index}", "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
        ]
    return dynamodb.resource().create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=attributes,
        KeySchema=[
            {"AttributeName": each, "KeyType": part} for (each, _), part in zip(key, ("HASH", "RANGE"), strict=False)
        ],
        **more,
    )


def _items(dynamodb: DynamoDb, encryptor: Encryptor) -> None:
    plain = _table(dynamodb, "patients", ("clinic", "S"), ("number", "N"), index="email_tag")
    table = EncryptedTable(plain, tables.patients(encryptor))
    for item in tables.PATIENTS:
        table.put_item(Item=item)
    table.put_item(Item=tables.SHREDDED)
    encryptor.data_keys.shred(tables.SHREDDED["clinic"], by="writer@example.org")
    staff = EncryptedTable(_table(dynamodb, "staff", ("id", "S")), tables.staff(encryptor))
    for item in tables.STAFF:
        staff.put_item(Item=item)
    loose = EncryptedTable(_table(dynamodb, "loose", ("id", "S")), tables.loose(encryptor))
    for item in tables.LOOSE:
        loose.put_item(Item=item)
    account, purse = tables.account(dynamodb, encryptor), tables.purse(dynamodb, encryptor)
    for model in (account, purse):
        model.create_table(wait=True)
    for key, values in tables.ACCOUNTS:
        account(*key, **values).save()
    for owner, iban in tables.PURSES.items():
        purse(owner, iban=iban).save()


def _plaintext(dynamodb: DynamoDb) -> None:
    CheckpointTable(client_factory=dynamodb.client).create_table()
    plain = _table(dynamodb, "clients", ("clinic", "S"), ("number", "N"))
    for number in range(tables.ITEMS):
        values = {"email": tables.email(number), "notes": tables.notes(number)}
        plain.put_item(Item={**tables.key(number), "ward": "in the clear", **values})


def _stop_after(job: Any, pages: int) -> Callable[[Progress], object]:
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == pages:
            job.pause()

    return stop


def _paused_backfill(dynamodb: DynamoDb, encryptor: Encryptor, kind: str) -> None:
    _plaintext(dynamodb)
    job = tables.MIGRATIONS[kind](dynamodb, encryptor)
    report = job.backfill(batch=tables.BATCH, on_progress=_stop_after(job, 4))
    assert (report.complete, 0 < report.rows < tables.ITEMS) == (False, True)


def _killed_backfill(dynamodb: DynamoDb, encryptor: Encryptor, kind: str) -> None:
    _plaintext(dynamodb)
    command = [sys.executable, "-m", "tests.frozen.write_dynamodb", kind, json.dumps(dynamodb.endpoints)]
    assert subprocess.run(command, check=False).returncode == KILLED


def _verified(dynamodb: DynamoDb, encryptor: Encryptor, kind: str) -> None:
    _plaintext(dynamodb)
    job = tables.MIGRATIONS[kind](dynamodb, encryptor)
    assert job.backfill(batch=tables.BATCH).complete
    clock.advance(10)
    assert job.verify().wrong == 0


def _half_undone(dynamodb: DynamoDb, encryptor: Encryptor, kind: str) -> None:
    _verified(dynamodb, encryptor, kind)
    job = tables.MIGRATIONS[kind](dynamodb, encryptor)
    report = job.undo(batch=tables.BATCH, on_progress=_stop_after(job, 4))
    assert (report.complete, report.changed > 0) == (False, True)


SCENARIOS: dict[str, Scenario] = {
    "paused-backfill": _paused_backfill,
    "killed-backfill": _killed_backfill,
    "verified": _verified,
    "half-undone": _half_undone,
}


def _be_killed(kind: str, endpoints: dict[str, str]) -> None:
    """Backfill, and end suddenly in the middle of a page."""
    platform.node = lambda: "writer.example.org"
    dynamodb, written = DynamoDb(endpoints), []

    def factory(_: str | None) -> Any:
        client = dynamodb.client()
        client.meta.events.register("before-parameter-build.dynamodb.UpdateItem", note)
        return client

    def note(params: Any, **_: Any) -> None:
        written.append(params["TableName"])
        if written.count("clients") == 8:
            os._exit(KILLED)

    job = tables.MIGRATIONS[kind](dynamodb, _encryptor(dynamodb), factory)
    job.backfill(batch=tables.BATCH)


if __name__ == "__main__":
    _be_killed(sys.argv[1], json.loads(sys.argv[2]))
