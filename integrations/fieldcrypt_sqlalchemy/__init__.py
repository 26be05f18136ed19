"""fieldcrypt for SQLAlchemy: encrypted columns, and a key store in the database. See docs/guides/sqlalchemy.md."""

from fieldcrypt import CompoundIndex, IndexedBy
from fieldcrypt_sqlalchemy import hooks  # noqa: F401 (they listen from now on)
from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag, blind_index
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.find import find
from fieldcrypt_sqlalchemy.flush.bulk import seal
from fieldcrypt_sqlalchemy.key_store import SqlKeyStore
from fieldcrypt_sqlalchemy.model.decorator import encrypted
from fieldcrypt_sqlalchemy.rows.opened import opened
from fieldcrypt_sqlalchemy.rows.sealed import Sealed
from fieldcrypt_sqlalchemy.search.of_tenant import TenantColumn, of_tenant
from fieldcrypt_sqlalchemy.search.part import ColumnPart

__all__ = [
    "BlindIndexTag",
    "ColumnPart",
    "CompoundIndex",
    "Encrypted",
    "IndexedBy",
    "ProtectedColumnError",
    "Sealed",
    "SqlKeyStore",
    "TenantColumn",
    "blind_index",
    "encrypted",
    "find",
    "of_tenant",
    "opened",
    "seal",
]
