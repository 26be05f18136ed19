"""The job that encrypts a table: it reads a DataFrame part by part, and writes Parquet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)
from pyspark.sql.types import BinaryType, StringType, StructField, StructType

from fieldcrypt import ConfigurationError, envelope
from fieldcrypt.aead import NONCE_SIZE, TAG_SIZE
from fieldcrypt_spark.columns import NAME_OF_UDF
from fieldcrypt_spark.notes import Notes
from fieldcrypt_spark.parts import Name, Part, named, parts_of

__all__ = ["BackfillReport", "backfill"]

# Of an encrypted value, by SPEC section 3; positions are counted from 1.
_VERSIONS = [f"{version:02X}" for version in (envelope.STORED, envelope.SELF_CONTAINED)]
_KEY_ID = (2, envelope.KEY_ID_SIZE)
_SHORTEST = len(envelope.head(envelope.STORED, bytes(envelope.KEY_ID_SIZE))) + NONCE_SIZE + TAG_SIZE


class BackfillReport(NamedTuple):
    """What a run of `backfill` did, by the values of the column `by`, as text.

    Attributes:
        written: the parts that it wrote.
        complete: the parts that were there before, written by a backfill with the same columns and fields, unchanged
            since, and with as many rows as the table has.
    """

    written: list[Name]
    complete: list[Name]


def backfill(
    frame: DataFrame,
    path: str,
    columns: Mapping[str, Column],
    *,
    by: str,
    on_progress: Callable[[Name], object] | None = None,
) -> BackfillReport:
    """Write a table as Parquet, with encrypted columns in the place of plaintext ones.

        patients = spark.read.jdbc(url, "patients", column="id", lowerBound=0, upperBound=10**7, numPartitions=40)
        ssn = encrypt_column(fields.ssn, "ssn", tenant="clinic_id", row="id")
        backfill(patients, "s3://lake/patients", {"ssn": ssn}, by="clinic_id")

    Each value of one column is a part, a job of Spark's, and a directory (`clinic_id=7`). What each was written with is
    noted beside the data, in `_fieldcrypt`. Interrupt it where you like and begin again: parts that are whole and have
    as many rows as the table are left alone, others are written again as a whole. It does not see that a row has
    changed since. One run per path at a time.

    Args:
        frame: the table, read over JDBC, from Parquet or from anywhere; a filter by `by` is pushed down to it.
        path: where to write: a directory, of S3, HDFS or any other file system that Spark knows. It is new, or has
            what a backfill with the same columns wrote.
        columns: by the name of a plaintext column, what is to be in its place: see `encrypt_column`.
        by: the column whose values are the parts: some dozens, rather than millions.
        on_progress: called after each part with the value of `by`, as text.

    Raises:
        ConfigurationError, before anything is written: the table has no such column, so that another would stay
            plaintext; one that is to be encrypted is to name directories too, or is not what `encrypt_column` returns;
            the path has other files, or was written with other columns; two values of `by` would share a directory.
            And after a part: it has values that are not encrypted.
        Else as the columns do when Spark runs them: the parts before are written.
    """
    unknown = [name for name in (*columns, by) if name not in frame.columns]
    if unknown or not columns or by in columns:
        raise ConfigurationError(
            "give the columns to be encrypted by their names in the table, and another one that makes its parts"
            + "".join(f"; {name!r} is none" for name in unknown[:1])
        )
    notes = Notes(frame.sparkSession, path, by, _about(frame, columns, by))
    if notes.has_files:
        _check_binary(frame.sparkSession.read.parquet(path).schema, columns)
    report = BackfillReport([], [])
    for part in parts_of(frame, by):
        if notes.is_whole(part.name, part.rows):
            report.complete.append(part.name)
            continue
        notes.begin(part.name)
        _write(frame, path, columns, by, part)
        notes.end(part.name, *_written(frame, path, list(columns), by, part.name))
        report.written.append(part.name)
        if on_progress is not None:
            on_progress(part.name)
    return report


def _about(frame: DataFrame, columns: Mapping[str, Column], by: str) -> dict[str, Any]:
    """Return what a table is written with, as it is noted.

    Raises:
        ConfigurationError: a column is not what `encrypt_column` returns.
    """
    # By the names that Spark gives to expressions: `encrypt_column patients.ssn(ssn, clinic, id)`.
    expressions = {name: frame.select(column).columns[0] for name, column in columns.items()}
    for name, expression in expressions.items():
        if NAME_OF_UDF not in expression:
            raise ConfigurationError(
                f"column {name!r} is to have what encrypt_column returns, without another name, in its place"
            )
    encrypted = frame.withColumns(dict(columns)).schema
    _check_binary(encrypted, columns)
    types = {field.name: field.dataType.simpleString() for field in encrypted}
    return {"columns": types, "encrypted": expressions, "by": by}


def _check_binary(schema: StructType, columns: Mapping[str, Column]) -> None:
    for name in columns:
        if name not in schema.names or not isinstance(schema[name].dataType, BinaryType):
            raise ConfigurationError(f"column {name!r} is not binary, so it is not encrypted")


def _write(frame: DataFrame, path: str, columns: Mapping[str, Column], by: str, part: Part) -> None:
    rows = frame.filter(named(by).eqNullSafe(F.lit(part.value))).withColumns(dict(columns))
    writer = rows.write.mode("overwrite").option("partitionOverwriteMode", "dynamic")  # no other part is touched
    writer.partitionBy(by).parquet(path)


def _written(frame: DataFrame, path: str, names: list[str], by: str, part: Name) -> tuple[int, dict[str, list[str]]]:
    """Return how many rows a part has in its files, and the ids of the keys that each of its columns is under.

    Raises:
        ConfigurationError: it has values that are not encrypted.
    """
    schema = StructType([StructField(by, StringType()), *(StructField(name, BinaryType()) for name in names)])
    there = frame.sparkSession.read.schema(schema).parquet(path)  # the part's name as it is, not as a number
    rows = there.filter(named(by).eqNullSafe(F.lit(part).cast("string")))
    plain = [F.count_if(~_is_encrypted(named(name))) for name in names]
    ids = [F.collect_set(F.hex(F.substring(named(name), *_KEY_ID))) for name in names]
    found = rows.agg(F.count(F.lit(1)), *plain, *ids).collect()[0]
    for name, count in zip(names, found[1 : 1 + len(names)], strict=True):
        if count:
            raise ConfigurationError(
                f"{count} values of column {name!r} that were written to {path} are not encrypted: remove them, and "
                "give what encrypt_column returns"
            )
    return found[0], {name: sorted(keys) for name, keys in zip(names, found[1 + len(names) :], strict=True)}


def _is_encrypted(column: Column) -> Column:
    """Return whether values have the form of encrypted ones, which nobody's plaintext has by chance in each row."""
    return F.hex(F.substring(column, 1, 1)).isin(*_VERSIONS) & (F.length(column) >= _SHORTEST)
