"""*Complete* means counted: no row is passed over, wherever it is, and no write goes unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import (
    CHAR,
    Column,
    Double,
    Engine,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
    column,
    event,
    insert,
    table,
)
from sqlalchemy.dialects.postgresql import INET

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy import Encrypted
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import Database
from tests.migration.tables import ENCRYPTOR, SOON, do, is_all_encrypted, patients, stored
from tests.support.collations import FOLDING_ON_POSTGRES

SCHEMAS = ("clinic_1", "clinic_2")


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
