"""Migrations on which the database has the last word: every row is seen, met and counted, or it is said."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import (
    CHAR,
    JSON,
    Column,
    Double,
    Engine,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
    column,
    create_engine,
    event,
    insert,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import INET, INT4RANGE
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeEngine

from fieldcrypt import ConfigurationError, Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.migration.engine.source import Which
from fieldcrypt.spi import is_envelope
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import AsyncDatabase, Database
from tests.sqlalchemy.test_same_bytes import FOLDING_ON_POSTGRES

ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
SCHEMAS = ("clinic_1", "clinic_2")
SOON = datetime.now(UTC).date() + timedelta(days=30)


def patients(*key: tuple[str, TypeEngine[Any]], copied: bool = False, schema: str | None = None) -> Table:
    """A table with a key, and a protected column that is migrated in place or filled from another one."""
    protected: Any = Encrypted(String, ENCRYPTOR, name="patients.ssn", accept_plaintext=None if copied else SOON)
    return Table(
        "patients",
        MetaData(),
        *(Column(name, type_, primary_key=True, autoincrement=False) for name, type_ in key),
        Column("ssn", protected),
        *([Column("plain", String(20))] if copied else []),
        schema=schema,
    )


def do(engine: Engine, *statements: str) -> None:
    """Do statements in a transaction."""
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def stored(engine: Engine, name: str = "patients") -> list[Any]:
    """What is in the protected column."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT ssn FROM {name}").scalars()
        return [bytes(each) if isinstance(each, memoryview) else each for each in found]


def is_all_encrypted(engine: Engine, name: str = "patients") -> bool:
    """Whether nothing but encrypted values is in the protected column."""
    return all(is_envelope(each) for each in stored(engine, name))


class TestSchemas:
    """A schema for each tenant, which an engine's `schema_translate_map` leads to."""

    @pytest.fixture(params=["postgresql", "sqlite"])
    def engine(self, request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[Engine]:
        """Two schemas with a table of the same name and the same keys."""
        engine = database(request.param)
        is_postgres = request.param == "postgresql"

        @event.listens_for(engine, "connect")
        def attach(connection: Any, _: Any) -> None:
            for schema in SCHEMAS if not is_postgres else ():
                connection.execute(f"ATTACH DATABASE '{tmp_path / schema}' AS {schema}")

        engine.dispose()
        for schema in SCHEMAS:
            if is_postgres:
                do(engine, f"DROP SCHEMA IF EXISTS {schema} CASCADE", f"CREATE SCHEMA {schema}")
            binary = "bytea" if is_postgres else "blob"
            do(engine, f"CREATE TABLE {schema}.patients (id int PRIMARY KEY, ssn {binary}, plain varchar(20))")
            cast = "convert_to('{0}', 'UTF8')" if is_postgres else "CAST('{0}' AS blob)"
            for n in range(5):
                value = f"{schema}-{n}"
                do(engine, f"INSERT INTO {schema}.patients VALUES ({n}, {cast.format(value)}, '{value}')")
        yield engine
        if is_postgres:
            do(engine, *(f"DROP SCHEMA {schema} CASCADE" for schema in SCHEMAS))

    @pytest.mark.parametrize("declared", [None, "clinic_1", "tenant"])
    def test_the_schema_that_is_read_is_the_one_that_is_written(self, engine: Engine, declared: str | None) -> None:
        """By every step; the other one stays as it is, byte for byte."""
        other = stored(engine, "clinic_1.patients")
        there = engine.execution_options(schema_translate_map={declared: "clinic_2"})
        job = Migration(there, patients(("id", Integer()), schema=declared))
        assert job.plan().rows == 5
        report = job.backfill(batch=2)
        assert (report.rows, report.changed, report.total, report.left, report.complete) == (5, 5, 5, 0, True)
        assert job.verify()[:2] == (5, 0)
        assert is_all_encrypted(engine, "clinic_2.patients")
        assert sum(job.values_under(stored(engine, "clinic_2.patients")[0][1:17]).values()) == 5
        assert job.undo().complete
        assert sorted(stored(engine, "clinic_2.patients")) == [b"clinic_2-%d" % n for n in range(5)]
        assert stored(engine, "clinic_1.patients") == other

    @pytest.mark.parametrize("declared", [None, "tenant"])
    def test_each_schema_has_its_own_checkpoints(self, engine: Engine, declared: str | None) -> None:
        """What is done in one is not taken for done in the other."""
        for schema in ("clinic_1", "clinic_2"):
            there = engine.execution_options(schema_translate_map={declared: schema})
            job = Migration(there, patients(("id", Integer()), schema=declared))
            assert job.name == f"{schema}.patients"
            assert job.status().steps == ()
            assert job.backfill().changed == 5
            assert job.verify().wrong == 0
            assert job.finish().complete
            assert is_all_encrypted(engine, f"{schema}.patients")

    def test_a_copied_column_too(self, engine: Engine) -> None:
        """Reads, fills and empties columns of the schema that is meant."""
        do(engine, "UPDATE clinic_1.patients SET ssn = NULL", "UPDATE clinic_2.patients SET ssn = NULL")
        there = engine.execution_options(schema_translate_map={"tenant": "clinic_2"})
        job = Migration(there, patients(("id", Integer()), copied=True, schema="tenant"), {"plain": "ssn"})
        assert job.backfill().complete
        assert job.verify().wrong == 0
        assert job.finish().complete
        with engine.connect() as connection:
            query = "SELECT count(ssn), count(plain) FROM {}.patients"
            assert tuple(connection.exec_driver_sql(query.format("clinic_1")).one()) == (0, 5)
            assert tuple(connection.exec_driver_sql(query.format("clinic_2")).one()) == (5, 0)


class TestKeysThatAreSortedOtherwise:
    """Nothing is written; the reason and the way out are said."""

    @pytest.mark.parametrize("kind", ["ENUM('us', 'fr', 'de', 'at')", "SET('us', 'fr', 'de', 'at')"])
    def test_enumerations_on_mariadb(self, database: Database, kind: str) -> None:
        """7,000 rows, of which pages by an ENUM would see 2,500."""
        engine = database("mariadb")
        do(engine, f"CREATE TABLE patients (country {kind}, id int, ssn longblob, PRIMARY KEY (country, id))")
        raw = table("patients", column("country"), column("id"), column("ssn"))
        sizes = {"us": 2500, "fr": 1500, "de": 1500, "at": 1500}
        rows = [{"country": name, "id": n, "ssn": b"x"} for name, size in sizes.items() for n in range(size)]
        with engine.begin() as connection:
            connection.execute(insert(raw), rows)
        job = Migration(engine, patients(("country", String(2)), ("id", Integer())))
        with pytest.raises(ConfigurationError, match=r"country, of the primary key, is (ENUM|SET), .* to VARCHAR"):
            job.backfill()
        assert "sorts by its index" in job.plan().needed[0]
        assert set(stored(engine)) == {b"x"}
        do(engine, "ALTER TABLE patients MODIFY country VARCHAR(2)")
        report = job.backfill()
        assert (report.rows, report.changed, report.total, report.left) == (7000, 7000, 7000, 0)
        assert is_all_encrypted(engine)

    def test_characters_whose_blanks_count_on_mariadb(self, database: Database) -> None:
        """A page that ends with 'a' would go on behind 'a ' as it is sorted, and pass over what sorts between."""
        engine = database("mariadb")
        do(engine, "CREATE TABLE patients (k char(5), ssn longblob, PRIMARY KEY (k)) COLLATE utf8mb4_nopad_bin")
        do(engine, "INSERT INTO patients VALUES ('a', 'x'), ('a\\t', 'y'), ('b', 'z')")
        job = Migration(engine, patients(("k", CHAR(5))))
        with pytest.raises(ConfigurationError, match=r"counts blanks at the end.* to VARCHAR"):
            job.backfill()
        do(engine, "ALTER TABLE patients MODIFY k varchar(5)")
        assert job.backfill(batch=1).changed == 3
        assert is_all_encrypted(engine)

    def test_a_folding_type_on_postgresql(self, database: Database) -> None:
        """As citext, mapped to String: its own order, and the comparison of the type that the model says."""
        engine = database("postgresql")
        do(engine, *FOLDING_ON_POSTGRES, "CREATE TABLE patients (email folding PRIMARY KEY, ssn bytea)")
        do(engine, "INSERT INTO patients VALUES ('a'::varchar::folding, 'x'), ('B'::varchar::folding, 'y')")
        job = Migration(engine, patients(("email", String(20))))
        with pytest.raises(ConfigurationError, match=r"patients\.email, of the primary key, is .* in the database and"):
            job.backfill()
        assert set(stored(engine)) == {b"x", b"y"}

    @pytest.mark.parametrize(
        ("type_", "kind"),
        [(Double(), "real"), (Double(), "double precision"), (Integer(), "double precision"), (String(9), "uuid")],
    )
    def test_types_that_differ_on_postgresql(self, database: Database, type_: Any, kind: str) -> None:
        """Floating-point numbers, and whatever is another type than the model says."""
        engine = database("postgresql")
        do(engine, f"CREATE TABLE patients (k {kind} PRIMARY KEY, ssn bytea)")
        with pytest.raises(ConfigurationError, match=r"patients\.k, of the primary key, is"):
            Migration(engine, patients(("k", type_))).backfill()

    @pytest.mark.parametrize("kind", ["text", "varchar(5)", "char(5)", "words"])
    def test_what_is_compared_alike_is_migrated(self, database: Database, kind: str) -> None:
        """Texts of any length, and domains over them."""
        engine = database("postgresql")
        do(engine, "CREATE DOMAIN words AS text", f"CREATE TABLE patients (k {kind} PRIMARY KEY, ssn bytea)")
        do(engine, "INSERT INTO patients SELECT chr(65 + n), 'x' FROM generate_series(0, 30) n")
        assert Migration(engine, patients(("k", String(9)))).backfill(batch=3).left == 0
        assert is_all_encrypted(engine)

    def test_types_that_no_checkpoint_holds(self, database: Database) -> None:
        """It is said before anything is written, and not when the first page is."""
        engine = database("postgresql")
        do(engine, "CREATE TABLE patients (k inet PRIMARY KEY, ssn bytea)")
        job = Migration(engine, patients(("k", INET())))
        assert job.backfill().complete
        do(engine, "INSERT INTO patients VALUES ('10.0.0.1', 'x')")
        assert "cannot be written down in a checkpoint" in job.plan().needed[0]
        for step in (job.verify, job.backfill):
            with pytest.raises(ConfigurationError, match="cannot be written down in a checkpoint"):
                step()

    def test_uuids_that_are_text_on_postgresql(self, database: Database) -> None:
        """A UUID that is declared to be CHAR(32) is one, and sorted and compared as text."""
        engine = database("postgresql")
        people = patients(("k", Uuid(native_uuid=False)))
        people.metadata.create_all(engine)
        do(engine, "INSERT INTO patients SELECT md5(n::text), 'x' FROM generate_series(1, 20) n")
        report = Migration(engine, people).backfill(batch=3)
        assert (report.changed, report.total, report.left) == (20, 20, 0)
        assert is_all_encrypted(engine)

    def test_numbers_over_texts_on_mariadb(self, database: Database) -> None:
        """Sorted as text and compared as numbers."""
        engine = database("mariadb")
        do(engine, "CREATE TABLE patients (k varchar(9) PRIMARY KEY, ssn longblob)")
        with pytest.raises(ConfigurationError, match="is VARCHAR"):
            Migration(engine, patients(("k", Integer()))).backfill()


class TestRowsThatCannotBeToldApart:
    def test_a_view(self, engine: Engine) -> None:
        """Is not a table."""
        binary = {"postgresql": "bytea", "mariadb": "longblob", "sqlite": "blob"}[engine.dialect.name]
        do(
            engine,
            f"CREATE TABLE people (id int PRIMARY KEY, ssn {binary})",
            "CREATE VIEW patients AS SELECT * FROM people",
        )
        with pytest.raises(ConfigurationError, match="patients is a view: give the table"):
            Migration(engine, patients(("id", Integer()))).backfill()

    def test_a_key_that_only_the_model_has(self, engine: Engine) -> None:
        """If two rows have the same; else it does."""
        binary = {"postgresql": "bytea", "mariadb": "longblob", "sqlite": "blob"}[engine.dialect.name]
        do(
            engine,
            f"CREATE TABLE patients (id int NOT NULL, ssn {binary})",
            "INSERT INTO patients VALUES (1, 'x'), (1, 'y')",
        )
        with pytest.raises(ConfigurationError, match="several rows with the same primary key"):
            Migration(engine, patients(("id", Integer()))).backfill()
        do(engine, "UPDATE patients SET id = 2 WHERE ssn = 'y'")
        assert Migration(engine, patients(("id", Integer()))).backfill().left == 0

    def test_tables_that_inherit_on_postgresql(self, database: Database) -> None:
        """With equal keys in parent and child a value would go into both."""
        engine = database("postgresql")
        do(
            engine,
            "CREATE TABLE patients (id int PRIMARY KEY, ssn bytea)",
            "CREATE TABLE guests () INHERITS (patients)",
            "INSERT INTO patients VALUES (1, 'parent')",
            "INSERT INTO guests VALUES (1, 'child')",
        )
        with pytest.raises(ConfigurationError, match="also among tables that inherit from it"):
            Migration(engine, patients(("id", Integer()))).backfill()
        do(engine, "UPDATE guests SET id = 2")
        assert Migration(engine, patients(("id", Integer()))).backfill().changed == 2
        assert is_all_encrypted(engine)

    def test_a_partitioned_table(self, database: Database) -> None:
        """Its key is unique, and it is migrated as any other."""
        engine = database("postgresql")
        do(
            engine,
            "CREATE TABLE patients (id int PRIMARY KEY, ssn bytea) PARTITION BY HASH (id)",
            *(f"CREATE TABLE p{n} PARTITION OF patients FOR VALUES WITH (MODULUS 2, REMAINDER {n})" for n in range(2)),
            "INSERT INTO patients SELECT n, 'x' FROM generate_series(1, 30) n",
        )
        report = Migration(engine, patients(("id", Integer()))).backfill(batch=7)
        assert (report.changed, report.total, report.left) == (30, 30, 0)


class TestWritesThatAreNotMet:
    def test_keys_in_another_form(self, database: Database) -> None:
        """SQLite does not find a UUID with hyphens: each row is a failure with its key, and nothing is complete."""
        engine = database("sqlite")
        do(engine, "CREATE TABLE patients (id CHAR(36) PRIMARY KEY, ssn BLOB)")
        do(engine, *(f"INSERT INTO patients VALUES ('{uuid4()}', CAST('x' AS BLOB))" for _ in range(9)))
        report = Migration(engine, patients(("id", Uuid()))).backfill()
        assert (report.changed, report.failed, report.left, report.complete) == (0, 9, 9, False)
        assert "stored in another form" in str(next(iter(report.failures.values())))

    def test_a_trigger_that_swallows_a_write(self, database: Database) -> None:
        """Is seen by the number of rows that were written; the other rows of the page are done."""
        engine = database("postgresql")
        do(
            engine,
            "CREATE TABLE patients (id int PRIMARY KEY, ssn bytea)",
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF OLD.id = 3 THEN RETURN NULL; END IF; "
            "RETURN NEW; END'",
            "CREATE TRIGGER keep BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION keep()",
            "INSERT INTO patients SELECT n, 'x' FROM generate_series(1, 9) n",
        )
        report = Migration(engine, patients(("id", Integer()))).backfill()
        assert (report.changed, report.failed, report.left, list(report.failures)) == (8, 1, 1, [(3,)])

    def test_a_trigger_that_puts_the_old_value_back(self, database: Database) -> None:
        """Looks written to the driver: the row is read again, and is a failure."""
        engine = database("sqlite")
        do(
            engine,
            "CREATE TABLE patients (id INTEGER PRIMARY KEY, ssn BLOB)",
            "CREATE TRIGGER back AFTER UPDATE ON patients WHEN NEW.id = 3 AND OLD.ssn <> NEW.ssn BEGIN "
            "UPDATE patients SET ssn = OLD.ssn WHERE id = 3; END",
            *(f"INSERT INTO patients VALUES ({n}, CAST('x' AS BLOB))" for n in range(1, 6)),
        )
        report = Migration(engine, patients(("id", Integer()))).backfill()
        assert (report.changed, report.left, report.total, list(report.failures)) == (4, 1, 5, [(3,)])


def test_plaintext_that_the_collation_takes_for_a_value(database: Database) -> None:
    """FC1. is fc1. to MariaDB's default collation, and the database's count of what is left does not take it for it."""
    engine = database("mariadb")
    people = Table(
        "patients",
        MetaData(),
        Column("id", Integer(), primary_key=True),
        Column("ssn", Encrypted(String, ENCRYPTOR, name="patients.ssn", storage=Text, accept_plaintext=SOON)),
    )
    people.metadata.create_all(engine)
    do(engine, "INSERT INTO patients VALUES (1, 'FC1.a'), (2, 'b')")
    behind = "UPDATE patients SET ssn = 'FC1.c' WHERE id = 1"
    report = Migration(engine, people).backfill(batch=1, on_progress=lambda _: do(engine, behind))
    assert (report.left, report.complete) == (1, False)
    assert Migration(engine, people).backfill().complete


@pytest.mark.parametrize("asdecimal", [True, False])
def test_a_key_that_is_no_number_is_met_on_a_page_of_its_own(database: Database, asdecimal: Any) -> None:
    """PostgreSQL finds a row by NaN, which in Python equals nothing, and sorts it behind all numbers."""
    engine = database("postgresql")
    do(engine, "CREATE TABLE patients (id numeric PRIMARY KEY, ssn bytea)", "INSERT INTO patients VALUES ('NaN', 'x')")
    number: Any = Numeric(asdecimal=asdecimal)
    report = Migration(engine, patients(("id", number))).backfill()
    assert (report.changed, report.left, report.complete) == (1, 0, True)


def test_columns_that_the_database_sets_keep_their_values(database: Database) -> None:
    """MariaDB's ON UPDATE CURRENT_TIMESTAMP: a backfill changes no value, so that the row was not touched."""
    engine = database("mariadb")
    do(
        engine,
        "CREATE TABLE patients (id int PRIMARY KEY, ssn longblob, "
        "touched timestamp NOT NULL DEFAULT '2020-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP)",
        "INSERT INTO patients (id, ssn) VALUES (1, 'x'), (2, 'y')",
    )
    assert Migration(engine, patients(("id", Integer()))).backfill().changed == 2
    with engine.connect() as connection:
        years = connection.exec_driver_sql("SELECT DISTINCT year(touched) FROM patients").scalars().all()
    assert years == [2020]


def test_every_page_is_one_statement(database: Database) -> None:
    """However many rows it has: counting what was written costs no statement of its own for each."""
    engine = database("postgresql")
    do(engine, "CREATE TABLE patients (id int PRIMARY KEY, ssn bytea)")
    do(engine, "INSERT INTO patients SELECT n, 'x' FROM generate_series(1, 400) n")
    updates: list[bool] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith("UPDATE patients"):
            updates.append(many)

    event.listen(engine, "before_cursor_execute", note)
    assert Migration(engine, patients(("id", Integer()))).backfill(batch=100).changed == 400
    event.remove(engine, "before_cursor_execute", note)
    assert updates == [True] * 4


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
        assert "say mend=True" in str(report.failures)
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
