"""Columns of text and JSON that exist, encrypted where they are: plan, backfill, verify, undo."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, LargeBinary, String, Text, inspect, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, MemoryKeyStore, _system
from fieldcrypt.format import text_form
from fieldcrypt.migration import ValueStatus
from fieldcrypt_sqlalchemy import Encrypted
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import Database
from tests.migration.sql_patients import AT_ONCE, SSN, keys, soon
from tests.migration.text_patients import MeddlingProvider, add, damage, model, raw, read
from tests.support.rot13 import Rot13


def read_ssn(engine: Engine, patient: Any) -> Any:
    """What the application has of the first row."""
    with Session(engine) as session:
        return session.get_one(patient, 1).ssn


@pytest.mark.parametrize("bound", [False, True])
def test_from_plaintext_and_back(engine: Engine, bound: bool) -> None:
    """Every step of it; what was there comes back to the letter."""
    patient = model(keys(), bound=bound)
    before = add(engine, patient, 25)
    migration = Migration(engine, patient)
    planned = migration.plan()
    assert planned.needed == ()
    assert planned.fields == {f"patients.{name}": Counter({ValueStatus.PLAINTEXT: 25}) for name in ("ssn", "notes")}
    report = migration.backfill(batch=10, workers=2 if engine.dialect.name != "sqlite" else 1)
    assert (report.changed, report.failed, report.complete) == (25, 0, True)
    for _, ssn, notes in raw(engine):
        assert text_form.decode(ssn)
        assert text_form.decode(notes)
    assert migration.verify().wrong == 0
    assert read(engine, patient) == before
    with Session(engine) as session:
        assert session.scalars(select(patient.id).where(patient.ssn == f"{SSN}7 é")).all() == [7]
    assert migration.plan().due == 0
    assert migration.backfill(restart=True).changed == 0
    assert migration.undo(batch=10).changed == 25
    assert raw(engine) == before
    assert migration.backfill().changed == 25
    assert migration.verify().wrong == 0
    assert any("accept_plaintext" in remark for remark in migration.finish().remarks)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("notes", 1, True), ("notes", [1], [1.0]), ("ssn", "Ann", "ANN"), ("notes", "Ann", "ANN")],
)
def test_what_others_write_meanwhile_is_not_lost(engine: Engine, name: str, before: Any, after: Any) -> None:
    """However like it is to what was read before: the row is encrypted as it is when it is locked."""
    provider = MeddlingProvider(bytes(32))
    patient = model(Encryptor(provider, MemoryKeyStore(), policy=AT_ONCE))
    add(engine, patient, 1, **{"ssn": None, "notes": None, name: before})
    provider.meddle = lambda: damage(engine, 0, **{name: after})
    assert Migration(engine, patient).backfill().changed == 1
    assert provider.meddle is None
    with Session(engine) as session:
        assert repr(getattr(session.get_one(patient, 0), name)) == repr(after)


def test_null_stays_null(engine: Engine) -> None:
    """And so does the null of JSON, which the application reads as the same."""
    patient = model(keys())
    add(engine, patient, 2, ssn=None, notes=None)
    migration = Migration(engine, patient)
    assert migration.backfill().changed == 0
    assert migration.verify().wrong == 0
    assert read(engine, patient) == [(0, None, None), (1, None, None)]


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("planted", ["fc1.", "fc1.Ann is here", "fc1.AQ"])
@pytest.mark.parametrize("name", ["ssn", "notes"])
def test_plaintext_that_begins_as_a_value_is_told(engine: Engine, bound: bool, planted: str, name: str) -> None:
    """Counted by plan, failed by backfill with what to do, found by verify, and never taken for plaintext."""
    patient = model(keys(), bound=bound)
    add(engine, patient, 3)
    damage(engine, 1, **{name: planted})
    migration = Migration(engine, patient)
    assert migration.plan().fields[f"patients.{name}"] == Counter({ValueStatus.PLAINTEXT: 2, ValueStatus.MARKED: 1})
    report = migration.backfill()
    assert (report.rows, report.failed) == (3, 1)
    ((key, error),) = report.failures.items()
    assert key == (1,)
    assert f"patients.{name} begins with 'fc1.'" in str(error)
    assert planted == "fc1." or planted not in str(error)
    assert migration.verify().wrong == 1
    with pytest.raises(ConfigurationError, match="with defects: mend them"):
        migration.finish()
    with Session(engine) as session:  # as the message says
        if bound:
            setattr(session.get_one(patient, 1), name, planted)
        else:
            session.execute(update(patient).where(patient.id == 1).values({name: planted}))
        session.commit()
    assert migration.backfill(restart=True).failed == 0
    assert migration.verify().wrong == 0
    with Session(engine) as session:
        assert getattr(session.get_one(patient, 1), name) == planted


def test_a_value_that_was_changed_is_no_plaintext(engine: Engine) -> None:
    """Nor one of another row: both are found, and left alone."""
    patient = model(keys())
    add(engine, patient, 3)
    migration = Migration(engine, patient)
    migration.backfill()
    values = [ssn for _, ssn, _ in raw(engine)]
    damage(engine, 0, ssn=values[0][:60] + ("A" if values[0][60] != "A" else "B") + values[0][61:])
    damage(engine, 1, ssn=values[0])
    held = raw(engine)
    assert migration.plan().fields["patients.ssn"] == Counter({ValueStatus.UNREADABLE: 2, ValueStatus.ACTIVE: 1})
    assert migration.backfill(restart=True).failed == 2
    assert migration.verify().wrong == 2
    assert raw(engine) == held


def test_after_a_rotation(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database counts the values under a data key by their text; those under an old one are encrypted again."""
    encryptor = keys()
    patient = model(encryptor)
    add(engine, patient, 6)
    migration = Migration(engine, patient)
    migration.backfill()
    key_id = text_form.decode(raw(engine)[0][1])[1:17]
    assert migration.values_under(key_id) == {"patients.ssn": 3, "patients.notes": 3}
    assert migration.values_under(bytes(16)) == {}
    monkeypatch.setattr(_system, "wall_clock", lambda: time.time() + 5)  # keys are told apart by the second
    encryptor.data_keys.rotate("c0")
    migration = Migration(engine, patient)
    assert migration.plan().fields["patients.ssn"] == Counter({ValueStatus.OLD_KEY: 3, ValueStatus.ACTIVE: 3})
    assert migration.backfill(restart=True).changed == 3
    assert migration.values_under(key_id) == {}
    assert migration.verify().wrong == 0


def test_a_column_that_is_too_short_is_told_beforehand(database: Database) -> None:
    """With the statement that helps; and afterwards all goes well."""
    for kind, binary in (("postgresql", "BYTEA"), ("mariadb", "VARBINARY(32)")):
        engine, patient = database(kind), model(keys())
        patient.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE patients"))
            connection.execute(
                text(
                    "CREATE TABLE patients (id INTEGER PRIMARY KEY, clinic VARCHAR(10) NOT NULL, "
                    f"ssn VARCHAR(20) NOT NULL, notes JSON, ssn_tag {binary})"
                )
            )
            connection.execute(text(f"INSERT INTO patients (id, clinic, ssn) VALUES (1, 'c', '{SSN}1')"))
        migration = Migration(engine, patient)
        (needed,) = migration.plan().needed
        assert needed.startswith("patients.ssn is VARCHAR(20)")
        with pytest.raises(ConfigurationError, match="too short"):
            migration.backfill()
        statement = needed.partition(": ")[2]
        with engine.begin() as connection:
            connection.execute(text(statement))
        (after,) = (each for each in inspect(engine).get_columns("patients") if each["name"] == "ssn")
        assert not after["nullable"]
        assert migration.plan().needed == ()
        assert migration.backfill().changed == 1
        assert migration.verify().wrong == 0


def test_a_length_that_the_longest_value_does_not_fit_is_told(engine: Engine) -> None:
    """Where a length is declared, in bytes, because that is what is encrypted; what is encrypted does not count."""
    patient = model(keys(), storage=String(120))
    add(engine, patient, 3)
    migration = Migration(engine, patient)
    assert migration.plan().needed == ()
    assert migration.backfill().changed == 3
    damage(engine, 1, ssn="é" * 14)
    assert migration.plan().needed == ()
    damage(engine, 1, ssn="é" * 15)
    (needed,) = migration.plan().needed
    assert needed.startswith("patients.ssn has room for 120 characters, and its longest value of 30 bytes takes 122 ")


def test_a_length_that_is_missing_is_told(database: Database) -> None:
    """On MySQL and MariaDB, where a String has one: there is no statement to suggest."""
    engine = database("mariadb")
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE patients (id INTEGER PRIMARY KEY, clinic VARCHAR(10), ssn VARCHAR(200), "
                "ssn_tag VARBINARY(32), notes JSON)"
            )
        )
    (needed,) = Migration(engine, model(keys(), storage=String)).plan().needed
    assert needed.endswith(": declare a length")


def test_columns_of_other_types_are_told(engine: Engine) -> None:
    """Binary, where text is declared."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        ssn: Mapped[bytes] = mapped_column(LargeBinary)

    Base.metadata.create_all(engine)

    class Later(DeclarativeBase):
        pass

    class Encrypting(Later):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        ssn: Mapped[str] = mapped_column(Encrypted(String, keys(), storage=Text, accept_plaintext=soon()))

    (needed,) = Migration(engine, Encrypting).plan().needed
    assert needed.startswith("patients.ssn is ")
    assert "is declared with storage=Text()" in needed


def test_nothing_is_encrypted_while_plaintext_is_written(engine: Engine) -> None:
    """Older processes may be left, which would show ciphertext, and write it back."""
    encryptor = keys()
    first, second = (model(encryptor, write=write) for write in (False, True))
    before = add(engine, first, 3)
    with pytest.raises(ConfigurationError, match=r"patients\.ssn is declared with write=False"):
        Migration(engine, first).backfill()
    assert Migration(engine, first).plan().due == 6
    assert raw(engine) == before
    assert Migration(engine, second).backfill().changed == 3
    assert read(engine, first) == before
    assert Migration(engine, first).undo().changed == 3  # the way back is that of the first deployment
    assert raw(engine) == before


def test_a_value_that_plaintext_has_no_room_for_stays_encrypted(engine: Engine) -> None:
    """Undo says so of the row, and goes on with the others; likewise of what would look like a value."""
    patient = model(keys())
    before = add(engine, patient, 4)
    migration = Migration(engine, patient)
    migration.backfill()
    with Session(engine) as session:
        session.get_one(patient, 1).ssn = "fc1.x"
        session.get_one(patient, 2).notes = {"when": datetime(2026, 1, 1, tzinfo=UTC)}
        session.commit()
    report = migration.undo()
    assert set(report.failures) == {(1,), (2,)}
    assert [raw(engine)[at] for at in (0, 3)] == [before[at] for at in (0, 3)]
    assert text_form.decode(raw(engine)[1][1])
    assert text_form.decode(raw(engine)[2][2])


def test_values_of_another_scheme_are_encrypted_where_they_are(engine: Engine) -> None:
    """Without a column to copy to; readers are asked of text, and of nothing that begins as our values do."""

    class Base(DeclarativeBase):
        pass

    encryptor = keys()

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        ssn: Mapped[str] = mapped_column(
            Encrypted(String, encryptor, storage=Text, accept=[Rot13()], accept_until=soon())
        )

    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO patients VALUES (1, 'rot:0211-50-870'), (2, 'plain')"))
    migration = Migration(engine, Patient)
    assert migration.plan().fields["patients.ssn"] == Counter({ValueStatus.OTHER_SCHEME: 1, ValueStatus.UNREADABLE: 1})
    report = migration.backfill()
    assert (report.changed, list(report.failures)) == (1, [(2,)])
    with Session(engine) as session:
        assert session.get_one(Patient, 1).ssn == "078-05-1120"
        with pytest.raises(DecryptionError):
            session.get_one(Patient, 2)


def test_a_new_column_of_text_is_filled(engine: Engine) -> None:
    """Where another database type is no reason to have another column type."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        ssn_plain: Mapped[str | None] = mapped_column(String(20))
        ssn: Mapped[str | None] = mapped_column(Encrypted(String(20), keys(), storage=String(200)))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Patient(id=1, ssn_plain=f"{SSN}1"))
        session.commit()
    migration = Migration(engine, Patient, {"ssn_plain": "ssn"})
    assert migration.backfill().changed == 1
    assert migration.verify().wrong == 0
    assert migration.undo().changed == 1
    assert migration.backfill().changed == 1
    damage(engine, 1, ssn="fc1.nothing")
    with pytest.raises(DecryptionError):
        read_ssn(engine, Patient)
    refused = migration.mend(as_plaintext={1})
    assert "its plaintext is next to it, which `backfill --mend` encrypts" in str(refused.failures[1,])
    assert migration.backfill(mend=True).changed == 1
    assert read_ssn(engine, Patient) == f"{SSN}1"
    migration.verify()
    assert migration.finish().changed == 1
    with Session(engine) as session:
        assert (session.get_one(Patient, 1).ssn, session.get_one(Patient, 1).ssn_plain) == (f"{SSN}1", None)
