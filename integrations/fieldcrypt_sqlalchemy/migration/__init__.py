"""From a live table with plaintext to a protected one, and through rotations. See docs/guides/migration.md."""

from fieldcrypt import MigrationError
from fieldcrypt_sqlalchemy.migration.journal.checkpoint_tables import checkpoint_tables
from fieldcrypt_sqlalchemy.migration.migration import Migration

__all__ = ["Migration", "MigrationError", "checkpoint_tables"]
