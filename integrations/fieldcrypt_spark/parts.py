"""The parts of a table: the values of one column, each of which gets a directory."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DateType,
    NumericType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from fieldcrypt import ConfigurationError
from fieldcrypt_spark.types import at_clock_micros, clock_micros

__all__ = ["Name", "Part", "directory_of", "named", "parts_of"]

Name = str | None  # a value of the column as text, which names its directory

_DIRECTORY_OF_NULL = "__HIVE_DEFAULT_PARTITION__"

# Dates and times come to the driver as numbers, and go back as these. As Python's they would pass through time zones,
# and a naive datetime would be a point in time to Spark.
_AS_NUMBERS: dict[type[DataType], tuple[Callable[[Column], Column], Callable[[Column], Column]]] = {
    DateType: (F.unix_date, F.date_from_unix_date),
    TimestampType: (F.unix_micros, F.timestamp_micros),
    TimestampNTZType: (clock_micros, at_clock_micros),
}


class Part(NamedTuple):
    """A part of the table.

    Attributes:
        rows_of: the condition that selects its rows, which sources can take over.
        name: the value of the column as text.
        rows: how many the table has of it.
    """

    rows_of: Column
    name: Name
    rows: int


def parts_of(frame: DataFrame, by: str) -> list[Part]:
    """Return the parts of a table in the order of their values.

    Raises:
        ConfigurationError: a value gets no directory of its own, or one that does not say which value it is.
    """
    type = frame.select(named(by)).schema[0].dataType
    if by.startswith(".") or not (
        isinstance(type, (*_AS_NUMBERS, BooleanType, NumericType)) or type.simpleString() == StringType().simpleString()
    ):  # texts with a collation are refused by Spark itself, but later
        raise ConfigurationError(
            f"column {by!r} of type {type.simpleString()} makes no directories that can be read: take a column of "
            "text, numbers, dates or times whose name does not begin with a dot"
        )
    as_number, of_number = _AS_NUMBERS.get(type.__class__, (_itself, _itself))
    text, value = named(by).cast("string"), F.col("value")
    counted = frame.groupBy(named(by).alias("value")).agg(
        F.first(text).alias("name"),
        F.count(F.lit(1)).alias("rows"),
        F.countDistinct(text.cast("binary")).alias("names"),
    )
    read_back = F.col("name").try_cast(type).eqNullSafe(value)
    parts = []
    for number, name, rows, names, same in (
        counted.orderBy(value).select(as_number(value), "name", "rows", "names", read_back).collect()
    ):
        if names > 1:  # such as 0.0 and -0.0
            raise ConfigurationError(
                f"values of {by!r} that are equal would get several directories, {name!r} and another: take a column "
                "in which they are one"
            )
        if not same:  # in the hour that a time zone has twice
            raise ConfigurationError(
                f"the directory {name!r} of a value of {by!r} would be read as another value: take a column of text "
                "that tells them apart"
            )
        parts.append(Part(named(by).eqNullSafe(of_number(F.lit(number)).cast(type)), name, rows))
    directories: dict[str, Name] = {}
    for part in parts:
        _check(by, part.name, directories)
    return parts


def _itself(column: Column) -> Column:
    return column


def _check(by: str, name: Name, directories: dict[str, Name]) -> None:
    if name in ("", _DIRECTORY_OF_NULL):
        raise ConfigurationError(
            f"the value {name!r} of {by!r} would share the directory of null and be read as null: "
            "take a column that has another value in its place"
        )
    folded = unicodedata.normalize("NFC", name or _DIRECTORY_OF_NULL).casefold()
    if folded in directories:
        raise ConfigurationError(
            f"the values {directories[folded]!r} and {name!r} of {by!r} would share a directory, for there are file "
            "systems that take their names for one: take a column whose values differ in more than case"
        )
    directories[folded] = name


def directory_of(by: str, name: Name) -> str:
    """Return the directory of a part, before Spark escapes characters of it."""
    return f"{by}={_DIRECTORY_OF_NULL if name is None else name}"


def named(name: str) -> Column:
    """Return the column of a name, whatever characters it has."""
    return F.col(f"`{name.replace('`', '``')}`")
