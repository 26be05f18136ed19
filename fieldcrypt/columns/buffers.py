"""Columns of pyarrow whose cells never become Python objects, where the native core is there.

It does what the cells' way does, byte for byte, or nothing: then None is returned, and the cells go their way. So all
that is refused is refused there. Only that a key cannot be had is said here, because asking again may take long.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import pyarrow as pa

from fieldcrypt.errors import FieldcryptError, KeyProviderError, KeyStoreError
from fieldcrypt.field import Field
from fieldcrypt.prepared.columns import note_position

__all__ = ["Rows", "chunks_of", "decrypt_chunks", "encrypt_chunks"]

AnyColumn = Any  # pa.Array | pa.ChunkedArray
Array = tuple[str, int, int, list[memoryview | None]]

# The native core's names of layouts: what a cell is, and of how many bytes it is or its offsets are.
_LAYOUTS: dict[pa.DataType, str] = {
    pa.string(): "text4",
    pa.large_string(): "text8",
    pa.binary(): "bytes4",
    pa.large_binary(): "bytes8",
    pa.int8(): "int1",
    pa.int16(): "int2",
    pa.int32(): "int4",
    pa.int64(): "int8",
    pa.uint8(): "uint1",
    pa.uint16(): "uint2",
    pa.uint32(): "uint4",
    pa.uint64(): "uint8",
    pa.float32(): "float4",
    pa.float64(): "float8",
    pa.bool_(): "bool",
    pa.date32(): "date",
    pa.timestamp("us"): "clock",
    pa.timestamp("us", "UTC"): "utc",
    pa.duration("us"): "duration",
    pa.uuid(): "uuid",
}
_KINDS: dict[str, Any] = {
    "text": str,
    "bytes": bytes,
    "int": int,
    "uint": int,
    "float": float,
    "bool": bool,
    "date": date,
    "clock": datetime,
    "utc": datetime,
    "zone": datetime,
    "moment": datetime,
    "duration": timedelta,
    "decimal": Decimal,
    "uuid": UUID,
}
_MOMENT = "moment"  # a timestamp, with a time zone or without as the first value is
_ZONE = "zone"  # a timestamp of any time zone
_REFUSALS = (FieldcryptError, TypeError, ValueError)
_UNAVAILABLE = (KeyProviderError, KeyStoreError)
_UNITS = {"s", "ms", "ns"}


class Rows(NamedTuple):
    """Whose and where the values of a column are.

    Attributes:
        tenant: one of all of them, or a column.
        keys: the parts of row keys, each a column.
        in_chunks: positions in errors are counted in each chunk.
    """

    tenant: Any
    keys: Sequence[AnyColumn]
    in_chunks: bool = True

    def native(self, start: int, length: int) -> tuple[list[Array], Array | None, Any] | None:
        """Return the keys, the tenants and the one tenant of some rows, as the native core takes them."""
        keys = [_taken_apart(key.slice(start, length)) for key in self.keys]
        if any(key is None for key in keys):
            return None
        if not isinstance(self.tenant, (pa.Array, pa.ChunkedArray)):
            return keys, None, self.tenant  # type: ignore[return-value]
        tenants = _taken_apart(self.tenant.slice(start, length))
        return None if tenants is None else (keys, tenants, None)  # type: ignore[return-value]


def chunks_of(column: AnyColumn) -> list[pa.Array]:
    """Return the chunks of a column; an array is one."""
    return column.chunks if isinstance(column, pa.ChunkedArray) else [column]


def encrypt_chunks(field: Field[Any], chunks: Sequence[pa.Array], rows: Rows) -> list[pa.Array] | None:
    """Return binary arrays with the encrypted values of others, or None."""
    core = field._columns() if field.pad is None and field._rows_are_last else None
    if core is None:
        return None
    encrypted: list[pa.Array] = []
    start = 0
    for chunk in chunks:
        given, place = _taken_apart(chunk), rows.native(start, len(chunk))
        if given is None or place is None or _kind(given[0]) is not field.type:
            return None
        made = _or_none(core.encrypt, given, *place) if len(chunk) else (0, None, [bytes(4), b""])
        if made is None or made[0] != chunk.null_count:  # a count that is wrong is refused
            return None
        encrypted.append(_put_together(pa.binary(), len(chunk), made))
        start += len(chunk)
    core.count()
    return encrypted


def decrypt_chunks(
    field: Field[Any], chunks: Sequence[pa.Array], rows: Rows, type: pa.DataType | None, default: pa.DataType | None
) -> tuple[list[pa.Array], pa.DataType] | None:
    """Return arrays with the decrypted values of binary ones, and their type, or None.

    Args:
        type: of the arrays, if it is named.
        default: else; None for the one that the values say.
    """
    core = field._columns() if field.pad is None and field._rows_are_last else None
    wanted = type or default
    layout = _layout_of(wanted) if wanted is not None else _MOMENT if field.type is datetime else None
    if core is None or layout is None or _kind(layout) is not field.type:
        return None
    decrypted: list[Any] = []
    start = 0
    for chunk in chunks:
        given, place = _taken_apart(chunk), rows.native(start, len(chunk))
        if given is None or place is None:
            return None
        before, start = start, start + len(chunk)
        if not len(chunk):
            decrypted.append(None)
            continue
        try:
            made = _or_none(core.decrypt, given, *place, layout)
        except _UNAVAILABLE as error:
            position = core.position + (0 if rows.in_chunks else before)
            note_position(error, position, range(position + 1))
            raise
        if made is None or made[1][0] != chunk.null_count:
            return None
        in_time, buffers = made
        if layout == _MOMENT and chunk.null_count < len(chunk):
            layout = "utc" if in_time else "clock"
        decrypted.append(buffers)
    wanted = wanted or pa.timestamp("us", "UTC" if layout == "utc" else None)
    arrays = [
        pa.nulls(len(chunk), wanted) if buffers is None else _put_together(wanted, len(chunk), buffers)
        for chunk, buffers in zip(chunks, decrypted, strict=True)
    ]
    core.count()
    return arrays, wanted


def _or_none(method: Any, *arguments: Any) -> Any:
    """Return what the native core does; None if something is refused, which the cells' way then says.

    Raises:
        KeyProviderError, KeyStoreError: a key cannot be had.
    """
    try:
        return method(*arguments)
    except _UNAVAILABLE:
        raise
    except _REFUSALS:
        return None


def _kind(layout: str) -> Any:
    return _KINDS[layout.rstrip("0123456789.")]


def _layout_of(type: pa.DataType) -> str | None:
    if pa.types.is_timestamp(type) and type.unit == "us" and type.tz not in (None, "UTC"):
        return _ZONE
    return _LAYOUTS.get(type) or _decimal_layout(type)


def _decimal_layout(type: pa.DataType) -> str | None:
    is_known = pa.types.is_decimal128(type) and type.scale >= 0
    return f"decimal{type.precision}.{type.scale}" if is_known else None


def _taken_apart(column: AnyColumn) -> Array | None:
    """Return an array as the native core takes it, or None if there is no layout of it."""
    try:
        column.validate()  # a length that its buffers do not have would take memory before anything is read
        array = _plain(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    except (pa.ArrowException, ValueError):
        return None
    if not isinstance(array, pa.Array):  # too long for one
        return None
    layout = _LAYOUTS.get(array.type) or _decimal_layout(array.type)
    if layout is None:
        return None
    storage = array.storage if isinstance(array, pa.ExtensionArray) else array
    views = [memoryview(buffer).cast("B") if buffer and buffer.size else None for buffer in storage.buffers()]
    return layout, len(storage), storage.offset, views


def _plain(array: Any) -> Any:
    """Return an array in one of the layouts above, if it has the same values there."""
    type = array.type
    if pa.types.is_dictionary(type) or pa.types.is_string_view(type) or pa.types.is_binary_view(type):
        array.validate(full=True)  # pyarrow believes its indices
        value = type.value_type if pa.types.is_dictionary(type) else type
        is_text = pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)
        return array.cast(pa.large_string() if is_text else pa.large_binary())
    if pa.types.is_timestamp(type) and type.unit in _UNITS:
        return array.cast(pa.timestamp("us", type.tz))
    if pa.types.is_duration(type) and type.unit in _UNITS:
        return array.cast(pa.duration("us"))
    return array


def _put_together(type: pa.DataType, length: int, made: tuple[int, bytes | None, list[bytes]]) -> pa.Array:
    nulls, validity, buffers = made
    views = [None if buffer is None else pa.py_buffer(buffer) for buffer in (validity, *buffers)]
    if isinstance(type, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(type, pa.Array.from_buffers(type.storage_type, length, views, nulls))
    return pa.Array.from_buffers(type, length, views, nulls)
