"""Updates return the item: keys are fetched before, and what fails afterwards says that the update was applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    FieldcryptError,
    KeyProviderError,
    LocalKeyProvider,
    MemoryKeyStore,
    WrappedKey,
)
from fieldcrypt_pynamodb import EncryptedAttribute, WriteAppliedError, encrypted
from tests.support.dynamodb import DynamoDb, OnMoto

SSN = "078-05-1120"
SECRET_KEY = b"k" * 32


class Away(LocalKeyProvider):
    """A key provider that can be cut off."""

    away = False

    def unwrap(self, wrapped: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        if self.away:
            raise KeyProviderError("KMS is away")
        return super().unwrap(wrapped, context)


def patients(dynamodb: DynamoDb, encryptor: Encryptor, decorated: bool) -> Any:
    class Patient(Model):
        Meta = dynamodb.meta("patients")
        id = UnicodeAttribute(hash_key=True)
        clinic = UnicodeAttribute(null=True)
        visits = NumberAttribute(default=0)
        ssn = EncryptedAttribute(UnicodeAttribute(null=True), encryptor)

    return encrypted(encryptor, tenant="clinic")(Patient) if decorated else Patient


@pytest.mark.parametrize("decorated", [True, False], ids=["decorated", "not decorated"])
class TestUpdates(OnMoto):
    @pytest.fixture
    def provider(self) -> Away:
        return Away(SECRET_KEY)

    @pytest.fixture
    def fresh(self, dynamodb: DynamoDb, provider: Away, decorated: bool) -> Any:
        """The model in a process that has no keys yet, and an item that another process wrote."""
        store = MemoryKeyStore()
        first = patients(dynamodb, Encryptor(LocalKeyProvider(SECRET_KEY), store), decorated)
        first.create_table(wait=True)
        first("1", clinic="north", ssn=SSN).save()
        return patients(dynamodb, Encryptor(provider, store), decorated)

    def damage(self, dynamodb: DynamoDb) -> None:
        dynamodb.resource().Table("patients").update_item(
            Key={"id": "1"},
            UpdateExpression="SET ssn = :ssn",
            ExpressionAttributeValues={":ssn": b"\x01cut"},
        )

    def visits(self, dynamodb: DynamoDb) -> int:
        return int(dynamodb.resource().Table("patients").get_item(Key={"id": "1"})["Item"]["visits"])

    def test_without_keys_nothing_is_sent(self, dynamodb: DynamoDb, fresh: Any, provider: Away) -> None:
        """Else a program that repeats a failed update counts twice."""
        provider.away = True
        with pytest.raises(KeyProviderError):
            fresh("1", clinic="north").update([fresh.visits.add(1)])
        assert self.visits(dynamodb) == 0

    def test_an_update_whose_answer_does_not_decrypt_says_that_it_was_applied(
        self, dynamodb: DynamoDb, fresh: Any
    ) -> None:
        """And which item it was of; the answer is in the error, and the instance is as it was."""
        self.damage(dynamodb)
        patient = fresh("1", clinic="north", visits=7)
        with pytest.raises(WriteAppliedError, match=r"patients: .* the item {'id': '1'} was applied") as caught:
            patient.update([fresh.visits.add(1)])
        assert isinstance(caught.value.__cause__, FieldcryptError)
        assert caught.value.response["Attributes"]["visits"] == {"N": "1"}
        assert (patient.visits, self.visits(dynamodb)) == (7, 1)

    def test_an_error_of_reading_is_not_one_of_writing(self, dynamodb: DynamoDb, fresh: Any) -> None:
        """A refresh that fails after an update has written nothing."""
        patient = fresh("1", clinic="north")
        patient.update([fresh.visits.add(1)])
        self.damage(dynamodb)
        with pytest.raises(DecryptionError):
            patient.refresh()
