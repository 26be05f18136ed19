"""Writes that return values: keys are fetched before, and what fails afterwards says that the write was applied."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fieldcrypt import (
    Encryptor,
    FieldcryptError,
    KeyProviderError,
    KeyShreddedError,
    LocalKeyProvider,
    MemoryKeyStore,
    WrappedKey,
)
from fieldcrypt_dynamodb import EncryptedClient, EncryptedTable, ProtectedTable, WriteAppliedError
from tests.dynamodb.patients import KEY, SSN, WIRE_KEY
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource

ADD = {"UpdateExpression": "ADD ward :one", "ExpressionAttributeValues": {":one": 1}}
SECRET_KEY = b"k" * 32


class Away(LocalKeyProvider):
    """A key provider that can be cut off, and counts how often it unwraps."""

    away = False
    unwrapped = 0

    def unwrap(self, wrapped: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        if self.away:
            raise KeyProviderError("KMS is away")
        self.unwrapped += 1
        return super().unwrap(wrapped, context)


def described(encryptor: Encryptor, **more: Any) -> ProtectedTable:
    return ProtectedTable(
        "patients", encryptor, key=("clinic", "number"), attributes={"ssn": str}, **{"tenant": "clinic", **more}
    )


@pytest.fixture
def store() -> MemoryKeyStore:
    return MemoryKeyStore()


@pytest.fixture
def boto3_table(raw: Any, resource: Any, store: MemoryKeyStore) -> Any:
    """A table with an item that another process wrote."""
    table = resource.Table("patients")
    written = EncryptedTable(table, described(Encryptor(LocalKeyProvider(SECRET_KEY), store)))
    written.put_item(Item={**KEY, "ssn": SSN, "ward": 5})
    return table


@pytest.fixture
def provider() -> Away:
    return Away(SECRET_KEY)


@pytest.fixture
def fresh(boto3_table: Any, provider: Away, store: MemoryKeyStore) -> EncryptedTable:
    """The table in a process that has no keys yet, while KMS is away."""
    provider.away = True
    return EncryptedTable(boto3_table, described(Encryptor(provider, store)))


@pytest.fixture
def damaged(boto3_table: Any, provider: Away, store: MemoryKeyStore) -> EncryptedTable:
    """The table, with a value that somebody exchanged."""
    boto3_table.update_item(
        Key=KEY, UpdateExpression="SET ssn = :ssn", ExpressionAttributeValues={":ssn": b"\x01" + bytes(80)}
    )
    return EncryptedTable(boto3_table, described(Encryptor(provider, store)))


def stored_ward(boto3_table: Any) -> Any:
    return boto3_table.get_item(Key=KEY).get("Item", {}).get("ward")


@pytest.mark.parametrize(
    "write",
    [
        lambda table: table.delete_item(Key=KEY, ReturnValues="ALL_OLD"),
        lambda table: table.update_item(Key=KEY, **ADD, ReturnValues="ALL_NEW"),
        lambda table: table.update_item(Key=KEY, **ADD, ReturnValues="ALL_OLD"),
        lambda table: table.put_item(Item={**KEY, "ward": 6}, ReturnValues="ALL_OLD"),
        lambda table: table.update_item(Key=KEY, UpdateExpression="REMOVE ssn, ward", ReturnValues="UPDATED_OLD"),
    ],
    ids=["delete", "update for the new item", "update for the old item", "put", "update for what it changed"],
)
def test_without_keys_a_write_that_returns_protected_values_is_not_sent(
    write: Any, fresh: EncryptedTable, boto3_table: Any
) -> None:
    with pytest.raises(KeyProviderError):
        write(fresh)
    assert stored_ward(boto3_table) == 5


def test_a_counter_needs_no_keys(fresh: EncryptedTable) -> None:
    """What it returns has nothing that is protected."""
    assert fresh.update_item(Key=KEY, **ADD, ReturnValues="UPDATED_NEW")["Attributes"] == {"ward": 6}


def test_a_write_that_returns_nothing_needs_no_keys(fresh: EncryptedTable, boto3_table: Any) -> None:
    fresh.delete_item(Key=KEY)
    assert stored_ward(boto3_table) is None


def test_keys_that_were_fetched_once_serve_the_writes_that_follow(
    boto3_table: Any, provider: Away, store: MemoryKeyStore
) -> None:
    table = EncryptedTable(boto3_table, described(Encryptor(provider, store)))
    table.update_item(Key=KEY, **ADD, ReturnValues="ALL_NEW")
    provider.away = True
    assert table.delete_item(Key=KEY, ReturnValues="ALL_OLD")["Attributes"] == {**KEY, "ssn": SSN, "ward": 6}
    assert provider.unwrapped == 1


def test_a_planted_key_record_stops_no_write(fresh: EncryptedTable, provider: Away, store: MemoryKeyStore) -> None:
    """Whoever writes to the key store could refuse all deletions of a tenant by it."""
    planted = MemoryKeyStore()
    Encryptor(LocalKeyProvider.generate(), planted).data_keys.create("north")
    store.add(planted.list("north")[0])
    provider.away = False
    assert fresh.delete_item(Key=KEY, ReturnValues="ALL_OLD")["Attributes"] == {**KEY, "ssn": SSN, "ward": 5}


def test_of_a_shredded_tenant_a_write_that_returns_values_is_not_sent(
    boto3_table: Any, provider: Away, store: MemoryKeyStore
) -> None:
    encryptor = Encryptor(provider, store)
    encryptor.data_keys.shred("north", by="test")
    with pytest.raises(KeyShreddedError):
        EncryptedTable(boto3_table, described(encryptor)).delete_item(Key=KEY, ReturnValues="ALL_OLD")
    assert stored_ward(boto3_table) == 5


@pytest.mark.parametrize(
    "write",
    [
        lambda table: table.delete_item(Key=KEY, ReturnValues="ALL_OLD"),
        lambda table: table.update_item(Key=KEY, **ADD, ReturnValues="ALL_NEW"),
        lambda table: table.put_item(Item={**KEY, "ward": 6}, ReturnValues="ALL_OLD"),
    ],
    ids=["delete", "update", "put"],
)
def test_a_write_whose_answer_does_not_decrypt_says_that_it_was_applied(
    write: Any, damaged: EncryptedTable, boto3_table: Any
) -> None:
    with pytest.raises(WriteAppliedError, match="was applied") as caught:
        write(damaged)
    assert stored_ward(boto3_table) in (None, 6)
    assert isinstance(caught.value.__cause__, FieldcryptError)
    assert "{'clinic': 'north', 'number': 1}" in str(caught.value)


def test_what_was_deleted_is_in_the_error(damaged: EncryptedTable) -> None:
    """So that it is not lost with the answer."""
    with pytest.raises(WriteAppliedError) as caught:
        damaged.delete_item(Key=KEY, ReturnValues="ALL_OLD")
    assert caught.value.response["Attributes"].keys() == {"clinic", "number", "ssn", "ward"}
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.response["Attributes"].keys() == caught.value.response["Attributes"].keys()


def test_an_error_after_the_write_is_not_one_that_is_retried(damaged: EncryptedTable) -> None:
    """A caller takes a KeyProviderError for nothing done."""
    with pytest.raises(WriteAppliedError) as caught:
        damaged.delete_item(Key=KEY, ReturnValues="ALL_OLD")
    assert not isinstance(caught.value, (KeyProviderError, TypeError, ValueError))


def test_where_the_key_does_not_tell_the_tenant_the_error_comes_after_the_write(
    raw: Any, boto3_table: Any, provider: Away, store: MemoryKeyStore
) -> None:
    """Nobody knows then whose keys to fetch. DynamoDB's own form, this time."""
    writer = Encryptor(LocalKeyProvider(SECRET_KEY), store)
    EncryptedTable(boto3_table, described(writer, tenant="owner")).put_item(Item={**KEY, "owner": "c7", "ssn": SSN})
    provider.away = True
    client = EncryptedClient(raw, [described(Encryptor(provider, store), tenant="owner")])
    with pytest.raises(WriteAppliedError) as caught:
        client.delete_item(TableName="patients", Key=WIRE_KEY, ReturnValues="ALL_OLD")
    assert isinstance(caught.value.__cause__, KeyProviderError)
    assert caught.value.response["Attributes"]["owner"] == {"S": "c7"}
