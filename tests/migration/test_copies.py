"""Encrypting a column that exists into a new one: the job, and all of docs/guides/alembic.md while others write."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Enum, ForeignKey, String, event, insert, inspect, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, validates

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, LocalKeyProvider, WrappedKey
from fieldcrypt.migration import Progress
from fieldcrypt_sqlalchemy import Encrypted, IndexedBy, SqlKeyStore, blind_index, encrypted
from fieldcrypt_sqlalchemy.migration import Migration
from fieldcrypt_sqlalchemy.rows.row_bound import RowBound
from tests.alembic.project import MakeProject
from tests.alembic.project import project as project  # a fixture
from tests.conftest import AsyncDatabase, Database
from tests.support.doubles import PATIENCE

COPIES = {"ssn_plain": "ssn", "sex_plain": "sex"}
SSN = "078-05-"
Change = Callable[[Connection, Any], object]


def model(encryptor: Encryptor, *, bound: bool) -> Any:
    """A model with plaintext columns and encrypted ones, which are bound to their row, or are not."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        ward: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        bed: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        clinic: Mapped[str] = mapped_column(String(10))
        ssn_plain: Mapped[str | None] = mapped_column(String(20))
        ssn: Mapped[str | None] = mapped_column(
            Encrypted(String, encryptor, index=IndexedBy("ssn_tag", normaliser="casefold"))
        )
        ssn_tag: Mapped[bytes | None] = blind_index(unique=True)
        sex_plain: Mapped[str | None] = mapped_column(String(20))
        sex: Mapped[str | None] = mapped_column(Encrypted(Enum("f", "m", name="sexes"), encryptor))

    return encrypted(encryptor, row=("ward", "bed"), tenant="clinic")(Patient) if bound else Patient


@pytest.fixture(params=["bound", "unbound"])
def patient(request: pytest.FixtureRequest, engine: Engine) -> Any:
    """A model whose table is there, and the keys beside it."""
    keys = SqlKeyStore(engine)
    keys.create_table()
    patient = model(Encryptor(LocalKeyProvider.generate(), keys), bound=request.param == "bound")
    patient.metadata.create_all(engine)
    return patient


def add(engine: Engine, patient: Any, *rows: Mapping[str, Any]) -> None:
    """Add rows of plaintext, in beds 0, 1 and so on, as an old version of the application would."""
    with engine.begin() as connection:
        for bed, row in enumerate(rows):
            values = {"ward": bed % 2, "bed": bed, "clinic": f"clinic-{bed % 3}", **row}
            connection.execute(insert(patient.__table__).values(values))


def ssns(*numbers: int) -> list[Mapping[str, Any]]:
    """Rows of plaintext."""
    return [{"ssn_plain": f"{SSN}{number}"} for number in numbers]


def values(engine: Engine, patient: Any, name: str = "ssn") -> list[Any]:
    """The values of an attribute, decrypted, in the order of beds."""
    with Session(engine) as session:
        return [getattr(row, name) for row in session.scalars(select(patient).order_by(patient.bed))]


def differing(engine: Engine, patient: Any, copies: Mapping[str, str]) -> list[Any]:
    """The keys of rows that are not as they should be."""
    return sorted(Migration(engine, patient, copies).verify().reasons)


class TestBackfill:
    def test_values_are_sealed_and_found(self, engine: Engine, patient: Any) -> None:
        """As if the application had written them: they decrypt, their blind index finds them, and row and tenant hold.

        The first keys of three tenants are made meanwhile, in the same database.
        """
        add(engine, patient, *ssns(*range(20)), {"ssn_plain": None, "sex_plain": "f"})
        report = Migration(engine, patient, COPIES).backfill()
        assert report == (21, 21, 0, {}, True, (), 21, 0, False)
        assert values(engine, patient) == [f"{SSN}{number}" for number in range(20)] + [None]
        assert values(engine, patient, "sex") == [None] * 20 + ["f"]
        with Session(engine) as session:
            assert session.scalars(select(patient.bed).where(patient.ssn == f"{SSN}7")).all() == [7]
        if isinstance(patient.__table__.c.ssn.type, RowBound):
            with engine.begin() as connection:
                raw = connection.scalar(text("SELECT ssn FROM patients WHERE bed = 0"))
                connection.execute(text("UPDATE patients SET ssn = :raw WHERE bed = 3"), {"raw": raw})
            with pytest.raises(DecryptionError):
                values(engine, patient)

    def test_what_is_filled_is_never_overwritten(self, engine: Engine, patient: Any) -> None:
        """Not with an older value, and not with None; a second run does nothing."""
        add(engine, patient, *ssns(0, 1), {})
        with Session(engine) as session, session.begin():
            for row in session.scalars(select(patient).where(patient.bed > 0)):
                row.ssn = f"newer {row.bed}"
        assert Migration(engine, patient, COPIES).backfill().changed == 1
        assert Migration(engine, patient, COPIES).backfill().changed == 0
        assert values(engine, patient) == [f"{SSN}0", "newer 1", "newer 2"]

    @pytest.mark.parametrize("mend", [False, True])
    def test_plaintext_in_the_encrypted_column_is_never_taken_for_done(
        self, engine: Engine, patient: Any, mend: bool
    ) -> None:
        """Also with no plaintext beside it: it is a failure, and the database counts it as left."""
        add(engine, patient, *ssns(0), {}, {})
        with engine.begin() as connection:
            connection.execute(text("UPDATE patients SET ssn = :raw WHERE bed = 1"), {"raw": b"078-05-1"})
        job = Migration(engine, patient, COPIES)
        report = job.backfill(mend=mend)
        assert (report.changed, list(report.failures), report.left, report.complete) == (1, [(1, 1)], 1, False)
        assert list(job.verify().reasons.values()) == ["ssn_plain -> ssn is not an encrypted value"]

    def test_one_attribute_of_a_row_is_filled_where_another_is_already(self, engine: Engine, patient: Any) -> None:
        """Each is looked at by itself."""
        add(engine, patient, {"ssn_plain": f"{SSN}0", "sex_plain": "m"})
        with Session(engine) as session, session.begin():
            session.scalars(select(patient)).one().ssn = "newer"
        assert Migration(engine, patient, COPIES).backfill().changed == 1
        assert (values(engine, patient), values(engine, patient, "sex")) == (["newer"], ["m"])

    @pytest.mark.parametrize("batch", [1, 3, 7, 100])
    def test_all_pages_are_read(self, engine: Engine, patient: Any, batch: int) -> None:
        """In the order of a key of two columns, whatever the number of rows on the last page."""
        add(engine, patient, *ssns(*range(9)))
        progress: list[Progress] = []
        report = Migration(engine, patient, COPIES).backfill(batch=batch, on_progress=progress.append)
        assert (report.rows, report.changed) == (9, 9)
        assert [each.done for each in progress] == [*range(batch, 9, batch), *[9] * (1 + (9 % batch == 0))]
        assert differing(engine, patient, COPIES) == []

    def test_it_goes_on_where_it_was_interrupted(self, engine: Engine, patient: Any) -> None:
        """What was filled stays filled."""
        add(engine, patient, *ssns(*range(10)))

        def interrupt(progress: Progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Migration(engine, patient, COPIES).backfill(batch=4, on_progress=interrupt)
        assert values(engine, patient).count(None) == 6
        report = Migration(engine, patient, COPIES).backfill(batch=4)
        assert (report.rows, report.changed) == (10, 10)  # of both together
        assert differing(engine, patient, COPIES) == []

    def test_rows_that_cannot_be_filled_do_not_keep_the_others_from_it(self, engine: Engine, patient: Any) -> None:
        """The report names them: a value of the wrong kind, and one that the unique blind index has already."""
        add(engine, patient, {"ssn_plain": "Ann"}, {"sex_plain": "x"}, *ssns(2), {"ssn_plain": "ANN", "clinic": "0"})
        report = Migration(engine, patient, COPIES).backfill()
        assert (report.rows, report.changed, report.failed) == (4, 2, 2)
        assert isinstance(report.failures[1, 1], ValueError)
        assert "ssn_tag" in str(report.failures[1, 3])
        assert values(engine, patient) == ["Ann", None, f"{SSN}2", None]
        assert "ANN" not in str(report.failures[1, 3])

    @pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
    def test_an_asyncio_driver_does_as_well(self, database: Database, async_database: AsyncDatabase, kind: str) -> None:
        """In the place where SQLAlchemy runs ordinary code; the keys are in the same database."""
        engine = async_database(kind)
        keys = SqlKeyStore(engine)
        keys.create_table()
        patient = model(Encryptor(LocalKeyProvider.generate(), keys), bound=True)
        patient.metadata.create_all(database(kind))
        add(database(kind), patient, *ssns(*range(9)))

        async def job() -> tuple[int, list[Any]]:
            async with engine.connect() as connection:
                report = await connection.run_sync(
                    lambda sync: Migration(sync.engine, patient, COPIES).backfill(batch=4)
                )
                wrong = await connection.run_sync(lambda sync: differing(sync.engine, patient, COPIES))
            return report.changed, wrong

        assert asyncio.run(job()) == (9, [])

    def test_a_class_and_those_derived_from_it(self, engine: Engine) -> None:
        """Columns of a table that another one continues, and of the other one, are filled alike."""
        keys = SqlKeyStore(engine)
        keys.create_table()
        encryptor = Encryptor(LocalKeyProvider.generate(), keys)

        class Base(DeclarativeBase):
            pass

        @encrypted(encryptor, row="id")
        class Person(Base):
            __tablename__ = "people"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            kind: Mapped[str] = mapped_column(String(10))
            name_plain: Mapped[str | None] = mapped_column(String(10))
            name: Mapped[str | None] = mapped_column(Encrypted(String))
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012

        class Doctor(Person):
            __tablename__ = "doctors"
            id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
            pay_plain: Mapped[int | None]
            pay: Mapped[int | None] = mapped_column(Encrypted(String))
            __mapper_args__ = {"polymorphic_identity": "doctor"}  # noqa: RUF012

        Base.metadata.create_all(engine)
        with Session(engine) as session, session.begin():
            session.add_all([Person(id=1, name_plain="ann"), Doctor(id=2, name_plain="bob", pay_plain=7)])
        assert Migration(engine, Person, {"name_plain": "name"}).backfill().changed == 2
        assert differing(engine, Person, {"name_plain": "name"}) == []
        report = Migration(engine, Doctor, {"name_plain": "name", "pay_plain": "pay"}).backfill()
        assert report.failures.keys() == {(2,)}
        assert "its type does not take the value (TypeError)" in str(report.failures[2,])  # an int is no str

    @pytest.mark.parametrize("copies", [{"ssn": "ssn"}, {"ssn_plain": "sex_plain"}, {"no": "ssn"}, {"ssn": "no"}])
    def test_it_goes_from_plaintext_to_encrypted_attributes(self, database: Database, copies: dict[str, str]) -> None:
        """Everything else is refused before anything is read."""
        patient = model(Encryptor(), bound=False)
        with pytest.raises(ConfigurationError, match="from a plaintext column to an encrypted one"):
            Migration(database("sqlite"), patient, copies)

    def test_an_attribute_is_filled_from_one(self, database: Database) -> None:
        """Of two one would be lost, and neither could be compared."""
        patient = model(Encryptor(), bound=False)
        with pytest.raises(ConfigurationError, match="ssn is filled from one plaintext column, and not from 2"):
            Migration(database("sqlite"), patient, {"ssn_plain": "ssn", "clinic": "ssn"})


class TestOthersWrite:
    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (lambda c, t: c.execute(update(t).where(t.c.bed == 1).values(ssn_plain="new")), ["0", "new", "2"]),
            (lambda c, t: c.execute(update(t).where(t.c.bed == 1).values(ssn_plain=None)), ["0", None, "2"]),
            (lambda c, t: c.execute(t.delete().where(t.c.bed == 1)), ["0", "2"]),
        ],
        ids=["changed", "emptied", "deleted"],
    )
    def test_a_row_is_filled_as_it_is_and_not_as_it_was_read(
        self, engine: Engine, patient: Any, change: Change, expected: list[str | None]
    ) -> None:
        """Somebody changes the plaintext between: the old value is not written."""
        add(engine, patient, *({"ssn_plain": str(number)} for number in range(3)))

        def write() -> None:
            with engine.begin() as connection:
                change(connection, patient.__table__)

        with before_rows_are_locked(engine, write):
            assert Migration(engine, patient, COPIES).backfill().changed == 3 - (expected != ["0", "new", "2"])
        assert values(engine, patient) == expected

    def test_a_row_that_somebody_else_filled_is_left_alone(self, engine: Engine, patient: Any) -> None:
        """With what is in it, though the plaintext is what was read."""
        add(engine, patient, *ssns(0, 1, 2))

        def write() -> None:
            with Session(engine) as session, session.begin():
                session.scalars(select(patient).where(patient.bed == 1)).one().ssn = "theirs"

        with before_rows_are_locked(engine, write):
            assert Migration(engine, patient, COPIES).backfill().changed == 2
        assert values(engine, patient) == [f"{SSN}0", "theirs", f"{SSN}2"]

    def test_keys_are_fetched_while_nothing_is_locked(self, database: Database) -> None:
        """The key service may take its time: nobody waits for rows meanwhile."""
        engine = database("postgresql")
        seen: list[int] = []

        class Watching(LocalKeyProvider):
            def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
                query = (
                    "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation WHERE relname = 'patients'"
                )
                with engine.connect() as connection:
                    seen.append(connection.scalar(text(query)) or 0)
                return super().wrap(data_key, context)

        keys = SqlKeyStore(engine)
        keys.create_table()
        patient = model(Encryptor(Watching(bytes(32)), keys), bound=True)
        patient.metadata.create_all(engine)
        add(engine, patient, *ssns(*range(10)))
        assert Migration(engine, patient, COPIES).backfill(batch=4).changed == 10
        assert seen == [0] * 4  # three tenants, and the index

    def test_what_differs_is_told(self, engine: Engine, patient: Any) -> None:
        """Rows that are stale, empty or too full; not those that are equal, or empty in both."""
        add(engine, patient, *ssns(0, 1, 2), {}, {})
        Migration(engine, patient, COPIES).backfill()
        with Session(engine) as session, session.begin():
            rows = session.scalars(select(patient).order_by(patient.bed)).all()
            rows[0].ssn_plain = "stale"
            rows[1].ssn = None
            rows[3].sex = "f"
        report = Migration(engine, patient, COPIES).verify()
        assert (report.rows, report.wrong) == (5, 3)
        assert report.reasons == {
            (0, 0): "ssn_plain -> ssn differs",
            (1, 1): "ssn_plain -> ssn is empty, but the plaintext column is not",
            (1, 3): "sex_plain -> sex differs",
        }


@contextmanager
def before_rows_are_locked(engine: Engine, change: Callable[[], object]) -> Iterator[None]:
    """Do something, once, just before the job locks rows that it has read."""
    changes = [change]
    is_sqlite = engine.dialect.name == "sqlite"  # where the whole database is locked before

    def intervene(*arguments: Any) -> None:
        locks = (
            "FOR UPDATE" in arguments[2]
            or "FOR NO KEY UPDATE" in arguments[2]
            or (is_sqlite and arguments[2].startswith("UPDATE fieldcrypt_migration_ranges SET leased_until"))
        )
        if locks and changes:
            changes.pop()()

    event.listen(engine, "before_cursor_execute", intervene)
    yield
    event.remove(engine, "before_cursor_execute", intervene)
    assert not changes


def steps(encryptor: Encryptor) -> tuple[Any, Any, Any, Any]:
    """The model before the first step, in steps 1 and 2, and from step 3 on."""

    class Before(DeclarativeBase):
        pass

    class Old(Before):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        ssn: Mapped[str] = mapped_column(String(20))

    class Step1(DeclarativeBase):
        pass

    class Both(Step1):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        ssn: Mapped[str] = mapped_column(String(20))
        ssn_encrypted: Mapped[str | None] = mapped_column(
            Encrypted(String, encryptor, name="patients.ssn", index="ssn_tag")
        )
        ssn_tag: Mapped[bytes | None] = blind_index()

        @validates("ssn")
        def write_both(self, _: str, value: str) -> str:
            self.ssn_encrypted = value
            return value

    class Step2(DeclarativeBase):
        pass

    class Other(Step2):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        ssn_plain: Mapped[str | None] = mapped_column("ssn", String(20))
        ssn: Mapped[str] = mapped_column(
            "ssn_encrypted", Encrypted(String, encryptor, name="patients.ssn", index="ssn_tag")
        )
        ssn_tag: Mapped[bytes | None] = blind_index()

        @validates("ssn")
        def write_both(self, _: str, value: str) -> str:
            self.ssn_plain = value
            return value

    class Step3(DeclarativeBase):
        pass

    class New(Step3):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        ssn: Mapped[str] = mapped_column(
            "ssn_encrypted", Encrypted(String, encryptor, name="patients.ssn", index="ssn_tag")
        )
        ssn_tag: Mapped[bytes | None] = blind_index()

    return Old, Both, Other, New


_serial = itertools.count()


@contextmanager
def writing(engine: Engine, *models: Any) -> Iterator[None]:
    """Have threads change rows, and add some, by these models; each makes 20 changes at least."""
    ended = Event()

    def write(number: int, model: Any) -> None:
        chance = random.Random(number)
        changes = 0
        while changes < 20 or not ended.is_set():
            changes += 1
            with Session(engine) as session, session.begin():
                ssn = f"written {next(_serial)}"
                if changes % 10:
                    session.get_one(model, chance.randrange(1, 400)).ssn = ssn
                else:
                    session.add(model(ssn=ssn))

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, number, model) for model in models for number in range(2)]
        try:
            yield
        finally:
            ended.set()
        for writer in writers:
            writer.result(PATIENCE)


def values_by_id(engine: Engine, model: Any) -> dict[int, str]:
    """What a model's rows hold."""
    with Session(engine) as session:
        return {row.id: row.ssn for row in session.scalars(select(model).order_by(model.id))}


class TestTheWholeWay:
    @pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
    def test_while_others_write(self, project: MakeProject, database: Database, kind: str) -> None:
        """Every step of the page, with generated migrations and writers of the step at work: no value is lost."""
        engine = database(kind)
        keys = SqlKeyStore(engine)
        keys.create_table()
        encryptor = Encryptor(LocalKeyProvider.generate(), keys)
        old, both, other, new = steps(encryptor)
        migrations = project(old, engine)
        migrations.migrate()
        with Session(engine) as session, session.begin():
            session.add_all(old(ssn=f"{SSN}{number}") for number in range(400))

        migrations.use(both)  # step 1
        assert "fieldcrypt" not in migrations.migrate()
        with writing(engine, both):
            migration = Migration(engine, both, {"ssn": "ssn_encrypted"})
            while migration.backfill(batch=30, workers=2).changed:
                pass
        assert differing(engine, both, {"ssn": "ssn_encrypted"}) == []

        migrations.use(other)  # step 2
        migrations.migrate()
        with writing(engine, both, other):
            pass
        assert differing(engine, other, {"ssn_plain": "ssn"}) == []
        with writing(engine, new):  # step 3
            pass
        expected = values_by_id(engine, new)

        migrations.use(new)  # step 4
        migrations.migrate()
        assert values_by_id(engine, new) == expected
        columns = {column["name"]: column["nullable"] for column in inspect(engine).get_columns("patients")}
        assert columns == {"id": False, "ssn_encrypted": False, "ssn_tag": True}
        with Session(engine) as session:
            assert [session.scalars(select(new.id).where(new.ssn == ssn)).one() for ssn in expected.values()] == [
                *expected
            ]

    def test_a_dropped_column_is_in_the_file_until_the_table_is_written_anew(self, database: Database) -> None:
        """On PostgreSQL, as the page warns."""
        engine = database("postgresql").execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in (
                "CREATE TABLE patients (id int, ssn text)",
                "INSERT INTO patients VALUES (1, '078-05-1120')",
                "ALTER TABLE patients DROP COLUMN ssn",
                "VACUUM patients",
                "CHECKPOINT",
            ):
                connection.exec_driver_sql(statement)
            content = text("SELECT pg_read_binary_file(pg_relation_filepath('patients'))")
            assert b"078-05-1120" in connection.execute(content).scalar_one()
            connection.exec_driver_sql("VACUUM FULL patients")
            connection.exec_driver_sql("CHECKPOINT")
            assert b"078-05-1120" not in connection.execute(content).scalar_one()
