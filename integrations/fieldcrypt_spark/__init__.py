"""fieldcrypt for PySpark: columns of a DataFrame, and the job that encrypts a table. See docs/guides/spark.md."""

from fieldcrypt_spark.backfill import BackfillReport, backfill
from fieldcrypt_spark.columns import decrypt_column, encrypt_column

__all__ = ["BackfillReport", "backfill", "decrypt_column", "encrypt_column"]
