"""Migrations of DynamoDB tables: what they call complete, steps that meet, and items that are none of theirs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pynamodb.attributes import DiscriminatorAttribute, ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import AttributeDeserializationError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor
from fieldcrypt.migration import ValueStatus
from fieldcrypt.migration.engine.journal import Portion
from fieldcrypt.migration.engine.source import Which
from fieldcrypt_dynamodb import EncryptedTable, ItemSeal, Protected, ProtectedTable
from fieldcrypt_dynamodb.migration import CheckpointTable, MigrationError, TableMigration
from fieldcrypt_dynamodb.migration.checkpoints import Checkpoints
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_model
from fieldcrypt_pynamodb.migration import MigratedModel
from tests.dynamodb.test_migration import (
    TABLE,
    Fill,
    create,
    described,
    email,
    encryptor,
    fill,
    items,
    key,
    later,
    migration,
    name,
    provider,
)
from tests.dynamodb.test_mixed import SOON
from tests.support.dynamodb import FIRST, SECOND, DynamoDb, OnMoto, raw
from tests.support.wiretap import Secrets

__all__ = ["encryptor", "fill", "provider"]

CHECKPOINTS = "fieldcrypt-migrations"


def stop(progress: object) -> None:
    """Stop a step, as somebody does at the keyboard."""
    raise KeyboardInterrupt


def plain_items(dynamodb: DynamoDb) -> int:
    """How many items DynamoDB itself has with plaintext."""
    found = dynamodb.client().scan(TableName=TABLE, ConsistentRead=True)["Items"]
    return sum("B" not in item["email"] for item in found)


def before(dynamodb: DynamoDb, operation: str, table: str, act: Callable[[int], object]) -> Callable[[str | None], Any]:
    """Make clients that do something right before each request of a kind about a table; it is told which one it is."""
    calls = iter(range(1, 1_000_000))

    def asked(params: Any, **_: Any) -> None:
        if params["TableName"] == table:
            act(next(calls))

    def factory(_: str | None) -> Any:
        client = dynamodb.client()
        client.meta.events.register(f"before-parameter-build.dynamodb.{operation}", asked)
        return client

    return factory


def set_checkpoint(dynamodb: DynamoDb, part: str, **values: Any) -> None:
    """Write to a checkpoint, as somebody does who can write to that table."""
    dynamodb.client().update_item(
        TableName=CHECKPOINTS,
        Key={"migration": {"S": TABLE}, "part": {"S": part}},
        UpdateExpression="SET " + ", ".join(f"#{each} = :{each}" for each in values),
        ExpressionAttributeNames={f"#{each}": each for each in values},
        ExpressionAttributeValues={f":{each}": value for each, value in values.items()},
    )


class TestComplete:
    def test_plaintext_that_comes_behind_a_backfill_is_counted(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """An old application wrote an item that the scan had passed: DynamoDB counts it, and it is not complete."""
        plain = fill(6)
        secrets.allow("late")

        def write(progress: Any) -> None:
            if progress.done == 6:
                for number in range(6):
                    item_key = {"clinic": f"clinic {number % 5}", "number": number}
                    plain.put_item(Item={**item_key, "email": "late", "notes": []})

        report = migration(dynamodb, described(encryptor), segments=1).backfill(on_progress=write)
        assert (report.total, report.left, report.complete, report.failed) == (6, 6, False, 0)
        assert migration(dynamodb, described(encryptor)).backfill().complete

    def test_very_many_attributes_are_counted(self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets) -> None:
        """Each item once, though it takes several expressions; and binary plaintext, long and short, as what it is."""
        plain = create(dynamodb)
        attributes = {f"a{number}": Protected(bytes, accept_plaintext=SOON) for number in range(45)}
        for number in range(3):
            values = {each: bytes([7 + number]) * (3 if number else 80) for each in attributes}
            secrets.allow(*values.values())
            plain.put_item(Item={"clinic": f"clinic {number}", "number": number, **values})
        job = migration(dynamodb, described(encryptor, attributes=attributes))
        verified = job.verify()
        assert (verified.wrong, verified.left) == (3, 0)
        report = job.backfill()
        assert (report.total, report.left, report.complete) == (3, 0, True)
        assert job._source.count(Which.FILLED) == (3, 3)
        plain.update_item(
            Key={"clinic": "clinic 2", "number": 2},
            UpdateExpression="SET a44 = :plain",
            ExpressionAttributeValues={":plain": bytes([9]) * 3},
        )
        assert job.undo().complete
        assert items(plain)[1]["a44"].value == bytes([8]) * 3

    def test_values_are_counted_by_their_form(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """By DynamoDB: binary values that are long enough, and begin with a version byte, are ours; NULL is nothing."""
        create(dynamodb)
        ours = [bytes([version]) + bytes([fill] * 57) for version in (1, 2) for fill in (0, 255)]
        others: list[Any] = [{"B": bytes([first]) + bytes(57)} for first in (0, 3, 4, 255)]
        others += [
            {"B": b"\x01short"},
            {"S": "\x01" * 80},
            {"N": "1"},
            {"M": {}},
            {"L": []},
            {"BOOL": False},
            {"SS": ["a"]},
        ]
        stored = [*({"B": data} for data in ours), *others, {"NULL": True}]
        client = dynamodb.client()
        for number, value in enumerate(stored):
            client.put_item(TableName=TABLE, Item={**key(number), "email": value})
        client.put_item(TableName=TABLE, Item=key(len(stored)))
        source = migration(dynamodb, described(encryptor))._source
        total = len(stored) + 1
        assert source.count(Which.ALL) == (total, total)
        assert source.count(Which.FILLED) == (total, len(ours))
        assert source.count(Which.DUE) == source.count(Which.PLAIN) == (total, len(others))
        assert sum(len(page) for page in source.pages(Which.DUE)) == len(others)

    def test_checkpoints_that_say_more_than_was_done_are_not_believed(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor
    ) -> None:
        """Whoever can write to their table says that all segments are finished."""
        fill(20)
        job = migration(dynamodb, described(encryptor))
        with pytest.raises(KeyboardInterrupt):
            job.backfill(batch=2, on_progress=stop)
        for number in range(2):
            set_checkpoint(
                dynamodb,
                f"backfill/{number:06}",
                finished={"BOOL": True},
                leased_until={"N": "0"},
                worker={"S": "x y 0"},
            )
        report = job.backfill()
        assert (report.complete, report.left) == (False, plain_items(dynamodb))
        assert plain_items(dynamodb) > 0

    def test_plan_and_verify_count(self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor) -> None:
        """What they have seen is compared with what DynamoDB counts."""
        fill(7)
        job = migration(dynamodb, described(encryptor))
        plan = job.plan()
        assert (plan.rows, plan.total, plan.left) == (7, 7, 0)
        verified = job.verify()
        assert (verified.rows, verified.wrong, verified.total, verified.left) == (7, 7, 7, 0)

    def test_keys_that_were_rotated_between_two_steps_are_old(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also to an object that has seen them as the newest ones."""
        fill(5)
        job = migration(dynamodb, described(encryptor))
        assert job.backfill().changed == 5
        assert job.verify().wrong == 0
        later(monkeypatch, 5)
        encryptor.data_keys.rotate("clinic 1")
        assert job.backfill().changed == 1


class TestStepsThatMeet:
    def test_undo_across_a_backfill(self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor) -> None:
        """An undo that was stopped is begun again after a backfill, and leaves nothing encrypted."""
        fill(10)
        job = migration(dynamodb, described(encryptor))
        job.backfill()
        with pytest.raises(KeyboardInterrupt):
            job.undo(batch=2, on_progress=stop)
        assert job.backfill().complete
        assert plain_items(dynamodb) == 0
        assert job.undo().complete
        assert plain_items(dynamodb) == 10

    @pytest.mark.parametrize(("first", "second"), [("backfill", "undo"), ("undo", "backfill")])
    def test_steps_that_write_exclude_each_other(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, first: str, second: str
    ) -> None:
        """In one region, too: the second is refused, and says who is at work."""
        fill(6)
        job = migration(dynamodb, described(encryptor), segments=1)
        job.backfill()
        refused: list[str] = []

        def meet(progress: Any) -> None:
            if not refused:  # after the first page
                with pytest.raises(ConfigurationError) as caught:
                    getattr(migration(dynamodb, described(encryptor)), second)()
                refused.append(str(caught.value))

        assert getattr(job, first)(batch=2, on_progress=meet).complete
        assert f"the {first} is being done by" in refused[0]

    def test_two_that_begin_at_the_same_moment(self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor) -> None:
        """An undo that came and went between the beginning of a backfill and its first segment: the backfill ends."""
        fill(6)
        table = described(encryptor)
        migration(dynamodb, table).backfill()

        def undo(at: int) -> None:  # the first one begins the run, the second one leases
            if at == 2:
                assert migration(dynamodb, table).undo().complete

        checkpoints = CheckpointTable(client_factory=before(dynamodb, "UpdateItem", CHECKPOINTS, undo))
        report = migration(dynamodb, table, checkpoints=checkpoints).backfill()
        assert (report.changed, report.complete) == (0, False)
        assert plain_items(dynamodb) == 6

    def test_one_that_comes_while_the_other_leases(self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor) -> None:
        """Both lease, and look again: at least one of them gives way, and says so."""
        fill(6)
        table = described(encryptor)
        seen: list[Exception] = []

        def undo(at: int) -> None:  # after the backfill has leased, before it looks again
            if at == 5:
                try:
                    migration(dynamodb, table).undo()
                except ConfigurationError as error:
                    seen.append(error)

        checkpoints = CheckpointTable(client_factory=before(dynamodb, "Query", CHECKPOINTS, undo))
        report = migration(dynamodb, table, checkpoints=checkpoints, segments=1).backfill()
        assert (len(seen), report.complete, plain_items(dynamodb)) in ((1, True, 0), (0, False, 6))

    def test_one_that_leases_at_the_same_moment(self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor) -> None:
        """Neither sees the other before it leases: so it looks again afterwards, and gives way."""
        fill(6)
        job = migration(dynamodb, described(encryptor))
        other = Checkpoints(job.checkpoints, TABLE, 2, lambda: FIRST)
        finish = other.begin("finish", "about", 6, restart=True, drops=())

        def lease(at: int) -> None:  # as above
            if at == 2:
                assert isinstance(other.claim(finish, "elsewhere 1 0.0", 1), Portion)

        checkpoints = CheckpointTable(client_factory=before(dynamodb, "UpdateItem", CHECKPOINTS, lease))
        with pytest.raises(ConfigurationError, match="the finish is being done by elsewhere"):
            migration(dynamodb, described(encryptor), checkpoints=checkpoints).backfill()
        assert plain_items(dynamodb) == 6

    @pytest.mark.parametrize("what", ["index", "pad", "name", "bound", "tenant", "seal"])
    def test_another_declaration_is_not_gone_on_with(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, what: str
    ) -> None:
        """Whatever of it is another: what was begun says so, and can be begun again."""
        fill(6)

        def table(**how: Any) -> ProtectedTable:
            attribute = {each: how.pop(each) for each in ("index", "pad", "name") if each in how}
            attributes = {"email": Protected(str, accept_plaintext=SOON, **attribute)}
            return described(encryptor, attributes=attributes, **how)

        other: dict[str, Any] = {
            "index": "tags",
            "pad": 32,
            "name": "of.another",
            "bound": False,
            "tenant": None,
            "seal": ItemSeal("seal", ("email",), accept_unsealed=SOON),
        }
        with pytest.raises(KeyboardInterrupt):
            migration(dynamodb, table()).backfill(batch=2, on_progress=stop)
        job = migration(dynamodb, table(**{what: other[what]}))
        with pytest.raises(ConfigurationError, match="restart=True to begin it again"):
            job.backfill()
        assert job.backfill(restart=True).rows == 6

    def test_finish_never_resumes(self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, secrets: Secrets) -> None:
        """Plaintext that was planted behind a finish that was stopped is found by the next one."""
        plain = fill(10)
        job = migration(dynamodb, described(encryptor), segments=1)
        job.backfill()
        job.verify()
        with pytest.raises(KeyboardInterrupt):
            job.finish(batch=8, on_progress=stop)
        secrets.allow("planted")
        for number in range(10):
            plain.put_item(Item={"clinic": f"clinic {number % 5}", "number": number, "email": "planted", "notes": []})
        report = job.finish()
        assert (report.failed, report.left, report.complete, report.remarks) == (10, 10, False, ())


class TestUndo:
    def test_it_is_complete_only_if_nothing_is_encrypted(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor
    ) -> None:
        """An application that goes on writing ciphertext behind it: DynamoDB counts what it wrote."""
        plain = fill(4)
        table = described(encryptor)
        migration(dynamodb, table).backfill()
        new = EncryptedTable(plain, table)

        def write(progress: Any) -> None:
            new.put_item(Item={"clinic": "clinic 0", "number": 0, "email": email(0), "notes": []})

        report = migration(dynamodb, table, segments=1).undo(on_progress=write)
        assert (report.complete, report.left) == (False, 1)

    def test_an_application_writes_plaintext_again_meanwhile(
        self, dynamodb: DynamoDb, fill: Fill, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """It reads through the EncryptedTable, and writes to the bare Table: also the tag of an older value goes."""
        plain = fill(4)
        table = described(encryptor)
        migration(dynamodb, table).backfill()
        secrets.allow("again@example.org")

        def write(progress: Any) -> None:
            plain.update_item(
                Key={"clinic": "clinic 3", "number": 3},
                UpdateExpression="SET email = :new",
                ExpressionAttributeValues={":new": "again@example.org"},
            )

        write(None)
        assert items(EncryptedTable(plain, table))[3]["email"] == "again@example.org"
        assert migration(dynamodb, table, segments=1).undo(on_progress=write).complete
        assert plain_items(dynamodb) == 4
        assert not any("email_tag" in item for item in items(plain))

    def test_an_application_of_pynamodb_writes_plaintext_again_meanwhile(
        self, dynamodb: DynamoDb, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """It reads with the decorated model, and writes with a plain one: then undo sees all, and loses nothing."""

        @encrypted_model(encryptor, tenant="clinic")
        class Patient(Model):
            Meta = dynamodb.meta(TABLE)
            clinic = UnicodeAttribute(hash_key=True)
            number = NumberAttribute(range_key=True)
            email = EncryptedAttribute(UnicodeAttribute(), accept_plaintext=SOON, index="email_tag")
            email_tag = BlindIndexAttribute(null=True)
            notes: Any = EncryptedAttribute(ListAttribute(), accept_plaintext=SOON)
            ward = NumberAttribute()

        class Plain(Model):
            Meta = dynamodb.meta(TABLE)
            clinic = UnicodeAttribute(hash_key=True)
            number = NumberAttribute(range_key=True)
            email = UnicodeAttribute()
            notes: Any = ListAttribute()
            ward = NumberAttribute()

        CheckpointTable(client_factory=dynamodb.client).create_table()
        Patient.create_table(wait=True)
        expected = {number: [email(number), ["n"], number] for number in range(8)}
        for number, (mail, notes, ward) in expected.items():
            Patient(f"clinic {number % 5}", number, email=mail, notes=notes, ward=ward).save()
        job = migration(dynamodb, MigratedModel(Patient), segments=1)
        job.backfill()

        def of(number: int) -> tuple[str, int]:
            return f"clinic {number % 5}", number

        def write_ciphertext(progress: Any) -> None:
            Patient(*of(0), email="late", notes=[], ward=0).save()

        secrets.allow("late", "first", "n", "second", *map(email, expected))
        report = job.undo(batch=2, on_progress=write_ciphertext)
        assert (report.complete, report.left, report.total) == (False, 1, 8)
        expected[0] = ["late", [], 0]

        for number in range(4):  # some are encrypted again, as by a process that was deployed late
            values: dict[str, Any] = dict(zip(("email", "notes", "ward"), expected[number], strict=True))
            Patient(*of(number), **values).save()
        steps: list[int] = []
        connection = Connection(region=FIRST, host=dynamodb.endpoints[FIRST])
        connection.session.set_credentials("local", "local")

        def write_plaintext(progress: Any) -> None:
            number = 7 - len(steps) % 8
            steps.append(number)
            found = Patient.get(*of(number), consistent_read=True)
            assert [found.email, found.notes, found.ward] == expected[number]
            if len(steps) % 2:
                expected[number] = ["first", [number], number + 100]
                mail, notes, ward = expected[number]
                Plain(*of(number), email=mail, notes=notes, ward=ward).save()
            else:
                expected[number][0] = "second"
                with TransactWrite(connection=connection) as transaction:
                    transaction.update(Plain(*of(number)), actions=[Plain.email.set("second")])

        write_plaintext(None)
        write_plaintext(None)
        report = job.undo(batch=1, on_progress=write_plaintext)
        assert (report.failed, report.left, report.total, report.complete) == (0, 0, 8, True)
        assert len(steps) > 4
        found = dynamodb.client().scan(TableName=TABLE, ConsistentRead=True)["Items"]
        assert not [item for item in found if any("B" in value for value in item.values())]
        assert not any("email_tag" in item for item in found)
        for patient in Plain.scan(consistent_read=True):
            assert [patient.email, patient.notes, patient.ward] == expected.pop(int(patient.number))
        assert not expected

    def test_an_update_of_the_plain_model_writes_and_raises(
        self, moto: DynamoDb, encryptor: Encryptor, secrets: Secrets
    ) -> None:
        """As the docs say of items of which something is still encrypted; nothing is lost by it."""

        class Patient(Model):
            Meta = moto.meta(TABLE)
            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute(), encryptor, accept_plaintext=SOON)
            email = EncryptedAttribute(UnicodeAttribute(), encryptor, accept_plaintext=SOON)

        class Plain(Model):
            Meta = moto.meta(TABLE)
            id = UnicodeAttribute(hash_key=True)
            ssn = UnicodeAttribute()
            email = UnicodeAttribute()

        CheckpointTable(client_factory=moto.client).create_table()
        Patient.create_table(wait=True)
        Patient("1", ssn="ssn 1", email="old").save()
        secrets.allow("ssn 1", "new")
        with pytest.raises(AttributeDeserializationError):
            Plain("1").update(actions=[Plain.email.set("new")])
        assert (Patient.get("1").ssn, Patient.get("1").email) == ("ssn 1", "new")
        assert migration(moto, MigratedModel(Patient)).undo().complete
        assert (Plain.get("1").ssn, Plain.get("1").email) == ("ssn 1", "new")


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
