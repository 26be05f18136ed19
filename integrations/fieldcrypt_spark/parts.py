"""The parts of a table: the values of one column, each of which gets a directory."""

from __future__ import annotations

import unicodedata
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)

from fieldcrypt import ConfigurationError

__all__ = ["Name", "Part", "directory_of", "named", "parts_of"]

Name = str | None  # a value of the column as text, which names its directory

_DIRECTORY_OF_NULL = "__HIVE_DEFAULT_PARTITION__"


class Part(NamedTuple):
    """A part of the table.

    Attributes:
        value: of the column.
        name: the same as text.
        rows: how many the table has of it.
    """

    value: Any
    name: Name
    rows: int


def parts_of(frame: DataFrame, by: str) -> list[Part]:
    """Return the parts of a table in the order of their values.

    Raises:
        ConfigurationError: a value gets no directory of its own.
    """
    text = named(by).cast("string")
    counts = [F.first(text), F.count(F.lit(1)), F.countDistinct(text.cast("binary"))]
    found = frame.groupBy(named(by)).agg(*counts).orderBy(named(by)).collect()
    parts = [Part(value, name, rows) for value, name, rows, _ in found]
    for _, name, _, names in found:
        if names > 1:  # such as 0.0 and -0.0
            raise ConfigurationError(
                f"values of {by!r} that are equal would get several directories, {name!r} and another: take a column "
                "in which they are one"
            )
    directories: dict[str, Name] = {}
    for part in parts:
        _check(by, part.name, directories)
    return parts


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
