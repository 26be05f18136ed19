"""Client-side encryption of chosen fields in data stores. See README.md and docs/."""

from typing import TYPE_CHECKING, Any

from fieldcrypt import _moved
from fieldcrypt._system import call_after_fork
from fieldcrypt._version import __version__ as __version__
from fieldcrypt.backends import backend
from fieldcrypt.counting.value_stats import OTHER_TENANTS, ValuesByTenant, ValueStats
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
    KeyWipedError,
    MigrationError,
    NativeError,
    NotWrappedHereError,
    PlaintextRefusedError,
    UnknownTenantError,
)
from fieldcrypt.events import CallStats, Event, EventKind, Observer, Stats
from fieldcrypt.field import Field
from fieldcrypt.format.context import NO_TENANT, NoTenant, RowContext, key_text, row_context
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.chain import KeyProviderChain
from fieldcrypt.keys.providers.provider import KeyProvider, LocalKeyProvider
from fieldcrypt.keys.providers.tenant import USE_DEFAULT, TenantKeyProvider, UseDefault
from fieldcrypt.keys.record.record import KeyRecord, KeyState, Purpose, WrappedKey
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.chain import KeyStoreChain
from fieldcrypt.keys.stores.file import FileKeyStore
from fieldcrypt.keys.stores.store import KeyStore, MemoryKeyStore, read_record
from fieldcrypt.offload import Offload
from fieldcrypt.search.blind_index import BlindIndex
from fieldcrypt.search.plan import TagPlan, TagSize, plan_tags

if TYPE_CHECKING:
    from fieldcrypt.declaration.compound_index import CompoundIndex
    from fieldcrypt.declaration.indexed_by import IndexedBy
    from fieldcrypt.declaration.protection import Protection
    from fieldcrypt.declaration.record.protected_record import ProtectedRecord
    from fieldcrypt.declaration.record.record_search import RecordSearch
    from fieldcrypt.declaration.record.seal import RecordSeal
    from fieldcrypt.health.finding import Finding, Verdict
    from fieldcrypt.health.health import Health, HealthState
    from fieldcrypt.keys.admin.data_keys import DataKeys
    from fieldcrypt.keys.admin.restore import RestoreReport
    from fieldcrypt.keys.admin.rewrap import RewrapReport
    from fieldcrypt.keys.admin.tenant_key import MoveReport
    from fieldcrypt.progress import Progress

_moved.install()

# What pickles call these: where they are defined may change, and in 0.1 it was elsewhere.
for _public in (
    *(LocalKeyProvider, KeyProviderChain, FileKeyStore, KeyStoreChain, KeyRecord, KeyState, Purpose, WrappedKey),
    *(Tombstone, TagPlan, TagSize, plan_tags, RowContext, row_context, key_text),
):
    _public.__module__ = __name__

__all__ = [
    # what a program configures, and what it works with
    "Encryptor",
    "Field",
    "BlindIndex",
    "KeyPolicy",
    # what a protected field is, and a record of them
    "Protection",
    "ProtectedRecord",
    "RecordSearch",
    "RecordSeal",
    "IndexedBy",
    "CompoundIndex",
    # how long tags should be
    "plan_tags",
    "TagPlan",
    "TagSize",
    # of whom a value is to be
    "NO_TENANT",
    "NoTenant",
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
    "UseDefault",
    "KeyStore",
    "MemoryKeyStore",
    "FileKeyStore",
    "KeyStoreChain",
    # what is done with keys
    "DataKeys",
    "RewrapReport",
    "RestoreReport",
    "MoveReport",
    # what computes, in Python or natively
    "backend",
    # for implementers of providers and stores
    "KeyRecord",
    "KeyState",
    "Purpose",
    "WrappedKey",
    "Tombstone",
    "read_record",
    "call_after_fork",
    # for integrations
    "Offload",
    # what happens to keys
    "Event",
    "EventKind",
    "Observer",
    "Stats",
    "CallStats",
    # whether it can work
    "Health",
    "HealthState",
    "Finding",
    "Verdict",
    # how many values there were
    "ValueStats",
    "ValuesByTenant",
    "OTHER_TENANTS",
    # how far a long job is
    "Progress",
    # errors
    "FieldcryptError",
    "ConfigurationError",
    "DecryptionError",
    "NotWrappedHereError",
    "PlaintextRefusedError",
    "KeyProviderError",
    "KeyAccessDeniedError",
    "UnknownTenantError",
    "KeyStoreError",
    "KeyNotFoundError",
    "KeyShreddedError",
    "KeyWipedError",
    "MigrationError",
    "NativeError",
]

_LATER = {  # which take as long to import as all of the above
    "CompoundIndex": "fieldcrypt.declaration.compound_index",
    "IndexedBy": "fieldcrypt.declaration.indexed_by",
    "Protection": "fieldcrypt.declaration.protection",
    "ProtectedRecord": "fieldcrypt.declaration.record.protected_record",
    "RecordSearch": "fieldcrypt.declaration.record.record_search",
    "RecordSeal": "fieldcrypt.declaration.record.seal",
    "Health": "fieldcrypt.health.health",
    "HealthState": "fieldcrypt.health.health",
    "Finding": "fieldcrypt.health.finding",
    "Verdict": "fieldcrypt.health.finding",
    "DataKeys": "fieldcrypt.keys.admin.data_keys",
    "RewrapReport": "fieldcrypt.keys.admin.rewrap",
    "RestoreReport": "fieldcrypt.keys.admin.restore",
    "MoveReport": "fieldcrypt.keys.admin.tenant_key",
    "Progress": "fieldcrypt.progress",
}


if not TYPE_CHECKING:  # else type checkers believe that there is whatever name somebody mistypes

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = globals()[name] = getattr(import_module(_LATER[name]), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})  # for help(), and for completion in a shell
