"""Client-side encryption of chosen fields in data stores. See README.md and docs/."""

from fieldcrypt._system import call_after_fork
from fieldcrypt.blind_index import BlindIndex
from fieldcrypt.context import NO_TENANT, RowContext, key_text, row_context
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import (
    ConfigurationError,
    DecryptionError,
    FieldcryptError,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyProviderError,
    KeyShreddedError,
    KeyStoreError,
    NotWrappedHereError,
)
from fieldcrypt.events import Event, EventKind, Observer, Stats
from fieldcrypt.field import Field
from fieldcrypt.indexed_by import IndexedBy
from fieldcrypt.keys.file_store import FileKeyStore
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.provider import KeyProvider, LocalKeyProvider
from fieldcrypt.keys.provider_chain import KeyProviderChain
from fieldcrypt.keys.providers.tenant import USE_DEFAULT, TenantKeyProvider
from fieldcrypt.keys.records import KeyRecord, KeyState, Purpose, WrappedKey
from fieldcrypt.keys.store import KeyStore, MemoryKeyStore
from fieldcrypt.keys.store_chain import KeyStoreChain
from fieldcrypt.keys.tombstone import Tombstone
from fieldcrypt.offload import Offload
from fieldcrypt.tag_plan import TagPlan, TagSize, plan_tags

__version__ = "0.1.0"

__all__ = [
    # what a program configures, and what it works with
    "Encryptor",
    "Field",
    "BlindIndex",
    "KeyPolicy",
    # how long tags should be
    "plan_tags",
    "TagPlan",
    "TagSize",
    # of whom a value is to be
    "NO_TENANT",
    # what binds a value to its row
    "RowContext",
    "row_context",
    "key_text",
    # where keys come from and where they are kept
    "KeyProvider",
    "LocalKeyProvider",
    "KeyProviderChain",
    "TenantKeyProvider",
    "USE_DEFAULT",
    "KeyStore",
    "MemoryKeyStore",
    "FileKeyStore",
    "KeyStoreChain",
    # for implementers of providers and stores
    "KeyRecord",
    "KeyState",
    "Purpose",
    "WrappedKey",
    "Tombstone",
    "call_after_fork",
    # for integrations
    "IndexedBy",
    "Offload",
    # what happens to keys
    "Event",
    "EventKind",
    "Observer",
    "Stats",
    # errors
    "FieldcryptError",
    "ConfigurationError",
    "DecryptionError",
    "NotWrappedHereError",
    "KeyProviderError",
    "KeyAccessDeniedError",
    "KeyStoreError",
    "KeyNotFoundError",
    "KeyShreddedError",
]
