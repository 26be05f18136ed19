"""Reads the report with pandas, and without Spark: `python -m examples.spark_report.reading REPORT`."""

from __future__ import annotations

import sys

import pandas as pd

from examples.spark_report import fields
from fieldcrypt.columns.pandas import decrypt_column

__all__ = ["read"]


def read(report: str) -> pd.DataFrame:
    """Return the report, decrypted."""
    table = pd.read_parquet(report).sort_values(["clinic_id", "year"], ignore_index=True)
    clinic, year = table["clinic_id"], table["year"]
    numbers = decrypt_column(fields.patients(), table["patients"], tenant=clinic, row=(clinic, year))
    return table.assign(patients=numbers)


if __name__ == "__main__":
    print(read(*sys.argv[1:]).to_string(index=False))
