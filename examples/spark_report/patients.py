"""Makes a table of encrypted patients to try the job with: `python -m examples.spark_report.patients TARGET`."""

from __future__ import annotations

import sys
from datetime import date
from functools import partial

from pyspark.sql import SparkSession

from examples.spark_report import fields
from fieldcrypt_spark import encrypt_column

__all__ = ["PATIENTS", "main"]

PATIENTS = [
    (1, "north", "Ann Archer", "hay fever", date(2024, 2, 29)),
    (2, "north", "Ben Baker", "migraine", date(2025, 1, 7)),
    (3, "north", "Cleo Carter", "asthma", date(2025, 12, 31)),
    (4, "south", "Dan Draper", "gout", date(2024, 7, 1)),
    (5, "south", "Eve Fisher", "asthma", date(2024, 11, 30)),
]


def main(spark: SparkSession, target: str) -> None:
    """Write the patients, encrypted, as Parquet."""
    for clinic in {clinic for _, clinic, *_ in PATIENTS}:
        fields.name().encrypt("", tenant=clinic)  # makes its first data key, before several workers do
    table = spark.createDataFrame(PATIENTS, "id long, clinic_id string, name string, diagnosis string, admitted date")
    bound = partial(encrypt_column, tenant="clinic_id", row="id")
    columns = {
        "name": bound(fields.name, "name"),
        "diagnosis": bound(fields.diagnosis, "diagnosis"),
        "admitted": bound(fields.admitted, "admitted"),
    }
    table.withColumns(columns).write.parquet(target)


if __name__ == "__main__":
    with SparkSession.builder.appName("patients").getOrCreate() as spark:
        main(spark, *sys.argv[1:])
