"""Whether a table is as its description says, and what has to change if it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fieldcrypt_dynamodb.migration.access import TableAccess
from fieldcrypt_dynamodb.migration.checkpoint_table import CheckpointTable
from fieldcrypt_dynamodb.migration.target import MigratedTable

__all__ = ["problems"]

Description = Mapping[str, Any]  # what DescribeTable returns


def problems(step: str, table: MigratedTable, access: TableAccess, checkpoints: CheckpointTable) -> Iterator[str]:
    """Yield what keeps a step from being done, in words (see `Source.problems`)."""
    found = access.describe()
    if found is None:
        yield f"there is no table {table.name}"
        return
    key = tuple(each["AttributeName"] for each in sorted(found["KeySchema"], key=lambda each: each["KeyType"]))
    if key != table.key:
        yield f"the key of {table.name} is {' and '.join(key)}, and described as {' and '.join(table.key)}"
    elif step != "look":
        if step != "drop":
            yield from _unfit(table, found, access.expires_by())
        yield from _no_place_for_checkpoints(table, access.regions(found), checkpoints)


def _unfit(table: MigratedTable, found: Description, expires_by: str | None) -> Iterator[str]:
    """Yield what keeps items from being encrypted."""
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
    indexed = [each.how for each in table.compounds]
    for attribute in table.attributes:
        indexed += attribute.indexed
    for how in indexed:
        kind, form = ("B", "binary") if how.prefix is None else ("S", "text")
        for companion in how.companions:
            if how.one_companion and companion in kinds:
                yield f"{table.name}.{companion} is a key of an index, which takes no sets, and is a set of tags"
            elif kinds.get(companion, kind) != kind:
                yield f"{table.name}.{companion} is a key of an index, and not {form}, as tags are"
    if expires_by in protected:
        yield f"{table.name}.{expires_by} says when items expire, which DynamoDB has to read: it cannot be protected"


def _no_place_for_checkpoints(
    table: MigratedTable, regions: frozenset[str], checkpoints: CheckpointTable
) -> Iterator[str]:
    known = checkpoints.regions()
    if not known:
        yield (
            f"there is no table {checkpoints.name} for checkpoints in {checkpoints.region}: make it, "
            f"migration.checkpoints.create_table({sorted(regions) if len(regions) > 1 else ''})"
        )
    elif not regions <= known and not checkpoints.is_named:
        yield (
            f"{table.name} is in {', '.join(sorted(regions))}, of which one region only may write: have the "
            f"table {checkpoints.name} in all of them, or name its one region to all, "
            "checkpoints=CheckpointTable(…, region=…)"
        )
