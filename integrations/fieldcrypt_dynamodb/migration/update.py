"""The request that writes to an item, if nobody changed meanwhile what it was made from."""

from __future__ import annotations

from typing import Any

from fieldcrypt.migration.engine.unit import Change
from fieldcrypt_dynamodb.migration.item import MigratedItem

__all__ = ["update_of"]


def update_of(item: MigratedItem, change: Change) -> dict[str, Any]:
    """Return the parameters of an `update_item`.

    Its condition is that each attribute that was read has the very value that was read, or is still absent: so the old
    values travel once more to the table that has them. DynamoDB compares whole values of any type; in numbers and sets
    it sees what they are, not how they are written.
    """
    names: dict[str, str] = {}
    values: dict[str, Any] = {}

    def place(name: str) -> str:
        names[f"#a{len(names)}"] = name
        return f"#a{len(names) - 1}"

    def value(content: Any) -> str:
        values[f":v{len(values)}"] = content
        return f":v{len(values) - 1}"

    tenant = item.table.tenant
    read = change.read | ({tenant} if tenant is not None else set())
    conditions = []
    for name in sorted(read - set(item.table.key)):
        if name in item.raw:
            conditions.append(f"{place(name)} = {value(item.raw[name])}")
        else:
            conditions.append(f"attribute_not_exists({place(name)})")
    conditions.append(f"attribute_exists({place(item.table.key[0])})")  # else what was deleted would come back
    sets = [f"{place(name)} = {value(new)}" for name, new in change.values.items() if new is not None]
    removed = [place(name) for name, new in change.values.items() if new is None]
    update = f"SET {', '.join(sets)} " if sets else ""
    update += f"REMOVE {', '.join(removed)}" if removed else ""
    request: dict[str, Any] = {
        "Key": item.raw_key,
        "UpdateExpression": update.strip(),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
    }
    return request | ({"ExpressionAttributeValues": values} if values else {})
