"""Tags while index keys rotate, when rows are tagged again, and with asyncio."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import CHAR, Column, Engine, Integer, MetaData, String, Table, event, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import DecryptionError, LocalKeyProvider, MemoryKeyStore, Purpose
from fieldcrypt.migration import Progress
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, blind_index, encrypted, find, of_tenant
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import AsyncDatabase, Clock, Database
from tests.sqlalchemy.searched import (
    ANN,
    BOB,
    EVE,
    Base,
    Clinic,
    Employee,
    Guest,
    Person,
    keys,
    numbers,
    patients,
    phones,
)
from tests.sqlalchemy.searched import clinic as clinic
from tests.sqlalchemy.searched import small as small
from tests.sqlalchemy.searched import tenants as tenants
from tests.support.encryptors import new_encryptor


class TestRotation:
    """Settings of the policy: a new index key tags after 80 minutes and a bit, an old one is retired later still."""

    @pytest.fixture
    def rotated(self, small: Clinic, clock: Clock) -> Clinic:
        """Ann was tagged under the old key and Eve under none; Bob under the new one."""
        small.add(1, ANN)
        assert small.found(ANN) == [1]
        clock.advance(86_400)
        small.encryptor.data_keys.rotate(purpose=Purpose.BLIND_INDEX)
        clock.advance(86_400)
        small.add(2, BOB)
        small.add(3, EVE)
        small.add(4, None)
        small.execute(text("UPDATE patients SET e_mail_tag = NULL WHERE id = 3"))
        small.session.commit()
        return small

    def test_rows_are_found_under_both_keys(self, rotated: Clinic) -> None:
        """Also by a statement that was compiled before, when there was one."""
        assert [rotated.found(mail) for mail in (ANN, BOB, EVE)] == [[1], [2], []]
        others = rotated.session.scalars(select(rotated.patient.id).where(rotated.patient.mail != EVE)).all()
        assert sorted(others) == [1, 2]
        assert len(self.tags(rotated)) == 2

    def test_tagging_anew_and_retiring_ends_it(self, rotated: Clinic) -> None:
        """Every row is found by one tag, and the old one is not asked for."""
        old = rotated.execute(select(rotated.table.c.mail_tag).where(rotated.table.c.id == 1)).scalar_one()
        report = Migration(rotated.engine, rotated.patient).backfill(batch=2)
        assert (report.rows, report.changed, report.failed) == (4, 2, 0)
        assert len(rotated.encryptor.data_keys.retire_index_keys()) == 1
        assert old not in self.tags(rotated)
        assert len(self.tags(rotated)) == 1
        assert [rotated.found(mail) for mail in (ANN, BOB, EVE)] == [[1], [2], [3]]
        rotated.assert_in_step()

    def test_it_can_be_interrupted_and_repeated(self, rotated: Clinic) -> None:
        """What is done is done, and is not done again."""

        def interrupt(_: Progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Migration(rotated.engine, rotated.table).backfill(batch=1, on_progress=interrupt)
        assert Migration(rotated.engine, rotated.table).backfill().changed == 2  # of both together
        assert Migration(rotated.engine, rotated.table).backfill().changed == 0

    def tags(self, clinic: Clinic) -> list[bytes]:
        """Return the tags that are asked for to find Ann."""
        sent: list[Any] = []

        def spy(_: Any, __: Any, sql: str, parameters: Any, *___: Any) -> None:
            sent.extend(map(bytes, parameters))

        event.listen(clinic.engine, "before_cursor_execute", spy)
        clinic.execute(select(clinic.table.c.id).where(clinic.table.c.email == ANN))
        event.remove(clinic.engine, "before_cursor_execute", spy)
        return sent


class TestTaggingAnew:
    def spoil(self, clinic: Clinic, *numbers: int) -> None:
        """Take the tags of some patients, as if an earlier version of the application had written their rows."""
        ids = ", ".join(map(str, numbers))
        clinic.execute(text(f"UPDATE patients SET e_mail_tag = NULL WHERE id IN ({ids})"))
        clinic.session.commit()

    def test_rows_without_tags_get_them(self, clinic: Clinic) -> None:
        """On every database, over batches."""
        clinic.execute(insert(clinic.table), [{"id": number, "email": ANN} for number in range(25)])
        self.spoil(clinic, *range(20))
        report = Migration(clinic.engine, clinic.patient).backfill(batch=7)
        assert (report.rows, report.changed, report.failed) == (25, 20, 0)
        assert len(clinic.found(ANN)) == 25

    def test_a_tag_without_a_value_is_taken_away(self, small: Clinic) -> None:
        """It tells what was there."""
        small.add(1, ANN)
        small.execute(text("UPDATE patients SET e_mail = NULL"))
        small.session.commit()
        assert Migration(small.engine, small.patient).backfill().changed == 1
        assert small.execute(select(small.table.c.mail_tag)).scalar_one() is None

    OF_BOB = "(SELECT e_mail FROM (SELECT * FROM patients) p WHERE id = 2)"

    @pytest.mark.parametrize(
        ("change", "tagged"),
        [
            (f"UPDATE patients SET e_mail = {OF_BOB} WHERE id = 1", 1),
            ("UPDATE patients SET e_mail = NULL WHERE id = 1", 0),
            ("DELETE FROM patients WHERE id = 1", 0),
        ],
    )
    def test_a_row_that_changes_meanwhile_is_tagged_as_it_is(self, clinic: Clinic, change: str, tagged: int) -> None:
        """Even if it was by somebody who makes no tags: it does not get the tag of a value that it has no more."""
        clinic.add(1, ANN)
        clinic.add(2, BOB)
        self.spoil(clinic, 1)
        before_locks = iter([True])

        def meanwhile(_: Any, __: Any, sql: str, *___: Any) -> None:
            if sql.startswith("UPDATE fieldcrypt_migration_ranges") and next(before_locks, False):
                with clinic.engine.begin() as other:
                    other.execute(text(change))

        event.listen(clinic.engine, "before_cursor_execute", meanwhile)
        assert Migration(clinic.engine, clinic.patient).backfill().changed == tagged
        event.remove(clinic.engine, "before_cursor_execute", meanwhile)
        assert next(before_locks, None) is None
        assert clinic.found(ANN) == []
        clinic.session.rollback()
        clinic.assert_in_step()

    def test_rows_that_cannot_be_tagged_are_reported_and_the_others_done(self, small: Clinic) -> None:
        """By primary key, with the error; nothing is shown of the value."""
        for number in range(1, 6):
            small.add(number, ANN)
        small.execute(text("UPDATE patients SET e_mail = x'00' WHERE id = 2"))
        small.execute(text("UPDATE patients SET e_mail = 'text' WHERE id = 3"))
        self.spoil(small, 1, 2, 3, 4, 5)
        report = Migration(small.engine, small.patient).backfill(batch=2)
        assert (report.rows, report.changed, report.failed) == (5, 3, 2)
        assert {key: type(error) for key, error in report.failures.items()} == {
            (2,): DecryptionError,
            (3,): DecryptionError,
        }

    def test_a_second_row_with_a_unique_value_is_reported(self, engine: Engine) -> None:
        """It got in while the two had tags under different keys. All others of its batch are done."""
        table = Table(
            "users",
            MetaData(),
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column("email", Encrypted(String, new_encryptor(), index="tag")),
            Column("tag", BlindIndexTag(), unique=True),
        )
        table.create(engine)
        with engine.begin() as connection:
            for number, mail in enumerate([ANN, ANN, BOB]):
                connection.execute(insert(table).values(id=number, email=mail))
                connection.execute(text("UPDATE users SET tag = NULL"))
        report = Migration(engine, table).backfill()
        assert (report.changed, list(report.failures)) == (2, [(1,)])
        assert "refuses the row" in str(report.failures[1,])

    def test_a_decorated_model_is_tagged_by_tenant(self, tenants: tuple[Session, Any]) -> None:
        """Except rows of a tenant whose keys were destroyed."""
        session, patient = tenants
        session.execute(text("UPDATE patients SET tag = NULL"))
        session.commit()
        patient.email.type.encryptor.data_keys.shred("north", by="test")
        report = Migration(session.get_bind(), patient).backfill()  # type: ignore[arg-type]
        assert (report.rows, report.changed, report.failed) == (4, 2, 0)
        assert numbers(session, select(patient.id).where(of_tenant(patient.email, "south").in_([ANN, BOB]))) == [2, 3]

    def test_a_class_is_tagged_with_its_subclasses(self, engine: Engine) -> None:
        """In whichever table their columns are."""
        keys.configure(LocalKeyProvider.generate(), MemoryKeyStore())
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([Person(id=1, email=ANN), Guest(id=2, email=ANN, room="7")])
            session.add(Employee(id=3, email=ANN, iban="X1"))
            session.commit()
            session.execute(text("UPDATE persons SET email_tag = NULL, room_tag = NULL"))
            session.execute(text("UPDATE employees SET iban_tag = NULL"))
            session.commit()
            assert Migration(engine, Person).backfill().changed == 5
            found = [
                session.scalars(select(model.id).where(condition).order_by(model.id)).all()
                for model, condition in (
                    (Person, Person.email == ANN),
                    (Guest, Guest.room == "7"),
                    (Employee, Employee.iban == "X1"),
                )
            ]
        assert found == [[1, 2, 3], [2], [3]]

    def test_rows_are_told_apart_by_all_of_their_key(self, engine: Engine) -> None:
        """Page after page, and whatever the key's types."""

        class Base(DeclarativeBase):
            pass

        @encrypted(new_encryptor(), row=("day", "place", "number"), tenant="place")
        class Visit(Base):
            __tablename__ = "visits"
            __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012
            day: Mapped[dt.date] = mapped_column(primary_key=True)
            place: Mapped[str] = mapped_column(CHAR(4), primary_key=True)
            number: Mapped[UUID] = mapped_column(primary_key=True)
            who: Mapped[str | None] = mapped_column(Encrypted(String, index="tag"))
            room: Mapped[str | None] = mapped_column(Encrypted(String, index="room_tag"))
            tag: Mapped[bytes | None] = blind_index()
            room_tag: Mapped[bytes | None] = blind_index()

        Base.metadata.create_all(engine)
        days, places = [dt.date(2026, 1, day) for day in (1, 2)], ["a", "bb"]
        with Session(engine) as session:
            for day, place, number in itertools.product(days, places, range(3)):
                session.add(Visit(day=day, place=place, number=UUID(int=number), who=ANN, room=str(number)))
            session.commit()
            session.execute(text("UPDATE visits SET tag = NULL, room_tag = NULL"))
            session.commit()
            assert Migration(engine, Visit).backfill(batch=5).changed == 12
            query = select(func.count()).select_from(Visit)
            found = [session.scalar(query.where(each)) for each in (Visit.who == ANN, Visit.room == "1")]
        assert found == [12, 4]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
class TestAsync:
    def test_sessions_write_and_search(self, async_database: AsyncDatabase, database: Database, kind: str) -> None:
        """With an ordinary key store, whose I/O is done in a thread."""
        patient = patients(new_encryptor())
        patient.metadata.create_all(database(kind))

        async def run(engine: AsyncEngine) -> list[Any]:
            async with AsyncSession(engine) as session:
                session.add_all([patient(id=1, mail=ANN), patient(id=2, mail=BOB)])
                await session.flush()
                await session.execute(update(patient).where(patient.mail == BOB).values(mail=EVE))
                session.add(patient(id=3, mail=EVE))
                await session.commit()
                found = (
                    await session.scalars(select(patient.id).where(patient.mail == EVE).order_by(patient.id))
                ).all()
                (await session.get_one(patient, 3)).mail = ANN
                await session.commit()
                rows = await session.scalars(select(patient).where(patient.mail == ANN).order_by(patient.id))
                return [found, [(row.id, row.mail) for row in rows]]

        assert asyncio.run(run(async_database(kind))) == [[2, 3], [(1, ANN), (3, ANN)]]

    def test_connections_write_and_search(self, async_database: AsyncDatabase, database: Database, kind: str) -> None:
        """Values in the statement, in its parameters, and in conditions."""
        table = patients(new_encryptor()).__table__
        table.metadata.create_all(database(kind))

        async def run(engine: AsyncEngine) -> list[Any]:
            async with engine.begin() as connection:
                await connection.execute(insert(table).values(id=1, email=ANN))
                await connection.execute(insert(table), [{"id": 2, "email": BOB}, {"id": 3, "email": ANN}])
                query = select(table.c.id, table.c.email).where(table.c.email == ANN).order_by(table.c.id)
                return list((await connection.execute(query)).all())

        assert asyncio.run(run(async_database(kind))) == [(1, ANN), (3, ANN)]

    def test_find_and_a_migration_run_in_it(self, async_database: AsyncDatabase, database: Database, kind: str) -> None:
        """By way of `run_sync`."""
        patient = phones(new_encryptor())
        patient.metadata.create_all(database(kind))

        async def run(engine: AsyncEngine) -> tuple[Any, list[int]]:
            async with AsyncSession(engine) as session:
                session.add_all([patient(id=1, phone="555 1"), patient(id=2, phone="555 2")])
                await session.commit()
                await session.execute(text("UPDATE patients SET tag = NULL"))
                await session.commit()
            async with engine.connect() as connection:
                report = await connection.run_sync(lambda sync: Migration(sync.engine, patient).backfill())
            async with AsyncSession(engine) as session:
                found = await session.run_sync(find, select(patient).where(patient.phone == "5551"))
                return report.changed, [each.id for each in found]

        assert asyncio.run(run(async_database(kind))) == (2, [1])
