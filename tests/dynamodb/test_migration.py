"""Migrations of DynamoDB tables: each step, while others write, are killed, or take things away."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.fernet import Fernet
from dynamodb_encryption_sdk.encrypted.table import EncryptedTable as SdkTable
from pynamodb.attributes import DiscriminatorAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from benchmarks.dynamodb_migration import MEMORY, Outcome, run
from benchmarks.dynamodb_migration_workload import ATTRIBUTES, original
from fieldcrypt import (
    ConfigurationError,
    Encryptor,
    FileKeyStore,
    IndexedBy,
    KeyPolicy,
    KeyProviderError,
    Purpose,
    _system,
)
from fieldcrypt.migration import Migration, PreviousField, Sample, ValueStatus
from fieldcrypt.schemes.fernet import FernetReader
from fieldcrypt_dynamodb import EncryptedTable, ItemSeal, Protected, ProtectedTable, of_tenant
from fieldcrypt_dynamodb.encryption_client import DynamoDbEncryptionClientReader
from fieldcrypt_dynamodb.migration import CheckpointTable, MigrationError, TableMigration
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_model
from fieldcrypt_pynamodb.migration import MigratedModel
from tests.conftest import Clock
from tests.dynamodb.test_mixed import PLAIN, SOON, TYPES
from tests.dynamodb.test_old_items import ACTIONS, ITEM, config, materials
from tests.support.commands import Run, complaint, stdout
from tests.support.commands import run as run_command  # a fixture
from tests.support.doubles import CountingProvider, RowStore, outage
from tests.support.dynamodb import FIRST, SECOND, DynamoDb, OnMoto, raw
from tests.support.wiretap import Secrets

__all__ = ["run_command"]

TABLE = "patients"


def create(dynamodb: DynamoDb, **how: Any) -> Any:
    """Make a table with the keys clinic and number, and one for checkpoints; return the first as boto3 has it."""
    CheckpointTable(client_factory=dynamodb.client).create_table()
    attributes = how.pop("AttributeDefinitions", [])
    return dynamodb.resource().create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "clinic", "AttributeType": "S"},
            {"AttributeName": "number", "AttributeType": "N"},
            *attributes,
        ],
        KeySchema=[
            {"AttributeName": "clinic", "KeyType": "HASH"},
            {"AttributeName": "number", "KeyType": "RANGE"},
        ],
        **how,
    )


def key(number: int) -> dict[str, Any]:
    """The key of an item, as DynamoDB has it."""
    return {"clinic": {"S": f"clinic {number % 5}"}, "number": {"N": str(number)}}


def name(number: int) -> tuple[str, int]:
    """The key of an item, as reports have it."""
    return f"clinic {number % 5}", number


def email(number: int) -> str:
    return f"Ann{number}@example.org"


@pytest.fixture
def provider() -> CountingProvider:
    return CountingProvider()


@pytest.fixture
def encryptor(provider: CountingProvider) -> Encryptor:
    """An Encryptor whose new keys are used at once."""
    policy = KeyPolicy(replication_wait=dt.timedelta(0), propagation_delay=dt.timedelta(0))
    return Encryptor(provider, RowStore(), policy=policy)


def described(encryptor: Encryptor, how: dict[str, Any] | None = None, **table: Any) -> ProtectedTable:
    """A description of two protected attributes, one of them searchable."""
    how = {"accept_plaintext": SOON} if how is None else how
    attributes = {
        "email": Protected(str, index=IndexedBy("email_tag", normaliser="casefold"), **how),
        "notes": Protected(list, **how),
    }
    return ProtectedTable(
        TABLE, encryptor, key=["clinic", "number"], **{"tenant": "clinic", "attributes": attributes, **table}
    )


Fill = Callable[..., Any]


@pytest.fixture
def fill(dynamodb: DynamoDb, secrets: Secrets) -> Fill:
    """Puts items of plaintext into a new table, which it returns as boto3 has it.

    That plaintext may be sent: to put it there, and back to the table that has it, in conditions.
    """

    def fill(count: int, **how: Any) -> Any:
        table = create(dynamodb, **how)
        with table.batch_writer() as batch:
            for number in range(count):
                values = {"email": email(number), "notes": [email(number), 7_777_777]}
                secrets.allow(*values.values())
                batch.put_item(Item={"clinic": f"clinic {number % 5}", "number": number, "ward": number, **values})
        return table

    return fill


def migration(dynamodb: DynamoDb, table: Any, client_factory: Any = None, **how: Any) -> TableMigration:
    return TableMigration(table, client_factory or dynamodb.client, **{"segments": 2, **how})


def later(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """Have it be later: keys are told apart by the second in which they were made."""
    monkeypatch.setattr(_system, "wall_clock", lambda: time.time() + seconds)


def items(table: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.scan(ConsistentRead=True)["Items"]
    return sorted(found, key=lambda item: int(item["number"]))


def before_update(dynamodb: DynamoDb, act: Callable[[], object], at: int = 1) -> Callable[[str | None], Any]:
    """Make clients that do something right before they send an update of an item for the so manieth time."""
    calls = iter(range(1, 1_000_000))

    def before(params: Any, **_: Any) -> None:
        if params["TableName"] == TABLE and next(calls) == at:
            act()

    def factory(_: str | None) -> Any:
        client = dynamodb.client()
        client.meta.events.register("before-parameter-build.dynamodb.UpdateItem", before)
        return client

    return factory


def told(report: Any) -> tuple[int, int, int, bool]:
    """The numbers of a step's report."""
    return report.rows, report.changed, report.failed, report.complete


class TestTheWholeWay:
    def test_from_plaintext_to_the_end(self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor) -> None:
        """Each step can be repeated, and says what it found; items are read as before throughout, and then found."""
        plain = fill(9)
        table = described(encryptor)
        job: Migration = migration(dynamodb, table)
        before = items(EncryptedTable(plain, table))
        plan = job.plan()
        assert (plan.rows, plan.due, plan.needed) == (9, 18, ())
        assert plan.fields == {
            f"{TABLE}.email": {ValueStatus.PLAINTEXT: 9},
            f"{TABLE}.notes": {ValueStatus.PLAINTEXT: 9},
        }
        with pytest.raises(ConfigurationError, match="verify"):
            job.finish()
        assert job.verify().wrong == 9
        assert told(job.backfill(workers=2, batch=4)) == (9, 9, 0, True)
        assert told(job.backfill(batch=1000)) == (9, 0, 0, True)
        assert "example" not in repr(dynamodb.client().scan(TableName=TABLE)["Items"]).lower()
        assert items(EncryptedTable(plain, table)) == before
        found = EncryptedTable(plain, table).scan(
            FilterExpression="email = :e", ExpressionAttributeValues={":e": email(7).upper()}
        )
        assert [item["number"] for item in found["Items"]] == [7]
        assert job.verify() == (9, 0, {}, None, 9, 0, 0)
        assert told(job.undo()) == (9, 9, 0, True)
        assert items(plain) == [{**item, "notes": [item["email"], Decimal(7_777_777)]} for item in before]
        with pytest.raises(ConfigurationError, match="verify"):
            job.finish()
        assert job.backfill().changed == 9
        assert str(job.verify()) == "all 9 rows are as they should be"
        report = job.finish()
        assert (report.rows, report.changed, report.failed) == (9, 0, 0)
        assert f"take accept_plaintext, accept and accept_until away from {TABLE}.email" in report.remarks
        with pytest.raises(ConfigurationError, match="no way back"):
            job.undo()
        assert {step.step: step.state for step in job.status().steps} == dict.fromkeys(
            ("backfill", "verify", "finish"), "done"
        )

    def test_every_type_in_place(self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets) -> None:
        """Also what DynamoDB compares as a whole: maps, lists and sets, and numbers however they are written."""
        plain = create(dynamodb)
        secrets.allow(*PLAIN.values(), "of", "at")
        attributes = {name: Protected(kind, accept_plaintext=SOON) for name, kind in TYPES.items()}
        table = described(encryptor, attributes=attributes)
        plain.put_item(Item={"clinic": "clinic 1", "number": 1, **PLAIN})
        plain.put_item(Item={"clinic": "clinic 2", "number": 2, "name": None})
        before = items(EncryptedTable(plain, table))
        assert told(migration(dynamodb, table).backfill()) == (2, 1, 0, True)
        assert {kind for name in TYPES for kind in raw(dynamodb, TABLE, key(1))[name]} == {"B"}
        assert items(EncryptedTable(plain, table)) == before
        assert migration(dynamodb, table).undo().changed == 1
        assert items(plain)[0] == {"clinic": "clinic 1", "number": 1, **PLAIN}

    def test_nothing_is_lost_or_left_when_a_backfill_is_killed(
        self, replicating: DynamoDb, secrets: Secrets, tmp_path: Path
    ) -> None:
        """A short run of `python -m benchmarks.dynamodb_migration`, which says what is looked at."""
        items = 150
        secrets.allow(*(original(number, name) for number in range(items) for name in ATTRIBUTES), "of")
        outcome = Outcome(items, kills=3)
        run(replicating.endpoints[FIRST], outcome, workers=2, batch=10, directory=tmp_path, seed=1)
        assert outcome.wrong == []
        assert outcome.changes > 0
        assert outcome.megabytes < MEMORY


class TestOthersMeanwhile:
    def test_what_others_write_is_never_overwritten(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """Between reading an item and writing it: by a new application, and by an old one that writes plaintext."""
        plain, table = fill(3), described(encryptor)
        new = EncryptedTable(plain, table)
        secrets.allow("newer")

        def write() -> None:
            for number, target in ((0, plain), (1, new)):
                target.update_item(
                    Key={"clinic": f"clinic {number % 5}", "number": number},
                    UpdateExpression="SET email = :new, ward = :ward",
                    ExpressionAttributeValues={":new": "newer", ":ward": 99},
                )

        job = migration(dynamodb, table, before_update(dynamodb, write), segments=1)
        assert told(job.backfill()) == (3, 3, 0, True)
        assert [(item["email"], item["ward"]) for item in items(new)] == [("newer", 99), ("newer", 99), (email(2), 2)]
        assert migration(dynamodb, table).verify().wrong == 0

    def test_an_item_that_changes_hands_is_encrypted_for_its_new_tenant(
        self, moto: DynamoDb, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """The tenant is part of the condition, although it is not written."""
        plain = create(moto)
        secrets.allow("letter")
        plain.put_item(Item={"clinic": "clinic 1", "number": 1, "owner": "old", "text": "letter"})
        table = described(encryptor, tenant="owner", attributes={"text": Protected(str, accept_plaintext=SOON)})

        def sell() -> None:
            plain.put_item(Item={"clinic": "clinic 1", "number": 1, "owner": "new", "text": "letter"})

        assert migration(moto, table, before_update(moto, sell)).backfill().changed == 1
        assert items(of_tenant(EncryptedTable(plain, table), "new"))[0]["text"] == "letter"

    def test_what_others_delete_stays_deleted(self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor) -> None:
        """An update would make an item of what is left of it."""
        plain, table = fill(1), described(encryptor)
        gone = before_update(dynamodb, lambda: plain.delete_item(Key={"clinic": "clinic 0", "number": 0}))
        assert told(migration(dynamodb, table, gone).backfill()) == (1, 0, 0, True)
        assert items(plain) == []


class TestOneRegionWrites:
    def test_a_second_region_is_refused(
        self, replicating: DynamoDb, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch, secrets: Secrets
    ) -> None:
        """While the first is at work; when nothing was heard of that, the second takes over and does the rest."""
        create(replicating, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
        replicating.client().update_table(TableName=TABLE, ReplicaUpdates=[{"Create": {"RegionName": SECOND}}])
        table = described(encryptor)
        secrets.allow("x@example.org")

        def job(region: str) -> TableMigration:
            checkpoints = CheckpointTable(
                client_factory=lambda _: replicating.client(region), replication=dt.timedelta(seconds=0.01)
            )
            return migration(replicating, table, lambda _: replicating.client(region), checkpoints=checkpoints)

        client = replicating.client()
        for number in range(3):
            client.put_item(TableName=TABLE, Item={**key(number), "email": {"S": "x@example.org"}})
        assert "one region only" in job(FIRST).plan().needed[0]
        job(FIRST).checkpoints.create_table([SECOND])

        def stop(progress: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            job(FIRST).backfill(batch=1, on_progress=stop)
        for step in (job(SECOND).backfill, job(SECOND).undo):
            with pytest.raises(ConfigurationError, match=FIRST):
                step()
        monkeypatch.setattr("fieldcrypt_dynamodb.migration.entries.LEASE", -1.0)
        with pytest.raises(KeyboardInterrupt):
            job(FIRST).backfill(batch=1, on_progress=stop)
        monkeypatch.undo()
        report = job(SECOND).backfill()
        assert (report.rows, report.complete) == (3, True)
        assert job(SECOND).verify().wrong == 0

    def test_a_region_of_the_migration_names_none_of_the_checkpoints(
        self, replicating: DynamoDb, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch, secrets: Secrets
    ) -> None:
        """It is where this process works, at checkpoints given by name as well; those of one region are named apart."""
        create(replicating, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
        client = replicating.client()
        client.update_table(TableName=TABLE, ReplicaUpdates=[{"Create": {"RegionName": SECOND}}])
        secrets.allow("x@example.org")
        client.put_item(TableName=TABLE, Item={**key(1), "email": {"S": "x@example.org"}})
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", replicating.endpoints[FIRST])
        monkeypatch.setenv("AWS_DEFAULT_REGION", FIRST)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        table = described(encryptor)

        here, there = (TableMigration(table, region=region) for region in (FIRST, SECOND))
        assert (here.checkpoints.region, there.checkpoints.region) == (FIRST, SECOND)
        assert "name its one region to all, checkpoints=CheckpointTable(…, region=…)" in here.plan().needed[0]
        assert f"no table fieldcrypt-migrations for checkpoints in {SECOND}" in there.plan().needed[0]
        for job in (here, there):
            with pytest.raises(ConfigurationError, match="fieldcrypt-migrations"):
                job.backfill()

        named = TableMigration(table, region=SECOND, checkpoints=CheckpointTable(region=FIRST))
        assert named.plan().needed == ()
        assert named.backfill().complete
        assert named.verify().wrong == 0
        runs = client.scan(TableName="fieldcrypt-migrations")["Items"]
        assert any(each.get("region") == {"S": SECOND} for each in runs)
        assert TableMigration(table, replicating.client, region=SECOND).checkpoints.region == SECOND


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
        later(monkeypatch, 2 * 86_400)
        encryptor.configure(encryptor.provider, encryptor.store, policy=encryptor.policy)  # and forgets what it knew
        job = migration(dynamodb, table, name="tags")
        assert job.plan().stale_tags == {f"{TABLE}.email": 3}
        assert job.backfill().changed == 3
        for old, new in zip(before, [raw(dynamodb, TABLE, key(n)) for n in range(3)], strict=True):
            assert old["email_tag"] != new["email_tag"]
            assert old["email"] == new["email"]
        assert job.verify().wrong == 0
        plain.update_item(Key={"clinic": "clinic 1", "number": 1}, UpdateExpression="REMOVE email")
        assert job.verify().reasons == {name(1): "email has a blind index tag, and no value"}
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
        with pytest.raises(ConfigurationError, match="no plaintext"):
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


class TestVerify(OnMoto):
    def test_damage_is_found_and_named(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """One flipped bit, one pair that was exchanged, one plaintext, one tag; also by plan, and by finish."""
        fill(12)
        secrets.allow("planted")
        table = described(encryptor)
        job = migration(dynamodb, table)
        job.backfill()
        found = [raw(dynamodb, TABLE, key(number)) for number in range(12)]
        client = dynamodb.client()
        flipped = bytearray(found[1]["email"]["B"])
        flipped[60] ^= 1
        for number, changed in (
            (1, {"email": {"B": bytes(flipped)}}),
            (2, {"email": found[7]["email"], "email_tag": found[7]["email_tag"]}),
            (7, {"email": found[2]["email"], "email_tag": found[2]["email_tag"]}),
            (8, {"notes": {"L": [{"S": "planted"}]}}),
            (9, {"email_tag": found[1]["email_tag"]}),
        ):
            client.put_item(TableName=TABLE, Item={**found[number], **changed})
        expected = {
            name(1): "email does not decrypt",
            name(2): "email does not decrypt",
            name(7): "email does not decrypt",
            name(8): "notes is plaintext",
            name(9): "email has not the blind index tag of its value",
        }
        report = job.verify()
        assert (report.rows, report.wrong, report.reasons) == (12, 5, expected)
        plan = job.plan()
        assert plan.fields[f"{TABLE}.email"] == {ValueStatus.ACTIVE: 9, ValueStatus.UNREADABLE: 3}
        with pytest.raises(ConfigurationError, match="5 rows"):
            job.finish()
        repaired = job.backfill()
        assert (repaired.changed, repaired.failed) == (2, 3)

    def test_a_sample_is_taken_at_random(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """From so many places that its confidence is reached, and no more; all are read where they are few."""
        plain = create(dynamodb)
        with plain.batch_writer() as batch:
            for number in range(300):
                batch.put_item(Item={"clinic": f"c{number}", "number": number})
        job = migration(dynamodb, described(encryptor))
        sample = Sample(confidence=0.9, share=0.05)
        report = job.verify(sample=sample)
        assert sample.size <= report.rows < 300
        assert f"none of {report.rows} rows, taken at random" in str(report)
        assert job.plan(sample=Sample(0.99, 0.001)).rows == 300


class TestRefused(OnMoto):
    def test_tables_that_are_not_as_described(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """In words, before anything is done: by a plan, and by a backfill."""
        job = migration(dynamodb, described(encryptor))
        assert job.plan().needed == (f"there is no table {TABLE}",)
        client = dynamodb.client()
        create(
            dynamodb,
            AttributeDefinitions=[{"AttributeName": "email", "AttributeType": "S"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by_email",
                    "KeySchema": [{"AttributeName": "email", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        client.update_time_to_live(TableName=TABLE, TimeToLiveSpecification={"AttributeName": "notes", "Enabled": True})
        client.delete_table(TableName="fieldcrypt-migrations")
        index, expiry, checkpoints = job.plan().needed
        assert "a key of the index by_email" in index
        assert "says when items expire" in expiry
        assert "migration.checkpoints.create_table()" in checkpoints
        for step in (job.backfill, job.verify):
            with pytest.raises(ConfigurationError, match="by_email"):
                step()
        other = ProtectedTable(TABLE, encryptor, key=["number"], attributes={"email": str})
        assert "described as number" in migration(dynamodb, other).plan().needed[0]
        with pytest.raises(ConfigurationError, match="described as number"):
            migration(dynamodb, other).backfill()

    def test_what_was_begun_is_not_gone_on_with_as_something_else(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor
    ) -> None:
        """The declaration changed in between: it says so, and can be begun anew."""
        fill(6)

        def stop(progress: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            migration(dynamodb, described(encryptor)).backfill(batch=2, on_progress=stop)
        attributes = {"email": Protected(str, accept_plaintext=SOON)}
        other = migration(dynamodb, described(encryptor, attributes=attributes))
        with pytest.raises(ConfigurationError, match="restart=True"):
            other.backfill()
        assert other.backfill(restart=True).rows == 6

    def test_it_goes_on_after_what_stopped_it(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, provider: CountingProvider
    ) -> None:
        """A key service that does not answer, DynamoDB that refuses, a pause: what is done stays, and is not redone."""
        fill(20)
        table = described(encryptor)
        provider.wrap_failure = outage
        with pytest.raises(KeyProviderError):
            migration(dynamodb, table).backfill()
        provider.wrap_failure = None

        def refuse() -> None:
            said: Any = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized: dynamodb:UpdateItem"}}
            raise ClientError(said, "UpdateItem")

        with pytest.raises(MigrationError, match="not authorized: dynamodb:UpdateItem") as caught:
            migration(dynamodb, table, before_update(dynamodb, refuse, at=6)).backfill(batch=3)
        assert "example" not in str(caught.value)
        job = migration(dynamodb, table)
        paused = job.backfill(batch=2, on_progress=lambda _: job.pause())
        assert not paused.complete
        assert job.status().steps[0].state == "paused"
        report = job.backfill(batch=2)
        assert (report.rows, report.failed, report.complete) == (20, 0, True)
        assert job.verify().wrong == 0

    def test_an_item_that_dynamodb_does_not_take(
        self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """Because it would be too large with its ciphertext: it is named, and the others are done."""
        plain = create(dynamodb)
        large = "x" * 404_800
        secrets.allow(large, "small")
        for number, text in enumerate((large, "small")):
            plain.put_item(Item={"clinic": f"clinic {number}", "number": number, "email": text})
        report = migration(dynamodb, described(encryptor)).backfill()
        assert (report.changed, list(report.failures)) == (1, [name(0)])
        assert "size" in str(report.failures[name(0)])
        assert large[:100] not in str(report.failures[name(0)])

    def test_capacity_is_a_limit_of_all_workers(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, clock: Clock
    ) -> None:
        """They wait for what DynamoDB says that they have used; so does whoever only looks."""
        clock.now = dt.datetime.now(dt.UTC).timestamp()
        fill(30)
        began = clock.now
        migration(dynamodb, described(encryptor), capacity=2).backfill(workers=2)
        assert 7 <= clock.now - began <= 30


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
    def shop(self, run_command: Run, tmp_path: Path, dynamodb: DynamoDb) -> None:
        """A user's module in the present directory."""
        source = APPLICATION.format(region=FIRST, url=dynamodb.endpoints[FIRST])
        (tmp_path / "application.py").write_text(source)
        FileKeyStore.create(tmp_path / "keys.sqlite")
        (tmp_path / "pyproject.toml").write_text('[tool.fieldcrypt]\nmigrations = ["application:patients"]\n')

    def test_the_whole_way(self, run_command: Run, shop: None, fill: Fill) -> None:
        """A TableMigration is what the commands take."""
        fill(5)
        plan = json.loads(stdout(run_command("migrate", "plan", "--json")))
        assert plan["columns"] == {"patients.email": {"plaintext": 5}, "patients.notes": {"plaintext": 5}}
        assert "5 changed" in stdout(run_command("migrate", "backfill"))
        refused = complaint(run_command("migrate", "mend", "--as-plaintext", "1"), 2)
        assert "patients has no columns of text, in which plaintext could begin with fc1." in refused
        assert "all 5 rows are as they should be" in stdout(run_command("migrate", "verify"))
        assert "accept_plaintext" in stdout(run_command("migrate", "finish", "--yes"))
        assert "finish" in stdout(run_command("migrate", "status"))
