"""The Spark job that reports on encrypted patients: what it writes, and where its workers get their keys.

Run by `make test-spark`, as tests/columns/test_spark.py is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.errors import PythonException
from pyspark.sql import SparkSession

from examples.spark_report import fields, patients, reading, report
from fieldcrypt import FileKeyStore
from fieldcrypt.settings import Settings
from fieldcrypt.testing import FaultyProxy
from tests.columns.spark import CORES
from tests.columns.spark import spark as spark

CLINICS = {clinic for _, clinic, *_ in patients.PATIENTS}


@pytest.fixture
def clinic(
    spark: SparkSession, keys: Settings, kms: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Encrypted patients, KMS behind a proxy, and workers without keys: a new environment makes new workers."""
    FileKeyStore.create(tmp_path / "keys.sqlite")
    monkeypatch.setenv("FIELDCRYPT_PROVIDER", keys.provider)
    monkeypatch.setenv("FIELDCRYPT_STORE", f"file:{tmp_path / 'keys.sqlite'}")
    ours = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "FIELDCRYPT_"))}
    context = spark.sparkContext
    monkeypatch.setattr(context, "environment", {**context.environment, **ours})
    fields.encryptor.cache_clear()
    clinic = SimpleNamespace(spark=spark, kms=kms, patients=str(tmp_path / "patients"), report=str(tmp_path / "report"))
    patients.main(spark, clinic.patients)
    monkeypatch.setitem(context.environment, "JOB", "report")
    yield clinic
    fields.encryptor().close()
    fields.encryptor.cache_clear()


def test_the_report_has_each_clinics_patients_per_year(clinic: Any) -> None:
    """As pandas reads it, by another way than wrote it."""
    report.main(clinic.spark, clinic.patients, clinic.report)
    found = [tuple(row) for row in reading.read(clinic.report).itertuples(index=False)]
    assert found == [("north", 2024, 1), ("north", 2025, 2), ("south", 2024, 2)]


def test_both_tables_have_ciphertext_where_they_are_protected(clinic: Any) -> None:
    """Columns of binary values, without a word of the plaintext."""
    report.main(clinic.spark, clinic.patients, clinic.report)
    stored, counted = pq.read_table(clinic.patients), pq.read_table(clinic.report)
    protected = stored.select(["name", "diagnosis", "admitted"]), counted.select(["patients"])
    assert {str(kind) for table in protected for kind in table.schema.types} == {"binary"}
    names = [name.encode() for _, _, name, *_ in patients.PATIENTS]
    assert not [name for name in names for value in stored["name"].to_pylist() if name in value]


def test_each_worker_asks_kms_itself_once_per_data_key(clinic: Any) -> None:
    """Although the driver has all data keys: none of them travels."""
    fields.encryptor().warm_up(CLINICS)
    before = clinic.kms.requests
    report.main(clinic.spark, clinic.patients, clinic.report)
    assert len(CLINICS) <= clinic.kms.requests - before <= CORES * len(CLINICS)


def test_a_job_that_kms_was_away_from_is_run_again(clinic: Any) -> None:
    """It ends with the key provider's error, and leaves nothing that is in the way of the next run."""
    clinic.kms.refuse()
    with pytest.raises(PythonException, match="KeyProviderError"):
        report.main(clinic.spark, clinic.patients, clinic.report)
    clinic.kms.healthy()
    report.main(clinic.spark, clinic.patients, clinic.report)
    assert len(reading.read(clinic.report)) == 3


def test_the_job_does_not_read_what_it_does_not_need(clinic: Any) -> None:
    """Of the protected columns of patients it asks Parquet for one."""
    plan = report.report(clinic.spark.read.parquet(clinic.patients))._jdf.queryExecution().toString()
    assert "ReadSchema: struct<id:bigint,clinic_id:string,admitted:binary>" in plan
