"""Keys with a store, and an empty table."""

from __future__ import annotations

from typing import Any

import pytest

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from tests.support.dynamodb import DynamoDb
from tests.support.wiretap import Secrets


@pytest.fixture
def keys() -> Encryptor:
    """An Encryptor with a store, as blind indexes need it."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


@pytest.fixture
def meta(dynamodb: DynamoDb, secrets: Secrets) -> Any:
    """The Meta of an empty table, whose keys are small numbers, as some protected values are."""
    secrets.allow(1, 2, 3)
    return dynamodb.meta("patients")
