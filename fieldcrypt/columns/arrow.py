"""Columns of pyarrow: `Array` and `ChunkedArray`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any, TypeAlias, TypeVar, cast
from uuid import UUID

import pyarrow as pa

from fieldcrypt.columns.buffers import Rows, chunks_of, decrypt_chunks, encrypt_chunks
from fieldcrypt.columns.cells import (
    ONE,
    Place,
    at_the_edge,
    decrypt_cells,
    encrypt_cells,
    in_time_zones,
    is_negative_zero,
    same_values,
    unsupported_type_error,
)
from fieldcrypt.field import Field
from fieldcrypt.format.context import NoTenant
from fieldcrypt.tracebacks.frames import discreet

__all__ = [
    "TYPES",
    "array_of",
    "decrypt_column",
    "default_type",
    "encrypt_column",
    "python_values",
    "unchanged_array_of",
]

AnyColumn: TypeAlias = pa.Array | pa.ChunkedArray
Column = TypeVar("Column", bound=AnyColumn)

# The types of Arrow for the plaintext columns of fields, by the type of the field.
TYPES: dict[Any, pa.DataType] = {
    bytes: pa.binary(),
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    date: pa.date32(),
    time: pa.time64("us"),
    timedelta: pa.duration("us"),
    UUID: pa.uuid(),
}
_MISFITS = (pa.ArrowException, ArithmeticError, TypeError, ValueError)  # which have the values in their messages
_MICROSECONDS: dict[Callable[[pa.DataType], bool], Callable[[pa.DataType], pa.DataType]] = {
    pa.types.is_timestamp: lambda type: pa.timestamp("us", type.tz),
    pa.types.is_duration: lambda type: pa.duration("us"),
    pa.types.is_time64: lambda type: pa.time64("us"),
}


@discreet
def encrypt_column(
    field: Field[Any],
    column: Column,
    *,
    tenant: str | AnyColumn | None = None,
    row: AnyColumn | Sequence[AnyColumn] | None = None,
) -> Column:
    """Encrypt a column: each value as `Field.encrypt` does.

    Args:
        field: the field. Its type is what Python makes of the column's: str of strings, int of all integers, Decimal
            of decimals, date of dates, and so on. Timestamps with a time zone are aware datetimes, others naive ones.
        column: nulls stay nulls, and chunks chunks.
        tenant: whose data key to use: one name, or a column of them.
        row: binds every value to its row: the primary key, a column, or several in the key's order.

    Returns:
        A column of type binary.

    Raises:
        TypeError: a value is not of the field's type.
        ValueError: columns differ in length; a value has no tenant; a time has nanoseconds.
        Else as `Field.encrypt`. A note says at which position of its chunk.
    """
    chunks, keys = chunks_of(column), _keys(row)
    _check_lengths(column, tenant, keys)
    encrypted = encrypt_chunks(field, chunks, Rows(tenant, keys))
    if encrypted is not None:
        return _like(column, encrypted, pa.binary())
    lists = [encrypt_cells(field, python_values(chunk), place) for chunk, place in _places(chunks, tenant, keys)]
    return _like(column, [array_of(field, values, pa.binary()) for values in lists], pa.binary())


@discreet
def decrypt_column(
    field: Field[Any],
    column: Column,
    *,
    type: pa.DataType | None = None,
    tenant: str | NoTenant | AnyColumn | None = None,
    row: AnyColumn | Sequence[AnyColumn] | None = None,
) -> Column:
    """Decrypt a column.

    Args:
        field: the field.
        column: of type binary.
        type: of the result. By default it follows from the field's type: string, binary, int64, float64, bool, date32,
            time64, duration or uuid. A timestamp is in microseconds, in UTC if the values have time zones, and a
            decimal as wide as the values need. Say it where several columns must agree. It has to hold the values as
            they are.
        tenant, row: as for `encrypt_column`. One tenant, or one per value, whose value it must be; `NO_TENANT` if all
            must be no tenant's. If None, values of any tenant are decrypted.

    Raises:
        TypeError: the field's type has no default here; or the column is not binary.
        ValueError: as for `encrypt_column`; or a column of the type would not give back the values that went in.
        Else as `Field.decrypt`. A note says at which position of its chunk.
    """
    chunks, keys = chunks_of(column), _keys(row)
    _check_lengths(column, tenant, keys)
    decrypted = decrypt_chunks(field, chunks, Rows(tenant, keys), type, TYPES.get(field.type))
    if decrypted is not None:
        return _like(column, *decrypted)
    lists = [decrypt_cells(field, python_values(chunk), place) for chunk, place in _places(chunks, tenant, keys)]
    type = type or default_type(field, chain.from_iterable(lists))
    return _like(column, [unchanged_array_of(field, values, type) for values in lists], type)


def default_type(field: Field[Any], values: Iterator[Any]) -> pa.DataType:
    """Return the Arrow type of a field's values.

    Raises:
        TypeError: there is no one type for them.
        ValueError: naive and aware datetimes are mixed.
    """
    if field.type is datetime:
        return pa.timestamp("us", "UTC" if in_time_zones(values) else None)
    if field.type is Decimal:
        found = None
        with suppress(*_MISFITS):
            found = pa.infer_type(list(values))
        if found is None:
            raise unsupported_type_error(field, "decimal128")
        return pa.decimal128(1, 0) if pa.types.is_null(found) else found
    if field.type not in TYPES:
        raise TypeError(f"values of field {field.name!r} have no default Arrow type: name one, type=…")
    return TYPES[field.type]


def python_values(column: AnyColumn) -> list[Any]:
    """Return the values in Python's own types; of nanoseconds, pyarrow would make those of pandas.

    Raises:
        ValueError: there are nanoseconds that microseconds cannot represent, or years that Python's calendar does not
            have; or the buffers are not those of a column, and pyarrow would read what is next to them.
    """
    try:
        column.validate(full=True)
    except pa.ArrowException:
        valid = False
    else:
        valid = True
    if not valid:  # raised here, for pyarrow's error has values in it
        raise ValueError("the buffers of a column do not fit together, or its texts are not UTF-8")
    for is_of_kind, microseconds in _MICROSECONDS.items():
        if is_of_kind(column.type) and column.type.unit == "ns":
            try:
                column = column.cast(microseconds(column.type))
            except pa.ArrowInvalid:
                break
    else:
        with suppress(OverflowError):
            return cast(list[Any], column.to_pylist())
        raise ValueError("a date or time is beyond those of Python, which has the years 1 to 9999")
    raise ValueError("a time has nanoseconds, which Python's times cannot represent")


def array_of(field: Field[Any], values: list[Any], type: pa.DataType) -> pa.Array:
    """Return an array of a field's values.

    Raises:
        ValueError: they do not fit into the type.
    """
    if field.type is UUID and type == TYPES[UUID]:  # of bytes, for pyarrow before 24 takes no UUIDs
        values = [value and value.bytes for value in values]
    with suppress(*_MISFITS):
        return pa.array(values, type)
    raise unsupported_type_error(field, type)


def unchanged_array_of(field: Field[Any], values: list[Any], type: pa.DataType) -> pa.Array:
    """Return an array of a field's values, compared with them because pyarrow truncates and rounds silently.

    Raises:
        ValueError: they do not fit into the type, or would change.
    """
    storage = type.storage_type if isinstance(type, pa.BaseExtensionType) else type
    if pa.types.is_nested(storage) and not all(_has_members(value, type) for value in values):
        raise unsupported_type_error(field, type)
    array = array_of(field, values, type)
    with suppress(*_MISFITS):
        if _holds_all(field, type, values) or same_values(_given_back(array), values):
            return array
    raise unsupported_type_error(field, type)


def _holds_all(field: Field[Any], type: pa.DataType, values: list[Any]) -> bool:
    """Return True if a type represents every value that pyarrow accepts for it, so that comparing is unnecessary."""
    if field.type is datetime:
        micros = pa.types.is_timestamp(type) and type.unit == "us"
        return micros and in_time_zones(values) == (type.tz is not None) and not at_the_edge(values)
    if field.type is time and any(value is not None and value.tzinfo for value in values):
        return False  # a type that no column has
    if field.type is Decimal:
        return pa.types.is_decimal(type) and not any(map(is_negative_zero, values))
    return bool(type == TYPES.get(field.type))


def _has_members(value: Any, type: pa.DataType) -> bool:
    """Return True if every value of a struct type is a dict, because some lists make pyarrow crash the process."""
    if isinstance(type, pa.BaseExtensionType):
        return _has_members(value, type.storage_type)
    if value is None or not pa.types.is_nested(type):
        return True
    if pa.types.is_map(type):
        return isinstance(value, dict) and all(_has_members(member, type.item_type) for member in value.values())
    if pa.types.is_struct(type):
        return isinstance(value, dict) and all(_has_members(value.get(member.name), member.type) for member in type)
    return not isinstance(value, list) or all(_has_members(member, type.field(0).type) for member in value)


def _given_back(array: pa.Array) -> list[Any]:
    return array.to_pylist(maps_as_pydicts="strict") if pa.types.is_nested(array.type) else python_values(array)


def _keys(row: AnyColumn | Sequence[AnyColumn] | None) -> list[AnyColumn]:
    return [] if row is None else [row] if isinstance(row, (pa.Array, pa.ChunkedArray)) else list(row)


def _check_lengths(column: AnyColumn, tenant: str | NoTenant | AnyColumn | None, keys: list[AnyColumn]) -> None:
    others = keys if isinstance(tenant, ONE) else [*keys, tenant]
    if any(len(other) != len(column) for other in others):
        raise ValueError("the columns differ in length")


def _places(
    chunks: list[pa.Array], tenant: str | NoTenant | AnyColumn | None, keys: list[AnyColumn]
) -> Iterator[tuple[pa.Array, Place]]:
    """Yield chunks, each with the place of its values."""
    start = 0
    for chunk in chunks:
        parts = [python_values(key.slice(start, len(chunk))) for key in keys]
        whose = tenant if isinstance(tenant, ONE) else python_values(tenant.slice(start, len(chunk)))
        yield chunk, (whose, parts)
        start += len(chunk)


def _like(column: Column, arrays: list[pa.Array], type: pa.DataType) -> Column:
    """Return arrays as a column of the same kind."""
    return cast(Column, pa.chunked_array(arrays, type) if isinstance(column, pa.ChunkedArray) else arrays[0])
