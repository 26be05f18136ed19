"""What is left beside values is newer, a text like a value, or hidden: it is not removed, and counted."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Engine,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    column,
    create_engine,
    insert,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import INT4RANGE
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import ConfigurationError
from fieldcrypt.migration.engine.source import Which
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import AsyncDatabase, Database
from tests.migration.tables import ENCRYPTOR, SOON, do, is_all_encrypted, patients, stored


def test_both_sides_of_a_swallowed_kill(tmp_path: Path) -> None:
    """A step that dies after its last page, and before the count, is run again and counted then."""
    engine = create_engine(f"sqlite:///{tmp_path / 'patients.sqlite'}")
    people = patients(("id", Integer()))
    people.metadata.create_all(engine)
    raw = table("patients", column("id"), column("ssn", LargeBinary))
    with engine.begin() as connection:
        connection.execute(insert(raw), [{"id": n, "ssn": b"x"} for n in range(5)])
    job = Migration(engine, people)

    def die(progress: Any) -> None:
        if progress.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.backfill(batch=2, on_progress=die)
    report = job.backfill()
    assert (report.rows, report.changed, report.left, report.complete) == (5, 5, 0, True)
    with engine.connect() as connection:
        assert connection.scalars(select(people.c.ssn)).all() == ["x"] * 5
    engine.dispose()


class TestPlaintextBesideIt:
    """A column that is filled from another one, of a model that is bound to its rows."""

    @pytest.fixture
    def patient(self) -> Any:
        """A model with a tenant."""

        class Base(DeclarativeBase):
            pass

        @encrypted(ENCRYPTOR, row="id", tenant="clinic")
        class Patient(Base):
            __tablename__ = "patients"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            clinic: Mapped[str] = mapped_column(String(9))
            plain: Mapped[str | None] = mapped_column(String(20))
            ssn: Mapped[str | None] = mapped_column(Encrypted(String, name="patients.ssn", index="ssn_tag"))
            ssn_tag: Mapped[bytes | None] = blind_index()

        return Patient

    @pytest.fixture
    def job(self, engine: Engine, patient: Any) -> Migration:
        """Of five rows, which are filled."""
        patient.metadata.create_all(engine)
        do(engine, *(f"INSERT INTO patients (id, clinic, plain) VALUES ({n}, 'c1', 'text {n}')" for n in range(5)))
        job = Migration(engine, patient, {"plain": "ssn"})
        assert job.backfill().changed == 5
        return job

    def test_rows_that_moved_are_mended(self, engine: Engine, patient: Any, job: Migration) -> None:
        """By an old process that knows nothing of the encrypted column: they are encrypted again where they are."""
        do(engine, "UPDATE patients SET clinic = 'c2' WHERE id = 1", "UPDATE patients SET id = 9 WHERE id = 2")
        assert set(job.verify().reasons) == {(1,), (9,)}
        assert job.backfill().changed == 0
        report = job.backfill(mend=True)
        assert (report.changed, report.failed, report.complete) == (2, 0, True)
        assert job.verify().wrong == 0
        with Session(engine) as session:
            found = {each.id: each.ssn for each in session.scalars(select(patient))}
        assert found == {0: "text 0", 1: "text 1", 9: "text 2", 3: "text 3", 4: "text 4"}

    def test_a_newer_plaintext_stays(self, engine: Engine, job: Migration) -> None:
        """It is a failure with its key; if it is said to be stale it goes."""
        job.verify()
        do(engine, "UPDATE patients SET plain = 'newer' WHERE id = 3")
        report = job.finish(batch=2)
        assert (report.changed, list(report.failures), report.left, report.complete) == (4, [(3,)], 1, False)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT plain FROM patients WHERE plain IS NOT NULL").all() == [
                ("newer",)
            ]
        assert job.finish(stale_plaintext=True).complete

    def test_two_operators(self, engine: Engine, patient: Any, job: Migration) -> None:
        """Who undoes while another one backfills is told who is at work, and what to do."""
        do(engine, "UPDATE patients SET ssn = NULL")

        def undo(progress: Any) -> None:
            with pytest.raises(
                ConfigurationError, match=r"the backfill is being done by .*: wait for its end, or pause"
            ):
                Migration(engine, patient, {"plain": "ssn"}).undo()

        assert job.backfill(
            batch=1, on_progress=lambda progress: undo(progress) if progress.done < 5 else None
        ).complete
        assert job.undo().complete


def test_undo_makes_no_plaintext_that_looks_encrypted(database: Database) -> None:
    """It could not be read again: it stays, and is a failure of its row alone."""
    engine = database("sqlite")
    field = ENCRYPTOR.field("patients.ssn", bytes)
    protected: Any = Encrypted(LargeBinary, ENCRYPTOR, name="patients.ssn", accept_plaintext=SOON)
    people = Table("patients", MetaData(), Column("id", Integer, primary_key=True), Column("ssn", protected))
    people.metadata.create_all(engine)
    values = [field.encrypt(b"text"), field.encrypt(field.encrypt(b"twice"))]
    with engine.begin() as connection:
        raw = table("patients", column("id"), column("ssn", LargeBinary))
        connection.execute(insert(raw), [{"id": n, "ssn": value} for n, value in enumerate(values)])
    report = Migration(engine, people).undo()
    assert (report.changed, list(report.failures), report.left) == (1, [(1,)], 1)
    assert sorted(stored(engine)) == sorted([b"text", values[1]])


class TestAtOnce:
    """Many threads stand for many processes: each has its own migration, and workers of its own."""

    @pytest.fixture
    def people(self, engine: Engine) -> Table:
        """A table with 300 rows of plaintext."""
        people = patients(("id", Integer()))
        people.metadata.create_all(engine)
        raw = table("patients", column("id"), column("ssn", LargeBinary))
        with engine.begin() as connection:
            connection.execute(insert(raw), [{"id": n, "ssn": b"text"} for n in range(300)])
        return people

    def test_they_share_one_backfill(self, engine: Engine, people: Table) -> None:
        """Which all begin at the same moment: every row is encrypted once, and all say that it is complete."""
        meeting = threading.Barrier(6)

        def backfill(_: int) -> Any:
            meeting.wait()
            return Migration(engine, people).backfill(batch=5)

        Migration(engine, people).verify()  # makes the tables of checkpoints
        with ThreadPoolExecutor(6) as pool:
            reports = list(pool.map(backfill, range(6)))
        # Who comes when all is done begins a backfill of its own, which finds nothing to do.
        assert max(report.changed for report in reports) == 300
        assert {(report.total, report.left, report.failed) for report in reports} == {(300, 0, 0)}
        assert is_all_encrypted(engine)

    def test_steps_that_look_the_other_way(self, engine: Engine, people: Table) -> None:
        """Each is refused while the other one is at work; whatever comes of it, no value is lost."""
        meeting = threading.Barrier(4)

        def step(number: int) -> Any:
            meeting.wait()
            try:
                return getattr(Migration(engine, people), ("backfill", "undo")[number % 2])(batch=20)
            except ConfigurationError as error:
                return str(error)

        for _ in range(3):
            with ThreadPoolExecutor(4) as pool:
                found = list(pool.map(step, range(4)))
            for each in found:
                assert not isinstance(each, str) or "is being done by" in each
            with engine.connect() as connection:
                assert connection.scalars(select(people.c.ssn)).all() == ["text"] * 300
        assert Migration(engine, people).backfill().complete
        assert is_all_encrypted(engine)


def test_an_asyncio_driver_that_does_not_count(database: Database, async_database: AsyncDatabase) -> None:
    """asyncpg does not say how many rows many updates met: they are read back before they are committed."""
    engine = database("postgresql")
    do(
        engine,
        "CREATE TABLE patients (id int PRIMARY KEY, ssn bytea)",
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF OLD.id = 3 THEN RETURN NULL; END IF; "
        "RETURN NEW; END'",
        "CREATE TRIGGER keep BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION keep()",
        "INSERT INTO patients SELECT n, 'x' FROM generate_series(1, 9) n",
    )

    async def run() -> Any:
        async with async_database("postgresql").connect() as connection:
            people = patients(("id", Integer()))
            return await connection.run_sync(lambda sync: Migration(sync.engine, people).backfill())

    report = asyncio.run(run())
    assert (report.changed, report.failed, report.left, list(report.failures)) == (8, 1, 1, [(3,)])


class TestWhatIsNoValue:
    """The database's count goes by the whole form of a value, and by nothing that merely resembles it."""

    def test_rows_that_a_policy_hides(self, database: Database) -> None:
        """Nothing is begun by a user of PostgreSQL who may not see all rows, and the plan says so too."""
        engine = database("postgresql")
        do(
            engine,
            "CREATE TABLE patients (id int PRIMARY KEY, ssn bytea)",
            "INSERT INTO patients SELECT n, 'x' FROM generate_series(1, 6) n",
            "DROP ROLE IF EXISTS clerk",
            "CREATE ROLE clerk LOGIN",
            "GRANT CREATE, USAGE ON SCHEMA public TO clerk",
            "GRANT SELECT, UPDATE ON patients TO clerk",
            "ALTER TABLE patients ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY few ON patients USING (id <= 3)",
        )
        other = create_engine(engine.url.set(username="clerk"))
        job = Migration(other, patients(("id", Integer())))
        plan = job.plan()
        assert plan.rows == 0
        assert "row-level security, which may hide rows" in plan.needed[0]
        for step in (job.backfill, job.verify, job.undo, job.finish):
            with pytest.raises(ConfigurationError, match="work as a user with BYPASSRLS"):
                step()
        assert Migration(engine, patients(("id", Integer()))).backfill().changed == 6  # the owner sees all
        other.dispose()
        do(engine, "DROP OWNED BY clerk CASCADE", "DROP ROLE clerk")

    @pytest.mark.parametrize("storage", [Text, JSON])
    @pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
    def test_text_that_begins_like_a_value(self, database: Database, kind: str, storage: Any) -> None:
        """In another case, with an accent, or too short to be one: it is counted as left, also in JSON."""
        engine = database(kind)
        inner: Any = JSON if storage is JSON else String
        how = Encrypted(inner, ENCRYPTOR, name="patients.ssn", storage=storage, accept_plaintext=SOON)
        people = Table("patients", MetaData(), Column("id", Integer(), primary_key=True), Column("ssn", how))
        people.metadata.create_all(engine)
        spelt = '"{}"'.format if storage is JSON else "{}".format
        do(engine, f"INSERT INTO patients VALUES (1, '{spelt('a')}'), (2, '{spelt('b')}')")
        job = Migration(engine, people)
        assert job.backfill().complete
        for left, text_ in enumerate(("FC1." + "A" * 90, "f\u00e7\u0031." + "A" * 90, "fc1.short"), 3):
            do(engine, f"INSERT INTO patients VALUES ({left}, '{spelt(text_)}')")
            assert job._sources[0].count(Which.DUE).those == left - 2
            assert not (left == 5 and job.backfill().complete)  # the last one is old plaintext that nobody can tell

    def test_a_new_column_with_something_in_it(self, database: Database) -> None:
        """Its default of NOT NULL is nothing, and filled; other bytes are failures with a key until mended."""
        engine = database("mariadb")
        do(
            engine,
            "CREATE TABLE patients (id int PRIMARY KEY, plain varchar(50), ssn longblob NOT NULL DEFAULT '')",
            "INSERT INTO patients (id, plain, ssn) VALUES (1, 'ann', ''), (2, 'bob', 'planted'), (3, 'cy', '')",
        )
        job = Migration(engine, patients(("id", Integer()), copied=True), {"plain": "ssn"})
        report = job.backfill()
        assert (report.changed, list(report.failures), report.left, report.complete) == (2, [(2,)], 1, False)
        assert "set mend=True" in str(report.failures)
        assert job.backfill(mend=True).complete
        assert job.verify().wrong == 0

    def test_rows_that_the_database_keeps_of_before(self, database: Database) -> None:
        """MariaDB's SYSTEM VERSIONING: what is left to do names them."""
        engine = database("mariadb")
        do(
            engine,
            "CREATE TABLE patients (id int PRIMARY KEY, ssn longblob) WITH SYSTEM VERSIONING",
            "INSERT INTO patients VALUES (1, 'secret')",
        )
        job = Migration(engine, patients(("id", Integer())))
        job.backfill()
        job.verify()
        assert any("DELETE HISTORY FROM patients" in remark for remark in job.finish().remarks)

    def test_the_room_that_text_takes_in_utf_8(self, database: Database) -> None:
        """Of a column in latin1, whose octets are fewer: the plan knows before a backfill fails."""
        engine = database("mariadb")
        do(
            engine,
            "CREATE TABLE patients (id int PRIMARY KEY, ssn varchar(200)) CHARACTER SET latin1",
            "INSERT INTO patients VALUES (1, repeat('\u00e9', 80))",
        )
        how = Encrypted(String, ENCRYPTOR, name="patients.ssn", storage=String(200), accept_plaintext=SOON)
        people = Table("patients", MetaData(), Column("id", Integer(), primary_key=True), Column("ssn", how))
        assert "longest value of 160 bytes" in Migration(engine, people).plan().needed[0]

    @pytest.mark.parametrize(("type_", "key", "refusal"), [(INT4RANGE, "'[1,2)'", "of Range"), (Interval, "'2 h'", "")])
    def test_keys_of_intervals_and_ranges(self, database: Database, type_: Any, key: str, refusal: str) -> None:
        """PostgreSQL's intervals are gone through; a range is refused, as what it is."""
        engine = database("postgresql")
        name = "interval" if type_ is Interval else "int4range"
        do(engine, f"CREATE TABLE patients (id {name} PRIMARY KEY, ssn bytea)")
        do(engine, f"INSERT INTO patients VALUES ({key}, 'x')")
        needed = " ".join(Migration(engine, patients(("id", type_()))).plan().needed)
        assert (refusal in needed) if refusal else (needed == "")
        if not refusal:
            assert Migration(engine, patients(("id", type_()))).backfill().complete
