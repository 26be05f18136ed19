"""What a migration writes is what was meant, in the row that was meant: else it is undone, and reported by its key."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
    create_engine,
    event,
    insert,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from fieldcrypt import ConfigurationError, Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.migration.engine.journal import Portion
from fieldcrypt_sqlalchemy import Encrypted, encrypted
from fieldcrypt_sqlalchemy.migration import Migration, MigrationError
from fieldcrypt_sqlalchemy.migration.source import SqlSource
from tests.conftest import AsyncDatabase, Database

ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
SOON = datetime.now(UTC).date() + timedelta(days=30)
LAX = "SET SESSION sql_mode = ''"


def patients(
    key: TypeEngine[Any] | None = None,
    storage: Any = None,
    *more: Column[Any],
    copied: bool = False,
    of: Any = String,
    name: str = "patients",
) -> Table:
    """A table with a protected column that is migrated in place, or filled from another one."""
    plain = [Column("plain", String(100))] if copied else []
    protected = Encrypted(
        of, ENCRYPTOR, name="patients.ssn", storage=storage, accept_plaintext=None if copied else SOON
    )
    identity = Column("id", key or Integer(), primary_key=True, autoincrement=False)
    return Table(name, MetaData(), identity, Column("ssn", protected), *plain, *more)


def do(engine: Engine, *statements: str) -> None:
    """Do statements in a transaction."""
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def rows(engine: Engine, query: str = "SELECT * FROM patients ORDER BY 1") -> Sequence[Any]:
    """What is stored."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def trigger(body: str, when: str = "BEFORE UPDATE ON patients") -> tuple[str, str]:
    """A trigger of PostgreSQL."""
    kind = "CONSTRAINT TRIGGER" if when.endswith("DEFERRED") else "TRIGGER"
    return (
        f"CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} RETURN NEW; END$$",
        f"CREATE {kind} change {when} FOR EACH ROW EXECUTE FUNCTION change()",
    )


class TestWhatIsWritten:
    """A write that the database changes is undone: the row keeps what it had, and the report has its key."""

    def test_a_trigger_that_changes_the_value(self, database: Database) -> None:
        engine = database("postgresql")
        do(
            engine,
            "CREATE TABLE patients (id int PRIMARY KEY, ssn text)",
            *trigger("IF OLD.id > 2 THEN NEW.ssn := lower(NEW.ssn); END IF;"),
            "INSERT INTO patients SELECT n, 'Ann' || n FROM generate_series(1, 5) n",
        )
        job = Migration(engine, patients(storage=Text()))
        assert "triggers for UPDATE (change)" in job.plan().remarks[0]
        report = job.backfill()
        assert (report.changed, list(report.failures), report.left) == (2, [(3,), (4,), (5,)], 3)
        assert rows(engine)[2:] == [(3, "Ann3"), (4, "Ann4"), (5, "Ann5")]

    def test_a_trigger_that_waits_for_the_end_of_the_transaction(self, database: Database) -> None:
        engine = database("postgresql")
        do(
            engine,
            "CREATE TABLE patients (id int PRIMARY KEY, ssn bytea)",
            *trigger(
                "IF octet_length(NEW.ssn) > 9 THEN UPDATE patients SET ssn = 'cut' WHERE id = NEW.id; END IF;",
                "AFTER UPDATE ON patients DEFERRABLE INITIALLY DEFERRED",
            ),
            "INSERT INTO patients VALUES (1, 'ann')",
        )
        report = Migration(engine, patients()).backfill()
        assert (report.changed, report.failed, rows(engine)) == (0, 1, [(1, b"ann")])

    @pytest.mark.parametrize("kind", ["postgresql", "mariadb", "sqlite"])
    def test_a_trigger_that_empties_the_encrypted_column_when_the_plaintext_goes(
        self, database: Database, kind: str
    ) -> None:
        engine = database(kind)
        binary = {"postgresql": "bytea", "mariadb": "longblob", "sqlite": "BLOB"}[kind]
        clear = {
            "postgresql": trigger("IF NEW.plain IS DISTINCT FROM OLD.plain THEN NEW.ssn := NULL; END IF;"),
            "mariadb": (
                "CREATE TRIGGER t BEFORE UPDATE ON patients FOR EACH ROW "
                "SET NEW.ssn = IF(NEW.plain <=> OLD.plain, NEW.ssn, NULL)",
            ),
            "sqlite": (
                "CREATE TRIGGER t AFTER UPDATE OF plain ON patients WHEN NEW.plain IS NOT OLD.plain "
                "BEGIN UPDATE patients SET ssn = NULL WHERE id = NEW.id; END",
            ),
        }[kind]
        do(engine, f"CREATE TABLE patients (id int PRIMARY KEY, ssn {binary}, plain varchar(100))")
        do(engine, "INSERT INTO patients VALUES (1, NULL, 'ann'), (2, NULL, 'bob')")
        admin = create_engine(engine.url.set(username="root")) if kind == "mariadb" else engine
        do(admin, *clear)
        admin.dispose()
        job = Migration(engine, patients(copied=True), {"plain": "ssn"})
        assert job.plan().remarks or kind == "mariadb"  # which shows them to those who may make some
        assert job.backfill().changed == 2
        assert job.verify().wrong == 0
        report = job.finish()
        assert (report.changed, report.failed, report.complete) == (0, 2, False)
        assert all(ssn is not None and plain is not None for _, ssn, plain in rows(engine))

    def test_a_column_that_cuts_values_off(self, database: Database) -> None:
        """Where sql_mode is not strict MariaDB does that with a warning; the plan says it of most."""
        engine = database("mariadb")
        do(engine, "CREATE TABLE patients (id int PRIMARY KEY, ssn varbinary(64))")
        do(engine, "INSERT INTO patients VALUES (1, 'ann'), (2, repeat('x', 60))")
        (needed,) = Migration(engine, patients()).plan().needed
        assert "takes 118 bytes once it is encrypted: ALTER TABLE patients MODIFY ssn LONGBLOB" in needed
        columns = "ssn varbinary(100), plain varchar(100)"
        do(engine, "DROP TABLE patients", f"CREATE TABLE patients (id int PRIMARY KEY, {columns})")
        do(engine, "INSERT INTO patients VALUES (1, NULL, 'ann'), (2, NULL, 'bob')")
        lax = create_engine(engine.url, connect_args={"init_command": LAX})

        def come(progress: Any) -> None:  # when the room has been looked at
            do(engine, "INSERT IGNORE INTO patients VALUES (3, NULL, repeat('x', 60))")

        report = Migration(lax, patients(copied=True), {"plain": "ssn"}).backfill(batch=1, on_progress=come)
        lax.dispose()
        assert (report.changed, list(report.failures)) == (2, [(3,)])
        assert rows(engine)[2] == (3, None, "x" * 60)

    def test_a_column_that_does_not_take_the_characters_back(self, database: Database) -> None:
        engine = database("mariadb")
        people = patients(storage=Text())
        do(engine, "CREATE TABLE patients (id int PRIMARY KEY, ssn text) CHARACTER SET latin1")
        with engine.begin() as connection:
            connection.execute(insert(people), [{"id": 1, "ssn": "Ann"}, {"id": 2, "ssn": "\u65e5\u672c"}])
        lax = create_engine(engine.url, connect_args={"init_command": LAX})
        report = Migration(lax, people).undo()
        lax.dispose()
        assert (report.changed, list(report.failures)) == (1, [(2,)])
        with engine.connect() as connection:
            assert connection.scalars(select(people.c.ssn)).all() == ["Ann", "\u65e5\u672c"]

    @pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
    def test_documents_that_the_database_writes_in_its_own_way(self, database: Database, kind: str) -> None:
        """Of jsonb in another order: they are the same document."""
        engine = database(kind)
        do(engine, f"CREATE TABLE patients (id int PRIMARY KEY, ssn {'jsonb' if kind == 'postgresql' else 'json'})")
        people = patients(None, JSON(), of=JSON)
        with engine.begin() as connection:
            connection.execute(insert(people), [{"id": 1, "ssn": {"long name": 1e20, "a": [1.5, None]}}])
        report = Migration(engine, people).undo()
        assert (report.changed, report.failed, report.complete) == (1, 0, True)


class TestWhereItIsWritten:
    """Keys that read alike: no value is written to another row."""

    @pytest.mark.parametrize("batch", [1, 2, 1000])
    @pytest.mark.parametrize(
        ("type_", "keys"),
        [
            (DateTime(), ("'2020-01-01 00:00:00.000000'", "'2020-01-01 12:00:00.000000'", "'2020-01-01T00:00:00'")),
            (DateTime(), ("'2020-01-01 00:00:00'", "'2020-01-01 00:00:00.000000'", "'2020-01-02 00:00:00.000000'")),
            (Uuid(), (f"'{1:032x}'", "'00000000-0000-0000-0000-000000000001'", f"'{2:032x}'")),
            (Numeric(10, 2), ("1.0", "1.001", "2.0")),
        ],
    )
    @pytest.mark.parametrize("encrypted", [0, 1])
    def test_on_sqlite(self, database: Database, type_: Any, keys: tuple[str, ...], batch: int, encrypted: int) -> None:
        """Also where the one of them that the other would be written over is encrypted already."""
        engine = database("sqlite")
        people = patients(type_)
        do(engine, f"CREATE TABLE patients (id {type_.compile(engine.dialect)} PRIMARY KEY, ssn BLOB)")
        for number, key in enumerate(keys):
            do(engine, f"INSERT INTO patients VALUES ({key}, CAST('{number}' AS BLOB))")
        read = select(people.c.ssn).order_by(text("rowid"))
        if encrypted:
            value = ENCRYPTOR.field("patients.ssn", str).encrypt("0")
            with engine.begin() as connection:
                connection.exec_driver_sql(f"UPDATE patients SET ssn = ? WHERE id = {keys[0]}", (value,))
        with suppress(MigrationError):
            assert not Migration(engine, people).backfill(batch=batch).complete
        with engine.connect() as connection:
            assert connection.scalars(read).all() == ["0", "1", "2"]

    @pytest.mark.parametrize("step", ["plan", "verify", "backfill"])
    def test_keys_that_lead_round_and_round(self, database: Database, step: str) -> None:
        """Each as its type writes it comes before the other: in words, and no step goes on for ever."""
        engine = database("sqlite")
        do(engine, "CREATE TABLE patients (id DATETIME PRIMARY KEY, ssn BLOB)")
        for key in ("2020-01-01 00:00:02", "2020-01-01T00:00:01", "2020-01-01 junk"):  # pages of one row, for this one
            do(engine, f"INSERT INTO patients VALUES ('{key}', CAST('x' AS BLOB))")
        batch = {"batch": 1} if step == "backfill" else {}
        with pytest.raises(MigrationError, match="in other forms than their type writes"):
            getattr(Migration(engine, patients(DateTime())), step)(**batch)

    @pytest.mark.parametrize("type_", [Integer(), Numeric(10, 2)])
    def test_numbers_that_the_model_would_round(self, database: Database, type_: Any) -> None:
        engine = database("postgresql")
        do(engine, "CREATE TABLE patients (id numeric PRIMARY KEY, ssn bytea)")
        with pytest.raises(ConfigurationError, match="declare it as it is"):
            Migration(engine, patients(type_)).backfill()

    def test_a_row_that_came_between_two_others(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        """If it is refused, no other is blamed for it."""
        engine = database("sqlite")
        do(engine, "CREATE TABLE patients (id INTEGER PRIMARY KEY, ssn BLOB CHECK (id <> 15 OR length(ssn) < 57))")
        do(engine, "INSERT INTO patients VALUES (10, CAST('x' AS BLOB)), (20, CAST('x' AS BLOB))")
        read = SqlSource.page

        def page(source: SqlSource, portion: Portion, *arguments: Any) -> Any:
            found = read(source, portion, *arguments)
            do(engine, "INSERT OR IGNORE INTO patients VALUES (15, CAST('y' AS BLOB))")
            return found

        monkeypatch.setattr(SqlSource, "page", page)
        report = Migration(engine, patients()).backfill()
        assert (report.changed, report.failures, report.left) == (2, {}, 1)

    def test_columns_that_are_called_like_parameters(self, database: Database) -> None:
        engine = database("sqlite")
        names = ("key_0", "value_ssn", "ssn_0", "value_ssn_0", "value_ssn_key_0")
        do(engine, f"CREATE TABLE patients (id INT PRIMARY KEY, ssn BLOB, {', '.join(names)})")
        do(engine, "INSERT INTO patients VALUES (1, CAST('x' AS BLOB), 1, 2, 3, 4, 5)")
        people = patients(None, None, *(Column(name, Integer) for name in names))
        assert Migration(engine, people).backfill().complete
        assert rows(engine)[0][2:] == (1, 2, 3, 4, 5)


class TestWhatIsRefused:
    """Before the first row is read."""

    @pytest.mark.parametrize("kind", ["MyISAM", "Aria"])
    def test_tables_without_transactions(self, database: Database, kind: str) -> None:
        """A write of somebody else between the lock and the write would be lost."""
        engine = database("mariadb")
        do(engine, f"CREATE TABLE patients (id int PRIMARY KEY, ssn longblob) ENGINE={kind}")
        with pytest.raises(ConfigurationError, match=r"has no transactions.*ALTER TABLE patients ENGINE=InnoDB"):
            Migration(engine, patients()).backfill()

    def test_checkpoints_have_transactions_whatever_the_default_is(self, database: Database) -> None:
        engine = database("mariadb")
        do(engine, "CREATE TABLE patients (id int PRIMARY KEY, ssn longblob) ENGINE=InnoDB")
        init = {"init_command": "SET SESSION default_storage_engine = Aria"}
        other = create_engine(engine.url, connect_args=init)
        assert Migration(other, patients()).backfill().complete
        other.dispose()
        (kind,) = {row[1] for row in rows(engine, "SHOW TABLE STATUS LIKE 'fieldcrypt%%'")}
        assert kind == "InnoDB"

    @pytest.mark.parametrize("copied", [False, True])
    def test_a_connection_that_cannot_read_all_characters(self, database: Database, copied: bool) -> None:
        """The server gives '?' for them, which would be encrypted."""
        engine = database("mariadb")
        columns = "ssn longblob, plain varchar(100)" if copied else "ssn text"
        do(engine, f"CREATE TABLE patients (id int PRIMARY KEY, {columns}) CHARACTER SET utf8mb4")
        narrow = create_engine(engine.url.update_query_dict({"charset": "latin1"}))
        people, copies = patients(storage=None if copied else Text(), copied=copied), {"plain": "ssn"}
        job = Migration(narrow, people, copies if copied else None)
        assert "connect with charset=utf8mb4" in job.plan().needed[0]
        with pytest.raises(ConfigurationError, match="would be read as '\\?'"):
            job.backfill()
        do(engine, "ALTER TABLE patients CONVERT TO CHARACTER SET latin1")
        assert job.backfill().complete
        assert job.backfill(restart=True).complete
        narrow.dispose()

    def test_an_encoding_that_is_not_the_database_s(self, database: Database) -> None:
        """Python and PostgreSQL do not agree on all characters of Shift JIS, say."""
        engine = database("postgresql")
        do(engine, "CREATE TABLE patients (id int PRIMARY KEY, ssn text)")
        other = create_engine(engine.url, connect_args={"client_encoding": "sjis"})
        with pytest.raises(ConfigurationError, match="client_encoding=utf8"):
            Migration(other, patients(storage=Text())).backfill()
        other.dispose()

    @pytest.mark.parametrize("what", ["VIEW", "MATERIALIZED VIEW"])
    def test_views_that_a_search_path_leads_to(self, database: Database, what: str) -> None:
        engine = database("postgresql")
        do(engine, "CREATE SCHEMA s", "CREATE TABLE s.base (id int PRIMARY KEY, ssn bytea)")
        do(engine, f"CREATE {what} s.patients AS SELECT * FROM s.base")
        other = create_engine(engine.url, connect_args={"options": "-c search_path=s,public"})
        with pytest.raises(ConfigurationError, match="is a view"):
            Migration(other, patients()).backfill()
        other.dispose()
        do(engine, "DROP SCHEMA s CASCADE")

    def test_inherited_duplicates_with_asyncpg(self, database: Database, async_database: AsyncDatabase) -> None:
        engine = database("postgresql")
        do(
            engine,
            "CREATE TABLE patients (id int PRIMARY KEY, ssn bytea)",
            "CREATE TABLE guests () INHERITS (patients)",
            "INSERT INTO patients VALUES (1, 'parent')",
            "INSERT INTO guests VALUES (1, 'child')",
        )

        async def run() -> Any:
            async with async_database("postgresql").connect() as connection:
                return await connection.run_sync(lambda sync: Migration(sync.engine, patients()).plan())

        assert "several rows with the same primary key" in asyncio.run(run()).needed[0]


def test_keys_of_uuids_with_asyncpg(database: Database, async_database: AsyncDatabase) -> None:
    """It has a class of its own for them."""
    engine = database("postgresql")
    do(engine, "CREATE TABLE patients (id uuid PRIMARY KEY, ssn bytea)")
    do(engine, "INSERT INTO patients SELECT gen_random_uuid(), 'x' FROM generate_series(1, 3)")

    async def run() -> Any:
        async with async_database("postgresql").connect() as connection:
            return await connection.run_sync(
                lambda sync: Migration(sync.engine, patients(key=Uuid())).backfill(batch=2)
            )

    assert asyncio.run(run()).changed == 3


def test_tables_whose_names_differ_in_case_have_checkpoints_of_their_own(database: Database) -> None:
    """MariaDB on Linux has such tables, and compares texts without case."""
    engine = database("mariadb")
    for name in ("Patients", "patients"):
        do(engine, f"CREATE TABLE {name} (id int PRIMARY KEY, ssn longblob)", f"INSERT INTO {name} VALUES (1, 'x')")
    for name in ("Patients", "patients"):
        assert Migration(engine, patients(name=name)).backfill().changed == 1


def test_a_parent_s_row_does_not_move_to_another_tenant_while_the_child_s_is_written(database: Database) -> None:
    """Both are locked on PostgreSQL: the move waits, and is the application's to follow."""
    engine = database("postgresql")

    class Base(DeclarativeBase):
        pass

    @encrypted(ENCRYPTOR, row="id", tenant="clinic")
    class Person(Base):
        __tablename__ = "people"
        id: Mapped[str] = mapped_column(primary_key=True)
        kind: Mapped[str]
        clinic: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012

    class Patient(Person):
        __tablename__ = "patients"
        id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
        ssn: Mapped[str | None] = mapped_column(Encrypted(String, accept_plaintext=SOON))
        __mapper_args__ = {"polymorphic_identity": "patient"}  # noqa: RUF012

    Base.metadata.create_all(engine)
    do(engine, "INSERT INTO people VALUES ('a', 'patient', 'n')", "INSERT INTO patients VALUES ('a', 'va')")
    moved: list[bool] = []

    def move() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '200ms'")
            connection.exec_driver_sql("UPDATE people SET clinic = 'm' WHERE id = 'a'")
            moved.append(True)

    @event.listens_for(engine, "before_cursor_execute")
    def interrupt(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE patients"):
            thread = threading.Thread(target=move, daemon=True)
            thread.start()
            thread.join(30)

    threading.excepthook, hook = lambda _: None, threading.excepthook
    try:
        assert Migration(engine, Patient).backfill().changed == 1
    finally:
        threading.excepthook = hook
    assert not moved
