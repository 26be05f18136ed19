"""What looks like a leak and is none goes on, and no log has plaintext."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    bindparam,
    case,
    create_engine,
    delete,
    event,
    exists,
    func,
    insert,
    lambda_stmt,
    not_,
    null,
    select,
    text,
    type_coerce,
    union,
    union_all,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    column_property,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
    subqueryload,
)

from fieldcrypt_sqlalchemy import Encrypted
from tests.sqlalchemy.people import CTE, ENCRYPTOR, HANDED_ON, OTHER, PEOPLE, SECRET, SUB, Archived, Base, Owner, Person
from tests.sqlalchemy.people import session as session


@dataclass
class _Shout:
    """Compares by its value, and so has no hash."""

    end: str = ""

    def __call__(self, value: str) -> str:
        return value.upper() + self.end


class _Shouted(TypeDecorator[str]):
    impl = String(10)
    cache_ok = True

    def result_processor(self, dialect: Any, coltype: object) -> Any:
        return _Shout()


class TestAllowed:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (lambda: select(Person.ssn).order_by(Person.id), ["1", None]),
            (lambda: select(Person.ssn.label("x")).order_by(Person.id), ["1", None]),
            (lambda: select(OTHER.ssn).where(OTHER.id == 1), ["1"]),
            (lambda: select(SUB.c.ssn).where(SUB.c.id == 1), ["1"]),
            (lambda: select(CTE.c.ssn).where(CTE.c.id == 1), ["1"]),
            (lambda: select(Person.id).where(Person.ssn.is_(None)), [2]),
            (lambda: select(Person.id).where(Person.ssn.is_not(None)), [1]),
            (lambda: select(Person.id).where(not_(Person.ssn.is_(None))), [1]),
            (lambda: select(Person.id).where(Person.ssn == null()), [2]),
            (lambda: select(Person.ssn.is_(None)).where(Person.id == 1), [False]),
            (lambda: select(case((Person.ssn.is_(None), "none"), else_="some")).where(Person.id == 1), ["some"]),
            (lambda: select(func.count()).where(Person.ssn.is_not(None)), [1]),
            (lambda: select(Person.id).where(exists(select(Archived.ssn).where(Archived.id == Person.id))), []),
            (lambda: select(select(Person.ssn).where(Person.id == 1).scalar_subquery()), ["1"]),
            (lambda: select(select(Person.ssn).where(Person.id == 1).scalar_subquery().label("x")), ["1"]),
            (lambda: union_all(select(Person.ssn).where(Person.id == 1), select(Archived.ssn)), ["1"]),
            (lambda: select(Person.id).where(text("people.id = 1")), [1]),
            (lambda: select(Person.ssn, Person.id).distinct().where(Person.id == 1), ["1"]),
            (lambda: select(Person.id).where(Person.ssn.is_distinct_from(None)), [1]),
            (lambda: select(Person.id).where(Person.ssn.is_not_distinct_from(None)), [2]),
            (lambda: select(Person.id).where(HANDED_ON.c.x.is_(None), HANDED_ON.c.id == Person.id), []),
            (lambda: select(HANDED_ON.c.x).where(HANDED_ON.c.id == 1).limit(1), ["1"]),
            (lambda: select(func.count()).select_from(select(Person).subquery()), [2]),
            (lambda: select(func.count()).select_from(HANDED_ON), [2]),
            (lambda: select(exists(select(Person).where(Person.id == 1))), [True]),
            (lambda: union(select(Person.ssn, Person.id), select(Archived.ssn, Archived.id)), {"1", None}),
            (lambda: select(union_all(select(Person), select(Person)).subquery().c.ssn), {"1", None}),
            (lambda: select(Person.id, Person.ssn).except_(select(Person.id, Person.ssn).where(Person.id == 1)), [2]),
            (lambda: select(Person.ssn, Person.ssn.label("again"), PEOPLE).where(Person.id == 1), ["1"]),
            (lambda: text("SELECT ssn FROM people WHERE id = 1").columns(Person.ssn), ["1"]),
            (lambda: select(text("SELECT ssn FROM people").columns(Person.ssn).subquery()), {"1", None}),
            (lambda: insert(Person).values(id=3, ssn="3").returning(Person.ssn), ["3"]),
            (lambda: delete(Person).where(Person.ssn.is_(None)).returning(Person.id), [2]),
        ],
    )
    def test_what_the_database_can_answer_works(self, session: Session, query: Any, expected: Any) -> None:
        """Reading, testing for NULL, and writing plain values."""
        found = session.scalars(query()).all()
        assert (set(found) if isinstance(expected, set) else found) == expected

    @pytest.mark.parametrize(
        "query",
        [
            lambda: select(Person).from_statement(text("SELECT * FROM people")),
            lambda: select(Person).from_statement(union(select(Person), select(Person).where(Person.id == 1))),
            lambda: select(aliased(Person, union_all(select(Person)).subquery())),
            lambda: select(Person).distinct().order_by(Person.id).limit(5).offset(0),
            lambda: lambda_stmt(lambda: select(Person)),
        ],
    )
    def test_objects_are_loaded_by_ordinary_statements(self, session: Session, query: Any) -> None:
        """Whatever SQLAlchemy makes of them."""
        assert sorted((person.id, person.ssn) for person in session.scalars(query())) == [(1, "1"), (2, None)]

    @pytest.mark.parametrize("load", [joinedload, selectinload, subqueryload])
    def test_objects_are_loaded_with_their_collections(self, engine: Engine, load: Any) -> None:
        """And with subqueries for attributes; the ORM limits the rows within a subquery of its own."""

        class Base(DeclarativeBase):
            pass

        class Visit(Base):
            __tablename__ = "visits"
            id: Mapped[int] = mapped_column(primary_key=True)
            person_id: Mapped[int] = mapped_column(ForeignKey("visitors.id"))
            notes: Mapped[str] = mapped_column(Encrypted(String, ENCRYPTOR))

        class Visitor(Base):
            __tablename__ = "visitors"
            id: Mapped[int] = mapped_column(primary_key=True)
            ssn: Mapped[str] = mapped_column(Encrypted(String, ENCRYPTOR))
            visits: Mapped[list[Visit]] = relationship(order_by=Visit.id)
            first_notes: Mapped[str] = column_property(
                select(Visit.notes).where(Visit.person_id == id).order_by(Visit.id).limit(1).scalar_subquery()
            )

        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Visitor(id=1, ssn="1", visits=[Visit(id=1, notes="a"), Visit(id=2, notes="b")]))
            session.commit()
            page = session.scalars(select(Visitor).options(load(Visitor.visits)).order_by(Visitor.id).limit(1))
            visitor = page.unique().one()
            assert (visitor.ssn, visitor.first_notes) == ("1", "a")
            assert [visit.notes for visit in visitor.visits] == ["a", "b"]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (lambda: select(Owner.id).where(Owner.mail == "b"), [3]),
            (lambda: select(case((Owner.mail == "b", "yes"), else_="no")).where(Owner.id == 3), ["yes"]),
            (lambda: select(func.count(Owner.mail_tag.distinct())), [2]),
            (lambda: select(func.count(Owner.id)).group_by(Owner.mail_tag).having(func.count(Owner.mail_tag) > 1), [2]),
            (lambda: select(func.count()).where(Owner.mail_tag.is_not(None)), [3]),
            (lambda: select(Owner.mail).where(Owner.id == 1).order_by(Owner.mail_tag.desc()), ["a"]),
            (
                lambda: select(func.row_number().over(partition_by=Owner.mail_tag)).where(Owner.id == 1),
                [1],
            ),
            (lambda: select(Owner.id).where(Owner.mail_tag.in_(select(Owner.mail_tag).where(Owner.id == 3))), [3]),
            (
                lambda: select((twin := aliased(Owner)).id).where(twin.mail_tag == Owner.mail_tag, Owner.id == 3),
                [3],
            ),
        ],
    )
    def test_tags_are_compared_and_counted(self, session: Session, query: Any, expected: Any) -> None:
        """With each other."""
        session.add_all([Owner(id=1, mail="a"), Owner(id=2, mail="a"), Owner(id=3, mail="b")])
        session.flush()
        assert session.scalars(query()).all() == expected

    def test_parameters_of_other_names_are_encrypted(self, session: Session) -> None:
        """One row or many."""
        statement = update(PEOPLE).where(PEOPLE.c.id == bindparam("key")).values(ssn=bindparam("new"))
        session.connection().execute(statement, [{"key": 1, "new": "one"}, {"key": 2, "new": "two"}])
        assert session.scalars(select(Person.ssn).order_by(Person.id)).all() == ["one", "two"]

    def test_ciphertext_is_copied_between_columns_of_one_field(self, session: Session) -> None:
        """As an archive is made, in the database and without keys."""
        session.execute(insert(Archived).from_select(["id", "ssn"], select(Person.id, Person.ssn)))
        assert session.scalars(select(Archived.ssn).order_by(Archived.id)).all() == ["1", None]

    def test_ciphertext_can_be_read_as_it_is(self, session: Session) -> None:
        """By its own field, for example."""
        data = session.scalars(select(type_coerce(Person.ssn, LargeBinary)).where(Person.id == 1)).one()
        assert ENCRYPTOR.field("people.ssn", str).decrypt(data) == "1"

    def test_upserts_of_plain_values_and_of_the_same_column_work(self, session: Session) -> None:
        """In each database's own words."""
        dialect = session.get_bind().dialect.name
        rows = [{"id": 1, "ssn": "one", "full_name": "A"}, {"id": 3, "ssn": "three", "full_name": "C"}]
        if dialect in ("mysql", "mariadb"):
            upsert = mysql.insert(PEOPLE).values(rows)
            upsert = upsert.on_duplicate_key_update(ssn=upsert.inserted.ssn, full_name="changed")
        else:
            upsert = {"sqlite": sqlite, "postgresql": postgresql}[dialect].insert(PEOPLE).values(rows)
            upsert = upsert.on_conflict_do_update(
                index_elements=["id"],
                set_={"ssn": upsert.excluded.ssn, "full_name": "changed"},
            )
        session.execute(upsert)
        read = session.execute(select(Person.id, Person.ssn, Person.name).order_by(Person.id)).all()
        assert read == [(1, "one", "changed"), (2, None, None), (3, "three", "C")]

    def test_a_cached_statement_is_not_examined_again(self, session: Session) -> None:
        """What costs time happens once for each statement that SQLAlchemy compiles."""
        compiled = []

        @event.listens_for(session.get_bind(), "before_cursor_execute")
        def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
            compiled.append(context.compiled)

        for id in (1, 2):
            session.scalars(select(Person.ssn).where(Person.id == id)).all()
        assert compiled[0] is compiled[1]
        assert "fieldcrypt_examined" in vars(compiled[0])


class TestLogs:
    def test_rows_in_the_debug_log_are_blanked(self, session: Session, caplog: pytest.LogCaptureFixture) -> None:
        """`echo="debug"` prints rows as the application gets them."""
        session.execute(update(Person).where(Person.id == 1).values(ssn=SECRET))
        session.commit()
        with caplog.at_level(logging.DEBUG, "sqlalchemy.engine"), Session(session.get_bind()) as logged:
            assert logged.execute(select(Person.city, Person.ssn).where(Person.id == 1)).all() == [("Paris", SECRET)]
            assert logged.scalars(select(Person).where(Person.id == 1)).one().ssn == SECRET
        assert "Row" in caplog.text
        assert "Paris" in caplog.text
        assert SECRET not in caplog.text

    def test_rows_of_chosen_columns_are_blanked(self, session: Session, caplog: pytest.LogCaptureFixture) -> None:
        """However the application picks them."""
        session.execute(update(Person).where(Person.id == 1).values(ssn=SECRET))
        session.commit()
        query = select(PEOPLE).where(PEOPLE.c.id == 1)
        with (
            caplog.at_level(logging.DEBUG, "sqlalchemy.engine"),
            session.get_bind().connect() as logged,  # type: ignore[union-attr]
        ):
            assert logged.execute(query).columns("city").all() == [("Paris",)]
            assert logged.execute(query).columns("ssn", "city").all() == [(SECRET, "Paris")]
            assert logged.execute(query).scalars(2).all() == [SECRET]
            assert logged.execute(query).mappings().one()["ssn"] == SECRET
        assert "Paris" in caplog.text
        assert SECRET not in caplog.text

    def test_rows_that_a_bulk_insert_returns_are_blanked(
        self, session: Session, caplog: pytest.LogCaptureFixture
    ) -> None:
        """SQLAlchemy logs them twice, the second time without what it decrypted them with."""
        rows = [{"id": 8, "city": "Oslo", "ssn": SECRET}, {"id": 9, "ssn": SECRET}]
        with caplog.at_level(logging.DEBUG, "sqlalchemy.engine"), Session(session.get_bind()) as logged:
            assert [person.ssn for person in logged.scalars(insert(Person).returning(Person), rows)] == [SECRET] * 2
        assert "Oslo" in caplog.text
        assert SECRET not in caplog.text

    def test_an_engine_with_a_name_of_its_own_is_covered(self, caplog: pytest.LogCaptureFixture) -> None:
        """It has a logger of its own."""
        engine = create_engine("sqlite://", logging_name="own", echo="debug")
        Base.metadata.create_all(engine)
        with Session(engine) as session, caplog.at_level(logging.DEBUG, "sqlalchemy.engine"):
            session.add(Person(id=1, ssn=SECRET))
            session.flush()
            assert session.execute(select(Person.ssn)).all() == [(SECRET,)]
        assert "[protected]" in caplog.text
        assert SECRET not in caplog.text

    def test_rows_with_a_type_of_an_application_are_logged(
        self, engine: Engine, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Whatever it processes values with, such as an object without a hash."""
        table = Table("t", MetaData(), Column("ssn", Encrypted(String, ENCRYPTOR)), Column("city", _Shouted))
        with caplog.at_level(logging.DEBUG, "sqlalchemy.engine"), engine.connect() as connection:
            table.create(connection)
            connection.execute(insert(table), {"ssn": SECRET, "city": "Oslo"})
            assert connection.execute(select(table)).all() == [(SECRET, "OSLO")]
        assert "OSLO" in caplog.text
        assert SECRET not in caplog.text

    def test_statements_and_parameters_show_no_plaintext(
        self, session: Session, caplog: pytest.LogCaptureFixture
    ) -> None:
        """In the log at INFO, and in what the driver raises."""
        with caplog.at_level(logging.INFO, "sqlalchemy.engine"):
            session.execute(insert(Person), [{"id": 7, "ssn": SECRET}])
            with pytest.raises(Exception, match=r"(?i)unique|duplicate") as caught:
                session.execute(insert(Person), [{"id": 7, "ssn": SECRET}])
        assert "INSERT INTO people" in caplog.text
        assert SECRET not in caplog.text
        assert SECRET not in str(caught.value)
        assert SECRET not in repr(caught.value)

    def test_an_error_of_the_driver_before_the_statement_shows_no_plaintext(self, engine: Engine) -> None:
        """A default of another column asks the database, for example, and that fails."""

        def fail() -> None:
            raise engine.dialect.loaded_dbapi.OperationalError("failed")

        protected: Column[Any] = Column("v", Encrypted(String, ENCRYPTOR))
        table = Table("t", MetaData(), Column("id", Integer), protected, Column("n", Integer, default=fail))
        with engine.connect() as connection, pytest.raises(Exception, match="failed") as caught:
            connection.execute(insert(table), {"id": 1, "v": SECRET})
        assert SECRET not in str(caught.value)
        assert SECRET not in repr(vars(caught.value))

    def test_an_error_of_somebody_else_is_left_alone(self, engine: Engine) -> None:
        """Only SQLAlchemy's errors have parameters to hide."""
        table = Table("t", MetaData(), Column("id", Integer), Column("v", Encrypted(Integer, ENCRYPTOR)))
        with engine.connect() as connection, pytest.raises(TypeError) as caught:
            connection.execute(insert(table), {"id": 1, "v": SECRET})
        assert not {"params", "hide_parameters"} & vars(caught.value).keys()
