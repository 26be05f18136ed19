"""Searches by columns of every type, on every database, and in classes that inherit."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Engine,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Time,
    TypeDecorator,
    Unicode,
    Uuid,
    and_,
    event,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session, aliased, with_polymorphic
from sqlalchemy.schema import CreateTable

from fieldcrypt import ConfigurationError, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, IndexedBy
from tests.conftest import Database
from tests.sqlalchemy.searched import ANN, BOB, Base, Clinic, Employee, Guest, Person, keys, patients
from tests.support.encryptors import new_encryptor


class Trees(enum.Enum):
    """Sixteen values, which is the least that is searched without a word."""

    A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P = range(16)  # noqa: E741


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


class Reversed(TypeDecorator[str]):
    """A user's own type: stores text backwards, and nothing for nothing."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        return value[::-1] or None if value is not None else None

    def process_result_value(self, value: str | None, dialect: object) -> str | None:
        return value and value[::-1]


def without_spaces(text: str) -> str:
    return text.replace(" ", "")


UTC_PLUS_1 = dt.timezone(dt.timedelta(hours=1))
UTC = dt.UTC
LETTERS = Enum(*"abcdefghijklmnop", name="letters")

# A type, how it is indexed, what is stored, and what finds it and what does not.
SEARCHED: list[tuple[Any, dict[str, Any], Any, list[Any], list[Any]]] = [
    (String, {}, "Straße", ["Straße"], ["straße", "STRASSE", "Straße "]),
    (String, {"normaliser": "casefold"}, "Straße", ["STRASSE", "strasse"], ["Strase"]),
    (Text, {"normaliser": "nfkc"}, "\u00e9\ufb01", ["e\u0301fi"], ["\u00c9fi"]),
    (Unicode(5), {"normaliser": "digits"}, "+1 (555) 0100", ["1 555-0100"], ["555 0100"]),
    (String, {"normaliser": without_spaces}, "AB 12", ["AB12", "A B 1 2"], ["ab12"]),
    (Reversed, {}, "abc", ["abc"], ["cba"]),
    (Integer, {}, -7, [-7], [7]),
    (BigInteger, {}, 2**80, [2**80], [2**80 - 1]),
    (Numeric(10, 2), {}, Decimal("1.50"), [Decimal("1.5"), Decimal("1.500")], [Decimal("1.51"), 1]),
    (Numeric(10, 2), {}, 5, [5, Decimal("5.0")], [6]),
    (Date, {}, dt.date(1970, 1, 1), [dt.date(1970, 1, 1)], [dt.date(1970, 1, 2)]),
    (
        DateTime(timezone=True),
        {},
        dt.datetime(2026, 1, 1, 1, tzinfo=UTC_PLUS_1),
        [dt.datetime(2026, 1, 1, 0, tzinfo=UTC)],
        [dt.datetime(2026, 1, 1, 1, tzinfo=UTC), dt.datetime(2026, 1, 1, 0)],
    ),
    (Time, {}, dt.time(1, 2), [dt.time(1, 2)], [dt.time(1, 3)]),
    (Interval, {}, dt.timedelta(hours=24), [dt.timedelta(days=1)], [dt.timedelta(0)]),
    (Uuid, {}, UUID(int=1), [UUID(int=1)], [UUID(int=2)]),
    (Uuid(as_uuid=False), {}, str(UUID(int=1)), [str(UUID(int=1))], [str(UUID(int=2))]),
    (LargeBinary, {}, b"\x00\xff", [b"\x00\xff", bytearray(b"\x00\xff")], [b""]),
    (Enum(Trees), {}, Trees.B, [Trees.B], [Trees.C]),
    (LETTERS, {}, "b", ["b"], ["c"]),
    (Enum(Colour), {"accept_low_cardinality": True}, Colour.RED, [Colour.RED], [Colour.GREEN]),
    (Enum("a", "b", name="ab"), {"accept_low_cardinality": True}, "b", ["b"], ["a"]),
    (Boolean, {"accept_low_cardinality": True}, False, [False], [True]),
]


class TestTypes:
    @pytest.mark.parametrize(("type_", "how", "stored", "same", "others"), SEARCHED)
    def test_every_type_is_found_by_what_counts_as_equal(
        self, engine: Engine, type_: Any, how: Any, stored: Any, same: list[Any], others: list[Any]
    ) -> None:
        """And by nothing else."""
        searchable = Encrypted(type_, new_encryptor(), index=IndexedBy("tag", **how))
        table = Table("t", MetaData(), Column("v", searchable), Column("tag", BlindIndexTag(), index=True))
        with engine.begin() as connection:
            table.create(connection)
            connection.execute(insert(table), [{"v": stored}, {"v": None}])
            found = [connection.scalar(select(func.count()).where(table.c.v == value)) for value in (*same, *others)]
            assert connection.scalar(select(table.c.v).where(table.c.v.in_(same))) == stored
        assert found == [1] * len(same) + [0] * len(others)

    def test_a_value_that_becomes_null_has_no_tag(self, database: Database) -> None:
        """A user's type may make it so."""
        table = Table(
            "t", MetaData(), Column("v", Encrypted(Reversed, new_encryptor(), index="g")), Column("g", BlindIndexTag())
        )
        with database("sqlite").begin() as connection:
            table.create(connection)
            connection.execute(insert(table).values(v=""))
            assert connection.execute(select(table)).all() == [(None, None)]

    @pytest.mark.parametrize(
        ("type_", "how", "why"),
        [
            (Float, {}, "float"),
            (JSON, {}, "object"),
            (ARRAY(Integer), {}, "list"),
            (Boolean, {}, "accept_low_cardinality"),
            (Enum(Colour), {}, "accept_low_cardinality"),
            (Enum("a", "b", name="ab"), {}, "accept_low_cardinality"),
            (Integer, {"normaliser": "digits"}, "normaliser"),
            (String, {"normaliser": "none"}, "normaliser"),
            (String, {"tag_size": 0}, "tag_size"),
            (String, {"tag_size": 33}, "tag_size"),
        ],
    )
    def test_what_cannot_be_searched_is_refused_where_it_is_declared(self, type_: Any, how: Any, why: str) -> None:
        """What has no exact form, and what tags would tell."""
        with pytest.raises((ConfigurationError, TypeError, ValueError), match=why):
            Encrypted(type_, index=IndexedBy("tag", **how))

    @pytest.mark.parametrize(
        ("companion", "why"),
        [
            (None, "has no such column"),
            (Column("tag", LargeBinary), "not a blind index column"),
            (Column("other", BlindIndexTag()), "has no such column"),
        ],
    )
    def test_a_companion_is_needed(self, companion: Any, why: str) -> None:
        """The error says how to declare it."""
        columns = [] if companion is None else [companion]
        table = Table("t", MetaData(), Column("v", Encrypted(String, new_encryptor(), index="tag")), *columns)
        with pytest.raises(ConfigurationError, match=rf"t\.v is indexed by 'tag'.*{why}.*blind_index\(\)"):
            table.c.v == "x"  # noqa: B015


class TestDatabases:
    def test_the_companion_is_short_binary(self, engine: Engine) -> None:
        """On MySQL VARBINARY, for a BLOB has no index without a length."""
        table = patients(new_encryptor()).__table__
        ddl = str(CreateTable(table).compile(engine))
        right = {"sqlite": "BLOB", "postgresql": "BYTEA"}.get(engine.dialect.name, "VARBINARY(32)")
        assert f"e_mail_tag {right}" in ddl

    def test_the_database_searches_by_its_index(self, engine: Engine) -> None:
        """With one tag and with several, among enough rows to make it worth it."""
        clinic = Clinic(engine)
        with clinic.session:
            clinic.execute(insert(clinic.table), [{"id": number, "email": f"{number}@x"} for number in range(2000)])
            clinic.session.commit()
            if engine.dialect.name == "postgresql":
                clinic.execute(text("ANALYZE"))
            for condition in (clinic.patient.mail == "7@x", clinic.patient.mail.in_(["7@x", "8@x"])):
                statement = select(clinic.patient.id, clinic.patient.mail).where(condition)
                assert len(clinic.execute(statement).all()) > 0
                assert "ix_patients_e_mail_tag" in self.plan(clinic, statement)

    def plan(self, clinic: Clinic, statement: Any) -> str:
        """Return what the database says how it executes a statement."""
        said: list[Any] = []
        explain = "EXPLAIN QUERY PLAN" if clinic.engine.dialect.name == "sqlite" else "EXPLAIN"

        def spy(_: Any, cursor: Any, sql: str, parameters: Any, *__: Any) -> None:
            cursor.execute(f"{explain} {sql}", parameters)
            said.extend(cursor.fetchall())

        event.listen(clinic.engine, "before_cursor_execute", spy)
        clinic.execute(statement)
        event.remove(clinic.engine, "before_cursor_execute", spy)
        return str(said)


class TestInheritance:
    @pytest.fixture
    def persons(self, engine: Engine) -> Iterator[Session]:
        keys.configure(LocalKeyProvider.generate(), MemoryKeyStore())
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all(
                [Person(id=1, email=ANN), Guest(id=2, email=ANN, room="7"), Employee(id=3, email=ANN, iban="X1")]
            )
            session.commit()
            yield session

    def test_inherited_and_own_columns_are_searched(self, persons: Session) -> None:
        """Each class finds its own."""
        found = [
            persons.scalars(select(model.id).where(condition).order_by(model.id)).all()
            for model, condition in [
                (Person, Person.email == ANN),
                (Guest, Guest.email == ANN),
                (Employee, Employee.email == ANN),
                (Guest, Guest.room == "7"),
                (Employee, Employee.iban == "X1"),
                (Employee, and_(Employee.iban == "X1", Employee.email != ANN)),
            ]
        ]
        assert found == [[1, 2, 3], [2], [3], [2], [3], []]

    def test_polymorphic_aliases_are_searched(self, persons: Session) -> None:
        """Where the ORM replaces columns by those of a join."""
        every = with_polymorphic(Person, [Guest, Employee])
        flat = with_polymorphic(Person, [Employee], flat=True, aliased=True)
        employee = aliased(Employee)
        queries = [
            select(every.id).where(or_(every.Guest.room == "7", every.Employee.iban == "X1")).order_by(every.id),
            select(flat.id).where(flat.Employee.iban == "X1", flat.email == ANN),
            select(employee.id).where(employee.email == ANN, employee.iban.in_(["X1"])),
        ]
        assert [persons.scalars(query).all() for query in queries] == [[2, 3], [3], [3]]

    def test_changes_keep_tags_in_step(self, persons: Session) -> None:
        """In whichever table."""
        employee = persons.get_one(Employee, 3)
        employee.iban, employee.email = "X2", BOB
        persons.commit()
        persons.execute(update(Guest).where(Guest.email == ANN).values(room="8"))
        found = select(Person.id).where(Person.email == BOB), select(Employee.id).where(Employee.iban == "X2")
        assert [persons.scalars(query).all() for query in found] == [[3], [3]]
        assert persons.scalars(select(Guest.id).where(Guest.room == "8")).all() == [2]

    def test_writes_in_bulk_keep_tags_in_step(self, persons: Session) -> None:
        """The ORM executes them for each table."""

        def found() -> list[Any]:
            queries = select(Person.id).where(Person.email == BOB), select(Employee.id).where(Employee.iban == "X2")
            return [persons.scalars(query.order_by(Person.id)).all() for query in queries]

        rows = [{"id": number, "kind": "employee", "email": BOB, "iban": "X2"} for number in (5, 6)]
        persons.execute(insert(Employee), rows)
        persons.execute(insert(Guest), [{"id": 7, "kind": "guest", "email": BOB}])
        assert found() == [[5, 6, 7], [5, 6]]
        persons.execute(update(Employee), [{"id": 3, "person": 3, "email": BOB, "iban": "X2"}])
        assert found() == [[3, 5, 6, 7], [3, 5, 6]]
        persons.execute(update(Employee).values(iban="X3"), [{"id": 5, "person": 5, "email": ANN}])
        assert found() == [[3, 6, 7], [3, 6]]
