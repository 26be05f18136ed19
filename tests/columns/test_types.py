"""Columns of types that are named: they give back the values that went in, or a ValueError says that they do not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fieldcrypt import Encryptor, Field, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.columns import arrow, pandas, polars
from tests.support.doubles import told
from tests.support.old_schemes import SSN
from tests.support.strategies import DECIMALS, ZONES, relaxed

BERLIN = "Europe/Berlin"
NOON = datetime(2026, 11, 24, 12)
AWARE = NOON.replace(tzinfo=UTC)
YEARS: dict[str, Any] = {
    "min_value": datetime(2, 1, 1),
    "max_value": datetime(9998, 12, 31),
}  # in which each offset has a date

# Values as people have them, among those that types hold exactly by chance alone.
VALUES: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(max_size=5) | st.sampled_from(["2026-11-24", "12:30", "1", "1.5", "true", "a"]),
    bytes: st.binary(max_size=5) | st.just(b"1"),
    int: st.integers(-3, 3) | st.integers(-(2**70), 2**70) | st.sampled_from([2**24 + 1, 2**53 + 1, 300]),
    float: st.floats() | st.floats(width=16) | st.sampled_from([1.0, 1.5, 1e300, 0.1, -0.0]),
    bool: st.booleans(),
    Decimal: DECIMALS | st.decimals(-999, 999, places=3) | st.sampled_from([Decimal("1.50"), Decimal(3)]),
    date: st.dates(),
    datetime: st.datetimes(**YEARS, timezones=ZONES | st.just(UTC)) | st.sampled_from([NOON, AWARE]),
    time: st.times(timezones=st.none() | st.just(UTC)) | st.just(time(12)),
    timedelta: st.timedeltas() | st.integers(-5000, 5000).map(lambda ms: timedelta(milliseconds=ms)),
    list: st.lists(st.integers(-3, 300) | st.floats(), max_size=3),
    dict: st.dictionaries(st.sampled_from("abc"), st.integers(-3, 3) | st.floats(), max_size=3),
}
ARROW_TYPES = [
    None,
    *(pa.int8(), pa.int32(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_()),
    *(pa.decimal128(5, 2), pa.decimal128(38, 10), pa.decimal256(60, 20), pa.string(), pa.large_string(), pa.binary()),
    *(pa.dictionary(pa.int8(), pa.string()), pa.binary(2), pa.date32(), pa.date64()),
    *(pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", BERLIN)),
    *(pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(pa.duration(unit) for unit in ("s", "ms", "us", "ns")),
    *(pa.list_(pa.int64()), pa.list_(pa.float32()), pa.struct({"a": pa.int64(), "b": pa.float64()})),
    pa.map_(pa.string(), pa.int64()),
]
POLARS_TYPES = [
    None,
    *(pl.Int8, pl.Int32, pl.Int64, pl.UInt64, pl.Float32, pl.Float64, pl.Boolean),
    *(pl.Decimal(5, 2), pl.Decimal(38, 10), pl.String, pl.Categorical, pl.Binary, pl.Date, pl.Time),
    *(pl.Datetime(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "UTC", BERLIN)),
    *(pl.Duration(unit) for unit in ("ms", "us", "ns")),
    *(pl.List(pl.Int64), pl.List(pl.Float32), pl.Struct({"a": pl.Int64, "b": pl.Float64}), pl.Object),
]
ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


@st.composite
def columns(draw: st.DrawFn) -> tuple[type, list[Any]]:
    """A field's type, and some values and nulls."""
    kind = draw(st.sampled_from(list(VALUES)))
    return kind, draw(st.lists(st.none() | VALUES[kind], min_size=1, max_size=4))


def field_of(kind: type) -> Field[Any]:
    return ENCRYPTOR.field("patients.any", kind)


def sealed(kind: type, values: Sequence[Any]) -> list[bytes | None]:
    field = field_of(kind)
    return [None if value is None else field.encrypt(value) for value in values]


def of_arrow(array: pa.Array) -> list[Any]:
    """The values of an array; of times in nanoseconds those in microseconds, if they are the same."""
    if getattr(array.type, "unit", None) == "ns":
        micros = {pa.types.is_timestamp: pa.timestamp("us", getattr(array.type, "tz", None))}
        micros |= {pa.types.is_time: pa.time64("us"), pa.types.is_duration: pa.duration("us")}
        array = array.cast(next(type for is_kind, type in micros.items() if is_kind(array.type)))
    if pa.types.is_map(array.type):
        return [None if pairs is None else dict(pairs) for pairs in array.to_pylist()]
    found: list[Any] = array.to_pylist()
    return found


def equal(found: Any, value: Any) -> bool:
    """Return True if two values are one, to the last digit, to the moment, and with a time zone or without."""
    if isinstance(value, list):
        return len(found) == len(value) and all(map(equal, found, value))
    if isinstance(value, dict):
        return set(found) == set(value) and all(equal(found[key], value[key]) for key in value)
    if isinstance(value, float) and math.isnan(value):
        return math.isnan(found)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return found.tzinfo is not None and (found - datetime(1970, 1, 1, tzinfo=UTC)) == (
            value - datetime(1970, 1, 1, tzinfo=UTC)
        )
    if isinstance(found, bool) or isinstance(value, bool):
        return found is value
    return bool(found == value) and str(found).startswith("-") == str(value).startswith("-")


class TestUnchanged:
    """What comes out is what went in, or a ValueError."""

    @given(columns(), st.sampled_from(ARROW_TYPES))
    @example((Decimal, [Decimal("1.239")]), pa.decimal128(10, 2))
    @settings(relaxed, max_examples=300)
    def test_arrow(self, column: tuple[type, list[Any]], type: pa.DataType | None) -> None:
        """Of pyarrow."""
        kind, values = column
        data = pa.array(sealed(kind, values), pa.binary())
        try:
            found = arrow.decrypt_column(field_of(kind), data, type=type)
        except ValueError:
            return
        except TypeError:
            assert type is None
            assert kind in (list, dict)
            return
        assert type in (None, found.type)
        assert equal(of_arrow(found), values)

    @given(columns(), st.sampled_from(POLARS_TYPES))
    @example((Decimal, [Decimal("9" * 37), Decimal("1E-9")]), None)
    @settings(relaxed, max_examples=300)
    def test_polars(self, column: tuple[type, list[Any]], type: Any) -> None:
        """Of polars."""
        kind, values = column
        data = pl.Series("any", sealed(kind, values), pl.Binary)
        try:
            found = polars.decrypt_column(field_of(kind), data, type=type)
        except ValueError:
            return
        except TypeError:
            assert type is None
            assert kind in (list, dict)
            return
        assert type is None or found.dtype == type
        assert equal(found.to_list(), values)


class Case:
    """A value that a type does not have, and the types: of pyarrow (and pandas), and of polars."""

    def __init__(self, value: Any, arrow: Sequence[pa.DataType], polars: Sequence[Any]) -> None:
        self.value, self.arrow, self.polars = value, arrow, polars


MISFITS = {
    "fraction": Case(1.7, [pa.int64()], [pl.Int64]),
    "huge float": Case(1e300, [pa.float16(), pa.float32()], [pl.Float32]),
    "digits of a float": Case(0.1, [pa.float16(), pa.float32()], [pl.Float32]),
    "digits of an int": Case(2**53 + 1, [pa.float64(), pa.float32()], [pl.Float64, pl.Float32]),
    "digits of a decimal": Case(Decimal("1.239"), [pa.decimal128(10, 2)], [pl.Decimal(10, 2), pl.Float32]),
    "microseconds": Case(NOON.replace(microsecond=1234), [pa.timestamp("s"), pa.timestamp("ms")], [pl.Datetime("ms")]),
    "microseconds of a time": Case(time(12, 0, 0, 1500), [pa.time32("s"), pa.time32("ms")], []),
    "microseconds of a duration": Case(
        timedelta(microseconds=1500), [pa.duration("s"), pa.duration("ms")], [pl.Duration("ms")]
    ),
    "time of day": Case(NOON, [pa.date32(), pa.date64()], [pl.Date, pl.Time]),
    "no zone": Case(NOON, [pa.timestamp("us", BERLIN), pa.timestamp("us", "UTC")], [pl.Datetime("us", BERLIN)]),
    "zone": Case(AWARE, [pa.timestamp("us")], [pl.Datetime("us")]),
    "offset of a time": Case(time(12, tzinfo=UTC), [pa.time64("us")], [pl.Time]),
    "date in a text": Case("2026-11-24", [pa.date32(), pa.timestamp("us")], [pl.Date, pl.Datetime("us")]),
    "number in a text": Case("12", [pa.int64(), pa.float64()], [pl.Int64, pl.Decimal(5, 2)]),
    "text": Case(SSN, [pa.binary()], [pl.Binary]),
    "member": Case({"a": 1, "b": 2}, [pa.struct({"a": pa.int64()})], [pl.Struct({"a": pl.Int64})]),
    "true as a number": Case(True, [pa.float16(), pa.float64()], [pl.Int8, pl.Int64, pl.Float64]),
    "true in a list": Case([True, 1], [pa.list_(pa.float32())], [pl.List(pl.Int64), pl.Array(pl.Int64, 2)]),
    "true in a member": Case({"a": True}, [pa.struct({"a": pa.float64()})], [pl.Struct({"a": pl.Int64})]),
    "number as false": Case(0, [pa.bool8()], [pl.Boolean]),
    "decimal as false": Case(Decimal(0), [pa.bool8()], [pl.Boolean]),
    "minus of a decimal zero": Case(
        Decimal("-0.0"), [pa.decimal128(10, 2), pa.decimal256(60, 20)], [pl.Decimal(10, 2), pl.Decimal]
    ),
    "minus of a zero": Case(-0.0, [pa.int64()], [pl.Decimal(10, 2), pl.Decimal(38, 0)]),
    "no members": Case([None], [pa.map_(pa.string(), pa.int64()), pa.struct({"a": pa.int64()})], []),
    "pairs": Case([["a", 1]], [pa.map_(pa.string(), pa.int64())], []),
    "no members within": Case([[None]], [pa.list_(pa.map_(pa.string(), pa.int64()))], []),
    "element": Case([0.1], [pa.list_(pa.float32())], [pl.List(pl.Float32)]),
}


class TestMisfits:
    """What other libraries cut, round or shift."""

    @pytest.mark.parametrize("name", MISFITS)
    def test_refused(self, name: str) -> None:
        """It is refused in all libraries, and the error does not tell the value."""
        case = MISFITS[name]
        kind = type(case.value)
        field, data = field_of(kind), sealed(kind, [None, case.value])
        attempts = [
            *((arrow, pa.array(data, pa.binary()), named) for named in case.arrow),
            *((arrow, pa.chunked_array([data], pa.binary()), named) for named in case.arrow),
            *((pandas, pd.Series(data), named) for named in case.arrow),
            *((polars, pl.Series(data), named) for named in case.polars),
        ]
        for module, column, named in attempts:
            with pytest.raises(ValueError, match="do not fit") as caught:
                module.decrypt_column(field, column, type=named)
            assert str(case.value) not in told(caught.value), (module, named)

    @pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")], ids=str)
    def test_decimals_that_no_column_holds(self, value: Decimal, capfd: pytest.CaptureFixture[str]) -> None:
        """They are a ValueError without a type too, and polars does not get to panic at them."""
        data = sealed(Decimal, [value])
        for module, column in ((arrow, pa.array(data)), (pandas, pd.Series(data)), (polars, pl.Series(data))):
            with pytest.raises(ValueError, match="do not fit"):
                module.decrypt_column(field_of(Decimal), column)
        assert capfd.readouterr().err == ""

    def test_times_with_an_offset(self) -> None:
        """A column of times has no offsets, so such a time is refused without a type too."""
        data = sealed(time, [time(12, tzinfo=timezone(timedelta(hours=2)))])
        for module, column in ((arrow, pa.array(data)), (pandas, pd.Series(data)), (polars, pl.Series(data))):
            with pytest.raises(ValueError, match="do not fit"):
                module.decrypt_column(field_of(time), column)

    @pytest.mark.parametrize(
        ("value", "zone"),
        [
            (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), None),
            (datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))), "UTC"),
            (datetime(1, 1, 1, tzinfo=UTC), "America/New_York"),
            (datetime(9999, 12, 31, 23, 30, tzinfo=UTC), BERLIN),
        ],
        ids=str,
    )
    def test_years_that_python_lacks(
        self, value: datetime, zone: str | None, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Moments that no datetime of the column's time zone says would make a column that cannot be listed."""
        data = sealed(datetime, [AWARE, None, value])
        of_arrow, of_polars = (pa.timestamp("us", zone), pl.Datetime("us", zone)) if zone else (None, None)
        attempts = ((arrow, pa.array(data), of_arrow), (pandas, pd.Series(data), of_arrow))
        for module, column, type in (*attempts, (polars, pl.Series(data), of_polars)):
            with pytest.raises(ValueError, match="do not fit"):
                module.decrypt_column(field_of(datetime), column, type=type)
        assert capfd.readouterr().err == ""


class TestFits:
    """What fits is not refused."""

    def test_the_hour_that_comes_twice(self) -> None:
        """Moments are equal in any zone, also in the hours for which Python says that they are not."""
        hours = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in range(4)]
        data = sealed(datetime, hours)
        zone = ZoneInfo(BERLIN)
        array = arrow.decrypt_column(field_of(datetime), pa.array(data), type=pa.timestamp("us", BERLIN))
        assert [hour.astimezone(zone).hour for hour in hours] == [value.hour for value in array.to_pylist()]
        series = polars.decrypt_column(field_of(datetime), pl.Series(data), type=pl.Datetime("us", BERLIN))
        assert [hour.astimezone(zone).hour for hour in hours] == [value.hour for value in series.to_list()]

    @pytest.mark.parametrize(
        ("value", "arrow_type", "polars_type"),
        [
            (1.5, pa.float16(), pl.Float32),
            (float("nan"), pa.float16(), pl.Float32),
            (2.0, pa.int8(), pl.Float64),
            (-0.0, pa.float16(), pl.Float32),
            (datetime.max.replace(tzinfo=UTC), pa.timestamp("us", "UTC"), pl.Datetime("us", "UTC")),
            (datetime.min.replace(tzinfo=UTC), pa.timestamp("us", BERLIN), pl.Datetime("us", BERLIN)),
            (Decimal("1.5"), pa.decimal128(10, 2), pl.Decimal(10, 2)),
            (NOON, pa.timestamp("s"), pl.Datetime("ms")),
            (NOON, pa.timestamp("ns"), pl.Datetime("ns")),
            (7, pa.uint8(), pl.UInt8),
            ("a", pa.dictionary(pa.int8(), pa.string()), pl.Categorical),
            ([1.0, float("nan")], pa.list_(pa.float32()), pl.List(pl.Float32)),
            ({"a": 1}, pa.map_(pa.string(), pa.int64()), pl.Struct({"a": pl.Int64})),
            ({"a": 1}, pa.struct({"a": pa.int64()}), pl.Object),
        ],
        ids=str,
    )
    def test_other_types(self, value: Any, arrow_type: pa.DataType, polars_type: Any) -> None:
        """Types that are not the usual ones, and have the value all the same."""
        kind = type(value)
        data = sealed(kind, [value, None])
        found = arrow.decrypt_column(field_of(kind), pa.array(data), type=arrow_type)
        assert found.type == arrow_type
        assert equal(of_arrow(found), [value, None])
        series = polars.decrypt_column(field_of(kind), pl.Series(data), type=polars_type)
        assert series.dtype == polars_type
        assert equal(series.to_list(), [value, None])
