"""Migrations of SQL tables, from plaintext, an old declaration or another scheme to the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import (
    VARBINARY,
    Boolean,
    Column,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Uuid,
    column,
    insert,
    select,
    table,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy_utils import StringEncryptedType
from sqlalchemy_utils.types.encrypted.encrypted_type import AesGcmEngine

from fieldcrypt import ConfigurationError, Encryptor, KeyPolicy, Purpose, _system
from fieldcrypt.migration import PreviousField, Progress, Sample, ValueStatus
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, ProtectedColumnError
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import Database
from tests.migration.sql_patients import AT_ONCE, SSN, _stored, add, damage, keys, model, soon, table_of
from tests.support.rot13 import Rot13


def stored(engine: Engine, row: int, name: str = "ssn") -> bytes:
    """What is in the database."""
    with engine.connect() as connection:
        return bytes(connection.scalar(select(_stored.c[name]).where(_stored.c.id == row)))  # type: ignore[arg-type]


def ssns(engine: Engine, patient: Any) -> list[str]:
    """The values, as the application reads them."""
    with Session(engine) as session:
        return [each.ssn for each in session.scalars(select(patient).order_by(patient.id))]


class TestInPlace:
    """A binary column that holds text, in part."""

    @pytest.mark.parametrize("bound", [True, False])
    def test_from_plan_to_finish(self, engine: Engine, bound: bool) -> None:
        """Counts are right before and after; values are read all the time, found afterwards, and counted."""
        encryptor = keys()
        patient = model(encryptor, bound=bound)
        add(engine, patient, 9)
        damage(engine, 8, ssn=None)
        with Session(engine) as session, session.begin():
            session.get_one(patient, 3).ssn = "new"  # encrypts: writes are never plaintext
        migration = Migration(engine, patient)
        planned = migration.plan()
        assert planned.fields == {
            "patients.ssn": {ValueStatus.PLAINTEXT: 7, ValueStatus.ACTIVE: 1, ValueStatus.NULL: 1},
            "patients.notes": {ValueStatus.PLAINTEXT: 9},
        }
        assert (planned.rows, planned.total, planned.due, planned.needed) == (9, 9, 16, ())
        expected = [f"{SSN}{n}" for n in range(8)]
        expected[3] = "new"
        assert ssns(engine, patient) == [*expected, None]
        needed = encryptor.stats().events["plaintext_read"]
        assert needed >= 7
        with pytest.raises(ConfigurationError, match="verify all rows first"):
            migration.finish()

        report = migration.backfill(batch=4)
        assert (report.rows, report.changed, report.failed, report.complete) == (9, 9, 0, True)
        assert migration.verify()[:3] == (9, 0, {})
        assert migration.plan().due == 0
        assert ssns(engine, patient) == [*expected, None]
        assert encryptor.stats().events["plaintext_read"] == needed
        with Session(engine) as session:
            assert session.scalars(select(patient.id).where(patient.ssn == f"{SSN}5")).all() == [5]
        assert migration.backfill().changed == 0
        assert migration.verify().wrong == 0
        assert any("accept_plaintext" in remark for remark in migration.finish().remarks)
        with pytest.raises(ConfigurationError, match="no plaintext to go back to"):
            migration.undo()
        assert [(step.step, step.state) for step in migration.status().steps] == [
            ("backfill", "done"),
            ("verify", "done"),
            ("finish", "done"),
        ]

    def test_undo(self, engine: Engine) -> None:
        """All is as it was, and a backfill can begin anew."""
        patient = model(keys())
        add(engine, patient, 5)
        migration = Migration(engine, patient)
        migration.backfill()
        assert migration.undo(batch=2).changed == 5
        assert [stored(engine, n) for n in range(5)] == [f"{SSN}{n}".encode() for n in range(5)]
        assert stored(engine, 3, "notes") == b"\xff\x03"
        assert migration.plan().due == 10
        assert migration.backfill().changed == 5
        assert migration.verify().wrong == 0

    def test_writers_of_plaintext_while_it_is_undone(self, engine: Engine) -> None:
        """Declared with write=False a binary column is read in both forms and written in plaintext, without tags."""
        encryptor = keys()
        add(engine, model(encryptor), 6)
        assert Migration(engine, model(encryptor)).backfill().changed == 6
        patient = model(encryptor, accept_plaintext=soon(), write=False)
        migration = Migration(engine, patient)

        def write(_: Progress) -> None:
            with Session(engine) as session, session.begin():
                session.get_one(patient, 0).ssn = "written"

        report = migration.undo(batch=2, on_progress=write)
        assert (report.failed, report.left, report.complete) == (0, 0, True)
        assert (stored(engine, 0), ssns(engine, patient)) == (
            b"written",
            ["written", *(f"{SSN}{n}" for n in range(1, 6))],
        )
        with pytest.raises(ConfigurationError, match="declared with write=False"):
            migration.backfill()
        with Session(engine) as session:
            session.get_one(patient, 0).notes = encryptor.field("a.b", str).encrypt("c")
            with pytest.raises(ValueError, match="looks like an encrypted one"):
                session.commit()

    def test_undo_has_to_have_something_to_go_back_to(self, database: Database) -> None:
        """What was of another scheme, or under an older key, stays as it is."""
        engine = database("sqlite")
        patient = model(keys(), accept=[Rot13()], accept_until=soon())
        add(engine, patient, 1)
        with pytest.raises(ConfigurationError, match="no longer accepts plaintext to go back"):
            Migration(engine, patient).undo()

    def test_sqlite_holds_text_in_any_column(self, database: Database) -> None:
        """Which is read, and encrypted, like bytes."""
        engine = database("sqlite")
        patient = model(keys())
        add(engine, patient, 2)
        with engine.begin() as connection:
            connection.execute(text("UPDATE patients SET ssn = 'text' WHERE id = 1"))
        assert ssns(engine, patient) == [f"{SSN}0", "text"]
        assert Migration(engine, patient).backfill().changed == 2
        assert ssns(engine, patient) == [f"{SSN}0", "text"]

    def test_a_table_of_core(self, engine: Engine) -> None:
        """Is migrated like a model."""
        encryptor = keys()
        people = Table(
            "people",
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column("email", Encrypted(String, encryptor, index="tag", accept_plaintext=soon())),
            Column("tag", BlindIndexTag()),
        )
        people.metadata.create_all(engine)
        with engine.begin() as connection:
            raw = table("people", column("id"), column("email", LargeBinary))
            connection.execute(insert(raw), [{"id": n, "email": f"{n}@x".encode()} for n in range(1, 4)])
        assert Migration(engine, people).backfill().changed == 3
        with engine.connect() as connection:
            assert connection.scalars(select(people.c.id).where(people.c.email == "1@x")).all() == [1]

    def test_a_stored_plaintext_is_not_handed_on(self, database: Database) -> None:
        """A sealed value that is plaintext is not written to another row."""
        engine = database("sqlite")
        patient = model(keys())
        add(engine, patient, 2)
        with Session(engine) as session:
            sealed = session.scalars(select(patient.notes).where(patient.id == 0)).one()
            with pytest.raises(ProtectedColumnError, match="open it"):
                session.execute(patient.__table__.update().values(notes=sealed))


class TestReencryption:
    def test_after_a_rotation(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        """Values under an old key are re-encrypted, others are left alone, and so is nothing else."""
        encryptor = keys()
        patient = model(encryptor)
        add(engine, patient, 6)
        migration = Migration(engine, patient)
        migration.backfill()
        before = [stored(engine, n) for n in range(6)]
        assert migration.backfill().changed == 0
        monkeypatch.setattr(_system, "wall_clock", lambda: time.time() + 5)  # keys are told apart by the second
        encryptor.data_keys.rotate("c0")
        assert migration.plan().fields["patients.ssn"] == {ValueStatus.OLD_KEY: 3, ValueStatus.ACTIVE: 3}
        assert migration.values_under(before[0][1:17]) == {"patients.ssn": 3, "patients.notes": 3}
        assert migration.verify().wrong == 3
        assert migration.backfill().changed == 3
        assert [stored(engine, n) == before[n] for n in range(6)] == [False, True] * 3
        assert migration.values_under(before[0][1:17]) == {}
        assert migration.verify().wrong == 0

    def test_what_is_from_before_there_was_a_key_store(self, database: Database) -> None:
        """Values that carry their keys are re-encrypted where they are read, and named as unreadable elsewhere."""
        engine, encryptor = database("sqlite"), keys()
        patient = model(encryptor, bound=False)
        add(engine, patient, 3)
        alone = Encryptor(encryptor.provider)
        for n in range(3):
            damage(
                engine,
                n,
                ssn=alone.field("patients.ssn", str).encrypt(f"{SSN}{n}"),
                notes=alone.field("patients.notes", bytes, pad=16).encrypt(b"short"),
            )
        migration = Migration(engine, patient)
        assert migration.plan().fields["patients.ssn"] == {ValueStatus.UNREADABLE: 3}
        encryptor.configure(encryptor.provider, encryptor.store, policy=encryptor.policy, read_self_contained=True)
        assert migration.plan().fields["patients.ssn"] == {ValueStatus.OLD_KEY: 3}
        assert migration.backfill().changed == 3
        encryptor.configure(encryptor.provider, encryptor.store, policy=encryptor.policy)
        assert migration.verify().wrong == 0
        assert ssns(engine, patient) == [f"{SSN}{n}" for n in range(3)]

    def test_too_early_after_a_rotation(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        """The new key waits for a time: the plan and the report say until when, and nothing is due before."""
        engine = database("sqlite")
        encryptor = keys(KeyPolicy(propagation_delay=timedelta(minutes=5)))
        patient = model(encryptor)
        add(engine, patient, 3)
        migration = Migration(engine, patient)
        assert migration.backfill().remarks == ()
        encryptor.data_keys.rotate("c1")
        report, plan = migration.backfill(), migration.plan()
        assert (report.changed, plan.due) == (0, 0)
        assert report.remarks == plan.remarks
        assert "a newer data key encrypts from 20" in report.remarks[0]
        assert "Run the backfill after that" in report.remarks[0]
        monkeypatch.setattr(_system, "wall_clock", lambda: time.time() + 301)
        encryptor.configure(encryptor.provider, encryptor.store, policy=encryptor.policy)  # and forgets what it knew
        assert migration.plan().due == 2
        report = migration.backfill()
        assert (report.changed, report.remarks) == (1, ())

    def test_after_a_declaration_has_changed(self, engine: Engine) -> None:
        """A new name, binding to the row, and padding: each makes values old that were right."""
        encryptor = keys()
        old = model(encryptor, bound=False)
        old.metadata.create_all(engine)
        names = {"ssn": "clients.ssn", "notes": "patients.notes"}
        fields: dict[str, Any] = {
            "ssn": encryptor.field(names["ssn"], str),
            "notes": encryptor.field(names["notes"], bytes),
        }
        add(engine, old, 4)
        for n in range(4):
            damage(engine, n, ssn=fields["ssn"].encrypt(f"{SSN}{n}"), notes=fields["notes"].encrypt(b"short"))
        formers = [PreviousField(encryptor.field("clients.ssn", str))]
        padded = model(encryptor, bound=False, accept=formers, accept_until=soon())
        migration = Migration(engine, padded)
        assert migration.plan().fields["patients.notes"] == {ValueStatus.OLD_FORM: 4}
        assert ssns(engine, padded) == [f"{SSN}{n}" for n in range(4)]
        assert migration.backfill().changed == 4
        unbound = [
            PreviousField(encryptor.field("patients.ssn", str)),
            PreviousField(encryptor.field("patients.notes", bytes, pad=16)),
        ]
        bound = model(encryptor, accept=unbound, accept_until=soon())
        assert Migration(engine, bound).verify().wrong == 4
        assert Migration(engine, bound).backfill().changed == 4
        assert Migration(engine, bound).verify().wrong == 0
        assert ssns(engine, bound) == [f"{SSN}{n}" for n in range(4)]

    def test_after_an_index_key_has_rotated(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        """Tags are made anew, and values are not."""
        engine = database("sqlite")
        encryptor = keys()
        patient = model(encryptor)
        add(engine, patient, 3)
        migration = Migration(engine, patient)
        migration.backfill()
        before = stored(engine, 1)
        encryptor.data_keys.rotate(purpose=Purpose.BLIND_INDEX)
        monkeypatch.setattr(_system, "wall_clock", lambda: time.time() + 2 * 86400)
        encryptor.configure(encryptor.provider, encryptor.store, policy=AT_ONCE)
        assert migration.plan().stale_tags == {"patients.ssn": 3}
        assert migration.backfill().changed == 3
        assert stored(engine, 1) == before
        assert migration.plan().stale_tags == {}

    def test_other_schemes(self, engine: Engine) -> None:
        """Are read by their readers, in place and out of a text column."""
        encryptor = keys()
        patient = model(encryptor, accept=[Rot13()], accept_until=soon())
        add(engine, patient, 2, notes=None)
        for n in range(2):
            damage(engine, n, ssn=b"rot:" + f"{SSN}{n}".encode()[::-1])
        assert Migration(engine, patient).plan().fields["patients.ssn"] == {ValueStatus.OTHER_SCHEME: 2}
        assert Migration(engine, patient).backfill().changed == 2
        assert ssns(engine, patient) == [f"{SSN}0", f"{SSN}1"]

        class Base(DeclarativeBase):
            pass

        class Client(Base):
            __tablename__ = "clients"
            id: Mapped[int] = mapped_column(primary_key=True)
            token: Mapped[str | None] = mapped_column(String(50))
            ssn: Mapped[str | None] = mapped_column(Encrypted(String, encryptor))

        Base.metadata.create_all(engine)
        with Session(engine) as session, session.begin():
            session.add_all([Client(id=1, token="rot:321"), Client(id=2, token="plain"), Client(id=3, token="rot:!")])
        migration = Migration(engine, Client, {"token": "ssn"}, readers=[Rot13()])
        assert migration.plan().fields["clients.token -> ssn"] == {
            ValueStatus.OTHER_SCHEME: 1,
            ValueStatus.PLAINTEXT: 1,
            ValueStatus.UNREADABLE: 1,
        }
        report = migration.backfill()
        assert (report.changed, list(report.failures)) == (2, [(3,)])
        with Session(engine) as session:
            assert session.scalars(select(Client.ssn).order_by(Client.id)).all() == ["123", "plain", None]

    def test_a_type_of_the_application_s_that_decrypts(self, database: Database) -> None:
        """Its column is read by the type itself: a row that it refuses is reported, and the others are done."""
        encryptor = keys()
        engine = database("sqlite")

        class Base(DeclarativeBase):
            pass

        class Client(Base):
            __tablename__ = "clients"
            id: Mapped[int] = mapped_column(primary_key=True)
            old: Mapped[str | None] = mapped_column(StringEncryptedType(String, "secret", AesGcmEngine))
            ssn: Mapped[str | None] = mapped_column(Encrypted(String, encryptor))

        Base.metadata.create_all(engine)
        with Session(engine) as session, session.begin():
            session.add_all([Client(id=n, old=None if n == 3 else f"{SSN}{n}") for n in range(1, 5)])
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE clients SET old = 'AAAA' || substr(old, 5) WHERE id = 2")
        migration = Migration(engine, Client, {"old": "ssn"})
        report = migration.backfill()
        assert (report.rows, report.changed, list(report.failures)) == (4, 2, [(2,)])
        with Session(engine) as session:
            assert session.scalars(select(Client.ssn)).all() == [f"{SSN}1", None, None, f"{SSN}4"]
        assert migration.verify().reasons == {(2,): "old -> ssn cannot be read"}


class TestVerify:
    def test_it_names_what_is_wrong(self, engine: Engine) -> None:
        """A flipped bit, two values that were exchanged, plaintext, a tag of another value."""
        patient = model(keys())
        add(engine, patient, 40)
        migration = Migration(engine, patient)
        migration.backfill(batch=7)
        value, one, other = (stored(engine, n) for n in (5, 10, 30))
        damage(engine, 5, ssn=value[:-3] + bytes([value[-3] ^ 4]) + value[-2:])
        damage(engine, 10, ssn=other, ssn_tag=stored(engine, 30, "ssn_tag"))
        damage(engine, 30, ssn=one)
        damage(engine, 20, notes=b"plain")
        damage(engine, 21, ssn_tag=stored(engine, 22, "ssn_tag"))
        report = migration.verify()
        assert (report.rows, report.wrong) == (40, 5)
        assert report.reasons == {
            (5,): "ssn does not decrypt",
            (10,): "ssn does not decrypt",
            (20,): "notes is plaintext",
            (21,): "ssn has another blind index tag than its value",
            (30,): "ssn does not decrypt",
        }
        with pytest.raises(ConfigurationError, match="verify found 5 rows"):
            migration.finish()

    def test_a_sample_is_as_large_as_it_says(self, engine: Engine) -> None:
        """And taken at random; it does not do for finish."""
        patient = model(keys())
        add(engine, patient, 200)
        migration = Migration(engine, patient)
        migration.backfill()
        report = migration.verify(sample=Sample(0.9, 0.05))
        assert 10 < report.rows < 100
        assert "0.9 confidence" in str(report)
        with pytest.raises(ConfigurationError, match="verify all rows first"):
            migration.finish()


TEXTS = ["a", "B", "c ", "dä", "E", "f1", "ß", "_", "", "ga", "A-1", "hé", "ｗ", "~"]  # none alike in any collation

KEYS: dict[str, tuple[dict[str, Any], Callable[[int], Any]]] = {
    "text": ({"k": String(20)}, lambda n: (TEXTS[n],)),
    "uuid": ({"k": Uuid()}, lambda n: (uuid4(),)),
    "binary": ({"k": VARBINARY(20)}, lambda n: (bytes([n * 19 % 256, n]),)),
    "composite": ({"a": String(5), "b": Integer(), "c": String(5)}, lambda n: (TEXTS[n % 3], n // 6, TEXTS[n % 6])),
    "boolean": ({"a": Boolean(), "b": Integer()}, lambda n: (n % 3 == 0, n)),
    "time": ({"k": DateTime()}, lambda n: (datetime(2020, 1, 1 + n * 5 % 14),)),
}


class TestKeys:
    @pytest.mark.parametrize("kind", KEYS)
    def test_every_page_is_read(self, engine: Engine, kind: str) -> None:
        """In the order of the database, whatever it is: each row once, for pages of every size."""
        columns, key = KEYS[kind]
        if kind == "binary" and engine.dialect.name == "postgresql":
            columns = {"k": LargeBinary()}
        people = table_of(columns, keys())
        people.metadata.create_all(engine)
        raw = table("patients", *(column(name, type_) for name, type_ in columns.items()), column("ssn", LargeBinary))
        rows = [dict(zip(columns, key(n), strict=True)) | {"ssn": b"%d" % n} for n in range(14)]
        for size in (2, 5):
            with engine.begin() as connection:
                connection.execute(raw.delete())
                connection.execute(insert(raw), rows)
            report = Migration(engine, people).backfill(batch=size, restart=True)
            assert (report.rows, report.changed) == (14, 14)
        with engine.connect() as connection:
            assert sorted(connection.scalars(select(people.c.ssn)), key=int) == [str(n) for n in range(14)]
