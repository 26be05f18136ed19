"""Items of the DynamoDB Encryption Client: its own library wrote them, and they are read and migrated."""

from __future__ import annotations

import pickle
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import Binary
from dynamodb_encryption_sdk.encrypted import CryptoConfig
from dynamodb_encryption_sdk.encrypted.table import EncryptedTable as SdkTable
from dynamodb_encryption_sdk.identifiers import CryptoAction
from dynamodb_encryption_sdk.material_providers.aws_kms import AwsKmsCryptographicMaterialsProvider
from dynamodb_encryption_sdk.structures import AttributeActions, EncryptionContext
from dynamodb_encryption_sdk.transform import ddb_to_dict, dict_to_ddb

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, KeyProviderError
from fieldcrypt.testing import LocalAws
from fieldcrypt_dynamodb import EncryptedTable, LegacyItemReader, ProtectedTable
from fieldcrypt_dynamodb.encryption_client import DynamoDbEncryptionClientReader
from fieldcrypt_dynamodb.migration.source import TableSource
from fieldcrypt_dynamodb.migration.target import migrated_table
from tests.dynamodb.encryption_client import ACTIONS, ITEM, config, materials
from tests.support.doubles import told
from tests.support.dynamodb import DynamoDb


@pytest.fixture
def table(moto: DynamoDb) -> Any:
    """A table with a plain boto3 resource."""
    return moto.resource().create_table(
        TableName="patients",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def item(table: Any) -> dict[str, Any]:
    """An item as it is in the table, that the SDK wrote."""
    SdkTable(table=table, materials_provider=materials(), attribute_actions=ACTIONS).put_item(Item=ITEM)
    written: dict[str, Any] = table.get_item(Key={"id": "42"})["Item"]
    return written


class OldItemReader:
    """A reader with the name that ours had in 0.1."""

    def recognises(self, item: Any) -> bool:
        """Recognise nothing."""
        return False

    def read(self, item: Any) -> Any:
        """Read nothing."""
        raise AssertionError


def test_checkpoints_know_the_reader_by_its_name_of_0_1(encryptor: Encryptor) -> None:
    """A migration that 0.1 began goes on, and is not taken for another one."""

    def written_down(reader: LegacyItemReader) -> str:
        declared: Any = {"attributes": {"ssn": str}, "accept": [reader], "accept_until": date.today()}
        table = migrated_table(ProtectedTable("patients", encryptor, key=["id"], **declared))
        access: Any = None  # which describing has no need of
        return TableSource(table, access, access).describe()

    assert written_down(DynamoDbEncryptionClientReader(config(materials()))) == written_down(OldItemReader())


class TestReading:
    """A reader reads what the SDK wrote."""

    def test_both_forms(self, item: dict[str, Any]) -> None:
        """An item is recognised, verified and decrypted, and comes in the form in which it is given."""
        reader = DynamoDbEncryptionClientReader(config(materials()))
        before = dict(item)
        assert reader.recognises(item)
        assert reader.read(item) == ITEM
        assert ddb_to_dict(reader.read(dict_to_ddb(item))) == ITEM
        assert item == before

    def test_migration(self, table: Any, item: dict[str, Any], encryptor: Encryptor) -> None:
        """A table is migrated item by item, and then has the same items, none of them of the SDK."""
        types = {"ssn": str, "weight": Decimal, "photo": bytes, "names": set, "notes": list}
        ours = EncryptedTable(table, ProtectedTable("patients", encryptor, key=("id",), attributes=types))
        reader = DynamoDbEncryptionClientReader(config(materials()))
        ours.put_item(Item={**ITEM, "id": "43"})
        for found in table.scan()["Items"]:
            if reader.recognises(found):
                ours.put_item(Item=reader.read(found))
        assert {item["id"]: item for item in ours.scan()["Items"]} == {"42": ITEM, "43": {**ITEM, "id": "43"}}
        assert not any(reader.recognises(item) for item in table.scan()["Items"])

    def test_kms(self, table: Any, aws: LocalAws, kms_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """An item whose key KMS wraps is read; when KMS cannot be reached or refuses, nothing is said of it."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", aws.endpoint("us-east-1"))
        provider = AwsKmsCryptographicMaterialsProvider(key_id=kms_key)
        SdkTable(table=table, materials_provider=provider, attribute_actions=ACTIONS).put_item(Item=ITEM)
        item = table.get_item(Key={"id": "42"})["Item"]
        assert (
            DynamoDbEncryptionClientReader(config(AwsKmsCryptographicMaterialsProvider(key_id=kms_key))).read(item)
            == ITEM
        )
        with pytest.raises(DecryptionError):  # another item's key, as KMS sees by the encryption context
            DynamoDbEncryptionClientReader(config(AwsKmsCryptographicMaterialsProvider(key_id=kms_key))).read(
                {**item, "id": "43"}
            )
        aws.kms("us-east-1").disable_key(KeyId=kms_key)
        try:
            with pytest.raises(KeyProviderError):
                DynamoDbEncryptionClientReader(config(AwsKmsCryptographicMaterialsProvider(key_id=kms_key))).read(item)
        finally:
            aws.kms("us-east-1").enable_key(KeyId=kms_key)
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
        with pytest.raises(KeyProviderError):
            DynamoDbEncryptionClientReader(config(AwsKmsCryptographicMaterialsProvider(key_id=kms_key))).read(item)


class TestRefusal:
    """Nothing but an authentic item is read, and refusals are empty."""

    def test_a_changed_item(self, item: dict[str, Any]) -> None:
        """Any attribute changed, exchanged or removed, an item is refused."""
        reader = DynamoDbEncryptionClientReader(config(materials()))
        for name, value in item.items():
            data: Any = value if isinstance(value, Binary) else str(value).encode()
            data = bytes(getattr(data, "value", data))
            changes = [data[:-1] + bytes([data[-1] ^ 1]), data[:-1], b""]
            for change in changes:
                new: Any = Binary(change) if isinstance(value, Binary) else change.decode()
                with pytest.raises(DecryptionError) as caught:
                    reader.read({**item, name: new})
                assert ITEM["ssn"] not in told(caught.value)
            if name != "id":
                with pytest.raises(DecryptionError):
                    reader.read({other: found for other, found in item.items() if other != name})
        with pytest.raises(DecryptionError):
            reader.read({**item, "ssn": item["notes"]})

    def test_other_keys(self, item: dict[str, Any]) -> None:
        """Under other keys, an item is refused."""
        with pytest.raises(DecryptionError) as caught:
            DynamoDbEncryptionClientReader(config(materials(b"x"))).read(item)
        assert ITEM["ssn"] not in told(caught.value)

    def test_an_item_of_nobody(self) -> None:
        """A plain item is not recognised, and refused."""
        reader = DynamoDbEncryptionClientReader(config(materials()))
        assert not reader.recognises(ITEM)
        with pytest.raises(DecryptionError, match="not signed"):
            reader.read(ITEM)

    def test_a_description_that_verifies_nothing(self) -> None:
        """A CryptoConfig that signs no attribute is refused when the reader is made, and none travels."""
        nothing = CryptoConfig(
            materials_provider=materials(),
            encryption_context=EncryptionContext(table_name="patients"),
            attribute_actions=AttributeActions(CryptoAction.DO_NOTHING),
        )
        with pytest.raises(ConfigurationError):
            DynamoDbEncryptionClientReader(nothing)
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(DynamoDbEncryptionClientReader(config(materials())))
