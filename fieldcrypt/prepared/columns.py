"""Many values of a field at once, each perhaps with a tenant and a context of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from types import NoneType
from typing import Any, TypeVar

from fieldcrypt.errors import FieldcryptError, located
from fieldcrypt.format.context import NoTenant

__all__ = ["each_with_its_own", "note_position", "one_by_one"]

T = TypeVar("T")

_ONE = (str, NoTenant, NoneType)


def each_with_its_own(values: Sequence[Any], tenant: Any, context: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Return each value with its tenant and its context.

    Raises, when the value has its turn:
        ValueError: there are more or fewer tenants or contexts than values, or none of a value where each has one.
    """
    one_context = context is None or isinstance(context, Mapping)
    contexts: Any = repeat(context, len(values)) if one_context else context
    if isinstance(tenant, _ONE):
        return zip(values, repeat(tenant, len(values)), contexts, strict=True)
    return zip(values, _named(values, tenant), contexts, strict=True)


def _named(values: Iterable[Any], tenants: Iterable[Any]) -> Iterator[Any]:
    for value, tenant in zip(values, tenants, strict=True):
        if tenant is None and value is not None:
            # For a field that would be the key of no tenant, and decryption for any tenant.
            raise ValueError("the column of tenants has none for a value")
        yield tenant


def one_by_one(
    method: Callable[..., T], values: Sequence[Any], tenant: Any, context: Any, field: str | None = None
) -> list[T | None]:
    """Return what a method of a value, its tenant and its context returns for each value; None stays None."""
    results: list[T | None] = []
    whose: Any = None
    try:
        for value, whose, bound in each_with_its_own(values, tenant, context):
            results.append(None if value is None else method(value, tenant=whose, context=bound))
        return results
    except (FieldcryptError, TypeError, ValueError) as error:
        refused = located(error, field=field, tenant=whose)
    except Exception as error:
        note_position(error, len(results), values)
        raise
    note_position(refused, len(results), values)
    raise refused


def note_position(error: Exception, number: int, values: Sequence[Any]) -> None:
    """Have an error say which of the values it is about, unless it is about all."""
    if number < len(values):
        error.add_note(f"at position {number} of the column, counted from 0")
