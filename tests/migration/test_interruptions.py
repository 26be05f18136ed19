"""What stops a migration of SQL tables, and how several workers share one and go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import ARRAY, Column, Engine, Integer, MetaData, String, Table, create_engine, event, text

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, KeyAccessDeniedError, MemoryKeyStore, _system
from fieldcrypt.migration import Progress
from fieldcrypt_sqlalchemy import Encrypted
from fieldcrypt_sqlalchemy.migration import Migration, MigrationError
from tests.conftest import Database
from tests.migration.sql_patients import AT_ONCE, add, damage, keys, model, table_of
from tests.support.doubles import CountingProvider, refusal
from tests.support.rot13 import Rot13


class TestWhatStopsIt:
    """A clear error before anything is done, or nothing that a further run does not go on with."""

    def test_a_table_without_a_primary_key(self, database: Database) -> None:
        """Rows could not be told apart."""
        people = Table("people", MetaData(), Column("ssn", Encrypted(String, keys())))
        with pytest.raises(ConfigurationError, match="people has no primary key"):
            Migration(database("sqlite"), people)

    def test_a_primary_key_of_arrays(self) -> None:
        """It is told when the migration is declared, and not in the middle of it."""
        people = table_of({"k": ARRAY(Integer)}, keys())
        with pytest.raises(ConfigurationError, match=r"patients\.k is part of the primary key.*ARRAY"):
            Migration(create_engine("postgresql+psycopg://"), people)

    def test_a_key_that_is_null(self, database: Database) -> None:
        """SQLite allows it; no order of keys would find the rows behind it."""
        engine = database("sqlite")
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE patients (k VARCHAR PRIMARY KEY, ssn BLOB)")
            connection.exec_driver_sql("INSERT INTO patients VALUES (NULL, 'x'), ('a', 'y')")
        with pytest.raises(ConfigurationError, match="primary key is NULL"):
            Migration(engine, table_of({"k": String(20)}, keys())).backfill()

    def test_columns_that_are_missing_or_not_binary(self, database: Database) -> None:
        """The plan says with which statement they come; no other step begins."""
        engine = database("postgresql")
        patient = model(keys())
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE patients (id int PRIMARY KEY, clinic text, ssn text)")
        migration = Migration(engine, patient)
        assert migration.plan().needed == (
            "patients has no column ssn_tag: ALTER TABLE patients ADD COLUMN ssn_tag BYTEA",
            "patients has no column notes: ALTER TABLE patients ADD COLUMN notes BYTEA",
            "patients has no index ix_patients_ssn_tag: CREATE INDEX ix_patients_ssn_tag ON patients (ssn_tag)",
        )
        with engine.begin() as connection:
            for needed in migration.plan().needed:
                connection.exec_driver_sql(needed.partition(": ")[2])
        (needed,) = migration.plan().needed
        assert needed.startswith("patients.ssn is TEXT, and encrypted values are binary")
        with pytest.raises(ConfigurationError, match="ssn is TEXT"):
            migration.backfill()
        with engine.begin() as connection:
            connection.exec_driver_sql(needed[needed.index("ALTER") :])
        assert migration.plan().needed == ()

    def test_no_permission(self, database: Database) -> None:
        """Nothing is half done, and the run goes on when it is granted."""
        engine = database("postgresql")
        patient = model(keys())
        add(engine, patient, 5)
        with engine.begin() as connection:
            for statement in (
                "DROP ROLE IF EXISTS reader",
                "CREATE ROLE reader LOGIN",
                "GRANT CREATE, USAGE ON SCHEMA public TO reader",
                "GRANT SELECT ON patients TO reader",
            ):
                connection.exec_driver_sql(statement)
        other = create_engine(engine.url.set(username="reader"))
        migration = Migration(other, patient)
        with pytest.raises(MigrationError, match=r"permission denied for table patients\. What is done stays"):
            migration.backfill()
        with engine.begin() as connection:
            connection.exec_driver_sql("GRANT UPDATE ON patients TO reader")
        assert migration.backfill().changed == 5
        other.dispose()
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY reader CASCADE")
            connection.exec_driver_sql("DROP ROLE reader")

    def test_a_schema_that_changes_meanwhile(self, engine: Engine) -> None:
        """It says what is missing; when that is there again, the run goes on."""
        patient = model(keys())
        add(engine, patient, 6)

        def drop(progress: Progress) -> None:
            if progress.done == 2:
                with engine.begin() as connection:
                    connection.exec_driver_sql("ALTER TABLE patients RENAME COLUMN ssn_tag TO away")

        migration = Migration(engine, patient)
        with pytest.raises(ConfigurationError, match="patients has no column ssn_tag"):
            migration.backfill(batch=2, on_progress=drop)
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE patients RENAME COLUMN away TO ssn_tag")
        report = migration.backfill(batch=2)
        assert (report.rows, report.changed) == (6, 6)

    def test_a_migration_that_is_another_one_by_now(self, database: Database) -> None:
        """What was begun is not gone on with as something else, unless that is said."""
        engine = database("sqlite")
        patient = model(keys())
        add(engine, patient, 6)
        interrupted(Migration(engine, patient), batch=2)
        renamed = table_of({"id": Integer()}, keys())
        with pytest.raises(ConfigurationError, match=r"was begun for .*notes .*and is now for ssn"):
            Migration(engine, renamed).backfill()

    @pytest.mark.parametrize("lost", ["key", "provider"])
    def test_missing_keys(self, database: Database, lost: str) -> None:
        """A value whose key is gone is a failure, of its row alone; the others are done."""
        engine = database("sqlite")
        encryptor = keys()
        patient = model(encryptor)
        add(engine, patient, 4)
        value = keys().field("patients.ssn", str).encrypt("x") if lost == "provider" else b"\x01" + bytes(70)
        damage(engine, 2, ssn=value)
        report = Migration(engine, patient).backfill()
        assert (report.changed, report.failed) == (4, 1)  # its other column could be
        assert isinstance(report.failures[2,], DecryptionError)
        assert str(report.failures[2,]).startswith("ssn: ")

    def test_a_key_provider_that_is_away(self, database: Database) -> None:
        """Stops it, with what was done before; when the provider is back, it goes on."""
        engine = database("sqlite")
        provider = CountingProvider()
        patient = model(Encryptor(provider, MemoryKeyStore(), policy=AT_ONCE))
        add(engine, patient, 6)

        def lose(progress: Progress) -> None:
            provider.wrap_failure = refusal
            damage(engine, 3, clinic="new")

        migration = Migration(engine, patient)
        with pytest.raises(KeyAccessDeniedError):
            migration.backfill(batch=2, on_progress=lose)
        assert migration.status().steps[0].done == 2
        provider.wrap_failure = None
        report = migration.backfill(batch=2)
        assert (report.rows, report.changed, report.failed) == (6, 6, 0)

    def test_what_cannot_be_migrated(self, database: Database) -> None:
        """Is said when the migration is made."""
        engine = database("sqlite")
        patient = model(keys())
        with pytest.raises(ConfigurationError, match="give the model, not its table"):
            Migration(engine, patient.__table__)
        with pytest.raises(ConfigurationError, match="has no encrypted column"):
            Migration(engine, Table("t", MetaData(), Column("id", Integer, primary_key=True)))
        with pytest.raises(ConfigurationError, match="accept="):
            Migration(engine, patient, readers=[Rot13()])
        wrong: list[dict[str, Any]] = [{"batch": 0}, {"workers": 0}, {"rate": 0}]
        for arguments in wrong:
            with pytest.raises(ValueError, match=r"at least|more than"):
                Migration(engine, patient).backfill(**arguments)


def interrupted(migration: Migration, **options: Any) -> None:
    """Begin a backfill, and interrupt it after a batch."""

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migration.backfill(on_progress=stop, **options)


@contextmanager
def counted(engine: Engine) -> Iterator[list[Any]]:
    """The keys of rows that are written."""
    written: list[Any] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith("UPDATE patients"):
            rows = context.compiled_parameters
            written.extend(value for row in rows for name, value in row.items() if name.endswith("_key_0"))

    event.listen(engine, "before_cursor_execute", note)
    yield written
    event.remove(engine, "before_cursor_execute", note)


class TestWorkers:
    def test_several_share_the_work(self, engine: Engine) -> None:
        """Each row is written once."""
        patient = model(keys())
        add(engine, patient, 200)
        with counted(engine) as written:
            report = Migration(engine, patient).backfill(workers=3, batch=4)
        assert (report.rows, report.changed, report.complete) == (200, 200, True)
        assert sorted(written) == list(range(200))

    def test_an_interrupted_one_goes_on_where_it_was(self, engine: Engine) -> None:
        """Nothing is done twice."""
        patient = model(keys())
        add(engine, patient, 50)
        with counted(engine) as written:
            interrupted(Migration(engine, patient), batch=3)
            report = Migration(engine, patient).backfill(batch=3, workers=2)
        assert (report.rows, report.changed) == (50, 50)
        assert sorted(written) == list(range(50))

    def test_a_pause_stops_all(self, engine: Engine) -> None:
        """At the next checkpoint; the next run goes on."""
        patient = model(keys())
        add(engine, patient, 30)
        migration = Migration(engine, patient)
        report = migration.backfill(batch=5, on_progress=lambda progress: migration.pause())
        assert (report.rows, report.complete) == (5, False)
        assert migration.status().steps[0].state == "paused"
        report = migration.backfill(batch=5)
        assert (report.rows, report.changed, report.complete) == (30, 30, True)

    def test_a_lease_that_has_ended_is_taken_over(self, database: Database) -> None:
        """And the worker that had it does nothing more when it wakes up."""
        engine = database("postgresql")
        patient = model(keys())
        add(engine, patient, 40)
        migration = Migration(engine, patient)
        asleep, wake = threading.Event(), threading.Event()

        def sleep(progress: Progress) -> None:
            if not asleep.is_set():
                with engine.begin() as connection:
                    connection.execute(text("UPDATE fieldcrypt_migration_ranges SET leased_until = 0"))
                asleep.set()
                assert wake.wait(60)

        with counted(engine) as written:
            sleeper = threading.Thread(target=lambda: migration.backfill(batch=10, on_progress=sleep))
            sleeper.start()
            assert asleep.wait(60)
            report = Migration(engine, patient).backfill(batch=10)
            wake.set()
            sleeper.join(60)
        assert (report.rows, report.changed) == (40, 40)
        assert sorted(written) == list(range(40))

    def test_a_rate_is_kept(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        """By all workers together."""
        slept: list[float] = []
        monkeypatch.setattr(_system, "sleep", slept.append)
        engine = database("sqlite")
        patient = model(keys())
        add(engine, patient, 20)
        Migration(engine, patient).backfill(batch=5, rate=1)
        assert len(slept) >= 3
