"""Columns of polars: `Series`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from fieldcrypt.columns.cells import (
    Place,
    at_the_edge,
    decrypt_cells,
    encrypt_cells,
    in_time_zones,
    same_values,
    unsupported_type_error,
)
from fieldcrypt.field import Field
from fieldcrypt.format.context import NoTenant
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["decrypt_column", "encrypt_column"]

_TYPES: dict[Any, type[pl.DataType] | pl.DataType] = {
    bytes: pl.Binary,
    str: pl.String,
    int: pl.Int64,
    float: pl.Float64,
    bool: pl.Boolean,
    Decimal: pl.Decimal,
    date: pl.Date,
    time: pl.Time,
    timedelta: pl.Duration("us"),
}
# They contain the values in their messages. Polars panics at some unexpected nested values.
_MISFITS = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    ArithmeticError,
    RuntimeError,
    TypeError,
    ValueError,
)
_NANOSECONDS = 1000  # in a microsecond


@discreet
def encrypt_column(
    field: Field[Any],
    column: pl.Series,
    *,
    tenant: str | pl.Series | None = None,
    row: pl.Series | Sequence[pl.Series] | None = None,
) -> pl.Series:
    """Encrypt a column (see `fieldcrypt.columns.arrow.encrypt_column`).

    Returns:
        A column of type Binary, of the same name.
    """
    keys = _keys(column, tenant, row)
    buffers = _buffers(field)
    encrypted: pl.Series | None = buffers and buffers.encrypt(field, column, tenant, keys)
    if encrypted is not None:
        return encrypted
    values = encrypt_cells(field, _values(column), _place(tenant, keys))
    return pl.Series(column.name, values, pl.Binary)


@discreet
def decrypt_column(
    field: Field[Any],
    column: pl.Series,
    *,
    type: pl.DataType | type[pl.DataType] | None = None,
    tenant: str | NoTenant | pl.Series | None = None,
    row: pl.Series | Sequence[pl.Series] | None = None,
) -> pl.Series:
    """Decrypt a column (see `fieldcrypt.columns.arrow.decrypt_column`).

    Args:
        field, column, tenant, row: as there.
        type: of the result. By default it follows from the field's type: String, Binary, Int64, Float64, Boolean, Date,
            Time or Duration. A Datetime is in microseconds, in UTC if the values have time zones, and a Decimal has as
            many digits after the point as the values need. It has to hold the values as they are.

    Returns:
        A column of that type, of the same name.
    """
    keys = _keys(column, tenant, row)
    buffers = _buffers(field)
    decrypted: pl.Series | None = buffers and buffers.decrypt(field, column, type, tenant, keys)
    if decrypted is not None:
        return decrypted
    values = decrypt_cells(field, _values(column), _place(tenant, keys))
    holds_all = type is None and field.type not in (Decimal, time)  # of these polars loses digits and offsets
    type = type or _default_type(field, values)
    if field.type is not Decimal or all(value is None or value.is_finite() for value in values):  # else it panics
        with suppress(*_MISFITS):
            found = pl.Series(column.name, values, type)
            if field.type is datetime and at_the_edge(values):
                _check_years(values, getattr(found.dtype, "time_zone", None))
            if found.dtype == type and (holds_all or same_values(_values(found), values)):
                return found
    raise unsupported_type_error(field, type)


def _buffers(field: Field[Any]) -> Any:
    """Return the way on which no cell becomes a Python object, or None without the native core, or without pyarrow."""
    if field._columns() is not None:
        with suppress(ImportError):
            from fieldcrypt.columns import polars_buffers

            return polars_buffers
    return None


def _default_type(field: Field[Any], values: Iterable[Any]) -> pl.DataType | type[pl.DataType]:
    if field.type is datetime:
        return pl.Datetime("us", "UTC" if in_time_zones(values) else None)
    if field.type not in _TYPES:
        raise TypeError(f"values of field {field.name!r} have no default polars type: name one, type=…")
    return _TYPES[field.type]


def _check_years(values: Iterable[datetime | None], zone: str | None) -> None:
    """Raise OverflowError if a time zone moves a datetime out of Python's range of years, where polars would panic."""
    for value in values:
        if value is not None:
            value.astimezone(ZoneInfo(zone or "UTC"))


def _keys(
    column: pl.Series, tenant: str | NoTenant | pl.Series | None, row: pl.Series | Sequence[pl.Series] | None
) -> list[pl.Series]:
    keys = [] if row is None else [row] if isinstance(row, pl.Series) else list(row)
    others = [*keys, *([tenant] if isinstance(tenant, pl.Series) else [])]
    if any(len(other) != len(column) for other in others):
        raise ValueError("the columns differ in length")
    return keys


def _place(tenant: str | NoTenant | pl.Series | None, keys: Sequence[pl.Series]) -> Place:
    return _values(tenant) if isinstance(tenant, pl.Series) else tenant, [_values(key) for key in keys]


def _values(column: pl.Series) -> list[Any]:
    """Return the values in Python's own types; polars would truncate nanoseconds."""
    in_nanoseconds = column.dtype == pl.Time or getattr(column.dtype, "time_unit", None) == "ns"
    if in_nanoseconds and (column.to_physical() % _NANOSECONDS != 0).any():
        raise ValueError("a time has nanoseconds, which Python's times cannot represent")
    return column.to_list()
