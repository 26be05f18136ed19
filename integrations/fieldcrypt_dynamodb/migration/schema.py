"""Whether a table is as its description says, and what has to change if it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fieldcrypt_dynamodb.migration.checkpoint_table import CheckpointTable
from fieldcrypt_dynamodb.migration.target import MigratedTable

__all__ = ["mismatch", "no_place_for_checkpoints", "problems"]

Description = Mapping[str, Any]  # what DescribeTable returns


def mismatch(table: MigratedTable, found: Description | None) -> str | None:
    """Return why items of a table cannot even be looked at; None if they can."""
    if found is None:
        return f"there is no table {table.name}"
    key = tuple(each["AttributeName"] for each in sorted(found["KeySchema"], key=lambda each: each["KeyType"]))
    if key != table.key:
        return f"the key of {table.name} is {' and '.join(key)}, and described as {' and '.join(table.key)}"
    return None


def problems(table: MigratedTable, found: Description, expires_by: str | None) -> Iterator[str]:
    """Yield what keeps items from being encrypted, in words."""
    kinds = {each["AttributeName"]: each["AttributeType"] for each in found.get("AttributeDefinitions", ())}
    protected = {each.name for each in table.attributes}
    for index in (*found.get("GlobalSecondaryIndexes", ()), *found.get("LocalSecondaryIndexes", ())):
        for part in index["KeySchema"]:
            name = part["AttributeName"]
            if name in protected:
                yield (
                    f"{table.name}.{name} is a key of the index {index['IndexName']}, which would find nothing any "
                    "more, and take no ciphertext if it is not binary: make the attribute searchable, "
                    "Protected(…, index=…), with an index on its tags, and delete this one"
                )
    for attribute in table.attributes:
        if attribute.companion is not None and kinds.get(attribute.companion, "B") != "B":
            yield f"{table.name}.{attribute.companion} is a key of an index, and not binary, as tags are"
    if expires_by in protected:
        yield f"{table.name}.{expires_by} says when items expire, which DynamoDB has to read: it cannot be protected"


def no_place_for_checkpoints(
    table: MigratedTable, found: Description, region: str, checkpoints: CheckpointTable
) -> list[str]:
    """Return what is missing for checkpoints of a table that is used in a region, in words."""
    regions = frozenset(each["RegionName"] for each in found.get("Replicas", ())) | {region}
    known = checkpoints.regions()
    if not known:
        return [
            f"there is no table {checkpoints.name} for checkpoints in {checkpoints.region}: make it, "
            f"migration.checkpoints.create_table({sorted(regions) if len(regions) > 1 else ''})"
        ]
    if regions <= known or checkpoints.is_named:
        return []
    return [
        f"{table.name} is in {', '.join(sorted(regions))}, of which one region only may write: have the table "
        f"{checkpoints.name} in all of them, or name its one region to all, checkpoints=CheckpointTable(…, region=…)"
    ]
