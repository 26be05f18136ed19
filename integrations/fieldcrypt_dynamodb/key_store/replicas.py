"""Makes a DynamoDB table a global table, version 2019.11.21."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from time import sleep
from typing import Any

from fieldcrypt import KeyStoreError

__all__ = ["add_replica", "enable_streams"]

_SECOND = 1.0
_PATIENCE = 1_200  # seconds; DynamoDB takes some minutes for a replica of an empty table
_UNSEEN = 30  # seconds until a replica that DynamoDB said it would make has to be mentioned

_FAILED = (
    "CREATION_FAILED",
    "REGION_DISABLED",
    "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
    "REPLICATION_NOT_AUTHORIZED",
    "ARCHIVING",
    "ARCHIVED",
    "DELETING",
)


def enable_streams(client: Any, table: str) -> None:
    """Have a table write the stream that replicas are fed from, unless it does; return when it can be used.

    Raises:
        KeyStoreError: the table is not ready after 20 minutes.
    """
    enabled = False
    for description in _descriptions(client, table):
        if description["TableStatus"] != "ACTIVE":
            continue
        if enabled or description.get("StreamSpecification", {}).get("StreamEnabled"):
            return
        client.update_table(
            TableName=table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        )
        enabled = True
    raise KeyStoreError(f"the table {table} is not ready after {_PATIENCE} seconds")


def add_replica(client: Any, table: str, region: str) -> None:
    """Have a table replicated to a region, unless it is; return when the replica can be used.

    Raises:
        KeyStoreError: there is no replica: DynamoDB said so, or does not mention it after 30 seconds, or is not done
            with it after 20 minutes.
    """
    status, asked, unseen = None, False, 0
    for description in _descriptions(client, table):
        replicas = {replica["RegionName"]: replica for replica in description.get("Replicas", ())}
        status = replicas.get(region, {}).get("ReplicaStatus")
        if status in _FAILED:
            why = replicas[region].get("ReplicaStatusDescription", "DynamoDB does not say why")
            raise KeyStoreError(f"the table {table} cannot be replicated to {region}: {status}, {why}")
        if description["TableStatus"] != "ACTIVE":
            continue  # something is being done to the table, perhaps by another process
        if status == "ACTIVE":
            return
        if status is not None:
            continue
        if not asked:
            with suppress(client.exceptions.ResourceInUseException):  # another process came first
                client.update_table(TableName=table, ReplicaUpdates=[{"Create": {"RegionName": region}}])
                asked = True
        elif unseen == _UNSEEN:
            break
        else:
            unseen += 1
    raise KeyStoreError(
        f"the table {table} has no replica in {region} that could be used, and its status is {status}: either it takes "
        "long, or this DynamoDB has no global tables"
    )


def _descriptions(client: Any, table: str) -> Iterator[dict[str, Any]]:
    """Describe a table every second."""
    for _ in range(_PATIENCE):
        yield client.describe_table(TableName=table)["Table"]
        sleep(_SECOND)
