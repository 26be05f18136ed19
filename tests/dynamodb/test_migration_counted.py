"""Migrations of DynamoDB tables: what they call complete, steps that meet, and items that are none of theirs."""

from __future__ import annotations

from typing import Any

import pytest
from pynamodb.attributes import ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import AttributeDeserializationError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt.migration.engine.journal import Portion
from fieldcrypt.migration.engine.source import Which
from fieldcrypt_dynamodb import EncryptedTable, ItemSeal, Protected, ProtectedTable
from fieldcrypt_dynamodb.migration import CheckpointTable
from fieldcrypt_dynamodb.migration.checkpoints import Checkpoints
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_model
from fieldcrypt_pynamodb.migration import MigratedModel
from tests.dynamodb.migrations import TABLE, Fill, create, described, email, items, key, later, migration
from tests.dynamodb.migrations import encryptor as encryptor
from tests.dynamodb.migrations import fill as fill
from tests.dynamodb.migrations import provider as provider
from tests.dynamodb.migrations_met import CHECKPOINTS, before, plain_items, set_checkpoint, stop
from tests.dynamodb.plaintext import SOON
from tests.support.dynamodb import FIRST, DynamoDb
from tests.support.wiretap import Secrets


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
        with pytest.raises(ConfigurationError, match="restart=True to start it again"):
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
