"""One row never stops the others, whoever refuses it, and nothing of what is in it is said."""

from __future__ import annotations

import enum
import json
import platform
import traceback
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import JSON, Column, Date, Engine, Enum, Integer, MetaData, String, Table, Text, create_engine, insert

from fieldcrypt import ConfigurationError, Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.format.cbor import encode_cbor
from fieldcrypt.migration import MigrationError
from fieldcrypt_sqlalchemy import Encrypted
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import Database
from tests.migration.tables import do

ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
SOON = datetime.now(UTC).date() + timedelta(days=30)
SECRET = "078-05-1120"
BINARY = {"sqlite": "blob", "postgresql": "bytea", "mariadb": "longblob"}


class Color(enum.Enum):
    """What a column of the application's may have."""

    RED = "red"


def patients(*, key: Any = Integer, plain: Any = None, inner: Any = String, storage: Any = None) -> Table:
    """A table with a protected column: in place, or filled from another."""
    accepted = None if plain is not None else SOON
    protected: Any = Encrypted(inner, ENCRYPTOR, name="patients.ssn", accept_plaintext=accepted, storage=storage)
    beside = [] if plain is None else [Column("plain", plain)]
    return Table("patients", MetaData(), Column("id", key, primary_key=True), Column("ssn", protected), *beside)


def copied(engine: Engine, plain: Any, inner: Any, ddl: str, *values: str) -> Migration:
    """Rows 0, 1 and so on with plaintext, each as the database's own literal."""
    do(engine, f"CREATE TABLE patients (id int PRIMARY KEY, ssn {BINARY[engine.dialect.name]}, plain {ddl})")
    do(engine, *(f"INSERT INTO patients VALUES ({n}, NULL, {value})" for n, value in enumerate(values)))
    return Migration(engine, patients(plain=plain, inner=inner), {"plain": "ssn"})


class TestTheDatabaseRefuses:
    @pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
    def test_a_check_and_what_it_says_of_the_row(
        self, database: Database, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The report has the kind of the error and the constraint: DETAIL has all of the row. Nothing is logged."""
        engine, rows = database(kind), 3000 if kind == "postgresql" else 4  # more than psycopg sends at once
        binary = BINARY[kind]
        do(
            engine,
            f"CREATE TABLE patients (id int PRIMARY KEY, ssn {binary}, plain varchar(20), "
            "CONSTRAINT archived CHECK (id <> 1 OR ssn IS NULL))",
            *(f"INSERT INTO patients VALUES ({n}, NULL, '{SECRET}')" for n in range(rows)),
        )
        report = Migration(engine, patients(plain=Text()), {"plain": "ssn"}).backfill()
        assert caplog.messages == []
        assert (report.changed, list(report.failures), report.left, report.complete) == (rows - 1, [(1,)], 1, False)
        error = report.failures[1,]
        assert "archived" in str(error)
        assert SECRET not in "".join(traceback.format_exception(error))
        assert (error.__cause__, error.__context__) == (None, None)

    def test_a_trigger_on_postgresql(self, database: Database) -> None:
        """RAISE is no violation of a constraint, and its message may say anything."""
        engine = database("postgresql")
        do(
            engine,
            "CREATE TABLE patients (id int PRIMARY KEY, ssn bytea)",
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF OLD.id = 2 THEN "
            "RAISE EXCEPTION USING MESSAGE = convert_from(OLD.ssn, 'UTF8'); END IF; RETURN NEW; END$$",
            "CREATE TRIGGER t BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION refuse()",
            f"INSERT INTO patients SELECT n, '{SECRET}' FROM generate_series(0, 4) n",
        )
        report = Migration(engine, patients()).backfill()
        assert (report.changed, list(report.failures)) == (4, [(2,)])
        assert str(report.failures[2,]).endswith("RaiseException P0001")

    def test_an_index_that_takes_no_long_text_on_postgresql(self, database: Database) -> None:
        """Which is no error of a constraint either."""
        engine = database("postgresql")
        do(engine, "CREATE TABLE patients (id int PRIMARY KEY, ssn text)", "CREATE INDEX words ON patients (ssn)")
        do(engine, "INSERT INTO patients SELECT n, 'x' FROM generate_series(0, 3) n")
        words = "SELECT string_agg(md5(n::text), '') FROM generate_series(1, 80) n"
        do(engine, f"UPDATE patients SET ssn = ({words}) WHERE id = 2")
        report = Migration(engine, patients(storage=Text())).backfill()
        assert (report.changed, list(report.failures)) == (3, [(2,)])
        assert "words" in str(report.failures[2,])

    def test_a_value_that_is_too_long_on_mariadb(self, database: Database) -> None:
        """It came when the room had been looked at; the column is named."""
        engine = database("mariadb")
        do(engine, "CREATE TABLE patients (id int PRIMARY KEY, ssn varbinary(80))")
        do(engine, "INSERT INTO patients VALUES (0, 'x'), (1, 'y')")

        def come(progress: Any) -> None:
            do(engine, f"INSERT IGNORE INTO patients VALUES (2, '{SECRET * 3}')")

        report = Migration(engine, patients()).backfill(batch=1, on_progress=come)
        assert (report.changed, list(report.failures)) == (2, [(2,)])
        assert str(report.failures[2,]).endswith("1406 22001 ssn")

    def test_what_a_driver_does_not_send(self, database: Database) -> None:
        """PostgreSQL has no NUL in text, so that an undo cannot write this back: all others are."""
        engine = database("postgresql")
        table = patients(storage=Text())
        do(engine, "CREATE TABLE patients (id int PRIMARY KEY, ssn text)")
        with engine.begin() as connection:
            rows = [{"id": 0, "ssn": "a"}, {"id": 1, "ssn": "a\0b"}, {"id": 2, "ssn": "b"}]
            connection.execute(insert(table), rows)
        report = Migration(engine, table).undo()
        assert (report.changed, list(report.failures), report.left) == (2, [(1,)], 1)

    def test_what_is_no_row_s_stops_a_step(self, database: Database) -> None:
        """A lock that others hold: nothing fails, and the step goes on later."""
        engine = database("mariadb")
        do(engine, "CREATE TABLE patients (id int PRIMARY KEY, ssn longblob)", "INSERT INTO patients VALUES (0, 'x')")
        impatient = create_engine(engine.url, connect_args={"init_command": "SET SESSION innodb_lock_wait_timeout = 1"})
        job = Migration(impatient, patients())
        with engine.connect() as other:
            other.exec_driver_sql("SELECT * FROM patients WHERE id = 0 FOR UPDATE")
            with pytest.raises(MigrationError, match="Lock wait timeout"):
                job.backfill()
        assert job.backfill().complete
        impatient.dispose()


class TestItCannotBeRead:
    """By its type, or by the driver: plan, backfill and verify go on, and name it."""

    @pytest.mark.parametrize(
        ("kind", "type_", "ddl", "good", "bad"),
        [
            ("sqlite", Date(), "DATE", "'2020-01-01'", f"'{SECRET}'"),
            ("sqlite", JSON(), "JSON", "'[1]'", f"'{{{SECRET}'"),
            ("sqlite", Enum(Color, native_enum=False), "TEXT", "'RED'", f"'{SECRET}'"),
            ("sqlite", Text(), "TEXT", "'x'", "CAST(x'4dfc6c' AS TEXT)"),
            ("postgresql", Date(), "DATE", "'2020-01-01'", "'infinity'"),
            ("postgresql", Enum(Color, native_enum=False), "TEXT", "'RED'", f"'{SECRET}'"),
            ("mariadb", Enum(Color, native_enum=False), "TEXT", "'RED'", f"'{SECRET}'"),
        ],
    )
    def test_a_value(self, database: Database, kind: str, type_: Any, ddl: str, good: str, bad: str) -> None:
        """The column is named, and the value is not."""
        engine = database(kind)
        job = copied(engine, type_, type_, ddl, good, bad, good, bad, good)
        assert job.plan().rows == 5
        report = job.backfill(batch=2)
        assert (report.rows, report.changed, report.left, report.complete) == (5, 3, 2, False)
        assert set(report.failures) == {(1,), (3,)}
        assert str(report.failures[1,]).startswith("plain cannot be read: ")
        assert SECRET not in repr(report)
        verified = job.verify()
        assert (verified.rows, verified.wrong, verified.left) == (5, 2, 0)
        assert SECRET not in repr(verified)
        undone = job.undo(batch=2)
        assert (undone.changed, undone.failed, undone.complete) == (3, 0, True)

    @pytest.mark.parametrize("batch", [1, 2, 3, 100])
    def test_a_key(self, database: Database, batch: int) -> None:
        """Wherever it stands: all others are found behind it, and it is told by what the database has."""
        engine = database("sqlite")
        do(engine, "CREATE TABLE patients (id DATE PRIMARY KEY, ssn BLOB)")
        keys = ["1999-x", "2020-01-01", "2020-01-02", "2020-01-02 a", "2020-01-02 b", "2020-01-03", "n/a"]
        do(engine, *(f"INSERT INTO patients VALUES ('{key}', CAST('x' AS BLOB))" for key in keys))
        job = Migration(engine, patients(key=Date))
        report = job.backfill(batch=batch)
        assert (report.rows, report.changed, report.failed, report.left) == (7, 3, 4, 4)
        assert set(report.failures) == {(key,) for key in keys if not key.startswith("2020") or " " in key}
        assert (job.verify().rows, job.verify().wrong) == (7, 4)
        assert (date(2020, 1, 1),) not in job.verify().reasons


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_document_in_which_1_became_true_differs(database: Database, kind: str) -> None:
    """Python takes them for equal: what an old process wrote is never removed as if it were the same."""
    engine = database(kind)
    job = copied(engine, JSON(), JSON, "json", "'{\"consent\": 1}'", "'{\"consent\": [1.5, null]}'")
    assert job.backfill().complete
    assert job.verify().wrong == 0
    do(engine, "UPDATE patients SET plain = '{\"consent\": true}' WHERE id = 0")
    report = job.finish()
    assert (report.changed, list(report.failures)) == (1, [(0,)])
    assert (job.verify().wrong, job.verify().differing) == (1, 1)
    assert job.backfill(newer_plaintext=True).changed == 1
    job.verify()
    assert job.finish().complete


@pytest.mark.parametrize(
    ("column", "value"),
    [("position", b"\xff"), ("position", encode_cbor([1, 2])), ("position", encode_cbor(5)), ("worker", "9" * 30)],
)
def test_checkpoints_that_somebody_edited(database: Database, column: str, value: Any) -> None:
    """What says nothing is refused in words, or passed over; begun again, the step does all."""
    engine = database("sqlite")
    do(engine, "CREATE TABLE patients (id INTEGER PRIMARY KEY, ssn BLOB)")
    do(engine, *(f"INSERT INTO patients VALUES ({n}, CAST('x' AS BLOB))" for n in range(20)))
    job = Migration(engine, patients())

    def stop(progress: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.backfill(batch=5, on_progress=stop)
    if column == "worker":
        value = f"{platform.node()} {value} 0.0"
    with engine.begin() as connection:
        edit = f"UPDATE fieldcrypt_migration_ranges SET {column} = ?, leased_until = strftime('%s', 'now') + 9"
        connection.exec_driver_sql(edit, (value,))
    if column == "worker":
        assert job.backfill().complete
    else:
        with pytest.raises(ConfigurationError, match="was not written by a migration: begin it again"):
            job.backfill()
        assert job.backfill(restart=True).complete


class TestErrorsThatStopAStep:
    def test_nothing_is_behind_them(self, database: Database) -> None:
        """The database's error has the statement with its values, which is plaintext in an undo."""
        engine = database("sqlite")
        table = patients(storage=Text())
        do(engine, "CREATE TABLE patients (id int PRIMARY KEY, ssn text)")
        with engine.begin() as connection:
            connection.execute(insert(table), {"id": 0, "ssn": SECRET})

        def drop(progress: Any) -> None:
            do(engine, "ALTER TABLE patients RENAME TO away")

        with engine.begin() as connection:
            connection.execute(insert(table), {"id": 1, "ssn": SECRET})
        with pytest.raises(ConfigurationError, match="there is no table patients") as caught:
            Migration(engine, table).undo(batch=1, on_progress=drop)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)

    def test_what_a_type_says_of_a_value(self, database: Database) -> None:
        """Also when it is the application's own, and says it: the report has the kind of the error alone."""
        engine = database("sqlite")
        job = copied(engine, Text(), Enum("f", "m", name="sexes"), "TEXT", "'f'", f"'{SECRET}'")
        report = job.backfill()
        assert list(report.failures) == [(1,)]
        error = report.failures[1,]
        assert SECRET not in "".join(traceback.format_exception(error)) + json.dumps(str(error))
