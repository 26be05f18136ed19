"""Migrations of DynamoDB tables: all is encrypted, nothing of others is lost, and what is wrong is said."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from benchmarks.dynamodb_migration import MEMORY, Outcome, run
from benchmarks.dynamodb_migration_workload import ATTRIBUTES, original
from fieldcrypt import ConfigurationError, Encryptor, KeyProviderError
from fieldcrypt.migration import Migration, Sample, ValueStatus, VerifyReport
from fieldcrypt_dynamodb import EncryptedTable, Protected, ProtectedTable, of_tenant
from fieldcrypt_dynamodb.migration import CheckpointTable, MigrationError, TableMigration
from tests.conftest import Clock
from tests.dynamodb.migrations import (
    TABLE,
    Fill,
    before_update,
    create,
    described,
    email,
    items,
    key,
    migration,
    name,
    told,
)
from tests.dynamodb.migrations import encryptor as encryptor
from tests.dynamodb.migrations import fill as fill
from tests.dynamodb.migrations import provider as provider
from tests.dynamodb.plaintext import PLAIN, SOON, TYPES
from tests.support.doubles import CountingProvider, outage
from tests.support.dynamodb import FIRST, SECOND, DynamoDb, OnMoto, raw
from tests.support.wiretap import Secrets


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
        assert job.verify() == VerifyReport(9, 0, {}, total=9)
        assert told(job.undo()) == (9, 9, 0, True)
        assert items(plain) == [{**item, "notes": [item["email"], Decimal(7_777_777)]} for item in before]
        with pytest.raises(ConfigurationError, match="verify"):
            job.finish()
        assert job.backfill().changed == 9
        assert str(job.verify()) == "all 9 rows are correct"
        report = job.finish()
        assert (report.rows, report.changed, report.failed) == (9, 0, 0)
        assert f"take accept_plaintext, accept and accept_until away from {TABLE}.email" in report.remarks
        with pytest.raises(ConfigurationError, match="no plaintext to go back to"):
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
            name(9): "email has another blind index tag than its value",
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


def test_a_table_of_checkpoints_that_cannot_be_made_says_so() -> None:
    """Before any request: for a single name, whose letters are no regions, and for a region that is none."""
    with pytest.raises(TypeError, match="a sequence of regions"):
        CheckpointTable().create_table(SECOND)
    with pytest.raises(MigrationError, match="region"):
        CheckpointTable(region="no region").create_table()


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

    @pytest.mark.parametrize("change", [{"pad": 16}, {"context": {"app": "billing"}}, {"index": "email_tag"}])
    def test_what_was_begun_is_not_gone_on_with_as_something_else(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, change: Any
    ) -> None:
        """The declaration changed in between: it says so, and can be begun anew."""
        fill(6)

        def stop(progress: object) -> None:
            raise KeyboardInterrupt

        first = {"email": Protected(str, accept_plaintext=SOON)}
        with pytest.raises(KeyboardInterrupt):
            migration(dynamodb, described(encryptor, attributes=first)).backfill(batch=2, on_progress=stop)
        attributes = {"email": Protected(str, accept_plaintext=SOON, **change)}
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

    def test_a_value_of_another_type_than_declared(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """Plaintext is accepted, so its type is named as the other thing to look for."""
        create(dynamodb).put_item(Item={"clinic": "clinic 0", "number": 0, "email": 5})
        report = migration(dynamodb, described(encryptor)).backfill()
        assert "email is neither an encrypted value nor plaintext that is accepted" in str(report.failures[name(0)])
        assert "the type that is declared" in str(report.failures[name(0)])

    def test_capacity_is_a_limit_of_all_workers(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, clock: Clock
    ) -> None:
        """They wait for what DynamoDB says that they have used; so does whoever only looks."""
        clock.now = dt.datetime.now(dt.UTC).timestamp()
        fill(30)
        began = clock.now
        migration(dynamodb, described(encryptor), capacity=2).backfill(workers=2)
        assert 7 <= clock.now - began <= 30
