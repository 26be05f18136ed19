"""Attributes as they are before they are protected: each type in DynamoDB's own form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pynamodb.constants import BINARY, NULL, STRING

__all__ = ["stored", "wire"]


def stored(content: Mapping[str, Any] | None) -> Any:
    """Return an attribute as a `MixedField` takes it: binary and text as what they are, all else in DynamoDB's form."""
    if not content or NULL in content:
        return None
    for kind, expected in ((BINARY, bytes), (STRING, str)):
        if isinstance(content.get(kind), expected):
            return content[kind]
    return content


def wire(data: Any) -> Mapping[str, Any]:
    """Return what `stored` was given."""
    if isinstance(data, bytes):
        return {BINARY: data}
    return {STRING: data} if isinstance(data, str) else data
