"""From a live table with plaintext to a protected one, and through rotations. See docs/guides/migration-dynamodb.md."""

from fieldcrypt import MigrationError
from fieldcrypt_dynamodb.migration.checkpoint_table import CheckpointTable
from fieldcrypt_dynamodb.migration.migration import TableMigration
from fieldcrypt_dynamodb.migration.target import MigratedTable

__all__ = ["CheckpointTable", "MigratedTable", "MigrationError", "TableMigration"]
