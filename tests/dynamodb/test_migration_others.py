"""Migrations of DynamoDB tables with items of others in them, models elsewhere, and seals of former declarations."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pynamodb.attributes import DiscriminatorAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor
from fieldcrypt.migration import ValueStatus
from fieldcrypt_dynamodb import EncryptedTable, ItemSeal, Protected, ProtectedTable
from fieldcrypt_dynamodb.migration import CheckpointTable, MigrationError, TableMigration
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_model
from fieldcrypt_pynamodb.migration import MigratedModel
from tests.dynamodb.migrations import TABLE, Fill, create, described, key, migration, name
from tests.dynamodb.migrations import encryptor as encryptor
from tests.dynamodb.migrations import fill as fill
from tests.dynamodb.migrations import provider as provider
from tests.dynamodb.migrations_met import CHECKPOINTS, before, set_checkpoint, stop
from tests.dynamodb.plaintext import SOON
from tests.support.dynamodb import FIRST, SECOND, DynamoDb, OnMoto, raw
from tests.support.wiretap import Secrets


class TestItemsOfOthers(OnMoto):
    def test_an_item_that_does_not_tell_its_tenant(
        self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """Of another service with nothing protected it is passed over, and named by plan; else it is a failure."""
        plain = create(dynamodb)
        secrets.allow("a letter", "another one")
        plain.put_item(Item={"clinic": "c", "number": 1, "owner": "ann", "text": "a letter"})
        plain.put_item(Item={"clinic": "c", "number": 2, "price": 100})
        plain.put_item(Item={"clinic": "c", "number": 3, "text": "another one"})
        table = described(
            encryptor,
            tenant="owner",
            attributes={"text": Protected(str, accept_plaintext=SOON)},
            seal=ItemSeal("seal", ("text",), accept_unsealed=SOON),
        )
        job = migration(dynamodb, table)
        plan = job.plan()
        assert (plan.rows, dict(plan.passed_over)) == (
            3,
            {"they have nothing protected, and no owner that values could be bound to": 1},
        )
        report = job.backfill()
        assert (report.changed, list(report.failures), report.complete) == (1, [("c", 3)], False)
        plain.delete_item(Key={"clinic": "c", "number": 3})
        assert job.backfill().complete
        assert job.verify().wrong == 0
        assert job.finish().failed == 0
        assert raw(dynamodb, TABLE, {"clinic": {"S": "c"}, "number": {"N": "2"}}).keys() == {
            "clinic",
            "number",
            "price",
        }

    def test_an_attribute_of_another_type(self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor) -> None:
        """Is a failure of its item, in every step; the others are done."""
        plain = fill(3)
        plain.update_item(
            Key={"clinic": "clinic 1", "number": 1},
            UpdateExpression="SET email = :odd",
            ExpressionAttributeValues={":odd": {"a": {1, 2}}},
        )
        job = migration(dynamodb, described(encryptor))
        assert job.plan().fields[f"{TABLE}.email"] == {ValueStatus.PLAINTEXT: 2, ValueStatus.UNREADABLE: 1}
        report = job.backfill()
        assert (report.failed, list(report.failures), report.left, report.complete) == (1, [name(1)], 1, False)
        assert list(job.verify().reasons) == [name(1)]

    def test_sealed_items_whose_keys_are_gone(self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets) -> None:
        """Of a tenant that was shredded nothing is wrong, or done; an unknown key is a failure of its item alone."""
        plain = create(dynamodb)
        secrets.allow("a letter")
        attributes = {"text": Protected(str, accept_plaintext=SOON)}
        seal = ItemSeal("seal", ("text",), accept_unsealed=SOON)
        table = described(encryptor, attributes=attributes, seal=seal)
        for number in range(3):
            EncryptedTable(plain, table).put_item(
                Item={"clinic": f"clinic {number}", "number": number, "text": "a letter"}
            )
        plain.put_item(Item={"clinic": "clinic 3", "number": 3, "text": "a letter"})
        encryptor.data_keys.shred("clinic 0", by="a test")
        found = raw(dynamodb, TABLE, key(1))
        unknown = {each: {"B": b"\x01" + bytes(16) + found[each]["B"][17:]} for each in ("text", "seal")}
        dynamodb.client().put_item(TableName=TABLE, Item={**found, **unknown})
        job = migration(dynamodb, table)
        assert job.plan().fields[f"{TABLE}.text"][ValueStatus.SHREDDED] == 1
        report = job.backfill()
        assert (report.changed, list(report.failures), report.complete) == (1, [name(1)], True)
        assert list(job.verify().reasons) == [name(1)]

    def test_a_class_that_is_not_loaded(self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets) -> None:
        """Passed over if it has none of the protected attributes, a failure otherwise; of an odd type as well."""

        @encrypted_model(encryptor)
        class Person(Model):
            Meta = dynamodb.meta(TABLE)
            id = UnicodeAttribute(hash_key=True)
            kind = DiscriminatorAttribute()
            mail = EncryptedAttribute(UnicodeAttribute(), accept_plaintext=SOON)

        class Nurse(Person, discriminator="nurse"):
            shift = EncryptedAttribute(NumberAttribute(null=True), accept_plaintext=SOON)

        CheckpointTable(client_factory=dynamodb.client).create_table()
        Person.create_table(wait=True)
        secrets.allow("a@example.org", "b@example.org")
        client = dynamodb.client()
        for number, values in enumerate(
            (
                {"kind": {"S": "nurse"}, "mail": {"S": "a@example.org"}},
                {"kind": {"S": "order"}, "price": {"N": "1"}},
                {"kind": {"N": "1"}, "price": {"N": "1"}},
                {"kind": {"S": "surgeon"}, "mail": {"S": "b@example.org"}},
            )
        ):
            client.put_item(TableName=TABLE, Item={"id": {"S": str(number)}, **values})
        job = TableMigration(MigratedModel(Person))
        plan = job.plan()
        assert (plan.rows, sum(plan.passed_over.values())) == (4, 2)
        assert "not loaded" in next(iter(plan.passed_over))
        report = job.backfill()
        assert (report.changed, list(report.failures), report.complete) == (1, [("3",)], False)
        assert "import the module" in str(report.failures["3",])
        assert job.verify().wrong == 1


class TestWhereAModelIs(OnMoto):
    @pytest.fixture
    def patient(self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets) -> Any:
        """A model of the second region, with a table of the same name in both."""

        class Patient(Model):
            Meta = dynamodb.meta(TABLE, SECOND)
            id = UnicodeAttribute(hash_key=True)
            email = EncryptedAttribute(UnicodeAttribute(), encryptor, accept_plaintext=SOON)

        secrets.allow("a@example.org")
        for region in (FIRST, SECOND):
            client = dynamodb.client(region)
            client.create_table(
                TableName=TABLE,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            )
            client.put_item(TableName=TABLE, Item={"id": {"S": "1"}, "email": {"S": "a@example.org"}})
        return Patient

    def test_its_own_region_and_host(self, dynamodb: DynamoDb, patient: Any) -> None:
        """Its Meta says them, and the credentials: a table of that name elsewhere is left alone."""
        job = TableMigration(MigratedModel(patient))
        job.checkpoints.create_table()
        assert job.backfill().changed == 1
        assert CHECKPOINTS in dynamodb.client(SECOND).list_tables()["TableNames"]
        found = {region: raw_in(dynamodb, region)["email"].keys() for region in (FIRST, SECOND)}
        assert found == {FIRST: {"S"}, SECOND: {"B"}}

    def test_a_client_of_another_region_is_refused(self, dynamodb: DynamoDb, patient: Any) -> None:
        """In words that name both, before anything is done."""
        with pytest.raises(ConfigurationError, match=f"{SECOND}.*{FIRST}"):
            TableMigration(MigratedModel(patient), lambda _: dynamodb.client(FIRST)).plan()
        with pytest.raises(ConfigurationError, match=FIRST):
            TableMigration(MigratedModel(patient), region=FIRST).backfill()


def raw_in(dynamodb: DynamoDb, region: str) -> dict[str, Any]:
    """Return the only item of the table in a region, as DynamoDB has it."""
    item: dict[str, Any] = dynamodb.client(region).scan(TableName=TABLE)["Items"][0]
    return item


class TestCheckpoints(OnMoto):
    @pytest.fixture
    def stopped(self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor) -> TableMigration:
        """A backfill that was stopped half way."""
        fill(10)
        job = migration(dynamodb, described(encryptor), segments=1)
        with pytest.raises(KeyboardInterrupt):
            job.backfill(batch=2, on_progress=stop)
        return job

    def test_a_lease_of_a_clock_that_is_wrong_has_ended(self, dynamodb: DynamoDb, stopped: TableMigration) -> None:
        """Nobody waits an hour for a dead worker of a machine whose clock was ahead."""
        in_an_hour = {"N": str(4_000_000_000)}
        set_checkpoint(dynamodb, "backfill/000000", worker={"S": "elsewhere 1 0.0"}, leased_until=in_an_hour)
        assert stopped.backfill().complete

    def test_a_pause_reaches_those_that_wait(self, dynamodb: DynamoDb, stopped: TableMigration) -> None:
        """A worker that waits for the last segment of somebody else stops."""
        soon = {"N": f"{time.time() + 25:.6f}"}
        set_checkpoint(dynamodb, "backfill/000000", worker={"S": "elsewhere 1 0.0"}, leased_until=soon)

        def pause(at: int) -> None:
            if at == 8:
                stopped.pause()

        factory = before(dynamodb, "Query", CHECKPOINTS, pause)
        waiting = migration(
            dynamodb, stopped_table(stopped), checkpoints=CheckpointTable(client_factory=factory), segments=1
        )
        assert waiting.backfill().complete is False
        assert stopped.status().steps[0].state == "paused"

    @pytest.mark.parametrize(
        ("part", "values"),
        [
            ("backfill", {"about": {"N": "1"}}),
            ("backfill", {"total": {"S": "many"}}),
            ("backfill", {"segments": {"N": "0"}}),
            ("backfill/000000", {"leased_until": {"S": "soon"}}),
            ("backfill/000000", {"position": {"S": "here"}}),
        ],
    )
    def test_checkpoints_of_odd_types(
        self, dynamodb: DynamoDb, stopped: TableMigration, part: str, values: Any
    ) -> None:
        """Are an error that names the item, and says what to do; which helps."""
        set_checkpoint(dynamodb, part, **values)
        with pytest.raises(MigrationError, match=f"the checkpoint '{part}' has no '{next(iter(values))}'.*Delete"):
            stopped.backfill()
        dynamodb.client().delete_item(TableName=CHECKPOINTS, Key={"migration": {"S": TABLE}, "part": {"S": part}})
        assert stopped.backfill().complete

    @pytest.mark.parametrize("table", [TABLE, CHECKPOINTS])
    @pytest.mark.parametrize("code", ["ThrottlingException", "ReplicatedWriteConflictException"])
    def test_what_passes_is_tried_again(
        self,
        dynamodb: DynamoDb,
        fill: Fill,
        encryptor: Encryptor,
        monkeypatch: pytest.MonkeyPatch,
        table: str,
        code: str,
    ) -> None:
        """Five times in a row, on the data and on the checkpoints."""
        fill(2)
        monkeypatch.setattr("fieldcrypt_dynamodb.migration.access._FIRST_WAIT", 0.0)

        def throttle(at: int) -> None:
            if at <= 5:
                raise ClientError({"Error": {"Code": code, "Message": "slowly"}}, "UpdateItem")

        factory = before(dynamodb, "UpdateItem", table, throttle)
        assert migration(dynamodb, described(encryptor), factory).backfill().complete


def stopped_table(job: TableMigration) -> Any:
    """Return the table that a migration is of."""
    return job._source._table


class TestSealsOfFormerDeclarations(OnMoto):
    @pytest.mark.parametrize("change", ["table", "over", "attribute"])
    def test_a_sealed_table_moves(
        self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets, change: str
    ) -> None:
        """To another name, or another seal: it is read, sealed as declared now, and then read without the former."""
        plain = create(dynamodb)
        secrets.allow("a letter")
        field = "first.text"

        def table(seal: ItemSeal, **how: Any) -> ProtectedTable:
            attributes = {"text": Protected(str, name=field)}
            of = how.pop("of", TABLE)
            return ProtectedTable(of, encryptor, key=["clinic", "number"], attributes=attributes, seal=seal, **how)

        first = ItemSeal("seal", ("text",))
        old = table(first, of="first") if change == "table" else table(first)
        over = ("text", "ward") if change == "over" else ("text",)
        attribute = "mark" if change == "attribute" else "seal"
        new = table(ItemSeal(attribute, over))
        mixed = table(ItemSeal(attribute, over, accept=[old], accept_until=SOON))
        sealed = {"clinic": "c", "number": 1, "text": "a letter", "ward": 4}
        if change == "table":
            move(dynamodb, old, sealed)
        else:
            EncryptedTable(plain, old).put_item(Item=sealed)
        with pytest.raises(DecryptionError):
            EncryptedTable(plain, new).get_item(Key={"clinic": "c", "number": 1})
        read = EncryptedTable(plain, mixed).get_item(Key={"clinic": "c", "number": 1})["Item"]
        assert read == sealed
        job = migration(dynamodb, mixed)
        assert job.verify().reasons == {
            ("c", 1): "the item has no seal"
            if change == "attribute"
            else "the item is not sealed as it is declared now"
        }
        report = job.backfill()
        assert (report.changed, report.complete) == (1, True)
        assert job.verify().wrong == 0
        assert any("the seal of" in remark for remark in job.finish().remarks)
        assert EncryptedTable(plain, new).get_item(Key={"clinic": "c", "number": 1})["Item"] == sealed

    def test_a_former_seal_that_does_not_hold(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """Is never made a new one."""
        plain = create(dynamodb)
        attributes = {"text": Protected(str, name="first.text")}
        seal = ItemSeal("seal", ("text", "ward"))
        old = ProtectedTable(TABLE, encryptor, key=["clinic", "number"], attributes=attributes, seal=seal)
        EncryptedTable(plain, old).put_item(Item={"clinic": "c", "number": 1, "ward": 4})
        plain.update_item(
            Key={"clinic": "c", "number": 1},
            UpdateExpression="SET ward = :new",
            ExpressionAttributeValues={":new": 99},
        )
        mixed = ItemSeal("mark", ("text",), accept=[old], accept_until=SOON, accept_unsealed=SOON)
        table = ProtectedTable(TABLE, encryptor, key=["clinic", "number"], attributes=attributes, seal=mixed)
        report = migration(dynamodb, table).backfill()
        assert (report.changed, list(report.failures)) == (0, [("c", 1)])
        with pytest.raises(DecryptionError):
            EncryptedTable(plain, table).get_item(Key={"clinic": "c", "number": 1})

    def test_what_is_declared_has_an_end(self, encryptor: Encryptor) -> None:
        """And takes descriptions that have a seal."""
        bare = ProtectedTable(TABLE, encryptor, key=["id"], attributes={"text": str})
        for how in ({"accept": [bare], "accept_until": SOON}, {"accept_until": SOON}, {"accept": [bare]}):
            seal: Any = ItemSeal("seal", ("text",), **how)
            with pytest.raises(ConfigurationError, match="ItemSeal"):
                ProtectedTable(TABLE, encryptor, key=["id"], attributes={"text": str}, seal=seal)


def move(dynamodb: DynamoDb, old: ProtectedTable, item: dict[str, Any]) -> None:
    """Write an item to a table of another name, and copy it to the table as it is."""
    client = dynamodb.client()
    client.create_table(
        TableName=old.name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "clinic", "AttributeType": "S"},
            {"AttributeName": "number", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "clinic", "KeyType": "HASH"}, {"AttributeName": "number", "KeyType": "RANGE"}],
    )
    EncryptedTable(dynamodb.resource().Table(old.name), old).put_item(Item=item)
    client.put_item(TableName=TABLE, Item=client.scan(TableName=old.name)["Items"][0])
