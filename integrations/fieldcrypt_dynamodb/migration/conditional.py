"""Requests that write to an item, if nobody changed meanwhile what they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

__all__ = ["conditional"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def conditional(
    key: Mapping[str, Any], before: Mapping[str, Any], values: Mapping[str, Any] = _NOTHING
) -> dict[str, Any]:
    """Return the parameters of an `update_item`, or of a `delete_item` if there are no values to write.

    DynamoDB compares whole values of any type; in numbers and sets it sees what they are, not how they are written.

    Args:
        key: the item's, in DynamoDB's own form like all values here.
        before: what its attributes must still be; None: absent.
        values: what they become; None: absent.
    """
    names = {name: f"#a{number}" for number, name in enumerate({**before, **values})}
    placed: dict[str, Any] = {}

    def equal(name: str, value: Any) -> str:
        place = f":v{len(placed)}"
        placed[place] = value
        return f"{names[name]} = {place}"

    conditions = [
        f"attribute_not_exists({names[name]})" if value is None else equal(name, value)
        for name, value in before.items()
    ]
    sets = [equal(name, value) for name, value in values.items() if value is not None]
    removed = [names[name] for name, value in values.items() if value is None]
    clauses = [f"{verb} {', '.join(terms)}" for verb, terms in (("SET", sets), ("REMOVE", removed)) if terms]
    request = {
        "Key": key,
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": {place: name for name, place in names.items()},
        "ExpressionAttributeValues": placed,
        "UpdateExpression": " ".join(clauses),
    }
    return {name: value for name, value in request.items() if value}
