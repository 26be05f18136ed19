"""The key store in the application's database."""

from fieldcrypt_sqlalchemy.key_store.store import SqlKeyStore

__all__ = ["SqlKeyStore"]
