"""The job that encrypts a table: it reads a DataFrame part by part, and writes Parquet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)
from pyspark.sql.types import BinaryType, StringType, StructField, StructType, TimestampType

from fieldcrypt import ConfigurationError, KeyNotFoundError, KeyStore, MigrationError
from fieldcrypt.spi import KEY_ID_SIZE, MIN_SIZE, SELF_CONTAINED, STORED
from fieldcrypt_spark.declarations import Declaration, declarations_in, without_numbers
from fieldcrypt_spark.notes import Notes
from fieldcrypt_spark.parts import Name, Part, named, parts_of

__all__ = ["BackfillReport", "backfill"]

# Of an encrypted value, by SPEC section 3; positions are counted from 1.
_VERSIONS = [f"{version:02X}" for version in (STORED, SELF_CONTAINED)]
_KEY_ID = (2, KEY_ID_SIZE)


class BackfillReport(NamedTuple):
    """What a run of `backfill` did, by the values of the column `by`, as text.

    Attributes:
        written: the parts that it wrote.
        complete: the parts that were there before, written by a backfill with the same columns and fields, unchanged
            since, and with as many rows as the table has.
        gone: the parts whose rows are at the path, and that the table has no more: left as they are.
    """

    written: list[Name]
    complete: list[Name]
    gone: list[Name]


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
    noted next to the data, in `_fieldcrypt`. Interrupt it where you like and begin again: parts that are whole and have
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
            plaintext. A column that is to be encrypted is to name directories too, or is not what `encrypt_column`
            returns. The path has other files, or was written with other columns, fields, padding or readers, or under
            keys that a field's key store does not have. Two values of `by` would share a directory, or one would be
            read back as another. And after a part: it has values that are not encrypted.
        MigrationError: of a part other rows were written than the table had at first. The next run writes it again.
        Else as the columns do when Spark runs them: the parts before are written.
    """
    unknown = [name for name in (*columns, by) if name not in frame.columns]
    if unknown or not columns or by in columns:
        raise ConfigurationError(
            "give the columns to be encrypted by their names in the table, and another one that makes its parts"
            + "".join(f"; {name!r} is none" for name in unknown[:1])
        )
    # By the names that Spark gives to expressions: `encrypt_column #1 patients.ssn(ssn, clinic, id)`.
    expressions = {name: frame.select(column).columns[0] for name, column in columns.items()}
    declared = {name: declarations_in(expression) for name, expression in expressions.items()}
    notes = Notes(frame.sparkSession, path, by, _about(frame, columns, by, expressions, declared))
    _check_keys(path, notes.keys(), declared)
    if notes.has_files:
        _check_binary(frame.sparkSession.read.parquet(path).schema, columns)
    parts = parts_of(frame, by)
    report = BackfillReport([], [], notes.gone(part.name for part in parts))
    for part in parts:
        if notes.is_whole(part.name, part.rows):
            report.complete.append(part.name)
            continue
        notes.begin(part.name)
        _write(frame, path, columns, by, part)
        notes.end(part.name, part.rows, _keys_of_written(frame, path, list(columns), by, part))
        report.written.append(part.name)
        if on_progress is not None:
            on_progress(part.name)
    return report


def _about(
    frame: DataFrame,
    columns: Mapping[str, Column],
    by: str,
    expressions: Mapping[str, str],
    declared: Mapping[str, list[Declaration]],
) -> dict[str, Any]:
    """Return what a table is written with, as it is noted.

    Raises:
        ConfigurationError: a column is not what `encrypt_column` returns.
    """
    for name in columns:
        if not declared[name]:
            raise ConfigurationError(
                f"column {name!r} is to have what encrypt_column returns, without another name, in its place"
            )
    encrypted = frame.withColumns(dict(columns)).schema
    _check_binary(encrypted, columns)
    # Directories are named after points in time as clocks of the session's time zone show them.
    zone = frame.sparkSession.conf.get("spark.sql.session.timeZone")
    return {
        "columns": {field.name: field.dataType.simpleString() for field in encrypted},
        "encrypted": {name: without_numbers(expression) for name, expression in expressions.items()},
        "declared": {name: [one.noted() for one in found] for name, found in declared.items()},
        "by": by,
        "zone": zone if isinstance(encrypted[by].dataType, TimestampType) else None,
    }


def _check_keys(path: str, keys: Mapping[str, set[str]], declared: Mapping[str, list[Declaration]]) -> None:
    """Look for the keys of what was written before.

    Raises:
        ConfigurationError: no key store of a column's fields has one of them.
        KeyStoreError: a key store cannot be read.
    """
    for name, ids in keys.items():
        stores = [declaration.field.store for declaration in declared[name]]
        for key_id in sorted(ids):
            if not any(store is None or _has(store, bytes.fromhex(key_id)) for store in stores):
                raise ConfigurationError(
                    f"column {name!r} at {path} was written under keys that its field does not have, such as "
                    f"{key_id.lower()}: give the Encryptor that wrote it, or write to another path"
                )


def _has(store: KeyStore, key_id: bytes) -> bool:
    """Return True if a key store has, or had before it was shredded, a key."""
    try:
        store.get(key_id)
    except KeyNotFoundError:
        return False
    return True


def _check_binary(schema: StructType, columns: Mapping[str, Column]) -> None:
    for name in columns:
        if name not in schema.names or not isinstance(schema[name].dataType, BinaryType):
            raise ConfigurationError(f"column {name!r} is not binary, so it is not encrypted")


def _write(frame: DataFrame, path: str, columns: Mapping[str, Column], by: str, part: Part) -> None:
    rows = frame.filter(part.rows_of).withColumns(dict(columns))
    writer = rows.write.mode("overwrite").option("partitionOverwriteMode", "dynamic")  # no other part is touched
    writer.partitionBy(by).parquet(path)


def _keys_of_written(frame: DataFrame, path: str, names: list[str], by: str, part: Part) -> dict[str, list[str]]:
    """Return the ids of the keys that each column of a part is under in its files, which are all there.

    Raises:
        MigrationError: it has more or fewer rows than the table.
        ConfigurationError: it has values that are not encrypted.
    """
    schema = StructType([StructField(by, StringType()), *(StructField(name, BinaryType()) for name in names)])
    there = frame.sparkSession.read.schema(schema).parquet(path)  # the part's name as it is, not as a number
    rows = there.filter(named(by).eqNullSafe(F.lit(part.name).cast("string")))
    plain = [F.count_if(~_is_encrypted(named(name))) for name in names]
    ids = [F.collect_set(F.hex(F.substring(named(name), *_KEY_ID))) for name in names]
    found = rows.agg(F.count(F.lit(1)), *plain, *ids).collect()[0]
    if found[0] != part.rows:
        raise MigrationError(
            f"the table had {part.rows} rows whose {by!r} is {part.name!r}, and {found[0]} were written to {path}. The "
            "part counts as not written; see to it that nobody changes the table, and run the job again"
        )
    for name, count in zip(names, found[1 : 1 + len(names)], strict=True):
        if count:
            raise ConfigurationError(
                f"{count} values of column {name!r} that were written to {path} are not encrypted: remove them, and "
                "give what encrypt_column returns"
            )
    return {name: sorted(keys) for name, keys in zip(names, found[1 + len(names) :], strict=True)}


def _is_encrypted(column: Column) -> Column:
    """Return whether values have the form of encrypted ones, which nobody's plaintext has by chance in each row."""
    return F.hex(F.substring(column, 1, 1)).isin(*_VERSIONS) & (F.length(column) >= MIN_SIZE)
