"""Many values of a field at once, each perhaps with a tenant and a context of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from types import NoneType
from typing import Any

from fieldcrypt.format.context import NoTenant

__all__ = ["each_with_its_own", "note_position"]

_ONE = (str, NoTenant, NoneType)


def each_with_its_own(values: Sequence[Any], tenant: Any, context: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Return each value with its tenant and its context.

    Raises, when the value has its turn:
        ValueError: there are more or fewer tenants or contexts than values, or none of a value where each has one.
    """
    one_context = context is None or isinstance(context, Mapping)
    contexts = repeat(context, len(values)) if one_context else context
    if isinstance(tenant, _ONE):
        return zip(values, repeat(tenant, len(values)), contexts, strict=True)
    return zip(values, _named(values, tenant), contexts, strict=True)


def _named(values: Iterable[Any], tenants: Iterable[Any]) -> Iterator[Any]:
    for value, tenant in zip(values, tenants, strict=True):
        if tenant is None and value is not None:
            # For a field that would be the key of no tenant, and decryption for any tenant.
            raise ValueError("the column of tenants has none for a value")
        yield tenant


def note_position(error: Exception, number: int, values: Sequence[Any]) -> None:
    """Have an error say which of the values it is about, unless it is about all."""
    if number < len(values):
        error.add_note(f"at position {number} of the column, counted from 0")
