"""Columns of a Spark DataFrame, as UDFs of Arrow arrays.

Of these Spark runs all that a table needs in one go. Of those over iterators it would start a Python worker for each
column, and every worker would have keys to unwrap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)
from pyspark.sql.types import BinaryType, DataType

from fieldcrypt import Field
from fieldcrypt.schemes import LegacyReader
from fieldcrypt.spi.columns import decrypt_array, encrypt_array, encrypt_cells, python_values, read_cells
from fieldcrypt_spark.declarations import name_of_udf
from fieldcrypt_spark.remote import Remote
from fieldcrypt_spark.types import OPAQUE, travel
from fieldcrypt_spark.udf import udf

__all__ = ["decrypt_column", "encrypt_column"]

Name: TypeAlias = "str | Column"
AnyField: TypeAlias = "Field[Any] | Callable[[], Field[Any]]"


def encrypt_column(
    field: AnyField,
    column: Name,
    *,
    type: DataType | None = None,
    tenant: Name | None = None,
    row: Name | Sequence[Name] | None = None,
    reader: Callable[[], LegacyReader[Any]] | None = None,
) -> Column:
    """Return a column with the encrypted values of another, of type binary.

        frame.withColumn("ssn", encrypt_column(ssn, "ssn", tenant="clinic_id", row="id"))

    Args:
        field: the field, whose Encryptor can be pickled; or a function without arguments that makes it, called once in
            each Python worker. No keys travel.
        column: the plaintext: its name, or an expression. Nulls stay nulls.
        type: of the plaintext, where that is not the usual one of the field's type: `TimestampNTZType()` for naive
            datetimes; for Decimals their `DecimalType`.
        tenant: a column that names the tenant of each value, or `lit("clinic-7")` for one.
        row: binds every value to its row: a column with the primary key, or several in the key's order.
        reader: another scheme has encrypted the column, as text or binary: a function that makes its reader, called
            once in each Python worker. No plaintext gets to Java then.

    Raises:
        ConfigurationError: Spark has no such type for the field's values.
        TypeError: the Encryptor cannot be pickled.
        Else, while Spark runs the job, as `Field.encrypt`: a PythonException, whose text has the error's.
    """
    here = _field_of(field)
    how = travel(here.type, type) if reader is None else OPAQUE
    remote: Remote[Field[Any]] = Remote(field)
    old: Remote[LegacyReader[Any]] | None = None if reader is None else Remote(reader)
    of_tenants, place = tenant is not None, _columns_of_place(tenant, row)

    def encrypt(values: pa.Array, *others: pa.Array) -> pa.Array:
        if how.filled:
            values = pc.if_else(others[0], None, values)  # pyright: ignore[reportAttributeAccessIssue]  # made on import
            others = others[1:]
        tenants, keys = (others[0], others[1:]) if of_tenants else (None, others)
        if old is None:
            given = values if how.arrow == how.returned else values.view(how.arrow)
            return encrypt_array(remote.get(), given, tenant=tenants, row=keys or None)
        where = (None if tenants is None else python_values(tenants), [python_values(key) for key in keys])
        read = read_cells(old.get(), python_values(values), where)
        return pa.array(encrypt_cells(remote.get(), read, where), pa.binary())

    encrypt.__name__ = name_of_udf(field, here, reader)
    plain = _column(column)
    missing = [plain.isNull()] if how.filled else []
    return udf(encrypt, BinaryType())(how.out(plain), *missing, *place)


def decrypt_column(
    field: AnyField,
    column: Name,
    *,
    type: DataType | None = None,
    tenant: Name | None = None,
    row: Name | Sequence[Name] | None = None,
) -> Column:
    """Return a column with the decrypted values of another: the counterpart of `encrypt_column`, with its arguments.

    Where tenants are named, each value must be of its tenant.

    Raises:
        ConfigurationError, TypeError: as there.
        Else, while Spark runs the job, as `Field.decrypt`: a PythonException, whose text has the error's. ValueError
            if a value does not fit into Spark's type.
    """
    how = travel(_field_of(field).type, type)
    remote: Remote[Field[Any]] = Remote(field)
    of_tenants, place = tenant is not None, _columns_of_place(tenant, row)

    def decrypt(data: pa.Array, *others: pa.Array) -> pa.Array:
        tenants, keys = (others[0], others[1:]) if of_tenants else (None, others)
        return decrypt_array(remote.get(), data, type=how.arrow, tenant=tenants, row=keys or None).view(how.returned)

    return how.back(udf(decrypt, how.type)(_column(column), *place))


def _columns_of_place(tenant: Name | None, row: Name | Sequence[Name] | None) -> list[Column]:
    """Return the columns that say whose and where values are, which a UDF is given besides these."""
    keys = [] if row is None else [row] if isinstance(row, (str, Column)) else list(row)
    return [_column(name) for name in ([] if tenant is None else [tenant]) + keys]


def _field_of(field: AnyField) -> Field[Any]:
    return field if isinstance(field, Field) else field()


def _column(name: Name) -> Column:
    return F.col(name) if isinstance(name, str) else name
