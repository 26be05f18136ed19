"""Client-side encryption of chosen fields in data stores. See README.md and docs/."""

from fieldcrypt._system import call_after_fork
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import (
    ConfigurationError,
    DecryptionError,
    FieldcryptError,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyProviderError,
    KeyStoreError,
)
from fieldcrypt.field import Field
from fieldcrypt.keys.file_store import FileKeyStore
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.provider import KeyProvider, LocalKeyProvider
from fieldcrypt.keys.records import KeyRecord, KeyState, Purpose, WrappedKey
from fieldcrypt.keys.store import KeyStore, MemoryKeyStore

__version__ = "0.1.0"

__all__ = [
    # what a program configures, and what it works with
    "Encryptor",
    "Field",
    "KeyPolicy",
    # where keys come from and where they are kept
    "KeyProvider",
    "LocalKeyProvider",
    "KeyStore",
    "MemoryKeyStore",
    "FileKeyStore",
    # for implementers of providers and stores
    "KeyRecord",
    "KeyState",
    "Purpose",
    "WrappedKey",
    "call_after_fork",
    # errors
    "FieldcryptError",
    "ConfigurationError",
    "DecryptionError",
    "KeyProviderError",
    "KeyAccessDeniedError",
    "KeyStoreError",
    "KeyNotFoundError",
]
