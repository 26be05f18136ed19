"""The job: counts each clinic's patients per year. `python -m examples.spark_report.report PATIENTS TARGET`."""

from __future__ import annotations

import sys

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)

from examples.spark_report import fields
from fieldcrypt_spark import decrypt_column, encrypt_column

__all__ = ["main", "report"]


def report(patients: DataFrame) -> DataFrame:
    """Return the report of encrypted patients. Its numbers are encrypted, because small ones point to people."""
    year = F.year(decrypt_column(fields.admitted, "admitted", tenant="clinic_id", row="id"))
    counts = patients.select("clinic_id", year.alias("year")).groupBy("clinic_id", "year").count()
    number = encrypt_column(fields.patients, "count", tenant="clinic_id", row=("clinic_id", "year"))
    return counts.select("clinic_id", "year", number.alias("patients"))


def main(spark: SparkSession, patients: str, target: str) -> None:
    """Read patients from Parquet, and write their report as Parquet."""
    report(spark.read.parquet(patients)).write.parquet(target)


if __name__ == "__main__":
    # The years are shuffled in plaintext, by way of the executors' disks.
    builder = SparkSession.builder.appName("report").config("spark.io.encryption.enabled", "true")
    with builder.getOrCreate() as spark:
        main(spark, *sys.argv[1:])
