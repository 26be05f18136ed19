"""Migrations after a field has got another type, row key or tenant, in every integration: one backfill each."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.models import Model
from sqlalchemy import (
    Column,
    Date,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    select,
    text,
    update,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, load_only, mapped_column
from sqlalchemy.pool import StaticPool

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    IndexedBy,
    KeyPolicy,
    LocalKeyProvider,
    MemoryKeyStore,
    _system,
)
from fieldcrypt.migration import PreviousField, ValueStatus
from fieldcrypt.spi import Accepted, MixedField
from fieldcrypt_dynamodb import EncryptedTable, ItemSeal, Protected, ProtectedAttributeError, ProtectedTable, of_tenant
from fieldcrypt_dynamodb.migration import CheckpointTable, TableMigration
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute
from fieldcrypt_pynamodb import ProtectedAttributeError as ProtectedAttributeOfModelError
from fieldcrypt_pynamodb import encrypted as encrypted_model
from fieldcrypt_pynamodb.migration import MigratedModel
from fieldcrypt_sqlalchemy import Encrypted, ProtectedColumnError, blind_index, encrypted, opened
from fieldcrypt_sqlalchemy.migration import Migration
from tests.support.dynamodb import DynamoDb, OnMoto

SOON = datetime.now(UTC).date() + timedelta(days=30)
BORN = [date(1970, 1, 2 + n) for n in range(4)]


@pytest.fixture
def encryptor() -> Encryptor:
    """An Encryptor whose new keys are used at once."""
    policy = KeyPolicy(propagation_delay=timedelta(0), replication_wait=timedelta(0))
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=policy)


def patients(
    encryptor: Encryptor, inner: Any, row: str | None = "id", tenant: str | None = "clinic", **how: Any
) -> Any:
    """A model with a searchable protected column, bound in one way or another."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        number: Mapped[str] = mapped_column(String(20))
        clinic: Mapped[str] = mapped_column(String(20))
        region: Mapped[str | None] = mapped_column(String(20))
        born: Mapped[Any] = mapped_column(
            Encrypted(inner, encryptor, index=IndexedBy("born_tag", per_tenant=tenant is not None), **how)
        )
        born_tag: Mapped[bytes | None] = blind_index()

    return Patient if row is None else encrypted(encryptor, row=row, tenant=tenant)(Patient)


def fill(engine: Engine, model: Any, of: Callable[[date], Any] = date.isoformat) -> None:
    """Add four rows as the application did before."""
    model.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add_all(
            model(id=n, number=f"n{n}", clinic=f"c{n % 2}", region=f"r{n % 2}", born=of(born))
            for n, born in enumerate(BORN)
        )


def born(engine: Engine, model: Any) -> list[date]:
    with Session(engine) as session:
        return [each.born for each in session.scalars(select(model).order_by(model.id))]


class Change:
    """What a model was, and what it is now."""

    def __init__(self, before: dict[str, Any], former: dict[str, Any], **now: Any) -> None:
        self.before, self.former, self.now = before, former, now

    def models(self, encryptor: Encryptor) -> tuple[Any, Any]:
        former = PreviousField(encryptor.field("patients.born", str), convert=date.fromisoformat, **self.former)
        now = patients(encryptor, Date, accept=[former], accept_until=SOON, **self.now)
        return patients(encryptor, String, **self.before), now


class Numbered:
    """Reads values of another scheme: all that it knows is a number."""

    def recognises(self, data: bytes | str) -> bool:
        return isinstance(data, bytes) and data.startswith(b"rot13:")

    def read(self, data: bytes | str, *, tenant: str | None = None, context: Any = None) -> str:
        number = bytes(data).decode().removeprefix("rot13:") if isinstance(data, bytes) else ""
        return "newer" if number == "0" else f"ssn {number}"


CHANGES = {
    "type": Change({}, {"row": True}),
    "row key": Change({"row": "number"}, {"row": "number", "tenant": "clinic"}),
    "tenant": Change({"tenant": "region"}, {"row": True, "tenant": "region"}),
    "no tenant before": Change({"tenant": None}, {"row": "id"}),
    "tenant no more": Change({}, {"row": "id", "tenant": "clinic"}, tenant=None),
    "all at once": Change({"row": "number", "tenant": "region"}, {"row": ["number"], "tenant": "region"}),
    "stored as text": Change({"storage": Text}, {"row": True}, storage=Text),
}


class TestColumns:
    def test_a_former_value_that_comes_behind_a_backfill_is_counted(self, encryptor: Encryptor) -> None:
        """It has the form of an encrypted value, and only reading tells that it is due."""
        engine = create_engine("sqlite://", poolclass=StaticPool)
        before, now = CHANGES["type"].models(encryptor)
        fill(engine, before)

        def come(progress: Any) -> None:
            with Session(engine) as session, session.begin():
                session.merge(before(id=-1, number="late", clinic="c1", born="1970-05-05"))

        report = Migration(engine, now).backfill(batch=1, on_progress=come)
        assert (report.changed, report.left, report.complete) == (4, 1, False)

    def test_what_is_written_as_declared_meanwhile_is_not_left(self, encryptor: Encryptor) -> None:
        """However many rows come and go while it is counted what is due."""
        engine = create_engine("sqlite://", poolclass=StaticPool)
        before, now = CHANGES["type"].models(encryptor)
        fill(engine, before)

        def come(*_: Any) -> None:
            with Session(engine) as session, session.begin():
                session.add(now(id=-next(numbers), number="late", clinic="c1", born=BORN[0]))

        numbers = count(1)
        job = Migration(engine, now)

        @event.listens_for(engine, "before_cursor_execute")
        def count_is_asked(connection: Any, cursor: Any, statement: str, *how: Any) -> None:
            if statement.startswith("SELECT count"):
                come()

        report = job.backfill(on_progress=come)
        assert (report.changed, report.left, report.complete) == (4, 0, True)
        assert (job.verify().wrong, job.verify().left) == (0, 0)

    @pytest.mark.parametrize("what", ["former", "padding", "another scheme", "old key"])
    def test_a_column_that_is_filled_from_another_is_kept_as_declared(
        self, encryptor: Encryptor, what: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A backfill writes its own value anew, and never the plaintext beside it, which may be older."""
        engine = create_engine("sqlite://", poolclass=StaticPool)

        def people(**how: Any) -> Any:
            protected = Encrypted(String, encryptor, name=how.pop("name", "people.ssn"), **how)
            identity: Column[Any] = Column("id", Integer, primary_key=True)
            return Table("people", MetaData(), identity, Column("plain", String), Column("ssn", protected))

        before = people(name="people.old" if what == "former" else "people.ssn")
        before.metadata.create_all(engine)
        rows = [{"id": n, "plain": f"ssn {n}", "ssn": f"ssn {n}" if n else "newer"} for n in range(3)]
        with engine.begin() as connection:
            connection.execute(before.insert(), rows)
            if what == "another scheme":
                connection.execute(text("UPDATE people SET ssn = CAST('rot13:' || id AS BLOB)"))
        former, other = PreviousField(encryptor.field("people.old", str)), Numbered()
        accept: Any = {"former": former, "another scheme": other}.get(what)
        now = people(
            **({} if accept is None else {"accept": [accept], "accept_until": SOON}),
            **({"pad": 64} if what == "padding" else {}),
        )
        if what == "old key":
            monkeypatch.setattr(_system, "wall_clock", lambda: time.time() + 5)  # keys are told apart by the second
            encryptor.data_keys.rotate()
        job = Migration(engine, now, {"plain": "ssn"})
        assert (job.plan().due, job.backfill().changed, job.plan().due) == (3, 3, 0)
        assert job.verify().reasons == {(0,): "plain -> ssn differs"}
        assert job.finish(stale_plaintext=True).complete
        with engine.connect() as connection:
            assert connection.scalars(select(people(pad=64).c.ssn).order_by("id")).all() == ["newer", "ssn 1", "ssn 2"]

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_changed_declaration_is_one_migration(self, engine: Engine, encryptor: Encryptor, change: str) -> None:
        """Values are read before it, counted as due, and moved with their tags by one backfill; then nothing is due."""
        before, now = CHANGES[change].models(encryptor)
        fill(engine, before)
        assert born(engine, now) == BORN
        job = Migration(engine, now)
        assert job.plan().fields == {"patients.born": {ValueStatus.OLD_FORM: 4}}
        assert set(job.verify().reasons.values()) == {"born is not protected as it is declared now"}
        report = job.backfill()
        assert (report.changed, report.failed, report.complete) == (4, 0, True)
        assert (job.plan().due, job.verify().wrong) == (0, 0)
        after = patients(encryptor, Date, **CHANGES[change].now)  # accepts nothing any more
        assert born(engine, after) == BORN

    def test_a_journal_that_0_1_began_knows_a_previous_field(self, encryptor: Encryptor) -> None:
        """Its text there is as it was when the class was called FormerField, so that a paused migration goes on."""
        previous = PreviousField(encryptor.field("patients.born", str), row="id")
        assert previous.journal_text == "FormerField(Field('patients.born', str), row=('id',))"

    def test_an_unbound_model_was_bound_before(self, encryptor: Encryptor) -> None:
        """A type knows nothing of its row, so that reading says what to do; the backfill has the whole row."""
        engine = create_engine("sqlite://")
        fill(engine, patients(encryptor, String, tenant=None))
        former = PreviousField(encryptor.field("patients.born", str), row="id", convert=date.fromisoformat)
        now = patients(encryptor, Date, None, None, accept=[former], accept_until=SOON)
        with pytest.raises(DecryptionError, match="bound to 'id', whose value is not available here"):
            born(engine, now)
        for model in (now, now.__table__):
            assert Migration(engine, model, name=str(model)).plan().fields == {
                "patients.born": {ValueStatus.OLD_FORM: 4}
            }
        assert Migration(engine, now.__table__).backfill().changed == 4
        assert born(engine, now) == BORN

    def test_a_former_value_is_as_bound_as_it_was(self, encryptor: Encryptor) -> None:
        """Copied to another row, or into another tenant, it is an error and stays one: reported with its key."""
        engine = create_engine("sqlite://")
        before, now = CHANGES["all at once"].models(encryptor)
        fill(engine, before)
        with engine.begin() as connection:
            connection.execute(text("UPDATE patients SET born = (SELECT born FROM patients WHERE id = 2) WHERE id = 0"))
            connection.execute(text("UPDATE patients SET region = 'r0' WHERE id = 1"))
            connection.execute(text("UPDATE patients SET region = NULL WHERE id = 3"))
        job = Migration(engine, now)
        assert job.plan().fields == {"patients.born": {ValueStatus.OLD_FORM: 1, ValueStatus.UNREADABLE: 3}}
        assert sorted(job.backfill().failures) == [(0,), (1,), (3,)]
        assert sorted(job.verify().reasons) == [(0,), (1,), (3,)]
        with Session(engine) as session, pytest.raises(DecryptionError):
            assert session.get_one(now, 0).born

    def test_what_cannot_be_converted_is_a_failure(self, encryptor: Encryptor) -> None:
        """It has its key in the report, says nothing of the value, and keeps no other row from being done."""
        engine = create_engine("sqlite://")
        before, now = CHANGES["type"].models(encryptor)
        fill(engine, before, lambda born: "secret" if born == BORN[1] else born.isoformat())
        report = Migration(engine, now).backfill()
        assert (report.changed, list(report.failures)) == (3, [(1,)])
        assert "secret" not in str(report.failures)
        with Session(engine) as session, pytest.raises(DecryptionError, match="cannot be converted") as raised:
            assert session.get_one(now, 1).born
        assert "secret" not in "".join(traceback.format_exception(raised.value))

    def test_what_cannot_be_converted_is_a_failure_beside_its_plaintext(self, encryptor: Encryptor) -> None:
        """Of a column that is filled from another as well: it stays as it is, and nobody takes it for done."""
        engine = create_engine("sqlite://", poolclass=StaticPool)
        before = Table("people", MetaData(), Column("id", Integer, primary_key=True), Column("plain", Date))
        before.append_column(Column("born", Encrypted(String, encryptor, name="people.old")))
        before.metadata.create_all(engine)
        with engine.begin() as connection:
            rows = [{"id": n, "plain": BORN[n], "born": text} for n, text in enumerate([str(BORN[0]), "never"])]
            connection.execute(before.insert(), rows)
        former = PreviousField(encryptor.field("people.old", str), convert=date.fromisoformat)
        how = Encrypted(Date, encryptor, name="people.born", accept=[former], accept_until=SOON)
        columns: Any = (Column("id", Integer, primary_key=True), Column("plain", Date), Column("born", how))
        job = Migration(engine, Table("people", MetaData(), *columns), {"plain": "born"})
        report = job.backfill()
        assert (report.changed, list(report.failures), report.left, report.complete) == (1, [(1,)], 1, False)
        assert list(job.verify().reasons) == [(1,)]
        assert job.backfill(mend=True).complete

    def test_writers_do_not_lose_former_values(self, encryptor: Encryptor) -> None:
        """Whoever changes what a value was bound to seals it anew: the ORM does, and a statement alone is refused."""
        engine = create_engine("sqlite://")
        before, now = CHANGES["all at once"].models(encryptor)
        fill(engine, before)
        with Session(engine) as session, session.begin():
            session.scalars(select(now).where(now.id == 0).options(load_only(now.id))).one().number = "moved"
            session.get_one(now, 1).region = None
            session.get_one(now, 2).clinic = "c9"
            with pytest.raises(ProtectedColumnError, match="'number', which the statement writes without it"):
                session.execute(update(now).where(now.id == 3).values(number="lost"))
        assert born(engine, now) == BORN
        assert Migration(engine, now).plan().fields == {
            "patients.born": {ValueStatus.OLD_FORM: 1, ValueStatus.ACTIVE: 3}
        }
        with Session(engine) as session:
            columns = select(now.id, now.clinic, now.born)
            with pytest.raises(DecryptionError, match="Read it through an object of the model"):
                opened(session, columns)
        Migration(engine, now).backfill()
        with Session(engine) as session:
            assert [row.born for row in opened(session, columns.order_by(now.id))] == BORN

    def test_what_could_only_be_guessed_is_refused(self, encryptor: Encryptor) -> None:
        """Declarations whose values nothing authentic tells apart, or that name what is not there."""
        texts = encryptor.field("a.b", str)
        with pytest.raises(ConfigurationError, match="cannot be told from converted ones"):
            MixedField(encryptor, texts, Accepted(None, [PreviousField(texts, convert=str.lower)], SOON))
        with pytest.raises(ConfigurationError, match="declare how they are converted"):
            Encrypted(Date, accept=[PreviousField(texts, row=True)], accept_until=SOON)
        with pytest.raises(ConfigurationError, match="has no attribute 'nobody'"):
            patients(encryptor, String, accept=[PreviousField(texts, row="nobody")], accept_until=SOON)


def table(encryptor: Encryptor, how: Any, tenant: str | None = "clinic", **seal: Any) -> ProtectedTable:
    covered = ItemSeal("seal", over=("born", "clinic"), **seal)
    return ProtectedTable("patients", encryptor, key=["id"], tenant=tenant, attributes={"born": how}, seal=covered)


class TestItems(OnMoto):
    def items(self, dynamodb: DynamoDb) -> Any:
        CheckpointTable(client_factory=dynamodb.client).create_table()
        return dynamodb.resource().create_table(
            TableName="patients",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )

    def test_a_changed_declaration_is_one_migration(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """Of a type and the tenant, with a seal: read, counted, moved once; what was copied fails with its key."""
        plain = self.items(dynamodb)
        before = table(encryptor, Protected(str), tenant="region")
        for n, each in enumerate(BORN):
            item = {"id": n, "clinic": f"c{n}", "region": f"r{n}", "born": each.isoformat()}
            EncryptedTable(plain, before).put_item(Item=item)
        former = PreviousField(
            encryptor.field("patients.born", str), row=True, tenant="region", convert=date.fromisoformat
        )
        how = Protected(date, accept=[former], accept_until=SOON)
        now = table(encryptor, how, accept=[before], accept_until=SOON)
        stolen = plain.get_item(Key={"id": 2})["Item"]
        plain.put_item(Item={**stolen, "id": 3})
        mixed = EncryptedTable(plain, now)
        assert mixed.get_item(Key={"id": 1})["Item"]["born"] == BORN[1]
        assert mixed.get_item(Key={"id": 1}, ProjectionExpression="born")["Item"] == {"born": BORN[1]}
        with pytest.raises(DecryptionError):
            mixed.get_item(Key={"id": 3})
        with pytest.raises(ProtectedAttributeError, match="bound to before"):
            of_tenant(mixed, "c1").update_item(Key={"id": 1}, UpdateExpression="REMOVE #r", **NAMES)
        job = TableMigration(now, dynamodb.client)
        plan = job.plan()
        assert plan.fields["patients.born"] == {ValueStatus.OLD_FORM: 3, ValueStatus.UNREADABLE: 1}
        assert plan.fields["patients"] == {ValueStatus.UNREADABLE: 1}  # the seal of what was copied
        assert plan.stale_seals == 3
        report = job.backfill()
        assert (report.changed, list(report.failures)) == (3, [(3,)])
        assert list(job.verify().reasons) == [(3,)]
        after = EncryptedTable(plain, table(encryptor, Protected(date)))
        assert [after.get_item(Key={"id": n})["Item"]["born"] for n in range(3)] == BORN[:3]

    def test_of_a_model(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """PynamoDB's, bound to another attribute than its key before."""
        self.items(dynamodb)
        of_ward = encryptor.field("patients.born", str)

        def model(inner: Any, tenant: str, **how: Any) -> Any:
            class Patient(Model):
                Meta = dynamodb.meta("patients")
                id = NumberAttribute(hash_key=True)
                clinic = UnicodeAttribute()
                region = UnicodeAttribute()
                born = EncryptedAttribute(inner, index=IndexedBy("born_tag", per_tenant=True), **how)
                born_tag = BlindIndexAttribute()

            return encrypted_model(encryptor, tenant=tenant)(Patient)

        at = datetime(2026, 1, 2, tzinfo=UTC)
        for n in range(3):
            model(UnicodeAttribute(), "region")(n, clinic="c", region=f"r{n}", born=at.isoformat()).save()
        former = PreviousField(of_ward, row="id", tenant="region", convert=datetime.fromisoformat)
        now = model(UTCDateTimeAttribute(), "clinic", accept=[former], accept_until=SOON)
        assert [each.born for each in now.scan()] == [at] * 3
        assert now.get(1, attributes_to_get=["born"]).born == at
        with pytest.raises(ProtectedAttributeOfModelError):
            now.get(1).update([now.region.set("r9")])
        job = TableMigration(MigratedModel(now))
        assert job.plan().fields == {"patients.born": {ValueStatus.OLD_FORM: 3}}
        assert job.backfill().changed == 3
        assert (job.plan().due, job.verify().wrong) == (0, 0)
        assert [each.born for each in model(UTCDateTimeAttribute(), "clinic").scan()] == [at] * 3


NAMES = {"ExpressionAttributeNames": {"#r": "region"}}
