"""The values of a column: what all kinds of columns have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import copysign
from types import NoneType
from typing import Any, TypeVar

from fieldcrypt.errors import located
from fieldcrypt.field import Field
from fieldcrypt.format.context import NoTenant, RowContext, row_context
from fieldcrypt.prepared.columns import one_by_one
from fieldcrypt.schemes import LegacyReader

__all__ = [
    "ONE",
    "Place",
    "at_the_edge",
    "decrypt_cells",
    "encrypt_cells",
    "in_time_zones",
    "is_negative_zero",
    "unsupported_type_error",
    "read_cells",
    "same_values",
]

T = TypeVar("T")

ONE = (str, NoTenant, NoneType)  # what a tenant is that is the same for all values; else it is a column
# Whose and where values are: one tenant, or one for each value, or None; the parts of row keys, each a column; and
# how many rows that is.
Place = tuple[str | NoTenant | Sequence[str | None] | None, Sequence[Sequence[Any]]]


def encrypt_cells(field: Field[Any], values: Iterable[Any], place: Place) -> list[bytes | None]:
    """Encrypt the values of a column; None stays None.

    Raises:
        As `Field.encrypt_many`.
    """
    given, (tenant, keys) = list(values), place
    return field.encrypt_many(given, tenant=tenant, context=_contexts(given, keys))  # type: ignore[arg-type, return-value]


def decrypt_cells(field: Field[T], values: Iterable[bytes | None], place: Place) -> list[T | None]:
    """Decrypt the values of a column, likewise."""
    given, (tenant, keys) = list(values), place
    return field.decrypt_many(given, tenant=tenant, context=_contexts(given, keys))


def read_cells(reader: LegacyReader[T], values: Iterable[bytes | str | None], place: Place) -> list[T | None]:
    """Read another scheme's values, likewise."""
    given, (tenant, keys) = list(values), place
    return one_by_one(reader.read, given, tenant, _contexts(given, keys))


def _contexts(values: Sequence[Any], keys: Sequence[Sequence[Any]]) -> Iterator[RowContext | None] | None:
    """Return the context of each value's row; a row without a value may have no key either."""
    if not keys:
        return None
    rows = zip(values, zip(*keys, strict=True), strict=True)
    return (None if value is None else row_context(*key) for value, key in rows)


def in_time_zones(values: Iterable[datetime | None]) -> bool:
    """Return True if datetimes are points in time (aware) or what a clock showed (naive); a column has one of the two.

    Raises:
        ValueError: there are some of both.
    """
    kinds = {value.tzinfo is not None for value in values if value is not None}
    if len(kinds) > 1:
        raise ValueError("some of the datetimes have a time zone and others have none: a column has only one kind")
    return kinds == {True}


def unsupported_type_error(field: Field[Any], type: object) -> ValueError:
    """Return an error for values that a column's type does not accept, without the values that libraries show."""
    wrong = ValueError(f"the values of field {field.name!r} do not fit into a column of type {type}")
    return located(wrong, field=field.name)


def at_the_edge(values: Iterable[datetime | None]) -> bool:
    """Return True if another offset could move one of the datetimes out of Python's range of years."""
    return any(value is not None and value.year in (1, 9999) and value.tzinfo is not None for value in values)


def same_values(found: Sequence[Any], values: Sequence[Any]) -> bool:
    """Return True if a column returns exactly what was put into it, down to the sign of a zero.

    Not-a-numbers are the same, and numbers of other types; true and false are no numbers.
    """
    return len(found) == len(values) and all(map(_same, found, values))


def _same(found: Any, value: Any) -> bool:
    if isinstance(found, list) and isinstance(value, list):
        return same_values(found, value)
    if isinstance(found, dict) and isinstance(value, dict):
        return found.keys() == value.keys() and all(_same(found[key], value[key]) for key in value)
    if isinstance(found, datetime) and isinstance(value, datetime) and found.tzinfo and value.tzinfo:
        # In the repeated hour of a zone, Python never finds a time equal to one of another zone.
        return found.astimezone(UTC) == value.astimezone(UTC)
    if found != value:
        return bool(found != found and value != value)
    if isinstance(found, bool) or isinstance(value, bool):
        return found is value
    return bool(value) or is_negative_zero(found) == is_negative_zero(value)


def is_negative_zero(value: Any) -> bool:
    """Return True for negative zeros."""
    if isinstance(value, float):
        return value == 0 and copysign(1, value) < 0
    return isinstance(value, Decimal) and value.is_signed() and not value
