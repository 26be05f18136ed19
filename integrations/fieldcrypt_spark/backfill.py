"""The job that encrypts a table: it reads a DataFrame part by part, and writes Parquet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)
from pyspark.sql.types import StringType, StructField, StructType

from fieldcrypt import ConfigurationError

__all__ = ["BackfillReport", "backfill"]

Part = str | None


class BackfillReport(NamedTuple):
    """What a run of `backfill` did, by the values of the column `by`, as text.

    Attributes:
        written: the parts that it wrote.
        complete: the parts that were there before, with as many rows as the table has.
    """

    written: list[Part]
    complete: list[Part]


def backfill(
    frame: DataFrame,
    path: str,
    columns: Mapping[str, Column],
    *,
    by: str,
    on_progress: Callable[[Part], object] | None = None,
) -> BackfillReport:
    """Write a table as Parquet, with encrypted columns in the place of plaintext ones.

        patients = spark.read.jdbc(url, "patients", column="id", lowerBound=0, upperBound=10**7, numPartitions=40)
        ssn = encrypt_column(fields.ssn, "ssn", tenant="clinic_id", row="id")
        backfill(patients, "s3://lake/patients", {"ssn": ssn}, by="clinic_id")

    Each value of one column is a part, a job of Spark's, and a directory (`clinic_id=7`). Interrupt it where you like
    and begin again: parts that have as many rows as the table are left alone, others are written anew as a whole. It
    does not see that a row has changed since.

    Args:
        frame: the table, read over JDBC, from Parquet or from anywhere; a filter by `by` is pushed down to it.
        path: where to write: a directory, of S3, HDFS or any other file system that Spark knows.
        columns: by the name of a plaintext column, what is to be in its place: see `encrypt_column`.
        by: the column whose values are the parts: some dozens, rather than millions.
        on_progress: called after each part with the value of `by`, as text.

    Raises:
        ConfigurationError: the table has no such column, so that another would stay plaintext; or one that is to be
            encrypted is to name directories too.
        Else as the columns do when Spark runs them: the parts before are written.
    """
    unknown = [name for name in (*columns, by) if name not in frame.columns]
    if unknown or not columns or by in columns:
        raise ConfigurationError(
            "give the columns to be encrypted by their names in the table, and another one that makes its parts"
            + "".join(f"; {name!r} is none" for name in unknown[:1])
        )
    there = _written(frame, path, by)
    report = BackfillReport([], [])
    for value, text, rows in _counted(frame, by):
        if there.get(text) == rows:
            report.complete.append(text)
            continue
        part = frame.filter(F.col(by).eqNullSafe(F.lit(value))).withColumns(dict(columns))
        writer = part.write.mode("overwrite").option("partitionOverwriteMode", "dynamic")  # no other part is touched
        writer.partitionBy(by).parquet(path)
        report.written.append(text)
        if on_progress is not None:
            on_progress(text)
    return report


def _counted(frame: DataFrame, by: str) -> list[tuple[Any, Part, int]]:
    """Return the values of a column in order, as text as well, and how many rows have each."""
    text = F.col(by).cast("string")
    found = frame.groupBy(by).agg(F.first(text).alias("text"), F.count(F.lit(1)).alias("rows")).orderBy(by)
    return [(row[0], row[1], row[2]) for row in found.collect()]


def _written(frame: DataFrame, path: str, by: str) -> dict[Part, int]:
    """Return how many rows each part has that is there; its name as it is, and not as the number that it looks like."""
    schema = StructType([StructField(by, StringType())])
    try:
        found = frame.sparkSession.read.schema(schema).parquet(path)
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        return {}
    return {text: rows for _, text, rows in _counted(found, by)}
