"""Spark in two threads: columns that are encrypted and decrypted by its Python workers.

Run by `make test-spark`, and not with the other tests: PySpark takes longer to install than they have.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pyspark.errors import PythonException
from pyspark.serializers import CloudPickleSerializer
from pyspark.sql import SparkSession
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
    StructField,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from fieldcrypt import ConfigurationError, Encryptor, Field, FileKeyStore, LocalKeyProvider, row_context
from fieldcrypt.schemes.fernet import FernetReader
from fieldcrypt_spark import decrypt_column, encrypt_column
from fieldcrypt_spark.remote import Remote
from tests.columns.spark import CORES, FERNET_KEY, KEY, patients
from tests.columns.spark import encryptor as encryptor
from tests.columns.spark import log as log
from tests.columns.spark import spark as spark
from tests.columns.spark import ssn as ssn

SSN = "078-05-1120"

# A column of each type, its Python type, and values that a careless way through pandas would change.
TYPES: dict[str, tuple[type, DataType, list[Any]]] = {
    "text": (str, StringType(), [SSN, "", "Zoë"]),
    "data": (bytes, BinaryType(), [b"\x00\xff", b"", b"x"]),
    "number": (int, LongType(), [2**53 + 1, -(2**63), 0]),
    "share": (float, DoubleType(), [float("nan"), float("-inf"), 0.1]),
    "yes": (bool, BooleanType(), [True, False, True]),
    "born": (date, DateType(), [date(1980, 2, 29), date(1, 1, 1), date(9999, 12, 31)]),
    "seen": (
        datetime,
        TimestampType(),
        [datetime(2026, 7, 1, 12, 0, 0, 5, UTC), datetime(1600, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)],
    ),
    "local": (
        datetime,
        TimestampNTZType(),
        [datetime(2026, 3, 8, 2, 30), datetime(1600, 1, 1, 1, 2, 3, 4), datetime(9999, 1, 1, 23, 59, 59, 999999)],
    ),
    "weight": (Decimal, DecimalType(10, 2), [Decimal("70.50"), Decimal("-0.01"), Decimal("0.00")]),
}

NAMED = ("local", "weight")  # whose type has to be said
WHERE: dict[str, Any] = {"tenant": "tenant", "row": ("clinic", "id")}


def unwraps(log: Path) -> Counter[str]:
    return Counter(log.read_text().split() if log.exists() else [])


class TestColumns:
    """Columns go through Python workers, and none of their values is changed."""

    def test_values_of_every_type(self, spark: SparkSession, encryptor: Encryptor, tmp_path: Path) -> None:
        """Written to Parquet as binary and read again, all values are what they were, nulls and types included."""
        fields: dict[str, Field[Any]] = {name: encryptor.field(name, kind) for name, (kind, _, _) in TYPES.items()}
        schema = StructType([StructField(name, LongType()) for name in ("id", "clinic")])
        schema.add("tenant", StringType())
        for name, (_, type_, _) in TYPES.items():
            schema.add(name, type_)
        values = [list(row) for row in zip(*(values for _, _, values in TYPES.values()), strict=True)]
        rows = [(number, 7, "ab"[number % 2], *row) for number, row in enumerate([*values, [None] * len(TYPES)])]
        frame = spark.createDataFrame(rows, schema).coalesce(1)  # nulls and others in one batch
        types = {name: TYPES[name][1] if name in NAMED else None for name in TYPES}
        encrypted = frame.withColumns(
            {name: encrypt_column(field, name, type=types[name], **WHERE) for name, field in fields.items()}
        )
        encrypted.write.parquet(str(tmp_path / "table"))
        stored = spark.read.parquet(str(tmp_path / "table"))
        assert {stored.schema[name].dataType for name in TYPES} == {BinaryType()}
        decrypted = stored.withColumns(
            {name: decrypt_column(field, name, type=types[name], **WHERE) for name, field in fields.items()}
        )
        assert decrypted.schema == frame.schema
        assert list(map(repr, decrypted.orderBy("id").collect())) == list(map(repr, frame.collect()))
        first = stored.filter("id = 0").collect()[0]
        for name, field in fields.items():
            assert repr(field.decrypt(first[name], tenant="a", context=row_context(7, 0))) == repr(TYPES[name][2][0])

    def test_a_hundred_thousand_rows(self, spark: SparkSession, ssn: Field[str], tmp_path: Path, log: Path) -> None:
        """Every Python worker unwraps each key once, whatever the rows, partitions and jobs."""
        table = patients(spark, 100_000, parts=16)
        for turn in ("first", "second"):
            encrypted = table.withColumn("ssn", encrypt_column(ssn, "ssn", tenant="tenant", row="id"))
            encrypted.write.parquet(str(tmp_path / turn))
        stored = spark.read.parquet(str(tmp_path / "second"))
        decrypted = stored.withColumn("ssn", decrypt_column(ssn, "ssn", tenant="tenant", row="id"))
        assert decrypted.exceptAll(table).count() == table.exceptAll(decrypted).count() == 0
        assert decrypted.count() == 100_000
        calls = unwraps(log)
        assert len(calls) <= CORES
        assert set(calls.values()) <= {1, 2}  # tenants

    def test_a_function_that_makes_the_field(self, spark: SparkSession, ssn: Field[str], tmp_path: Path) -> None:
        """It is called once in each worker, on whatever the worker finds there."""
        made, key, keys = tmp_path / "made", tmp_path / "key", tmp_path / "keys.sqlite"

        def make() -> Field[str]:
            with made.open("a") as file:
                file.write(f"{os.getpid()}\n")
            return Encryptor(LocalKeyProvider.from_file(key), FileKeyStore(keys)).field("patients.ssn", str)

        for _ in range(3):
            encrypted = patients(spark, 1000).select("ssn", encrypt_column(make, "ssn").alias("data"))
            assert encrypted.filter(decrypt_column(make, "data") != F.col("ssn")).count() == 0
        calls = Counter(made.read_text().split())
        here = calls.pop(str(os.getpid()))  # where only the type is asked for
        assert here
        assert set(calls.values()) == {1}
        assert len(calls) <= CORES
        row = encrypted.first()
        assert row is not None
        assert ssn.decrypt(row["data"]) == row["ssn"]

    def test_values_of_another_row(self, spark: SparkSession, ssn: Field[str]) -> None:
        """Exchanged between rows or tenants, a value is refused, and the job ends without a word of it."""
        encrypted = patients(spark, 10, parts=1).withColumn(
            "ssn", encrypt_column(ssn, "ssn", tenant="tenant", row="id")
        )
        for wrong in ({"tenant": "tenant", "row": F.col("id") + 1}, {"tenant": F.lit("b"), "row": "id"}):
            with pytest.raises(PythonException, match="DecryptionError") as caught:
                encrypted.select(decrypt_column(ssn, "ssn", **wrong)).collect()
            assert "078-" not in str(caught.value)

    def test_another_scheme(self, spark: SparkSession, ssn: Field[str]) -> None:
        """Values of another scheme are read and encrypted in one step."""
        token = Fernet(FERNET_KEY).encrypt(SSN.encode()).decode()
        old = spark.createDataFrame([(1, token), (2, None)], "id long, ssn string").coalesce(1)
        new = old.withColumn("ssn", encrypt_column(ssn, "ssn", row="id", reader=fernet_reader))
        read = new.select(decrypt_column(ssn, "ssn", row="id").alias("ssn")).collect()
        assert [row["ssn"] for row in read] == [SSN, None]

    def test_no_key_travels(self, ssn: Field[str]) -> None:
        """What is sent to the executors has the path of a key and not the key; what has only the key is refused."""
        assert KEY not in CloudPickleSerializer().dumps(Remote(ssn))
        in_memory = Encryptor(LocalKeyProvider.generate(), ssn._encryptor.store).field("patients.ssn", str)  # type: ignore[attr-defined]
        with pytest.raises(Exception, match="from_file"):
            CloudPickleSerializer().dumps(Remote(in_memory))

    @pytest.mark.parametrize(("kind", "type_"), [(Decimal, None), (list, None), (str, LongType())])
    def test_types_that_spark_does_not_have(self, encryptor: Encryptor, kind: Any, type_: DataType | None) -> None:
        """What would not come back as it was is refused when the column is made."""
        with pytest.raises(ConfigurationError):
            encrypt_column(encryptor.field("patients.any", kind), "ssn", type=type_)


def fernet_reader() -> FernetReader[str]:
    return FernetReader(Fernet(FERNET_KEY))
