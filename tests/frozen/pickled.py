"""What was pickled, and the functions that pickles of it refer to by their names, so that they have to stay here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    Event,
    EventKind,
    FieldcryptError,
    FileKeyStore,
    IndexedBy,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyPolicy,
    KeyProviderChain,
    KeyProviderError,
    KeyRecord,
    KeyShreddedError,
    KeyState,
    KeyStoreChain,
    KeyStoreError,
    LocalKeyProvider,
    NotWrappedHereError,
    Purpose,
    Tombstone,
    WrappedKey,
    plan_tags,
)
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider, AwsKmsRsaKeyProvider
from fieldcrypt.migration import MigrationError, MigrationStatus, Sample, StepReport, StepStatus, VerifyReport
from fieldcrypt_dynamodb import DynamoKeyStore
from fieldcrypt_dynamodb import ProtectedAttributeError as ProtectedAttributeOfTableError
from fieldcrypt_pynamodb import ProtectedAttributeError as ProtectedAttributeOfModelError
from fieldcrypt_sqlalchemy import ProtectedColumnError, SqlKeyStore
from tests.frozen.keys import POLICY
from tests.frozen.values import Colour

__all__ = ["ARN", "DATABASE", "ERRORS", "OTHER_POLICY", "PLAIN", "RECORD", "SSN", "TOMBSTONE", "database", "kept"]

DATABASE = "FIELDCRYPT_FROZEN_DATABASE"  # in the environment: the URL of the database of a SqlKeyStore
ARN = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
SSN = "078-05-1120"
OTHER_POLICY = KeyPolicy(
    cache_ttl=timedelta(minutes=1),
    max_cached_keys=7,
    grace=timedelta(minutes=2),
    rotate_after=timedelta(days=3),
    propagation_delay=timedelta(seconds=4),
    replication_wait=timedelta(seconds=5),
)


def database() -> Engine:
    """Make the engine of a pickled SqlKeyStore."""
    return create_engine(os.environ[DATABASE])


def client(region: str | None) -> Any:
    """Make the client of a pickled DynamoKeyStore, which no test uses."""
    raise AssertionError("no client is made by pickling")


def kms_client(region: str) -> Any:
    """Make the client of a pickled AwsKmsKeyProvider, which no test uses."""
    raise AssertionError("no client is made by pickling")


def observe(event: Event) -> None:
    """Observe nothing."""


def offload(work: Callable[[], Any]) -> Any:
    """Do work at once."""
    return work()


RECORD = KeyRecord(
    key_id=bytes(range(16)),
    purpose=Purpose.ENCRYPTION,
    created=1_793_491_200,
    tenant="north",
    wraps=(WrappedKey(name="a", data=b"1"),),
    tag=bytes(32),
    state=KeyState.RETIRED,
)
TOMBSTONE = Tombstone(
    key_id=bytes(range(16)),
    purpose=Purpose.BLIND_INDEX,
    created=1_793_491_200,
    tenant="gone",
    shredded=1_793_491_300,
    by="ann@example.org",
    keys=2,
)

ERRORS: Mapping[str, FieldcryptError] = {
    "fieldcrypt": FieldcryptError("a message"),
    "configuration": ConfigurationError("a message"),
    "decryption": DecryptionError(),
    "not-wrapped-here": NotWrappedHereError("a message"),
    "key-provider": KeyProviderError("a message", causes={"eu-west-1": OSError("away")}, retryable=True),
    "key-access-denied": KeyAccessDeniedError("a message", causes={"eu-west-1": OSError("no")}),
    "key-store": KeyStoreError("a message"),
    "key-not-found": KeyNotFoundError("a message"),
    "key-shredded": KeyShreddedError("a message", shredded=1_793_491_300, by="ann@example.org", keys=2),
    "migration": MigrationError("a message"),
    "protected-column": ProtectedColumnError("a message"),
    "protected-attribute-of-table": ProtectedAttributeOfTableError("a message"),
    "protected-attribute-of-model": ProtectedAttributeOfModelError("a message"),
}

# What is equal to itself after its journey. By keywords: pickles have the parts by their places.
PLAIN: Mapping[str, Any] = {
    "record": RECORD,
    "tombstone": TOMBSTONE,
    "event": Event(kind=EventKind.KEY_LATE, key_id="00ff", tenant="north", place="eu-west-1", seconds=1.5),
    "indexed-by": IndexedBy("email_tag", normaliser="casefold", tag_size=8, per_tenant=True),
    "tag-plan": plan_tags(rows=1_000_000, distinct=800_000, hide_among=10),
    "step-report": StepReport(rows=5, changed=4, failed=1, failures={}, complete=True, remarks=("remark",)),
    "verify-report": VerifyReport(
        rows=5, wrong=1, reasons={("a", 7): "differs"}, sample=Sample(confidence=0.99, share=0.01)
    ),
    "migration-status": MigrationStatus(
        name="patients",
        steps=(
            StepStatus(
                step="backfill",
                part="patients",
                state="running",
                total=9,
                done=5,
                changed=4,
                failed=1,
                began=1.0,
                ended=None,
                workers=("worker",),
            ),
        ),
    ),
}


def kept(directory: Path) -> dict[str, Any]:
    """Make what is pickled over the files of a directory, by name: providers, stores, Encryptors and what they make."""
    local = LocalKeyProvider.from_file(directory / "local.key")
    store = FileKeyStore.create(directory / "keys.sqlite")
    encryptor = Encryptor(local, store, policy=POLICY, observer=observe)
    field = encryptor.field("pickled.ssn", str, context={"table": "pickled"}, pad=32, offload=offload)
    index = encryptor.blind_index("pickled.ssn", tag_size=8, normaliser="digits", offload=offload)
    return {
        "local-provider": local,
        "provider-chain": KeyProviderChain(AwsKmsKeyProvider(ARN), local),
        "kms-provider": AwsKmsKeyProvider(ARN, ["eu-west-1", "us-east-1"], client_factory=kms_client),
        "rsa-provider": AwsKmsRsaKeyProvider(ARN, ["us-east-1"], write_only=True),
        "file-store": store,
        "store-chain": KeyStoreChain(store, FileKeyStore(directory / "other.sqlite")),
        "sql-store": SqlKeyStore(database),
        "dynamo-store": DynamoKeyStore("data-keys", client_factory=client),
        "policy": OTHER_POLICY,
        "encryptor": encryptor,
        "encryptor-self-contained": Encryptor(local),
        "encryptor-unconfigured": Encryptor(),
        "field": field,
        "field-enum": encryptor.field("pickled.colour", Colour),
        "field-of-sql-store": Encryptor(local, SqlKeyStore(database), policy=POLICY).field("life.story", str),
        "method": field.decrypt,
        "index": index,
        "two-fields": (encryptor.field("pickled.a", str), encryptor.field("pickled.b", list)),
    }
