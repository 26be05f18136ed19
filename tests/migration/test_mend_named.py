"""Old plaintext that begins as encrypted text does, which is encrypted in the rows that somebody names."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, ForeignKey, String, Text, Uuid, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import ConfigurationError, Encryptor, LocalKeyProvider, MemoryKeyStore, _system
from fieldcrypt.migration import ValueStatus
from fieldcrypt_sqlalchemy import Encrypted, encrypted
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import Database
from tests.migration.sql_patients import AT_ONCE, keys, soon
from tests.migration.text_patients import MeddlingProvider, add, damage, model, raw, read

PLANTED = ["fc1.", "fc1.Ann is here", "fc1.AQ"]


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("name", ["ssn", "notes"])
@pytest.mark.parametrize("planted", PLANTED)
def test_the_row_that_is_named_and_no_other(engine: Engine, bound: bool, name: str, planted: str) -> None:
    """It is encrypted to the letter, with its tag; one that looks like it stays as it is until it is named as well."""
    patient = model(keys(), bound=bound)
    add(engine, patient, 4)
    migration = Migration(engine, patient)
    migration.backfill()
    for row in (1, 2):
        damage(engine, row, **{name: planted, "ssn_tag": None})
    before = raw(engine)
    report = migration.mend(as_plaintext={1})
    assert (report.rows, report.changed, report.failed, report.complete) == (1, 1, 0, True)
    assert report.remarks == (f"patients 1: what {name} held is encrypted as plaintext",)
    assert [row for row, old in zip(raw(engine), before, strict=True) if row != old] == [raw(engine)[1]]
    assert migration.plan().fields[f"patients.{name}"][ValueStatus.MARKED] == 1
    assert migration.backfill(restart=True).failed == 1
    assert migration.mend(as_plaintext=["2"]).changed == 1  # as text, of a command line
    assert migration.backfill(restart=True).failed == 0
    assert migration.verify().wrong == 0
    assert [getattr(each, name) for each in rows(engine, patient)[1:3]] == [planted, planted]
    if name == "ssn":
        with Session(engine) as session:
            assert session.scalars(select(patient.id).where(patient.ssn == planted)).all() == [1, 2]
    migration.finish()


def rows(engine: Engine, patient: Any) -> list[Any]:
    """The objects of the application."""
    with Session(engine) as session:
        return list(session.scalars(select(patient).order_by(patient.id)))


def test_what_is_no_such_plaintext_is_refused(engine: Engine) -> None:
    """A value that opens, one that was damaged or moved, plaintext, nothing, no row: each is said, and stays."""
    patient = model(keys())
    add(engine, patient, 6)
    migration = Migration(engine, patient)
    migration.backfill()
    values = [ssn for _, ssn, _ in raw(engine)]
    damage(engine, 1, ssn=values[1][:60] + ("A" if values[1][60] != "A" else "B") + values[1][61:])
    damage(engine, 2, ssn=values[0])
    damage(engine, 3, ssn="Ann")
    damage(engine, 4, ssn=None)
    held = raw(engine)
    report = migration.mend(as_plaintext=range(7), column="ssn")
    assert (report.rows, report.changed, report.failed, report.remarks) == (7, 0, 7, ())
    reasons = [str(report.failures[number,]) for number in range(7)]
    assert reasons[0] == reasons[5] == "ssn opens: it is an encrypted value, and is not encrypted once more"
    assert reasons[1] == reasons[2]
    assert "damaged, comes from another row, or its key is not in this key store. It is not taken" in reasons[1]
    assert reasons[3] == "ssn has no need of it, for `backfill` encrypts what is there"
    assert reasons[4] == "ssn is empty"
    assert reasons[6] == "there is no such row"
    assert raw(engine) == held


def test_values_whose_keys_were_destroyed_are_none(database: Database) -> None:
    """Their ciphertext never becomes a value itself; nor if the key store is the wrong one."""
    encryptor = keys()
    engine, patient = database("sqlite"), model(encryptor)
    add(engine, patient, 2)
    Migration(engine, patient).backfill()
    held = raw(engine)
    elsewhere = Migration(engine, model(keys())).mend(as_plaintext=[0, 1])
    assert (elsewhere.changed, elsewhere.failed) == (0, 2)
    assert "its key is not in this key store" in str(elsewhere.failures[0,])
    encryptor.data_keys.shred("c1", by="test")
    report = Migration(engine, patient).mend(as_plaintext=[1])
    assert "whose keys were destroyed" in str(report.failures[1,])
    assert raw(engine) == held


def test_only_the_row_with_that_very_key(database: Database) -> None:
    """A database rounds a key of another type, to that of another row; one that it does not take stops no others."""
    engine, patient = database("postgresql"), model(keys())
    add(engine, patient, 3, ssn="fc1.of old", notes=None)
    migration = Migration(engine, patient)
    for key in (1.5, True, None):
        with pytest.raises(ConfigurationError, match="no primary key"):
            migration.mend(as_plaintext=[key])
    report = migration.mend(as_plaintext=[2**40, 1])
    assert (report.changed, list(report.failures)) == (1, [(2**40,)])


def test_one_column_at_a_time(engine: Engine) -> None:
    """Of a row in which somebody has planted more than what was looked at, nothing is taken without its column."""
    patient = model(keys())
    add(engine, patient, 1, ssn="fc1.of old", notes="fc1.planted")
    migration = Migration(engine, patient)
    held = raw(engine)
    report = migration.mend(as_plaintext={0})
    assert "ssn, notes begin with fc1. and are no values: look at each, and say which" in str(report.failures[0,])
    assert raw(engine) == held
    assert migration.mend(as_plaintext={0}, column="ssn").changed == 1
    assert raw(engine)[0][2] == "fc1.planted"
    wrong = migration.mend(as_plaintext={0}, column="name")
    assert str(wrong.failures[0,]) == "there is no encrypted column name"


def test_what_changes_meanwhile_is_looked_at_again(engine: Engine) -> None:
    """However like it is: what is encrypted is what was there when the row was looked at."""
    provider = MeddlingProvider(bytes(32))
    patient = model(Encryptor(provider, MemoryKeyStore(), policy=AT_ONCE))
    add(engine, patient, 1, ssn="fc1.of old", notes=None)
    migration = Migration(engine, patient)
    provider.meddle = lambda: damage(engine, 0, ssn="fc1.OF OLD")
    report = migration.mend(as_plaintext={0})
    assert provider.meddle is None
    assert "changed the row meanwhile: look at it again" in str(report.failures[0,])
    assert raw(engine) == [(0, "fc1.OF OLD", None)]
    assert migration.mend(as_plaintext={0}).changed == 1
    assert read(engine, patient) == [(0, "fc1.OF OLD", None)]


def test_while_a_backfill_is_at_work(engine: Engine) -> None:
    """Which has read the row already: it sees the value when it locks the row, and loses nothing."""
    provider, store = MeddlingProvider(bytes(32)), MemoryKeyStore()
    patient, same = (model(Encryptor(each, store, policy=AT_ONCE)) for each in (provider, LocalKeyProvider(bytes(32))))
    before = add(engine, patient, 3)
    damage(engine, 1, ssn="fc1.of old")
    reports: list[Any] = []
    provider.meddle = lambda: reports.append(Migration(engine, same).mend(as_plaintext={1}))
    report = Migration(engine, patient).backfill()
    assert [(each.changed, each.failures) for each in reports] == [(1, {})]
    assert (report.failed, report.complete) == (0, True)
    before[1] = (1, "fc1.of old", before[1][2])
    assert read(engine, patient) == before
    assert Migration(engine, patient).verify().wrong == 0


def test_not_while_an_undo_is_at_work(database: Database) -> None:
    """It would encrypt behind the undo; and one that was stopped goes over everything again after it."""
    engine, patient = database("sqlite"), model(keys())
    before = add(engine, patient, 3)
    migration = Migration(engine, patient)
    migration.backfill()
    damage(engine, 0, ssn="fc1.of old")

    def mend(progress: Any) -> None:
        with pytest.raises(ConfigurationError, match="the undo is being done by"):
            migration.mend(as_plaintext={0})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migration.undo(batch=2, on_progress=mend)
    assert migration.mend(as_plaintext={0}).changed == 1
    assert list(migration.undo().failures) == [(0,)]  # which could not be told from a value
    assert [ssn for _, ssn, _ in raw(engine)][1:] == [ssn for _, ssn, _ in before][1:]


def test_one_text_is_no_set_of_keys(database: Database) -> None:
    """Its characters might be keys."""
    engine, patient = database("sqlite"), model(keys())
    add(engine, patient, 2, ssn="fc1.of old")
    with pytest.raises(TypeError, match="a set of keys"):
        Migration(engine, patient).mend(as_plaintext="01")


def test_a_write_that_is_refused_is_a_failure(database: Database) -> None:
    """A trigger that keeps the row as it is: nothing is counted as changed."""
    engine, patient = database("postgresql"), model(keys())
    add(engine, patient, 1, ssn="fc1.of old", notes=None)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
        )
        connection.exec_driver_sql("CREATE TRIGGER keep BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION keep()")
    migration = Migration(engine, patient)
    report = migration.mend(as_plaintext={0})
    assert (report.changed, report.failed) == (0, 1)
    assert "so the write was undone" in str(report.failures[0,])
    assert [(step.changed, step.failed, step.state) for step in migration.status().steps] == [(0, 1, "failed")]


def test_only_while_plaintext_is_accepted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the day of accept_plaintext on, nothing planted becomes authentic, whatever is named."""
    engine, patient = database("sqlite"), model(keys())
    add(engine, patient, 1, ssn="fc1.of old", notes=None)
    held = raw(engine)
    never = Migration(engine, model(keys(), accept_plaintext=None)).mend(as_plaintext={0})
    assert "declared without accept_plaintext" in str(never.failures[0,])
    with pytest.raises(ConfigurationError, match="write=False"):
        Migration(engine, model(keys(), write=False)).mend(as_plaintext={0})
    later = _system.wall_clock() + 40 * 86400
    monkeypatch.setattr(_system, "wall_clock", lambda: later)
    report = Migration(engine, patient).mend(as_plaintext={0})
    assert "no longer accepts plaintext" in str(report.failures[0,])
    assert raw(engine) == held


def test_keys_of_several_columns_and_types(engine: Engine) -> None:
    """By a tuple of values, or by the text of a JSON array; what is no key is refused before anything is done."""

    class Base(DeclarativeBase):
        pass

    @encrypted(keys(), row=("clinic", "day", "number"))
    class Visit(Base):
        __tablename__ = "visits"
        clinic: Mapped[str] = mapped_column(String(20), primary_key=True)
        day: Mapped[date] = mapped_column(primary_key=True)
        number: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
        note: Mapped[str] = mapped_column(Encrypted(String, storage=Text, accept_plaintext=soon()))

    Base.metadata.create_all(engine)
    day, number = date(2026, 2, 3), UUID(int=7)
    with Session(engine) as session:
        session.add_all(Visit(clinic=clinic, day=day, number=number, note="x") for clinic in ('a, "b"', "c"))
        session.commit()
        session.execute(text("UPDATE visits SET note = 'fc1.of old'"))
        session.commit()
    migration = Migration(engine, Visit)
    for wrong in ("c", '["c", "2026-02-03"]', '["c", "February", "7"]', ("c", day), ("c", day, "7"), 7):
        with pytest.raises(ConfigurationError, match="is no primary key of visits, which is clinic VARCHAR"):
            migration.mend(as_plaintext=[("c", day, number), wrong])
    assert migration.mend(as_plaintext=[("c", day, number)]).changed == 1
    report = migration.mend(as_plaintext=[f'["a, \\"b\\"", "{day}", "{number}"]'])
    assert (report.changed, report.failures) == (1, {})
    assert migration.verify().wrong == 0


def test_tables_of_a_class_and_its_derived_ones(engine: Engine) -> None:
    """A row of both is named by one key; the table that has the text is the one that is written."""

    class Base(DeclarativeBase):
        pass

    accepting: dict[str, Any] = {"storage": Text, "accept_plaintext": soon()}

    @encrypted(keys(), row="id")
    class Person(Base):
        __tablename__ = "persons"
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        kind: Mapped[str] = mapped_column(String(10))
        name: Mapped[str | None] = mapped_column(Encrypted(String, **accepting))

    class Doctor(Person):
        __tablename__ = "doctors"
        __mapper_args__ = {"polymorphic_identity": "doctor"}  # noqa: RUF012
        id: Mapped[int] = mapped_column(ForeignKey("persons.id"), primary_key=True)
        licence: Mapped[str | None] = mapped_column(Encrypted(String, **accepting))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Person(id=1, name="Ann"), Doctor(id=2, name="Bob", licence="7")])
        session.commit()
        session.execute(text("UPDATE doctors SET licence = 'fc1.of old'"))
        session.commit()
    migration = Migration(engine, Person)
    report = migration.mend(as_plaintext=[1, 2])
    assert (report.changed, list(report.failures)) == (1, [(1,)])
    assert report.remarks == ("doctors 2: what licence held is encrypted as plaintext",)
    assert migration.verify().wrong == 0
    steps = {
        step.part: (step.done, step.changed, step.failed) for step in migration.status().steps if step.step == "mend"
    }
    assert steps["persons"] == (1, 0, 1)
    assert steps["doctors"] == (1, 1, 0)


def test_nothing_secret_is_said(database: Database) -> None:
    """Neither in the report nor in what was written down, whether it was done or not."""
    engine, patient = database("sqlite"), model(keys())
    add(engine, patient, 2, ssn="fc1.of old", notes=None)
    migration = Migration(engine, patient)
    said = repr(migration.mend(as_plaintext=[0, 7]))
    with engine.connect() as connection:
        said += repr(connection.execute(text("SELECT * FROM fieldcrypt_migrations")).all())
    assert "of old" not in said
