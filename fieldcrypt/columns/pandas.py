"""Columns of pandas: `Series`. What comes out has the types of Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa

from fieldcrypt.columns.arrow import TYPES, array_of, default_type, python_values, unchanged_array_of
from fieldcrypt.columns.buffers import Rows, chunks_of, decrypt_chunks, encrypt_chunks
from fieldcrypt.columns.cells import Place, decrypt_cells, encrypt_cells
from fieldcrypt.field import Field
from fieldcrypt.format.context import NoTenant
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["decrypt_column", "encrypt_column"]

Series: TypeAlias = "pd.Series[Any]"


@discreet
def encrypt_column(
    field: Field[Any],
    column: Series,
    *,
    tenant: str | Series | None = None,
    row: Series | Sequence[Series] | None = None,
) -> Series:
    """Encrypt a column (see `fieldcrypt.columns.arrow.encrypt_column`).

    Missing values are those of pandas, including not-a-numbers in a float column. Columns of `object` are taken as they
    are.

    Returns:
        A column of type `binary[pyarrow]`, with the index and the name of the other.

    Raises:
        As there; and ValueError if columns differ in their index.
    """
    keys = _keys(column, tenant, row)
    arrays = _arrays(field, column, tenant, keys)
    encrypted = arrays and encrypt_chunks(field, *arrays)
    if encrypted:
        return _series(pa.chunked_array(encrypted), column)
    values = encrypt_cells(field, _values(column), _place(tenant, keys))
    return _series(array_of(field, values, pa.binary()), column)


@discreet
def decrypt_column(
    field: Field[Any],
    column: Series,
    *,
    type: pa.DataType | None = None,
    tenant: str | NoTenant | Series | None = None,
    row: Series | Sequence[Series] | None = None,
) -> Series:
    """Decrypt a column (see `fieldcrypt.columns.arrow.decrypt_column`), of `binary[pyarrow]` or of `object`.

    Returns:
        A column of the Arrow type, with the index and the name of the other.
    """
    keys = _keys(column, tenant, row)
    arrays = _arrays(field, column, tenant, keys)
    decrypted = arrays and decrypt_chunks(field, *arrays, type, TYPES.get(field.type))
    if decrypted:
        return _series(pa.chunked_array(*decrypted), column)
    values = decrypt_cells(field, _values(column), _place(tenant, keys))
    return _series(unchanged_array_of(field, values, type or default_type(field, iter(values))), column)


def _keys(
    column: Series, tenant: str | NoTenant | Series | None, row: Series | Sequence[Series] | None
) -> list[Series]:
    """Return the columns of row keys, of which nothing is aligned silently."""
    keys = [] if row is None else [row] if isinstance(row, pd.Series) else list(row)
    others = [*keys, *([tenant] if isinstance(tenant, pd.Series) else [])]
    if not all(other.index.equals(column.index) for other in others):
        raise ValueError("the columns differ in their index")
    return keys


def _place(tenant: str | NoTenant | Series | None, keys: Sequence[Series]) -> Place:
    return _values(tenant) if isinstance(tenant, pd.Series) else tenant, [_values(key) for key in keys]


def _arrays(
    field: Field[Any], column: Series, tenant: str | NoTenant | Series | None, keys: Sequence[Series]
) -> tuple[list[pa.Array], Rows] | None:
    """Return the chunks and the rows of a column whose cells need not become Python objects, or None."""
    columns = [column, *keys, *([tenant] if isinstance(tenant, pd.Series) else [])]
    if field._columns() is None or any(each.dtype == object for each in columns):
        return None
    whose = pa.Array.from_pandas(tenant) if isinstance(tenant, pd.Series) else tenant
    rows = Rows(whose, [pa.Array.from_pandas(key) for key in keys], in_chunks=False)
    return chunks_of(pa.Array.from_pandas(column)), rows


def _values(column: Series) -> list[Any]:
    if column.dtype != object:
        return python_values(pa.Array.from_pandas(column))
    # Arrow would convert all values to one type: all Decimals to the same number of digits, for example.
    return [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]


def _series(array: pa.Array | pa.ChunkedArray, like: Series) -> Series:
    return pd.Series(pd.arrays.ArrowExtensionArray(array), index=like.index, name=like.name)
