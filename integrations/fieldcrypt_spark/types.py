"""How the values of a field travel between Spark and Python, so that none of them is changed on the way.

pandas, by way of which they may come, has no null in a column of integers: they would be floats, without their last
digits. Nor does it leave timestamps alone, and Spark gives them its session's time zone. So both cross over as integers
of their own, and nulls next to them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)
from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    LongType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from fieldcrypt import ConfigurationError

__all__ = ["OPAQUE", "Travel", "at_clock_micros", "clock_micros", "travel"]

_EPOCH_SQL = "TIMESTAMP_NTZ'1970-01-01 00:00:00'"
_PARTS = {"DAY": 86_400_000_000, "HOUR": 3_600_000_000, "MINUTE": 60_000_000, "SECOND": 1_000_000}  # in microseconds


class Travel(NamedTuple):
    """How values of one type travel.

    Attributes:
        type: Spark's type of what a UDF returns.
        arrow: Arrow's type of the values.
        returned: Arrow's type of what a UDF returns, of the same bytes.
        out: the expression that Python is given, of a column.
        filled: that expression has a value where the column has null, so Python has to be told of the nulls.
        back: the expression that has the column's type, of what a UDF returned.
    """

    type: DataType
    arrow: pa.DataType
    returned: pa.DataType
    out: Callable[[Column], Column]
    back: Callable[[Column], Column]
    filled: bool = True


def _itself(column: Column) -> Column:
    return column


def _as_object(type: DataType, arrow: pa.DataType) -> Travel:
    """Return how values travel of which pandas has objects, and None for null."""
    return Travel(type, arrow, arrow, _itself, _itself, filled=False)


def _filled_with(value: Any) -> Callable[[Column], Column]:
    return lambda column: F.coalesce(column, F.lit(value))


def _point_in_time(column: Column) -> Column:
    return F.coalesce(F.unix_micros(column), F.lit(0))


def clock_micros(column: Column) -> Column:
    """Return the microseconds since 1970 of timestamps without a time zone; those of null are null."""
    # Not timestamp_diff, which goes by the session's time zone, and so through its summer time.
    since = column - F.expr(_EPOCH_SQL)
    # As bigint, for an hour of microseconds does not fit into the integer that Spark takes.
    sizes = {part: F.lit(size).cast("bigint") for part, size in _PARTS.items()}
    micros: Any = sum((F.extract(F.lit(part), since) * size for part, size in sizes.items()), F.lit(0))
    return micros.cast("bigint")


def at_clock_micros(micros: Column) -> Column:
    """Return the timestamps again."""
    return F.timestamp_add("MICROSECOND", micros, F.expr(_EPOCH_SQL))


def _clock_time(column: Column) -> Column:
    return F.coalesce(clock_micros(column), F.lit(0))


_TRAVELS = {
    (bytes, BinaryType): _as_object(BinaryType(), pa.binary()),
    (str, StringType): _as_object(StringType(), pa.string()),
    (bool, BooleanType): Travel(BooleanType(), pa.bool_(), pa.bool_(), _filled_with(False), _itself),
    (int, LongType): Travel(LongType(), pa.int64(), pa.int64(), _filled_with(0), _itself),
    (float, DoubleType): Travel(DoubleType(), pa.float64(), pa.float64(), _filled_with(0.0), _itself),
    (date, DateType): _as_object(DateType(), pa.date32()),
    (datetime, TimestampType): Travel(
        LongType(),
        pa.timestamp("us", "UTC"),
        pa.int64(),
        _point_in_time,
        F.timestamp_micros,
    ),
    (datetime, TimestampNTZType): Travel(
        LongType(),
        pa.timestamp("us"),
        pa.int64(),
        _clock_time,
        at_clock_micros,
    ),
}
OPAQUE = _as_object(BinaryType(), pa.binary())  # values of another scheme, text or binary
_DEFAULTS = dict(reversed(_TRAVELS))


def travel(kind: Any, type: DataType | None) -> Travel:
    """Return how values of a field travel.

    Args:
        kind: the field's type.
        type: Spark's type of the plaintext column, or None for the usual one.

    Raises:
        ConfigurationError: values of the field have no such type in Spark.
    """
    if kind is Decimal:
        if type is None:
            raise ConfigurationError("of Decimals say how many digits Spark has: type=DecimalType(12, 2)")
        if isinstance(type, DecimalType):
            return _as_object(type, pa.decimal128(type.precision, type.scale))
    found = _TRAVELS.get((kind, _DEFAULTS.get(kind) if type is None else type.__class__))
    if found is None:
        raise ConfigurationError(f"values of type {getattr(kind, '__name__', kind)} are no {type or 'column of Spark'}")
    return found
