"""What DynamoDB migrations begin with: old keys, other schemes, items to be sealed, models; and their commands."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from dynamodb_encryption_sdk.encrypted.table import EncryptedTable as SdkTable
from pynamodb.attributes import DiscriminatorAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, Encryptor, FileKeyStore, IndexedBy, Purpose
from fieldcrypt.migration import PreviousField, ValueStatus
from fieldcrypt.schemes.fernet import FernetReader
from fieldcrypt_dynamodb import EncryptedTable, ItemSeal, Protected, ProtectedTable
from fieldcrypt_dynamodb.encryption_client import DynamoDbEncryptionClientReader
from fieldcrypt_dynamodb.migration import CheckpointTable
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_model
from fieldcrypt_pynamodb.migration import MigratedModel
from tests.dynamodb.encryption_client import ACTIONS, ITEM, config, materials
from tests.dynamodb.migrations import (
    TABLE,
    Fill,
    before_update,
    create,
    described,
    email,
    items,
    key,
    later,
    migration,
    name,
    told,
)
from tests.dynamodb.migrations import encryptor as encryptor
from tests.dynamodb.migrations import fill as fill
from tests.dynamodb.migrations import provider as provider
from tests.dynamodb.plaintext import SOON
from tests.support.commands import Run, complaint, stdout
from tests.support.commands import run as run
from tests.support.dynamodb import FIRST, DynamoDb, OnMoto, raw
from tests.support.wiretap import Secrets


class TestReencryption(OnMoto):
    def test_after_a_rotation(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Values under old data keys, of the tenants whose keys were rotated; without any mixed mode."""
        plain = fill(10)
        migration(dynamodb, described(encryptor)).backfill()
        table = described(encryptor, {})
        later(monkeypatch, 5)
        encryptor.data_keys.rotate("clinic 1")
        job = migration(dynamodb, table, name="rotation")
        assert job.plan().fields[f"{TABLE}.email"] == {ValueStatus.ACTIVE: 8, ValueStatus.OLD_KEY: 2}
        old = raw(dynamodb, TABLE, key(1))["email"]["B"][1:17]
        assert job.values_under(old) == {f"{TABLE}.email": 2, f"{TABLE}.notes": 2}
        assert told(job.backfill()) == (10, 2, 0, True)
        assert job.values_under(old) == {}
        assert job.plan().due == 0
        assert [item["email"] for item in items(EncryptedTable(plain, table))] == [email(n) for n in range(10)]

    def test_after_a_new_name_binding_and_padding(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """Values that were neither bound to their item nor padded, and had another name."""
        plain = fill(4)
        attributes = {"email": Protected(str, name="old.name", accept_plaintext=SOON)}
        migration(dynamodb, described(encryptor, attributes=attributes, bound=False)).backfill()
        how: dict[str, Any] = {
            "accept": [PreviousField(encryptor.field("old.name", str), tenant="clinic")],
            "accept_until": SOON,
            "pad": 64,
        }
        table = described(encryptor, tenant=None, attributes={"email": Protected(str, **how)})
        plain.update_item(  # whose values had a tenant: they are of another key, and no former value
            Key={"clinic": "clinic 1", "number": 1}, UpdateExpression="REMOVE email"
        )
        job = migration(dynamodb, table, name="new form")
        assert job.plan().fields[f"{TABLE}.email"] == {ValueStatus.OLD_FORM: 3, ValueStatus.NULL: 1}
        assert job.backfill().changed == 3
        sizes = {len(raw(dynamodb, TABLE, key(n))["email"]["B"]) for n in (0, 2, 3)}
        assert len(sizes) == 1
        assert job.verify().wrong == 0

    def test_after_an_index_key_has_rotated(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only tags are written; with the old index key retired everything is found."""
        plain = fill(3)
        table = described(encryptor)
        migration(dynamodb, table).backfill()
        before = [raw(dynamodb, TABLE, key(n)) for n in range(3)]
        encryptor.data_keys.rotate(purpose=Purpose.BLIND_INDEX)
        early = migration(dynamodb, table, name="too early")
        (remark,) = early.plan().remarks
        assert "processes may tag under the one before it until" in remark
        report = early.backfill()
        assert (report.changed, report.complete, report.remarks) == (0, True, (remark,))
        later(monkeypatch, 2 * 86_400)
        encryptor.configure(encryptor.provider, encryptor.store, policy=encryptor.policy)  # and forgets what it knew
        job = migration(dynamodb, table, name="tags")
        assert job.plan().stale_tags == {f"{TABLE}.email": 3}
        report = job.backfill()
        assert (report.changed, report.remarks) == (3, ())
        for old, new in zip(before, [raw(dynamodb, TABLE, key(n)) for n in range(3)], strict=True):
            assert old["email_tag"] != new["email_tag"]
            assert old["email"] == new["email"]
        assert job.verify().wrong == 0
        plain.update_item(Key={"clinic": "clinic 1", "number": 1}, UpdateExpression="REMOVE email")
        assert job.verify().reasons == {name(1): "email has a blind index tag, but no value"}
        assert job.backfill().changed == 1
        assert "email_tag" not in raw(dynamodb, TABLE, key(1))


class TestOtherSchemes(OnMoto):
    def test_values_of_another_scheme(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """Are re-encrypted, as text or binary; a forged one is reported, and stays as it is."""
        plain, fernet = create(dynamodb), Fernet(Fernet.generate_key())
        how: dict[str, Any] = {"accept": [FernetReader(fernet)], "accept_until": SOON}
        table = described(encryptor, attributes={"email": Protected(str, **how)})
        tokens = [fernet.encrypt(b"0@example.org"), fernet.encrypt(b"1@example.org").decode()]
        forged = Fernet(Fernet.generate_key()).encrypt(b"2@example.org")
        for number, token in enumerate((*tokens, forged)):
            plain.put_item(Item={"clinic": f"clinic {number}", "number": number, "email": token})
        job = migration(dynamodb, table)
        assert job.plan().fields[f"{TABLE}.email"] == {ValueStatus.OTHER_SCHEME: 2, ValueStatus.UNREADABLE: 1}
        report = job.backfill()
        assert (report.changed, list(report.failures)) == (2, [name(2)])
        assert items(plain)[2]["email"].value == forged
        assert job.verify().reasons == {name(2): "email does not decrypt"}
        with pytest.raises(ConfigurationError, match="no longer accepts plaintext"):
            job.undo()

    def test_items_of_the_dynamodb_encryption_client(
        self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """Are read in mixed mode, and taken over as a whole, without its signature; what is not declared stays."""
        CheckpointTable(client_factory=dynamodb.client).create_table()
        plain = dynamodb.resource().create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        secrets.allow(True)  # beside what the SDK encrypts
        SdkTable(table=plain, materials_provider=materials(), attribute_actions=ACTIONS).put_item(Item=ITEM)
        types = {"ssn": str, "weight": Decimal, "photo": bytes, "names": set, "notes": list}
        reader: Any = DynamoDbEncryptionClientReader(config(materials()))

        def table(**missing: Any) -> ProtectedTable:
            attributes = {name: kind for name, kind in types.items() if name not in missing}
            return ProtectedTable(
                TABLE, encryptor, key=["id"], attributes=attributes, accept=[reader], accept_until=SOON
            )

        wanted = {**ITEM, "photo": b"\x00\xff"}
        assert EncryptedTable(plain, table()).get_item(Key={"id": "42"})["Item"] == wanted
        assert encryptor.stats().events["old_value_read"] == 1
        report = migration(dynamodb, table(notes=True)).backfill()
        assert "notes is encrypted, and not declared" in str(report.failures["42",])
        job = migration(dynamodb, table(), name="all")
        assert job.plan().fields[f"{TABLE}.ssn"] == {ValueStatus.OTHER_SCHEME: 1}
        assert told(job.backfill()) == (1, 1, 0, True)
        assert plain.scan()["Items"][0].keys() == ITEM.keys()
        assert EncryptedTable(plain, table()).get_item(Key={"id": "42"})["Item"] == wanted
        assert job.verify().wrong == 0


class TestSealedItems(OnMoto):
    def test_items_are_sealed_as_they_are_encrypted(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Under the condition that all that a seal covers is as it was read, plain attributes as well."""
        plain = fill(3)

        def table(**how: Any) -> ProtectedTable:
            return described(encryptor, seal=ItemSeal("seal", ("ward", "email", "email_tag"), **how))

        lax = table(accept_unsealed=SOON)

        def promote() -> None:
            plain.update_item(
                Key={"clinic": "clinic 0", "number": 0},
                UpdateExpression="SET ward = :new",
                ExpressionAttributeValues={":new": 99},
            )

        assert migration(dynamodb, table()).backfill().failed == 3  # nobody said that seals may be missing
        job = migration(dynamodb, lax, before_update(dynamodb, promote), name="lax")
        assert job.plan().stale_seals == 3
        assert told(job.backfill()) == (3, 3, 0, True)
        assert sorted(item["ward"] for item in items(EncryptedTable(plain, table()))) == [1, 2, 99]
        assert job.verify().wrong == 0
        later(monkeypatch, 5)
        encryptor.data_keys.rotate("clinic 1")
        assert (job.plan().stale_seals, job.backfill().changed) == (1, 1)
        assert job.plan().due == 0
        plain.update_item(
            Key={"clinic": "clinic 2", "number": 2},
            UpdateExpression="SET ward = :new",
            ExpressionAttributeValues={":new": 99},
        )
        assert job.verify().reasons == {name(2): "the sealed attributes are not those that were sealed"}
        encryptor.data_keys.rotate("clinic 2")
        report = job.backfill()
        assert (report.changed, list(report.failures)) == (0, [name(2)])
        with pytest.raises(ConfigurationError, match="without a seal"):
            migration(dynamodb, table(), name="lax").undo()
        undone = job.undo()
        assert (undone.changed, list(undone.failures)) == (2, [name(2)])
        assert ["seal" in item for item in items(plain)] == [False, False, True]


class TestModels(OnMoto):
    def test_models_of_pynamodb(self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets) -> None:
        """Polymorphic and bound to their items, each class with attributes of its own."""

        class Plain(Model):
            Meta = dynamodb.meta(TABLE)
            clinic = UnicodeAttribute(hash_key=True)
            number = NumberAttribute(range_key=True)
            kind = DiscriminatorAttribute()
            email = UnicodeAttribute(attr_name="mail")

        class PlainNurse(Plain, discriminator="nurse"):
            shift = NumberAttribute()

        @encrypted_model(encryptor, tenant="clinic")
        class Person(Model):
            Meta = dynamodb.meta(TABLE)
            clinic = UnicodeAttribute(hash_key=True)
            number = NumberAttribute(range_key=True)
            kind = DiscriminatorAttribute()
            email = EncryptedAttribute(
                UnicodeAttribute(attr_name="mail"), accept_plaintext=SOON, index=IndexedBy("email_tag")
            )
            email_tag = BlindIndexAttribute(null=True)

        class Nurse(Person, discriminator="nurse"):
            shift = EncryptedAttribute(NumberAttribute(), accept_plaintext=SOON)

        CheckpointTable(client_factory=dynamodb.client).create_table()
        Plain.create_table(wait=True)
        secrets.allow(*map(email, range(9)), 1_234_567)
        for number in range(9):
            PlainNurse(f"clinic {number % 5}", number, email=email(number), shift=1_234_567).save()
        job = migration(dynamodb, MigratedModel(Person))
        assert job.plan().fields == {
            f"{TABLE}.mail": {ValueStatus.PLAINTEXT: 9},
            f"{TABLE}.shift": {ValueStatus.PLAINTEXT: 9},
        }
        assert job.backfill().changed == 9
        assert job.verify().wrong == 0
        assert "example" not in repr(dynamodb.client().scan(TableName=TABLE)["Items"])
        nurse: Any
        (nurse,) = Person.scan(Person.email == email(7))
        assert (type(nurse), nurse.number, nurse.shift) == (Nurse, 7, 1_234_567)
        assert "plaintext_read" not in encryptor.stats().events
        assert job.undo().changed == 9
        assert [each.shift for each in PlainNurse.scan()] == [1_234_567] * 9

    def test_models_that_are_not_bound(self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets) -> None:
        """Are those of a ProtectedTable with bound=False."""

        class Patient(Model):
            Meta = dynamodb.meta(TABLE)
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute(), encryptor, accept_plaintext=SOON)

        CheckpointTable(client_factory=dynamodb.client).create_table()
        Patient.create_table(wait=True)
        secrets.allow("078-05-1120")
        dynamodb.client().put_item(TableName=TABLE, Item={"id": {"S": "1"}, "ssn": {"S": "078-05-1120"}})
        assert migration(dynamodb, MigratedModel(Patient)).backfill().changed == 1
        table = ProtectedTable(TABLE, encryptor, key=["id"], attributes={"ssn": str}, bound=False)
        plain = dynamodb.resource().Table(TABLE)
        assert EncryptedTable(plain, table).get_item(Key={"id": "1"})["Item"]["ssn"] == "078-05-1120"
        assert migration(dynamodb, table).verify().wrong == 0


APPLICATION = """
from datetime import date, timedelta

import boto3

from fieldcrypt import Encryptor, FileKeyStore, LocalKeyProvider
from fieldcrypt_dynamodb import Protected, ProtectedTable
from fieldcrypt_dynamodb.migration import TableMigration

encryptor = Encryptor(LocalKeyProvider(bytes(32)), FileKeyStore("keys.sqlite"))
soon = date.today() + timedelta(days=30)
patients = TableMigration(
    ProtectedTable(
        "patients",
        encryptor,
        key=["clinic", "number"],
        attributes={{
            "email": Protected(str, accept_plaintext=soon), "notes": Protected(list, accept_plaintext=soon)
        }},
    ),
    lambda _: boto3.client("dynamodb", region_name={region!r}, endpoint_url={url!r}),
    segments=2,
)
"""


class TestCommands(OnMoto):
    @pytest.fixture
    def shop(self, run: Run, tmp_path: Path, dynamodb: DynamoDb) -> None:
        """A user's module in the present directory."""
        source = APPLICATION.format(region=FIRST, url=dynamodb.endpoints[FIRST])
        (tmp_path / "application.py").write_text(source)
        FileKeyStore.create(tmp_path / "keys.sqlite")
        (tmp_path / "pyproject.toml").write_text('[tool.fieldcrypt]\nmigrations = ["application:patients"]\n')

    def test_the_whole_way(self, run: Run, shop: None, fill: Fill) -> None:
        """A TableMigration is what the commands take."""
        fill(5)
        plan = json.loads(stdout(run("migrate", "plan", "--json")))
        assert plan["columns"] == {"patients.email": {"plaintext": 5}, "patients.notes": {"plaintext": 5}}
        assert "5 changed" in stdout(run("migrate", "backfill"))
        refused = complaint(run("migrate", "mend", "--as-plaintext", "1"), 2)
        assert "patients has no columns of text, in which plaintext could begin with fc1." in refused
        assert "all 5 rows are correct" in stdout(run("migrate", "verify"))
        assert "accept_plaintext" in stdout(run("migrate", "finish", "--yes"))
        assert "finish" in stdout(run("migrate", "status"))
