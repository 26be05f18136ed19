"""Values of searchable columns that are NULL to the database, and values that have no tag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import DateTime, Engine, Integer, Numeric, String, TypeDecorator, insert, not_, or_, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt.normalisers import NothingToTagError, digits
from fieldcrypt_sqlalchemy import Encrypted, IndexedBy, blind_index, encrypted, find, of_tenant, seal
from fieldcrypt_sqlalchemy.migration import Migration
from tests.support.encryptors import new_encryptor

WEST = timezone(timedelta(hours=-5))
PHONE, UNKNOWN = "+1 555 0100", "n/a"


class EmptyToNull(TypeDecorator[str]):
    """An empty text is no text."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        return value or None


def people(type_: Any, *, decorated: bool = False, **how: Any) -> Any:
    """A model with one searchable column of a type."""
    encryptor = new_encryptor()

    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
        clinic: Mapped[str] = mapped_column(String(20), default="north")
        value: Mapped[Any] = mapped_column(
            Encrypted(type_, encryptor, index=IndexedBy("tag", per_tenant=decorated, **how)), nullable=True
        )
        tag: Mapped[bytes | None] = blind_index()

    return encrypted(encryptor, row="id", tenant="clinic")(Person) if decorated else Person


@pytest.fixture(params=[False, True], ids=["plain", "decorated"])
def null_is_empty(request: pytest.FixtureRequest, engine: Engine) -> Iterator[tuple[Session, Any, Any]]:
    """A session, a model with rows of A, B and an empty text, and its column as it is searched."""
    person = people(EmptyToNull, decorated=request.param)
    person.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([person(id=1, value="A"), person(id=2, value="B"), person(id=3, value="")])
        session.commit()
        yield session, person.id, of_tenant(person.value, "north") if request.param else person.value


SEARCHES: dict[str, tuple[Callable[[Any], Any], list[int]]] = {
    "==": (lambda column: column == "", []),
    "!=": (lambda column: column != "", []),
    "not ==": (lambda column: not_(column == ""), []),
    "in_": (lambda column: column.in_(["", "A"]), [1]),
    "in_ of nothing else": (lambda column: column.in_([""]), []),
    "not_in": (lambda column: column.not_in(["", "A"]), []),
    "or": (lambda column: or_(column == "", column == "B"), [2]),
    "== another": (lambda column: column == "A", [1]),
    "!= another": (lambda column: column != "A", [2]),
}


@pytest.mark.parametrize("case", SEARCHES)
def test_what_the_type_makes_null_is_searched_as_null_is(null_is_empty: tuple[Session, Any, Any], case: str) -> None:
    """It neither equals a value nor differs from one, so that an empty search box finds no rows."""
    session, number, column = null_is_empty
    condition, expected = SEARCHES[case]
    assert sorted(session.scalars(select(number).where(condition(column)))) == expected


def test_nothing_is_found_of_it_by_comparison(engine: Engine) -> None:
    """Nor by `find`, with tags that other values share."""
    person = people(EmptyToNull, tag_size=1)
    person.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([person(id=1, value="A"), person(id=2, value="")])
        session.commit()
        found = find(session, select(person).where(person.value.in_(["", "A"])))
        assert [each.id for each in found] == [1]


class TestNothingToTag:
    """A phone number without digits, and the like: stored, with a NULL for its tag."""

    @pytest.fixture(params=[False, True], ids=["plain", "decorated"])
    def person(self, request: pytest.FixtureRequest, engine: Engine) -> Any:
        person = people(String, decorated=request.param, normaliser="digits")
        person.metadata.create_all(engine)
        return person

    @pytest.fixture
    def session(self, engine: Engine) -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    @staticmethod
    def row(person: Any, number: int, value: Any) -> dict[str, Any]:
        """A row as a statement takes it."""
        values = {"id": number, "clinic": "north", "value": value}
        return seal(person, values) if hasattr(person.__table__.c.value.type, "row_key") else values

    @staticmethod
    def stored(session: Session, person: Any) -> list[tuple[Any, ...]]:
        """What is read of all rows, and whether each has a tag."""
        session.expire_all()
        return [(each.value, each.tag is not None) for each in session.scalars(select(person).order_by(person.id))]

    @pytest.mark.parametrize("value", [UNKNOWN, "", "555 \U0001fae8"])  # the last of Unicode 15.0
    def test_objects(self, session: Session, person: Any, value: str) -> None:
        """New ones, and those that are changed to it, and from it."""
        session.add_all([person(id=1, value=value), person(id=2, value=PHONE)])
        session.commit()
        assert self.stored(session, person) == [(value, False), (PHONE, True)]
        session.get_one(person, 1).value, session.get_one(person, 2).value = PHONE, value
        session.commit()
        assert self.stored(session, person) == [(PHONE, True), (value, False)]

    def test_statements(self, session: Session, person: Any) -> None:
        """INSERT of one row and of several, by ORM and Core, and UPDATE."""
        table = person.__table__
        session.execute(insert(person), [self.row(person, 1, UNKNOWN), self.row(person, 2, PHONE)])
        session.execute(insert(person).values([self.row(person, 3, UNKNOWN), self.row(person, 4, PHONE)]))
        session.connection().execute(insert(table).values(self.row(person, 5, UNKNOWN)))
        session.connection().execute(insert(table), [self.row(person, 6, UNKNOWN), self.row(person, 7, PHONE)])
        assert [tagged for _, tagged in self.stored(session, person)] == [False, True, False, True, False, False, True]
        session.execute(update(person).where(person.id == 2).values(self.row(person, 2, UNKNOWN)))
        assert self.stored(session, person)[1] == (UNKNOWN, False)

    def test_bulk_methods(self, session: Session, person: Any) -> None:
        """The old ones of the Session."""
        session.bulk_insert_mappings(person, [self.row(person, 1, UNKNOWN), self.row(person, 2, PHONE)])
        assert self.stored(session, person) == [(UNKNOWN, False), (PHONE, True)]

    def test_a_search_for_it_is_refused(self, session: Session, person: Any) -> None:
        """All such values would count as equal, and none of them can be found."""
        column = of_tenant(person.value, "north") if hasattr(person.value.type, "row_key") else person.value
        conditions: list[Callable[[], Any]] = [lambda: column == UNKNOWN, lambda: column.in_([PHONE, ""])]
        for condition in conditions:
            with pytest.raises(ValueError, match=r"people\.value cannot be searched for that.*digits") as caught:
                condition()
            assert UNKNOWN not in str(caught.value)

    def test_it_is_not_what_was_searched_for(self, session: Session, person: Any) -> None:
        """Rows of other values are found, and it is not among those that differ: it has no tag, as NULL has none."""
        session.add_all([person(id=1, value=UNKNOWN), person(id=2, value=PHONE), person(id=3, value="1")])
        session.commit()
        column = of_tenant(person.value, "north") if hasattr(person.value.type, "row_key") else person.value
        assert list(session.scalars(select(person.id).where(column == "1-555-0100"))) == [2]
        assert list(session.scalars(select(person.id).where(column != "1-555-0100"))) == [3]

    def test_a_migration_agrees(self, engine: Engine, session: Session, person: Any) -> None:
        """Such a row is verified as right; a tag that it should not have is taken away."""
        session.add_all([person(id=1, value=UNKNOWN), person(id=2, value=PHONE)])
        session.commit()
        migration = Migration(engine, person)
        assert migration.verify().wrong == 0
        with engine.begin() as connection:
            tag = select(person.__table__.c.tag).where(person.__table__.c.id == 2).scalar_subquery()
            stolen = connection.scalar(select(tag))
            connection.exec_driver_sql("UPDATE people SET tag = " + _literal(engine, stolen) + " WHERE id = 1")
        session.commit()
        assert migration.verify().wrong == 1
        migration.backfill(restart=True)
        assert self.stored(session, person) == [(UNKNOWN, False), (PHONE, True)]

    def test_a_stolen_tag_is_no_match(self, engine: Engine) -> None:
        """`find` compares what has no digits with what has: they are not equal."""
        person = people(String, normaliser="digits")
        person.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([person(id=1, value=UNKNOWN), person(id=2, value=PHONE)])
            session.commit()
            tag = session.get_one(person, 2).tag
            with engine.begin() as connection:
                connection.exec_driver_sql("UPDATE people SET tag = " + _literal(engine, tag) + " WHERE id = 1")
            found = find(session, select(person).where(person.value == PHONE))
            assert [each.id for each in found] == [2]


def _literal(engine: Engine, data: Any) -> str:
    text = bytes(data).hex()
    return f"'\\x{text}'::bytea" if engine.dialect.name == "postgresql" else f"X'{text}'"


FORMLESS: dict[str, tuple[Any, Any, Any]] = {
    "not-a-number": (Numeric, Decimal("NaN"), Decimal("1.5")),
    "the end of time, in the west": (DateTime, datetime.max.replace(tzinfo=WEST), datetime(2026, 1, 1, tzinfo=WEST)),
}


@pytest.mark.parametrize("case", FORMLESS)
def test_what_is_equal_to_nothing_is_stored_without_a_tag(engine: Engine, case: str) -> None:
    """No search could be for it."""
    type_, formless, other = FORMLESS[case]
    person = people(type_)
    person.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([person(id=1, value=formless), person(id=2, value=other)])
        session.commit()
        session.expire_all()
        first = session.get_one(person, 1)
        assert (first.tag, str(first.value)) == (None, str(formless))
        assert session.scalars(select(person.id).where(person.value == other)).all() == [2]


def test_the_core_tells_it_from_other_errors() -> None:
    """Whoever stores tags with the core alone stores none for it."""
    index = new_encryptor().blind_index("people.phone", str, normaliser="digits")
    with pytest.raises(NothingToTagError, match="without digits"):
        index.tag(UNKNOWN)
    with pytest.raises(NothingToTagError):
        digits("")


def test_a_normaliser_of_one_s_own_says_so_too(engine: Engine) -> None:
    """By the same error; with any other it refuses the value."""

    def second_word(text: str) -> str:
        words = text.split()
        if not words:
            raise NothingToTagError("no words")
        return words[1] if len(words) > 1 else _refuse()

    person = people(String, normaliser=second_word)
    person.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([person(id=1, value=" "), person(id=2, value="ann may")])
        session.commit()
        assert [session.get_one(person, number).tag is None for number in (1, 2)] == [True, False]
        session.add(person(id=3, value="ann"))
        with pytest.raises(ValueError, match="two words"):
            session.flush()


def _refuse() -> str:
    raise ValueError("two words are needed")
