"""What a migration of SQL tables refuses before anything is written: tables, keys, users and others at work."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Engine, Integer, MetaData, String, Table, create_engine, inspect

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import ValueStatus
from fieldcrypt_dynamodb.migration import TableMigration
from fieldcrypt_pynamodb.migration import MigratedModel
from fieldcrypt_sqlalchemy import Encrypted
from fieldcrypt_sqlalchemy.migration import Migration, MigrationError, checkpoint_tables
from tests.conftest import Database
from tests.migration.tables import ENCRYPTOR, do, is_all_encrypted, patients, stored

BINARY = {"postgresql": "bytea", "mariadb": "longblob", "sqlite": "blob"}
CHECKPOINTS = set(checkpoint_tables.tables)
ROWS = 12


def fill(engine: Engine, key: str = "id int PRIMARY KEY") -> None:
    """A table of plaintext, with the plaintext column of one that is filled from it."""
    binary = BINARY[engine.dialect.name]
    do(engine, f"CREATE TABLE patients ({key}, ssn {binary}, plain varchar(20))")
    do(engine, *(f"INSERT INTO patients (id, ssn) VALUES ('{n}', CAST('x' AS {cast(engine)}))" for n in range(ROWS)))


def cast(engine: Engine) -> str:
    """The type that a text is made binary with."""
    return {"postgresql": "bytea", "mariadb": "binary", "sqlite": "blob"}[engine.dialect.name]


def is_untouched(engine: Engine) -> bool:
    """Whether nothing was written, not even that something was begun."""
    return set(stored(engine)) <= {b"x"} and not CHECKPOINTS & set(inspect(engine).get_table_names())


class Plain:
    """A class that no data store knows."""


def test_what_is_no_model_is_named() -> None:
    """Instead of an attribute that it lacks."""
    engine = create_engine("sqlite://")
    makers: dict[str, Callable[[Any], Any]] = {
        "a mapped class or a Table": lambda given: Migration(engine, given),
        "a ProtectedTable, or of PynamoDB MigratedModel(model)": TableMigration,
    }
    for given, said in ((Plain, "no class Plain"), (Plain(), "no Plain"), ("patients", "no str")):
        for wanted, make in makers.items():
            with pytest.raises(ConfigurationError, match=re.escape(f"{wanted}, and {said}")):
                make(given)
        with pytest.raises(ConfigurationError, match="a Model of PynamoDB, and no"):
            MigratedModel(given)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="an Engine, and no str"):
        Migration("sqlite://", patients(("id", Integer())))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="copies are a mapping"):
        Migration(engine, patients(("id", Integer())), ["plain"])  # type: ignore[arg-type]


class TestTables:
    @pytest.mark.parametrize("step", ["backfill", "verify", "finish", "undo"])
    def test_no_step_begins_at_a_key_that_is_sorted_otherwise(self, database: Database, step: str) -> None:
        """It says the column, why, and what to do; there are no tables of checkpoints afterwards."""
        engine = database("mariadb")
        fill(engine, "id ENUM('0', '1', '10', '11', '2', '3', '4', '5', '6', '7', '8', '9') PRIMARY KEY")
        with pytest.raises(ConfigurationError) as refused:
            getattr(Migration(engine, patients(("id", String(2)))), step)()
        assert str(refused.value) == (
            "patients.id, of the primary key, is ENUM, which the database sorts by its index and compares as text, so "
            "that pages would pass over rows: give the table another primary key, or change the type of the column, to "
            "VARCHAR"
        )
        assert is_untouched(engine)

    def test_a_table_without_a_primary_key(self, database: Database) -> None:
        """It is said when the migration is declared, with what to do."""
        people = Table("people", MetaData(), Column("ssn", Encrypted(String, ENCRYPTOR)))
        with pytest.raises(ConfigurationError, match=r"people has no primary key, by which .*: give it one"):
            Migration(database("sqlite"), people)

    @pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
    def test_a_view(self, database: Database, kind: str) -> None:
        """Of either kind, also in the plan; the table behind it is the one to give."""
        engine = database("postgresql")
        do(
            engine,
            "CREATE TABLE people AS SELECT 1 AS id, 'x'::bytea AS ssn",
            f"CREATE {kind} patients AS TABLE people",
        )
        job = Migration(engine, patients(("id", Integer())))
        assert job.plan().needed == ("patients is a view: give the table whose rows it shows",)
        with pytest.raises(ConfigurationError, match="patients is a view: give the table whose rows it shows"):
            job.backfill()
        assert is_untouched(engine)

    def test_a_key_that_is_a_boolean(self, engine: Engine) -> None:
        """Is one like any other: both rows are encrypted, page by page, and taken back."""
        binary = BINARY[engine.dialect.name]
        do(engine, f"CREATE TABLE patients (id boolean PRIMARY KEY, ssn {binary})")
        do(engine, *(f"INSERT INTO patients VALUES ({n}, CAST('x' AS {cast(engine)}))" for n in ("true", "false")))
        job = Migration(engine, patients(("id", Boolean())))
        report = job.backfill(batch=1)
        assert (report.rows, report.changed, report.left, report.complete) == (2, 2, 0, True)
        assert is_all_encrypted(engine)
        assert job.verify().wrong == 0
        assert job.undo(batch=1).changed == 2

    def test_a_partitioned_table_with_equal_keys(self, database: Database) -> None:
        """The key of the database has the partition in it, and the model's has not: two rows would get one value."""
        engine = database("postgresql")
        do(
            engine,
            "CREATE TABLE patients (id int, year int, ssn bytea, PRIMARY KEY (id, year)) PARTITION BY LIST (year)",
            *(f"CREATE TABLE y{year} PARTITION OF patients FOR VALUES IN ({year})" for year in (2025, 2026)),
            *(f"INSERT INTO patients VALUES ({n}, {2025 + n % 2}, 'x')" for n in range(6)),
            "INSERT INTO patients VALUES (3, 2025, 'x')",
        )
        with pytest.raises(ConfigurationError, match=r"several rows with the same primary key.*give it a key"):
            Migration(engine, patients(("id", Integer()))).backfill()
        assert is_untouched(engine)
        whole = Migration(engine, patients(("id", Integer()), ("year", Integer())))
        report = whole.backfill(batch=2)
        assert (report.changed, report.total, report.left, report.complete) == (7, 7, 0, True)
        assert is_all_encrypted(engine)

    def test_tables_that_inherit_with_equal_keys(self, database: Database) -> None:
        """By every step, and before anything is written."""
        engine = database("postgresql")
        fill(engine)
        do(engine, "CREATE TABLE guests () INHERITS (patients)", "INSERT INTO guests VALUES (3, 'x')")
        job = Migration(engine, patients(("id", Integer())))
        assert "also among tables that inherit from it" in job.plan().needed[0]
        for step in (job.backfill, job.verify, job.undo):
            with pytest.raises(ConfigurationError, match="several rows with the same primary key"):
                step()
        assert is_untouched(engine)


class TestRights:
    """A user of the database who may not do all of it, on those that have users."""

    @pytest.fixture(params=["postgresql", "mariadb"])
    def engine(self, request: pytest.FixtureRequest, database: Database) -> Engine:
        """A database with a table of plaintext."""
        engine = database(request.param)
        fill(engine)
        return engine

    @pytest.fixture
    def root(self, engine: Engine) -> Iterator[Engine]:
        """Whoever makes users."""
        root = engine if engine.dialect.name == "postgresql" else create_engine(engine.url.set(username="root"))
        yield root
        if root is not engine:
            root.dispose()

    @pytest.fixture
    def user(self, engine: Engine, root: Engine) -> Iterator[Engine]:
        """An engine of a user who may connect, and nothing else."""
        if engine.dialect.name == "postgresql":
            do(root, "DROP ROLE IF EXISTS clerk", "CREATE ROLE clerk LOGIN", "GRANT USAGE ON SCHEMA public TO clerk")
        else:
            do(root, "CREATE OR REPLACE USER clerk")
            do(root, "CREATE TABLE nothing (id int)", "GRANT SELECT ON nothing TO clerk")
        user = create_engine(engine.url.set(username="clerk"))
        yield user
        user.dispose()
        do(root, *(["DROP OWNED BY clerk CASCADE"] if root is engine else []), "DROP USER clerk")

    def grant(self, root: Engine, rights: str, tables: Sequence[str]) -> None:
        """Allow more."""
        do(root, *(f"GRANT {rights} ON {table} TO clerk" for table in tables))

    def test_who_may_read_only_may_plan(self, root: Engine, user: Engine) -> None:
        """And is told what all else takes; what there is stays as it is."""
        self.grant(root, "SELECT", ["patients"])
        job = Migration(user, patients(("id", Integer())))
        assert job.plan().fields == {"patients.ssn": {ValueStatus.PLAINTEXT: ROWS}}
        for step in (job.backfill, job.undo, job.verify):
            with pytest.raises(MigrationError) as refused:
                step()
            said = str(refused.value)
            assert "denied" in said
            assert "stays; grant the engine's user what is missing of SELECT and UPDATE on patients, and of" in said
            assert "SELECT, INSERT, UPDATE and DELETE on fieldcrypt_migrations and fieldcrypt_migration_ranges" in said
            assert "another one does by checkpoint_tables.create_all(engine)), and run it again to go on" in said
        assert is_untouched(root)

    def test_who_may_not_make_tables_uses_those_that_are_made(self, root: Engine, user: Engine) -> None:
        """As the message says."""
        self.grant(root, "SELECT, UPDATE", ["patients"])
        job = Migration(user, patients(("id", Integer())))
        with pytest.raises(MigrationError, match=r"denied.*checkpoint_tables\.create_all"):
            job.backfill()
        checkpoint_tables.create_all(root)
        with pytest.raises(MigrationError, match=r"denied .*fieldcrypt_migration"):
            job.backfill()
        self.grant(root, "SELECT, INSERT, UPDATE, DELETE", sorted(CHECKPOINTS))
        assert job.backfill().complete
        assert job.verify().wrong == 0
        assert job.undo().complete

    def test_who_may_not_write_goes_on_when_that_is_granted(self, root: Engine, user: Engine) -> None:
        """Nothing is written before, and nothing is left behind that keeps others from it."""
        self.grant(root, "SELECT", ["patients"])
        checkpoint_tables.create_all(root)
        self.grant(root, "SELECT, INSERT, UPDATE, DELETE", sorted(CHECKPOINTS))
        job = Migration(user, patients(("id", Integer())))
        with pytest.raises(MigrationError, match=r"denied .*SELECT and UPDATE on patients"):
            job.backfill(batch=5)
        assert set(stored(root)) == {b"x"}
        assert job.verify().wrong == ROWS
        self.grant(root, "UPDATE", ["patients"])
        report = job.backfill(batch=5)
        assert (report.rows, report.changed, report.complete) == (ROWS, ROWS, True)

    def test_who_may_not_read_is_told(self, user: Engine) -> None:
        """Either that, or that there is no such table, for that is what MariaDB says of it."""
        with pytest.raises((MigrationError, ConfigurationError)) as refused:
            Migration(user, patients(("id", Integer()))).backfill()
        is_told = "SELECT and UPDATE on patients" in str(refused.value)
        assert is_told or "no table patients, or the user of the engine has no right to it" in str(refused.value)


class TestTwoOperators:
    """Each has a migration of his own, as in another process."""

    @pytest.fixture
    def job(self, engine: Engine) -> Callable[[], Migration]:
        """Make a migration into a new column."""
        binary = BINARY[engine.dialect.name]
        do(engine, f"CREATE TABLE patients (id int PRIMARY KEY, ssn {binary}, plain varchar(20))")
        do(engine, *(f"INSERT INTO patients VALUES ({n}, NULL, 'x{n}')" for n in range(ROWS)))
        people = patients(("id", Integer()), copied=True)
        return lambda: Migration(engine, people, {"plain": "ssn"})

    @pytest.mark.parametrize("other", ["backfill", "undo", "finish"])
    def test_nothing_else_begins_while_finish_removes_plaintext(
        self, engine: Engine, job: Callable[[], Migration], other: str
    ) -> None:
        """It says who is at work and what to do; afterwards there is no plaintext, and every value is there."""
        job().backfill()
        job().verify()
        refused: list[str] = []

        def try_other(progress: Any) -> None:
            if progress.done < ROWS:
                with pytest.raises(ConfigurationError) as error:
                    getattr(job(), other)()
                refused.append(str(error.value))

        report = job().finish(batch=5, on_progress=try_other)
        assert (report.changed, report.failed, report.complete) == (ROWS, 0, True)
        assert refused
        for said in refused:
            assert "the finish is being done by" in said or (other == "undo" and "no plaintext to go back to" in said)
            assert "wait for its end, or pause it" in said or other == "undo"
        assert is_all_encrypted(engine)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(plain) FROM patients").scalar_one() == 0

    def test_two_backfills_share_the_work(self, engine: Engine, job: Callable[[], Migration]) -> None:
        """The second one takes what the first one has not; together they change each row once."""
        first_is_at_work, second_is_done = threading.Event(), threading.Event()
        reports: dict[str, Any] = {}

        def wait(progress: Any) -> None:
            first_is_at_work.set()
            second_is_done.wait(60)

        def first() -> None:
            reports["first"] = job().backfill(batch=1, on_progress=wait)

        worker = threading.Thread(target=first)
        worker.start()
        assert first_is_at_work.wait(60)
        seen: list[int] = []

        def second(progress: Any) -> None:
            seen.append(progress.changed)
            second_is_done.set()

        reports["second"] = job().backfill(batch=1, on_progress=second)
        worker.join(60)
        assert {(each.changed, each.left, each.complete) for each in reports.values()} == {(ROWS, 0, True)}
        assert seen
        assert is_all_encrypted(engine)
        assert job().verify().wrong == 0
