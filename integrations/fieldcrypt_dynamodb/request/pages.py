"""Two pages of a query as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["joined"]


def joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return two pages as one."""
    if not first:
        return second
    joined = {**second, "Items": [*first.get("Items", ()), *second.get("Items", ())]}
    if "Items" not in first and "Items" not in second:
        del joined["Items"]
    for name in ("Count", "ScannedCount"):
        joined[name] = first[name] + second[name]
    if "ConsumedCapacity" in second:
        joined["ConsumedCapacity"] = _summed(first.get("ConsumedCapacity", {}), second["ConsumedCapacity"])
    return joined


def _summed(first: Any, second: Any) -> Any:
    """Add up the numbers of two reports of consumed capacity."""
    if isinstance(second, Mapping):
        missing = {name: first[name] for name in first if name not in second} if isinstance(first, Mapping) else {}
        return {**missing, **{name: _summed(first.get(name), value) for name, value in second.items()}}
    return second if isinstance(second, str) or first is None else first + second
