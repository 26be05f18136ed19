"""Items that no wrapper reads or writes: exports, imports, streams, other clients."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import pickle
import time
from base64 import b64encode
from collections import UserDict
from collections.abc import Callable
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import boto3
import pytest

from fieldcrypt import DecryptionError, Encryptor, FileKeyStore, LocalKeyProvider
from fieldcrypt_dynamodb import (
    EncryptedClient,
    EncryptedTable,
    ItemSeal,
    ProtectedAttributeError,
    ProtectedTable,
    decrypt_stream_record,
    of_tenant,
)
from fieldcrypt_dynamodb.item.forms import WIRE
from fieldcrypt_dynamodb.item.items import Items
from tests.dynamodb.patients import ITEM, KEY, SSN, WIRE_ITEM, WIRE_KEY, stored
from tests.dynamodb.patients import description as description
from tests.dynamodb.patients import encryptor as encryptor
from tests.dynamodb.patients import raw as raw
from tests.dynamodb.patients import resource as resource
from tests.dynamodb.patients import table as table
from tests.support.dynamodb import FIRST, DynamoDb, OnMoto
from tests.support.encryptors import new_encryptor

FORMS: dict[str, Any] = {"python": ITEM, "dynamodb": WIRE_ITEM, "json": WIRE_ITEM}


def until(found: Callable[[], Any]) -> Any:
    """What is found in the end of something that takes time."""
    deadline = time.monotonic() + 20
    while not (seen := found()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return seen


class TestItems:
    @pytest.mark.parametrize(("form", "to"), list(product(FORMS, FORMS)))
    def test_an_item_goes_from_every_form_to_every_form_and_back(
        self, description: ProtectedTable, form: Any, to: Any
    ) -> None:
        sealed = description.encrypt_item(FORMS[form], form=form, to=to)
        assert SSN not in str(sealed)
        assert description.decrypt_item(sealed, form=to, to=form) == FORMS[form]

    def test_by_default_the_form_is_python_s_and_stays(self, description: ProtectedTable) -> None:
        """As a Table of boto3 has it."""
        found = description.decrypt_item(description.encrypt_item(ITEM))
        assert found == ITEM
        assert type(found["born"]) is dt.date

    def test_json_has_no_bytes(self, description: ProtectedTable) -> None:
        line = json.dumps({"Item": description.encrypt_item(ITEM, to="json")})
        assert description.decrypt_item(json.loads(line)["Item"], form="json", to="python") == ITEM

    @pytest.mark.parametrize(("form", "error"), [("json", TypeError), ("python", TypeError), ("wire", ValueError)])
    def test_no_form_is_taken_for_another(self, description: ProtectedTable, form: Any, error: Any) -> None:
        item = description.encrypt_item(ITEM, to="dynamodb")
        with pytest.raises(error):
            description.decrypt_item(item, form=form)

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize(
        "item", [json.dumps(WIRE_ITEM), None, list(WIRE_ITEM.items())], ids=["JSON", "None", "pairs"]
    )
    def test_what_is_no_item_is_refused(self, description: ProtectedTable, form: Any, item: Any) -> None:
        """Like a line of a file that was not decoded: the message says what to do, and does not show the line."""
        for convert in (description.encrypt_item, description.decrypt_item):
            with pytest.raises(TypeError, match="an item is a mapping, not") as refused:
                convert(item, form=form)
            assert ("json.loads" in str(refused.value)) == isinstance(item, str)

    def test_a_description_of_one_tenant_has_no_other_items(self, description: ProtectedTable) -> None:
        """Neither to decrypt nor to encrypt."""
        item, south = description.encrypt_item(ITEM), of_tenant(description, "south")
        with pytest.raises(DecryptionError):
            south.decrypt_item(item)
        with pytest.raises(ProtectedAttributeError, match="tenant"):
            south.encrypt_item(ITEM)
        assert of_tenant(description, "north").decrypt_item(item) == description.decrypt_item(item) == ITEM

    def test_a_description_is_pickled_after_use_as_before(self, tmp_path: Path) -> None:
        """For processes of a pool, say."""
        key = tmp_path / "key"
        key.write_text(b64encode(b"k" * 32).decode())
        key.chmod(0o600)
        keys = FileKeyStore.create(tmp_path / "keys")
        described = ProtectedTable(
            "t", Encryptor(LocalKeyProvider.from_file(key), keys), key=["id"], attributes={"ssn": str}
        )
        item = described.encrypt_item({"id": "1", "ssn": SSN})
        assert pickle.loads(pickle.dumps(described)).decrypt_item(item) == {"id": "1", "ssn": SSN}

    def test_an_item_of_a_sealed_table_is_sealed(self, encryptor: Encryptor) -> None:
        described = ProtectedTable(
            "t", encryptor, key=["id"], attributes={"ssn": str}, seal=ItemSeal("seal", ("ssn", "role"))
        )
        item = described.encrypt_item({"id": "1", "ssn": SSN, "role": "nurse"}, to="json")
        assert described.decrypt_item(item, form="json", to="python") == {"id": "1", "ssn": SSN, "role": "nurse"}
        with pytest.raises(DecryptionError, match="sealed"):
            described.decrypt_item({**item, "role": {"S": "admin"}}, form="json")


class TestWithWrappers(OnMoto):
    def test_a_wrapper_reads_what_a_description_encrypted(
        self, table: EncryptedTable, raw: Any, description: ProtectedTable
    ) -> None:
        raw.put_item(TableName="patients", Item=description.encrypt_item(ITEM, to="dynamodb"))
        assert table.get_item(Key=KEY)["Item"] == ITEM

    def test_a_description_decrypts_what_a_wrapper_wrote(
        self, table: EncryptedTable, raw: Any, description: ProtectedTable
    ) -> None:
        table.put_item(Item=ITEM)
        assert description.decrypt_item(stored(raw), form="dynamodb", to="python") == ITEM

    def test_a_wrapper_of_a_tenant_s_description_has_no_other_items(
        self, table: EncryptedTable, resource: Any, description: ProtectedTable
    ) -> None:
        table.put_item(Item=ITEM)
        with pytest.raises(DecryptionError):
            EncryptedTable(resource.Table("patients"), of_tenant(description, "south")).get_item(Key=KEY)


class TestFilesInS3(OnMoto):
    """Which DynamoDB itself reads and writes."""

    @pytest.fixture
    def s3(self, dynamodb: DynamoDb) -> Any:
        """boto3's client, with a bucket of its own."""
        keys: Any = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        client = boto3.client("s3", region_name=FIRST, endpoint_url=dynamodb.endpoints[FIRST], **keys)
        client.create_bucket(Bucket="files")
        return client

    def test_an_import_and_an_export_hold_what_the_wrapper_reads_and_wrote(self, dynamodb: DynamoDb, s3: Any) -> None:
        raw, keys = dynamodb.client(), {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}
        people = ProtectedTable("people", new_encryptor(), key=["id"], attributes={"ssn": str, "photo": bytes})
        item = {"id": "1", "ssn": SSN, "photo": b"\x00\xff", "plain": b"\x01"}
        line = json.dumps({"Item": people.encrypt_item(item, to="json")})
        s3.put_object(Bucket="files", Key="in/1.json", Body=line.encode())
        raw.import_table(
            S3BucketSource={"S3Bucket": "files", "S3KeyPrefix": "in/"},
            InputFormat="DYNAMODB_JSON",
            TableCreationParameters={
                **{"TableName": "people", "BillingMode": "PAY_PER_REQUEST", **keys},
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            },
        )
        client = EncryptedClient(raw, [people])
        wire = {"id": {"S": "1"}, "ssn": {"S": SSN}, "photo": {"B": b"\x00\xff"}, "plain": {"B": b"\x01"}}
        assert until(lambda: client.scan(TableName="people")["Items"]) == [wire]
        raw.update_continuous_backups(
            TableName="people", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
        arn = raw.describe_table(TableName="people")["Table"]["TableArn"]
        client.export_table_to_point_in_time(TableArn=arn, S3Bucket="files", S3Prefix="out")
        (file,) = until(lambda: s3.list_objects_v2(Bucket="files", Prefix="out/").get("Contents"))
        text = gzip.decompress(s3.get_object(Bucket="files", Key=file["Key"])["Body"].read()).decode()
        lines = [json.loads(each) for each in text.splitlines()]
        assert [decrypt_stream_record(each, people, to="python") for each in lines] == [{"Item": item}]


RECORDS = {
    "an event of AWS Lambda": {"eventID": "1", "eventName": "MODIFY", "dynamodb": {"Keys": WIRE_KEY, "NewImage": 0}},
    "the data of Kinesis": {"recordFormat": "application/json", "tableName": "patients", "dynamodb": {"NewImage": 0}},
    "only what an event has of DynamoDB": {"Keys": WIRE_KEY, "NewImage": 0, "SizeBytes": 9},
    "a line of a full export": {"Item": 0},
    "a line of an incremental export": {"Metadata": {}, "Keys": WIRE_KEY, "OldImage": 0},
    "an item that was removed": {"dynamodb": {"Keys": WIRE_KEY}},
}  # fmt: skip


def with_images(record: Any, image: Any) -> Any:
    """A record with an image wherever there is to be one."""
    if isinstance(record, dict):
        return {name: with_images(part, image) for name, part in record.items()}
    return image if record == 0 else record


class TestRecords:
    @pytest.mark.parametrize("kind", RECORDS)
    @pytest.mark.parametrize("has_bytes", [True, False])
    def test_every_kind_of_record_keeps_its_shape(
        self, description: ProtectedTable, kind: str, has_bytes: bool
    ) -> None:
        """And its form, be it of the API or of JSON."""
        image = description.encrypt_item(ITEM, to="dynamodb" if has_bytes else "json")
        found = decrypt_stream_record(with_images(RECORDS[kind], image), description)
        assert found == with_images(RECORDS[kind], WIRE_ITEM)

    def test_images_and_keys_become_python_s(self, description: ProtectedTable) -> None:
        record = with_images(RECORDS["an event of AWS Lambda"], description.encrypt_item(ITEM, to="json"))
        change = decrypt_stream_record(record, description, to="python")["dynamodb"]
        assert change == {"Keys": {"clinic": "north", "number": Decimal(1)}, "NewImage": ITEM}

    def test_a_record_may_be_a_mapping_with_properties(self, description: ProtectedTable) -> None:
        """As Powertools has it: one of them is called as a method of mappings is."""

        class StreamRecord(UserDict[str, Any]):
            keys: Any = property(lambda self: self["Keys"])

        image = description.encrypt_item(ITEM, to="json")
        found = decrypt_stream_record(StreamRecord({"Keys": WIRE_KEY, "NewImage": image}), description)
        assert found == {"Keys": WIRE_KEY, "NewImage": WIRE_ITEM}

    @pytest.mark.parametrize("record", [{"kinesis": {"data": "e30="}}, {"body": "{}"}, {}, {"dynamodb": {}}])
    def test_what_is_no_record_is_refused(self, description: ProtectedTable, record: Any) -> None:
        """One that is still wrapped, for instance."""
        with pytest.raises(ValueError, match="expected a record"):
            decrypt_stream_record(record, description)


class TestStreams(OnMoto):
    def test_records_of_streams_and_of_lambda(
        self, table: EncryptedTable, raw: Any, description: ProtectedTable
    ) -> None:
        """Old and new image; where there was base64, there is base64."""
        table.put_item(Item=ITEM)
        image = stored(raw)
        record = {"eventName": "MODIFY", "dynamodb": {"Keys": WIRE_KEY, "NewImage": image, "OldImage": image}}
        for change in (record, json.loads(json.dumps(record, default=lambda data: b64encode(data).decode()))):
            before = json.dumps(change, default=repr)
            found = decrypt_stream_record(change, description)["dynamodb"]
            assert found["NewImage"] == found["OldImage"] == WIRE_ITEM
            assert json.dumps(change, default=repr) == before

    def test_binary_values_of_an_event_stay_text(self, encryptor: Encryptor) -> None:
        described = ProtectedTable("t", encryptor, key=["id"], attributes={"scan": bytes})
        item = Items(described, WIRE).encrypted(
            {"id": {"S": "1"}, "scan": {"B": b"\x00"}, "list": {"L": [{"B": b"\x01"}]}}
        )
        event = json.loads(json.dumps({"dynamodb": {"NewImage": item}}, default=lambda data: b64encode(data).decode()))
        found = decrypt_stream_record(event, described)["dynamodb"]["NewImage"]
        assert found == {"id": {"S": "1"}, "scan": {"B": "AA=="}, "list": {"L": [{"B": "AQ=="}]}}

    def test_a_record_that_was_edited_is_refused(
        self, table: EncryptedTable, raw: Any, description: ProtectedTable
    ) -> None:
        table.put_item(Item=ITEM)
        with pytest.raises(DecryptionError):
            decrypt_stream_record({"dynamodb": {"NewImage": {**stored(raw), "number": {"N": "2"}}}}, description)
