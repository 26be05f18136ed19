"""Columns of polars whose cells never become Python objects: with the native core, and by way of pyarrow.

Apart from `polars`, which does not need pyarrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, cast

import polars as pl
import pyarrow as pa

from fieldcrypt.columns.arrow import TYPES
from fieldcrypt.columns.buffers import Rows, decrypt_chunks, encrypt_chunks
from fieldcrypt.field import Field

__all__ = ["decrypt", "encrypt"]

# Polars has other types too, of some of which it makes no Arrow, and of others not the same values.
_SAME_IN_ARROW = (
    *(pl.String, pl.Binary, pl.Boolean, pl.Date, pl.Datetime, pl.Duration, pl.Decimal, pl.Categorical, pl.Enum),
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64),
)
_WITH_DEFAULT = {kind: TYPES.get(kind) for kind in (bytes, str, int, float, bool, date, timedelta, datetime)}


def encrypt(field: Field[Any], column: pl.Series, tenant: Any, keys: Sequence[pl.Series]) -> pl.Series | None:
    """Return a binary column with the encrypted values of another, or None."""
    arrays = _arrays(column, tenant, keys)
    found = arrays and encrypt_chunks(field, *arrays)
    return _series(column, found[0]) if found else None


def decrypt(
    field: Field[Any], column: pl.Series, type: Any, tenant: Any, keys: Sequence[pl.Series]
) -> pl.Series | None:
    """Return a column of a type, or of the usual one of the field's values if it is None, with those of another."""
    arrays = _arrays(column, tenant, keys)
    if arrays is None or not (_is_exact(type) if type is not None else field.type in _WITH_DEFAULT):
        return None
    named = None if type is None else pl.Series([], dtype=type).to_arrow(compat_level=pl.CompatLevel.oldest()).type
    found = decrypt_chunks(field, *arrays, named, _WITH_DEFAULT.get(field.type))
    if not found:
        return None
    series = _series(column, found[0][0])
    return series if type is None or series.dtype == type else None


def _is_exact(type: Any) -> bool:
    """Return True if Arrow has a type of polars, with all digits and units."""
    return type in _SAME_IN_ARROW and type not in (pl.Categorical, pl.Enum) and type is not pl.Decimal


def _arrays(column: pl.Series, tenant: Any, keys: Sequence[pl.Series]) -> tuple[list[pa.Array], Rows] | None:
    """Return a column as one chunk, and its rows; None if there is a type that Arrow does not have."""
    tenants = [tenant] if isinstance(tenant, pl.Series) else []
    if any(each.dtype not in _SAME_IN_ARROW for each in (column, *keys, *tenants)):
        return None
    whose = _array(tenant) if tenants else tenant
    return [_array(column)], Rows(whose, [_array(key) for key in keys])


def _array(column: pl.Series) -> pa.Array:
    return column.to_arrow(compat_level=pl.CompatLevel.oldest())  # not of the newest layouts, such as views


def _series(like: pl.Series, array: pa.Array) -> pl.Series:
    return cast(pl.Series, pl.from_arrow(array)).alias(like.name)
