"""Which entity a key condition is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fieldcrypt_dynamodb.expression.syntax import Node, conditions
from fieldcrypt_dynamodb.item.entities.entities import Entities
from fieldcrypt_dynamodb.item.entities.entity import KeyForm
from fieldcrypt_dynamodb.item.forms import Form

__all__ = ["entity_of_condition"]


def entity_of_condition(text: str | None, params: Mapping[str, Any], entities: Entities, form: Form) -> str | None:
    """Return the entity of all items that a key condition finds; None if it does not tell.

    Args:
        text: the condition; None if there is none.
        params: the request.
        entities: of the table.
        form: of the values.

    Raises:
        ProtectedAttributeError: the condition cannot be read.
    """
    if text is None:
        return None
    forms: dict[str, KeyForm] = {}
    asked: set[str] = set()
    values = params.get("ExpressionAttributeValues") or {}
    for leaf in _joined(conditions(text, dict(params.get("ExpressionAttributeNames") or {}))):
        parts = leaf.parts[::-1] if leaf.kind == "=" and leaf.parts[0].kind == "value" else leaf.parts
        if leaf.kind not in ("=", "begins_with") or len(parts) != 2 or parts[0].path is None or parts[1].value is None:
            continue
        name, value = parts[0].path.root, form.text_of(values.get(parts[1].value))
        asked.add(name)
        if value is not None:
            forms[name] = KeyForm(value, leaf.kind == "begins_with")
    return entities.of_forms(forms) or entities.of_searched(asked)


def _joined(node: Node) -> Iterator[Node]:
    """Yield the conditions that everything found has to meet."""
    if node.kind == "and":
        for part in node.parts:
            yield from _joined(part)
    else:
        yield node
