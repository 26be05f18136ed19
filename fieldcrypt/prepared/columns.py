"""Many values of a field at once, each with its tenant and context."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from types import NoneType
from typing import Any, TypeVar

from fieldcrypt.errors import located
from fieldcrypt.format.context import NoTenant

__all__ = ["each_with_its_own", "missing_tenant_error", "note_position", "one_by_one"]

T = TypeVar("T")

_ONE = (str, NoTenant, NoneType)


def each_with_its_own(values: Sequence[Any], tenant: Any, context: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Return each value with its tenant and its context: the one of all, or its own.

    Raises, when the value has its turn:
        ValueError: there are more or fewer tenants or contexts than values.
    """
    tenants = repeat(tenant, len(values)) if isinstance(tenant, _ONE) else tenant
    contexts: Any = repeat(context, len(values)) if _is_one_context(context) else context
    return zip(values, tenants, contexts, strict=True)


def _is_one_context(context: Any) -> bool:
    return context is None or isinstance(context, Mapping)


def one_by_one(
    method: Callable[..., T],
    values: Sequence[Any],
    tenant: Any,
    context: Any,
    field: str | None = None,
    all_of_one: Callable[..., None] | None = None,
) -> list[T | None]:
    """Return what a method of a value, its tenant and its context returns for each value; None stays None.

    Args:
        method, values, tenant, context: these.
        field: to name in errors.
        all_of_one: appends to a list what the method returns for each value, if all have one tenant and one context;
            so it takes less time.
    """
    results: list[T | None] = []
    whose: Any = None
    try:
        if all_of_one is not None and isinstance(tenant, _ONE) and _is_one_context(context):
            whose = tenant
            all_of_one(values, results, tenant, context)
            return results
        for value, whose, bound in each_with_its_own(values, tenant, context):
            if value is None:
                results.append(None)
            elif whose is None and tenant is not None:
                raise missing_tenant_error()
            else:
                results.append(method(value, tenant=whose, context=bound))
        return results
    except BaseException as error:  # noqa: BLE001 (it is raised below)
        refused = located(error, field=field, tenant=whose)
    note_position(refused, len(results), values)
    del values, results
    value = None
    raise refused


def missing_tenant_error() -> ValueError:
    """Return the error for a value among others with tenants: for a field, None would be the key of no tenant."""
    return ValueError("the column of tenants has none for a value")


def note_position(error: BaseException, number: int, values: Sequence[Any]) -> None:
    """Note in an error which of the values it is about, unless it is about all."""
    if number < len(values):
        error.add_note(f"at position {number} of the column, counted from 0")
