"""fieldcrypt for SQLAlchemy: an encrypted column type, and a key store in the database. See docs/sqlalchemy.md."""

from fieldcrypt_sqlalchemy.key_store import SqlKeyStore
from fieldcrypt_sqlalchemy.types import Encrypted

__all__ = ["Encrypted", "SqlKeyStore"]
