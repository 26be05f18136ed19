"""Beginnings, ranges and parts are found by their companions' indexes, and in all that the ORM makes of models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, String, event, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, joinedload, mapped_column, relationship, synonym

from fieldcrypt import LocalKeyProvider, MemoryKeyStore
from fieldcrypt.search import first
from fieldcrypt_sqlalchemy import Encrypted, IndexedBy, ProtectedColumnError, blind_index, find
from tests.conftest import AsyncDatabase, Database
from tests.sqlalchemy.kinds import people
from tests.sqlalchemy.searched import keys
from tests.support.encryptors import new_encryptor

ASKED: dict[str, tuple[Callable[[Any], Any], list[str]]] = {  # and what is read to answer it: on PostgreSQL, elsewhere
    "a beginning": (lambda p: p.surname.startswith("n777"), ["ix_people_surname_start", "ix_people_surname_start_4"]),
    "a range": (
        lambda p: p.born.between(date(1950, 3, 3), date(1950, 3, 9)),
        ["ix_people_born_range", "ix_people_born_range_0"],
    ),
    "a part": (lambda p: p.ssn.part("last 4") == "0777", ["ix_people_ssn_last4", "ix_people_ssn_last4"]),
}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_the_database_searches_by_its_indexes(kind: str, database: Database) -> None:
    """By GIN where tags are in an array."""
    engine = database(kind)
    person = people(new_encryptor(), arrays=kind == "postgresql")
    person.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            person(id=number, surname=f"n{number}", ssn=f"{number:05}", born=date(1940, 1, 1) + timedelta(7 * number))
            for number in range(1200)
        )
        session.commit()
        if kind == "postgresql":
            session.execute(text("ANALYZE"))
            session.execute(text("SET enable_seqscan = off"))  # which is quicker in so small a table
            assert (
                "USING gin (born_range)"
                in session.scalars(
                    text("SELECT string_agg(indexdef, ';') FROM pg_indexes WHERE tablename = 'people'")
                ).one()
            )
        for condition, names in ASKED.values():
            plan = _plan(session, select(person.id, person.ward).where(condition(person)))
            assert names[kind != "postgresql"] in plan


def _plan(session: Session, statement: Any) -> str:
    """Return what the database says how it executes a statement."""
    said: list[Any] = []
    engine: Any = session.get_bind()
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"

    def spy(_: Any, cursor: Any, sql: str, parameters: Any, *__: Any) -> None:
        cursor.execute(f"{explain} {sql}", parameters)
        said.extend(cursor.fetchall())

    event.listen(engine, "before_cursor_execute", spy)
    assert len(session.execute(statement).all()) > 0
    event.remove(engine, "before_cursor_execute", spy)
    return str(said)


class Base(DeclarativeBase):
    """Of models whose Encryptor each test configures."""


class Owner(Base):
    """Found by the beginning of an address."""

    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    email: Mapped[str | None] = mapped_column(Encrypted(String, keys, index=IndexedBy("email_start", of=first(3))))
    email_start: Mapped[bytes | None] = blind_index()
    mail: Mapped[str | None] = synonym("email")
    pets: Mapped[list[Pet]] = relationship(back_populates="owner", order_by="Pet.id")

    @hybrid_property
    def address(self) -> str | None:
        return self.email


class Pet(Base):
    """Of an owner."""

    __tablename__ = "pets"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner_id: Mapped[int] = mapped_column(ForeignKey("owners.id"))
    owner: Mapped[Owner] = relationship(back_populates="pets")


QUERIES: list[Any] = [
    lambda: select(Owner.id).where(Owner.mail.startswith("ann")),
    lambda: select(Owner.id).where(Owner.address.startswith("ann")),
    lambda: select(Pet.owner_id).where(Pet.owner.has(Owner.email.startswith("ann"))),
    lambda: select(Pet.owner_id).join(Pet.owner.and_(Owner.email.startswith("ann"))),
    lambda: select(Owner.id).where(Owner.pets.any(Pet.id == 1), Owner.email.startswith("ann")),
]


@pytest.fixture
def owners(engine: Engine) -> Iterator[Session]:
    """Two owners of a pet each."""
    yield from _owners(engine)


@pytest.fixture
def few(database: Database) -> Iterator[Session]:
    """The same in SQLite."""
    yield from _owners(database("sqlite"))


def _owners(engine: Engine) -> Iterator[Session]:
    keys.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Owner(id=1, email="ann@x.org"), Owner(id=2, email="bob@x.org"), Pet(id=1, owner_id=1)])
        session.add_all([Pet(id=2, owner_id=2), Pet(id=3, owner_id=1)])
        session.commit()
        yield session


@pytest.mark.parametrize("query", QUERIES)
def test_what_the_orm_makes_of_a_model_is_searched_too(few: Session, query: Any) -> None:
    """Synonyms, hybrids, and relationships."""
    assert set(few.scalars(query())) == {1}


def test_find_counts_the_rows_of_joined_collections(owners: Session) -> None:
    """The database limits the objects that are found, and not the rows of what is loaded with them."""
    statement = select(Owner).options(joinedload(Owner.pets)).where(Owner.email.startswith("ann@x"))
    (found,) = find(owners, statement, order_by=Owner.email, most=2)
    assert [pet.id for pet in found.pets] == [1, 3]


def test_rows_that_are_found_twice_are_not_lost_within_the_most(few: Session) -> None:
    """A join has the same object several times, and the last row may be another one's: that is an error, no answer."""
    joined = select(Owner).join(Owner.pets).order_by(Owner.id)
    assert [owner.id for owner in find(few, joined, most=3)] == [1, 2]
    with pytest.raises(ProtectedColumnError, match="more than 2 rows"):
        find(few, joined, most=2)


def test_an_async_session_sorts_and_compares(async_database: AsyncDatabase) -> None:
    """In `run_sync`, which hands keywords on."""
    keys.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    engine = async_database("sqlite")

    async def story() -> list[int]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            session.add_all(Owner(id=number, email=f"ann@{number}.org") for number in range(5))
            await session.commit()
            statement = select(Owner).where(Owner.email.startswith("ann@"))
            found = await session.run_sync(find, statement, order_by=Owner.email.desc(), limit=2)
            return [owner.id for owner in found]

    assert asyncio.run(story()) == [4, 3]
