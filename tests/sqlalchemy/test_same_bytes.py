"""Conditions that a key is exactly a value, on databases that fold case, accents and blanks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    CHAR,
    Column,
    Date,
    Engine,
    Enum,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    Uuid,
    bindparam,
    case,
    delete,
    event,
    insert,
    not_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column

from fieldcrypt_sqlalchemy.row_key.same_bytes import compares_exactly, same_bytes
from tests.support.collations import FOLDING_ON_POSTGRES

KEYS = ("abc", "ABC", "abc ", "äbc")
# Each maps to String; what the database compares is said where the table is made, as it would be by somebody else.
COLUMNS = {
    "sqlite": ["TEXT", "TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM"],
    "postgresql": ["VARCHAR(20)", "folding"],
    "mariadb": [
        *(f"VARCHAR(20) COLLATE {each}" for each in ("utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin")),
        *("VARCHAR(20) COLLATE utf8mb4_nopad_bin", "VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci"),
    ],
}

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("tenant", String(20)),
    Column("number", Integer),
)


@pytest.fixture(params=[(name, each) for name, columns in COLUMNS.items() for each in columns], ids=" ".join)
def engine(request: pytest.FixtureRequest, database: Callable[[str], Engine]) -> Engine:
    """A database with an empty table, whose texts it compares in some way."""
    name, column = request.param
    engine = database(name)
    with engine.begin() as connection:
        if name == "postgresql":
            for statement in FOLDING_ON_POSTGRES:
                connection.exec_driver_sql(statement)
        connection.execute(text(f"CREATE TABLE things (id {column} PRIMARY KEY, tenant {column}, number INTEGER)"))
    return engine


def fill(engine: Engine) -> list[str]:
    """Put in all keys that the database tells apart, and return them."""
    kept = []
    for key in KEYS:
        with suppress(IntegrityError), engine.begin() as connection:
            connection.execute(insert(things).values(id=key, tenant=key, number=0))
            kept.append(key)
    return kept


def found(engine: Engine, condition: Any) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.scalars(select(things.c.id).where(condition)))


@pytest.mark.parametrize("key", KEYS)
def test_only_the_key_itself_is_found(engine: Engine, key: str) -> None:
    """Whatever the database takes for equal to it."""
    kept = fill(engine)
    assert found(engine, same_bytes(things.c.id, key)) == [each for each in kept if each == key]
    assert found(engine, same_bytes(things.c.tenant, key)) == [each for each in kept if each == key]
    assert found(engine, not_(same_bytes(things.c.id, key))) == sorted(each for each in kept if each != key)


def test_parameters_of_many_rows(engine: Engine) -> None:
    """Each row has its own values, NULL among them for a column that may be."""
    (kept, *_) = fill(engine)
    statement = (
        update(things)
        .where(same_bytes(things.c.id, bindparam("b_id")), same_bytes(things.c.tenant, bindparam("b_tenant")))
        .values(number=bindparam("b_number"))
    )
    with engine.begin() as connection:
        connection.execute(insert(things).values(id="none", number=0))
        rows = [(kept, kept, 1), ("none", None, 2), (kept.upper(), kept, 3), ("none", kept, 4), (kept, None, 5)]
        connection.execute(statement, [dict(zip(("b_id", "b_tenant", "b_number"), row, strict=True)) for row in rows])
        assert connection.scalar(select(things.c.number).where(things.c.id == kept)) == 1
        assert connection.scalar(select(things.c.number).where(things.c.id == "none")) == 2
        assert connection.scalars(select(things.c.id).where(same_bytes(things.c.tenant, None))).all() == ["none"]


def test_columns_compare_with_columns(engine: Engine) -> None:
    """Of another table, or of an alias of the same."""
    kept = fill(engine)
    other = things.alias("other")
    query = select(things.c.id, other.c.id).where(same_bytes(things.c.id, other.c.id))
    with engine.connect() as connection:
        assert sorted(map(tuple, connection.execute(query))) == sorted((each, each) for each in kept)


@pytest.mark.parametrize("key", ["abc", "ABC"])
def test_the_row_of_an_upsert_is_that_which_was_there(engine: Engine, key: str) -> None:
    """Or another one, of a key that the database takes for the same."""
    (kept, *_) = fill(engine)
    if engine.dialect.name == "mariadb":
        into: Any = mysql.insert(things).values(id=key, number=7)
        number = case((same_bytes(things.c.id, into.inserted.id), into.inserted.number), else_=things.c.number)
        statement: Any = into.on_duplicate_key_update(number=number)
    else:
        dialect: Any = sqlite if engine.dialect.name == "sqlite" else postgresql
        into = dialect.insert(things).values(id=key, number=7)
        statement = into.on_conflict_do_update(
            index_elements=["id"],
            set_={"number": into.excluded.number},
            where=same_bytes(things.c.id, into.excluded.id),
        )
    with engine.begin() as connection:
        connection.execute(statement)
        result = connection.scalar(select(things.c.number).where(same_bytes(things.c.id, kept)))
    assert result == (7 if key == kept else 0)


INDEXED = ("USING INDEX", "USING COVERING INDEX", "Index Scan", "Index Only Scan", "'PRIMARY'")
NOT_INDEXED = ("SCAN things", "Seq Scan", "'ALL'", "'index'")


def plan_of(engine: Engine, table: Table, condition: Any) -> str:
    """How the database looks for rows, with the parameters that it is sent."""
    explain = {"sqlite": "EXPLAIN QUERY PLAN"}.get(engine.dialect.name, "EXPLAIN")

    def ask(_: Any, __: Any, statement: str, values: Any, *___: Any) -> tuple[str, Any]:
        return f"{explain} {statement}", values

    event.listen(engine, "before_cursor_execute", ask, retval=True)
    with engine.connect() as connection:
        plan = " ".join(map(str, connection.execute(select(text("*")).select_from(table).where(condition))))
    event.remove(engine, "before_cursor_execute", ask)
    return plan


def test_the_database_goes_by_its_index(engine: Engine, request: pytest.FixtureRequest) -> None:
    """As it does for the plain comparison, which is a part of the condition."""
    rows = [{"id": f"k{number}", "tenant": "t", "number": 0} for number in range(2000)]
    with engine.begin() as connection:
        connection.execute(insert(things), rows)
        connection.execute(text("ANALYZE TABLE things" if engine.dialect.name == "mariadb" else "ANALYZE"))
    by_index = request.node.callspec.params["engine"] != (
        "postgresql",
        "folding",
    )  # which, like citext, compares with a varchar as text
    for condition in (things.c.id == "k7", same_bytes(things.c.id, "k7")):
        plan = plan_of(engine, things, condition)
        assert any(each in plan for each in INDEXED) is by_index, plan
        assert any(each in plan for each in NOT_INDEXED) is not by_index, plan


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("spelt", ["abc", "abc ", "abc     "])
def test_blanks_do_not_count_at_the_end_of_a_char(database: Callable[[str], Engine], name: str, spelt: str) -> None:
    """A database fills it up, and gives it back with blanks or without; only SQLite takes it as it is."""
    engine, table = database(name), Table("t", MetaData(), Column("id", CHAR(8), primary_key=True))
    table.metadata.create_all(engine)
    written = spelt if name == "sqlite" else "abc"
    with engine.begin() as connection:
        connection.execute(insert(table).values(id=written))
        query = select(table.c.id).where(same_bytes(table.c.id, spelt))
        assert [each.rstrip() for each in connection.scalars(query)] == ["abc"]
        assert not connection.scalars(select(table.c.id).where(same_bytes(table.c.id, spelt.upper()))).all()


@pytest.mark.parametrize("name", COLUMNS)
def test_the_database_finds_a_char_by_its_index(database: Callable[[str], Engine], name: str) -> None:
    """Although it compares without blanks."""
    engine, table = database(name), Table("things", MetaData(), Column("id", CHAR(8), primary_key=True))
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(table), [{"id": f"k{number}"} for number in range(2000)])
        connection.execute(text("ANALYZE TABLE things" if name == "mariadb" else "ANALYZE"))
    plan = plan_of(engine, table, same_bytes(table.c.id, "k7"))
    assert any(each in plan for each in INDEXED), plan
    assert not any(each in plan for each in NOT_INDEXED), plan


@pytest.mark.parametrize("name", COLUMNS)
def test_texts_of_an_enum(database: Callable[[str], Engine], name: str) -> None:
    """MariaDB folds their case."""
    letters = Enum("a", "B", name="letters")
    engine, table = database(name), Table("t", MetaData(), Column("id", letters, primary_key=True))
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(table).values(id="B"))
        assert connection.scalars(select(table.c.id).where(same_bytes(table.c.id, "B"))).all() == ["B"]
        if name == "mariadb":
            assert connection.scalars(select(table.c.id).where(table.c.id == "b")).all() == ["B"]
            assert not connection.scalars(select(table.c.id).where(same_bytes(table.c.id, "b"))).all()


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize(
    ("type_", "value"), [(Integer(), 7), (Uuid(), uuid4()), (Uuid(as_uuid=False), str(uuid4())), (Enum("a"), "a")]
)
def test_other_types_are_found(database: Callable[[str], Engine], name: str, type_: Any, value: Any) -> None:
    """By what the database itself takes for equal."""
    if isinstance(type_, Enum):
        type_ = Enum("a", name="letter")
    engine, table = database(name), Table("t", MetaData(), Column("id", type_, primary_key=True, autoincrement=False))
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(table).values(id=value))
        assert connection.scalars(select(table.c.id).where(same_bytes(table.c.id, value))).all() == [value]


# What is sent


class Own(TypeDecorator[UUID]):
    """A UUID that some databases keep as text."""

    impl = CHAR(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(postgresql.UUID() if dialect.name == "postgresql" else CHAR(32))


def dialects() -> Iterator[Any]:
    return (each.dialect() for each in (sqlite, postgresql, mysql, mssql, oracle))


@pytest.mark.parametrize("type_", [Integer(), Uuid(), Date(), LargeBinary(), mysql.BINARY(4)], ids=repr)
def test_what_compares_exactly_is_compared_plainly(type_: Any) -> None:
    """On every database, and it is known to."""
    column = Column("id", type_, nullable=False)
    for dialect in dialects():
        sql = str(same_bytes(column, bindparam("v")).compile(dialect=dialect))
        assert sql.startswith("id = ")
        assert "AND" not in sql
        assert compares_exactly(column, dialect)


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        (
            mssql,
            "(id = :v AND CAST(CAST(id AS NVARCHAR(max)) AS VARBINARY(max))"
            " = CAST(CAST(:v AS NVARCHAR(max)) AS VARBINARY(max)))",
        ),
        (oracle, "(id = :v AND NLSSORT(id, 'NLS_SORT=BINARY') = NLSSORT(:v, 'NLS_SORT=BINARY'))"),
    ],
    ids=["mssql", "oracle"],
)
def test_databases_that_are_not_tested(dialect: Any, sql: str) -> None:
    """What they are sent, by their manuals."""
    condition = same_bytes(Column("id", String(20), nullable=False), bindparam("v"))
    assert str(condition.compile(dialect=dialect.dialect())) == sql


def test_an_unknown_database_is_asked_in_the_words_of_the_standard() -> None:
    """And refuses if it has none."""
    assert "CAST(id AS VARBINARY)" in str(same_bytes(Column("id", String(20), nullable=False), "x"))


@pytest.mark.parametrize(
    ("type_", "exact"),
    [
        (String(20), set()),
        (CHAR(20, collation="C"), set()),
        (String(20, collation="C"), {"postgresql"}),
        (String(20, collation="BINARY"), {"sqlite"}),
        (String(20, collation="utf8mb4_bin"), set()),
        (String(20, collation="utf8mb4_0900_bin"), {"mysql"}),
        (Enum("a", name="letter"), {"postgresql"}),
        (Enum("a", name="letter", native_enum=False), set()),
        (Own(), {"postgresql"}),
        (postgresql.DOMAIN("n", Integer()), {"sqlite", "postgresql", "mysql", "mssql", "oracle"}),
        (String(20).with_variant(postgresql.UUID(), "postgresql"), {"postgresql"}),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:Type object .*DOMAIN:sqlalchemy.exc.SADeprecationWarning")
def test_of_a_text_it_is_known_only_if_the_model_says_so(type_: Any, exact: set[str]) -> None:
    """A model says nothing of what a column's collation takes for equal."""
    column = Column("id", type_)
    assert {dialect.name for dialect in dialects() if compares_exactly(column, dialect)} == exact


def test_statements_are_cached() -> None:
    """One for all values, and others for a column that may be NULL and for another type."""
    columns = [Column("id", String(20), nullable=False), Column("id", String(20)), Column("id", Integer)]
    one, same, *others = [
        same_bytes(column, value)._generate_cache_key().key  # type: ignore[union-attr]
        for column, value in ((columns[0], "a"), (columns[0], "b"), (columns[1], "a"), (columns[2], 1))
    ]
    assert one == same
    assert len({one, *others}) == 3


class Base(DeclarativeBase):
    pass


class Thing(Base):
    """The table as a model."""

    __tablename__ = "things"
    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    tenant: Mapped[str | None] = mapped_column(String(20))
    number: Mapped[int]


def test_attributes_of_models(engine: Engine) -> None:
    """In queries, aliased, and in bulk statements that the ORM follows in its session."""
    (kept, *_) = fill(engine)
    with Session(engine) as session:
        other = aliased(Thing)
        assert [each.id for each in session.scalars(select(other).where(same_bytes(other.id, kept)))] == [kept]
        thing = session.get_one(Thing, kept)
        session.execute(update(Thing).where(same_bytes(Thing.id, kept.upper())).values(number=1))
        session.execute(update(Thing).where(same_bytes(Thing.id, kept)).values(number=Thing.number + 2))
        assert thing.number == 2
        session.execute(delete(Thing).where(same_bytes(Thing.id, kept)))
        assert thing not in session
