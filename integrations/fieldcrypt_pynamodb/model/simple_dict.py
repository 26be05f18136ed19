"""Items as simple mappings for JSON."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from pynamodb.attributes import AttributeContainer
from pynamodb.constants import BINARY, STRING

from fieldcrypt_pynamodb.binding.plan import Plan

__all__ = ["simple_dict"]


class _Serialized:
    """Stands for an instance that PynamoDB has serialized already."""

    def __init__(self, item: dict[str, dict[str, Any]]) -> None:
        self._item = item

    def _container_serialize(self, null_check: bool) -> dict[str, dict[str, Any]]:
        return self._item


def simple_dict(item: dict[str, dict[str, Any]], plan: Plan, *, force: bool) -> dict[str, Any]:
    """Return an item as a mapping for JSON, with ciphertext and tags as base64 text.

    PynamoDB refuses binary there because it could not tell it from text; of a protected attribute it is known, and
    `from_simple_dict` takes it back.

    Args:
        item: as DynamoDB has it.
        plan: the model's.
        force: convert other binary attributes and sets, too.
    """
    for name in (*plan.protected, *plan.companions):
        if name in item:
            item[name] = {STRING: b64encode(item[name][BINARY]).decode()}
    serialized: Any = _Serialized(item)
    return AttributeContainer.to_simple_dict(serialized, force=force)
