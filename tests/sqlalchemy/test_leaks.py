"""Plaintext does not leave by accident: what is refused, shown by what the driver was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Computed,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    delete,
    desc,
    event,
    exists,
    func,
    insert,
    lambda_stmt,
    literal,
    literal_column,
    not_,
    nulls_last,
    or_,
    select,
    text,
    tuple_,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import CompileError, InvalidRequestError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Bundle, Session, with_loader_criteria
from sqlalchemy.sql import coercions, roles
from sqlalchemy.sql.expression import ColumnElement

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, ProtectedColumnError
from tests.conftest import Database
from tests.sqlalchemy.people import CTE, ENCRYPTOR, HANDED_ON, OTHER, PEOPLE, SECRET, SUB, Archived, Base, Owner, Person
from tests.sqlalchemy.people import session as session


class Hidden(ColumnElement[Any]):
    """An expression of an application's own, which does not tell what is in it."""

    inherit_cache = False
    type = String()

    def __init__(self, *parts: Any) -> None:
        self.parts = [coercions.expect(roles.ExpressionElementRole, part) for part in parts]


@compiles(Hidden)
def _render_hidden(element: Hidden, compiler: Any, **kw: Any) -> str:
    return f"coalesce({', '.join(compiler.process(part, **kw) for part in element.parts)})"


SCALAR = select(Person.ssn).limit(1).scalar_subquery()
COERCED = select(Person.id, type_coerce(Person.ssn, String).label("x")).subquery()
MIXED = union_all(select(Person.city.label("x")), select(Person.ssn)).subquery()
EXCLUDED = PEOPLE.alias("excluded")


@contextmanager
def given(engine: Any) -> Iterator[list[str]]:
    """Collect all that the driver is given."""
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append(f"{statement} {parameters!r}")

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


READS: dict[str, Callable[[], Any]] = {
    # those of the project's list of what was found to leak
    "coalesce": lambda: select(func.coalesce(Person.ssn, SECRET)),
    "case": lambda: select(case((Person.id == 1, Person.ssn), else_=SECRET)),
    "case on the column": lambda: select(Person.id).where(case((PEOPLE.c.ssn == literal(SECRET), 1), else_=0) == 1),
    "lower": lambda: select(Person).where(func.lower(Person.ssn) == SECRET),
    "cast": lambda: select(Person).where(cast(Person.ssn, String) == SECRET),
    "text": lambda: select(Person.id).where(text(f"ssn = '{SECRET}'")),
    "concatenation": lambda: select(literal(SECRET).op("||")(Person.ssn)),
    "another column": lambda: select(Person.id).where(Person.city == Person.ssn),
    # more
    "a value first": lambda: select(Person).where(literal(SECRET) == Person.ssn),
    "a bound value first": lambda: select(Person).where(bindparam("x", SECRET) == Person.ssn),
    "a subquery's value": lambda: select(Person.id).where(literal(SECRET) == SCALAR),
    "in a subquery": lambda: select(Person.id).where(literal(SECRET).in_(select(Person.ssn))),
    "in a subquery of two": lambda: select(Person.id).where(
        tuple_(literal(1), literal(SECRET)).in_(select(Person.id, Person.ssn))
    ),
    "in a union": lambda: select(Person.id).where(
        literal(SECRET).in_(select(Person.ssn).union_all(select(Archived.ssn)))
    ),
    "any": lambda: select(Person.id).where(literal(SECRET) == any_(SCALAR)),
    "a tuple": lambda: select(Person.id).where(tuple_(Person.id, Person.ssn).in_([(1, SECRET)])),
    "a column of a subquery": lambda: select(SUB).where(literal(SECRET) == SUB.c.ssn),
    "a column of a CTE": lambda: select(CTE).where(func.upper(CTE.c.ssn) == SECRET),
    "a column of an alias": lambda: select(OTHER).where(func.upper(OTHER.ssn) == SECRET),
    "a column of a Core alias": lambda: select(PEOPLE.alias("p").c.id).where(
        func.upper(PEOPLE.alias("p").c.ssn) == SECRET
    ),
    "a join condition": lambda: select(Person.id).join(Archived, Person.ssn == Archived.ssn),
    "a join condition of Core": lambda: select(PEOPLE.c.id).join(OTHER, func.lower(PEOPLE.c.ssn) == SECRET),
    "nullif": lambda: select(func.nullif(Person.ssn, SECRET)),
    "nullif in a label": lambda: select(Person.id, func.nullif(Person.ssn, SECRET).label("ssn")),
    "coalesce that is null": lambda: select(Person.id).where(func.coalesce(Person.ssn, SECRET).is_(None)),
    "a function that sorts": lambda: select(Person.id).order_by(func.nullif(Person.ssn, SECRET)),
    "a window": lambda: select(func.row_number().over(order_by=Person.ssn)),
    "a filtered aggregate": lambda: select(func.count().filter(literal(SECRET) == Person.ssn)),
    "an aggregate": lambda: select(func.max(Person.ssn)),
    "having": lambda: select(Person.city).group_by(Person.city).having(func.max(Person.ssn) == SECRET),
    "exists": lambda: select(exists().where(literal(SECRET) == Person.ssn)),
    "or, and, not": lambda: select(Person.id).where(
        or_(not_(and_(literal(SECRET) == Person.ssn, Person.id > 0)), Person.id == 1)
    ),
    "a loader criterion": lambda: select(Person).options(
        with_loader_criteria(Person, lambda cls: func.lower(cls.ssn) == SECRET)
    ),
    "a lateral subquery": lambda: select(select(func.nullif(Person.ssn, SECRET).label("x")).subquery()),
    "a union's part": lambda: union_all(select(Person.ssn), select(func.nullif(Person.ssn, SECRET))),
    "a bundle": lambda: select(Bundle("b", Person.id, func.nullif(Person.ssn, SECRET))),
    "literal_column": lambda: select(Person.id).where(literal_column("ssn") == SECRET),
    "a text in the list": lambda: select(Person.id, text(f"nullif(ssn, '{SECRET}')")),
    "a coerced literal": lambda: select(Person.id).where(type_coerce(Person.ssn, String) == SECRET),
    "a coerced function": lambda: select(type_coerce(func.nullif(Person.ssn, SECRET), String)),
    "a label": lambda: select(Person.id).where(literal(SECRET) == Person.ssn.label("x")),
    "a lambda": lambda: lambda_stmt(lambda: select(Person.id)) + (lambda s: s.where(func.lower(Person.ssn) == SECRET)),
    "a delete": lambda: delete(Person).where(func.lower(Person.ssn) == SECRET),
    "an update": lambda: update(Person).where(func.lower(Person.ssn) == SECRET).values(city="x"),
    "a returning": lambda: update(Person).values(city="x").returning(func.nullif(Person.ssn, SECRET)),
    # columns that hand on what they do not say
    "a scalar subquery's label": lambda: select(HANDED_ON.c.id).where(func.lower(HANDED_ON.c.x) == SECRET),
    "a value before it": lambda: select(HANDED_ON.c.id).where(literal(SECRET) == HANDED_ON.c.x),
    "a function of it that is listed": lambda: select(func.nullif(HANDED_ON.c.x, SECRET)),
    "a function of it that sorts": lambda: select(HANDED_ON.c.id).order_by(func.nullif(HANDED_ON.c.x, SECRET)),
    "a coerced column's label": lambda: select(COERCED.c.id).where(COERCED.c.x == SECRET),
    "a coerced column's label in a join": lambda: select(Person.id).join(COERCED, COERCED.c.x == SECRET),
    "a coerced column's label, written": lambda: (
        update(PEOPLE).where(PEOPLE.c.id == COERCED.c.id).values(city=func.nullif(COERCED.c.x, SECRET))
    ),
    "a scalar subquery, written": lambda: insert(PEOPLE).values([{"id": 3, "city": SCALAR}]),
    "a union with a plain column": lambda: select(MIXED.c.x).where(MIXED.c.x == SECRET),
    "a subquery that is listed and compared": lambda: select(SCALAR).where(literal(SECRET) == SCALAR),
    "a subquery within one that is compared": lambda: select(Person.id).where(literal(SECRET).in_(select(SCALAR))),
    "a tuple of such": lambda: select(Person.id).where(
        tuple_(literal(1), literal(SECRET)).in_(select(Person.id, SCALAR))
    ),
    "all of a subquery": lambda: select(Person.id).where(
        literal(SECRET).in_(select(literal_column("*")).select_from(select(Person.ssn).subquery()))
    ),
    # sets of rows
    "intersect": lambda: select(Person.ssn).intersect(select(literal(SECRET))),
    "except": lambda: select(literal(SECRET)).except_(select(Person.ssn)),
    "intersect that exists": lambda: select(Person.id).where(
        exists(select(Person.ssn).intersect(select(literal(SECRET))))
    ),
    "a recursive CTE": lambda: select(
        (start := select(Person.id, Person.ssn).cte(recursive=True)).union(select(start.c.id, literal(SECRET)))
    ),
    "a union of two fields": lambda: union_all(select(Person.ssn), select(Person.name)),
    # names and whole rows
    "an alias that is named like an upsert's row": lambda: (
        update(PEOPLE).values(city="x").where(PEOPLE.c.id == EXCLUDED.c.id, func.lower(EXCLUDED.c.ssn) == SECRET)
    ),
    "an opaque expression": lambda: select(Hidden(Person.ssn, SECRET)),
    "an opaque expression beside the column": lambda: select(Person.ssn, Hidden(Person.ssn, SECRET)),
    "an opaque expression before the column": lambda: select(Hidden(Person.ssn, SECRET), Person.ssn),
    "an opaque expression that is returned": lambda: (
        update(Person).values(city="x").returning(Hidden(Person.ssn, SECRET))
    ),
    "a row as JSON": lambda: select(Person.id).where(
        func.row_to_json(PEOPLE.table_valued()).op("->>")("ssn") == SECRET
    ),
    "a row that is compared": lambda: select(Person.id).where(PEOPLE.table_valued() == func.row(1, "x", SECRET)),
    # text by other names
    "a suffix": lambda: select(Person.id).where(Person.id > 0).suffix_with(f"AND ssn = '{SECRET}'"),
    "a prefix": lambda: select(Person.id).prefix_with(f"ssn = '{SECRET}',"),
    "a hint": lambda: select(Person.id).with_statement_hint(f"WHERE ssn = '{SECRET}'"),
    "an operator": lambda: select(Person.id).where(Person.id.op(f"> 0 AND ssn = '{SECRET}' AND 1 =")(1)),
    "a column by name": lambda: select(Person.id).where(column("ssn") == SECRET),
    "a label by name": lambda: select(Person.ssn.label("x")).where(literal_column("x") == SECRET),
}

WRITES: dict[str, Callable[[], Any]] = {
    "a function": lambda: update(Person).values(ssn=func.upper(SECRET)),
    "a function of Core": lambda: update(PEOPLE).values(ssn=func.upper(SECRET)),
    "a function that is inserted": lambda: insert(Person).values(id=3, ssn=func.upper(SECRET)),
    "a literal": lambda: insert(PEOPLE).values(id=3, ssn=literal(SECRET)),
    "a typed parameter": lambda: insert(PEOPLE).values(id=3, ssn=bindparam("x", SECRET, type_=String)),
    "a cast": lambda: update(Person).values(ssn=cast(SECRET.encode(), LargeBinary)),
    "a text": lambda: update(Person).values(ssn=text(f"'{SECRET}'")),
    "a literal column": lambda: update(Person).values(ssn=literal_column(f"'{SECRET}'")),
    "a case": lambda: update(Person).values(ssn=case((Person.id == 1, SECRET), else_=SECRET)),
    "rows": lambda: insert(PEOPLE).values([{"id": 3, "ssn": literal(SECRET)}, {"id": 4, "ssn": "x"}]),
    "rows of tuples": lambda: insert(PEOPLE).values([(3, None, literal(SECRET), None)]),
    "another column": lambda: update(Person).values(ssn=Person.city),
    "another protected column": lambda: update(Person).values(ssn=Person.name),
    "a protected column into another": lambda: update(Person).values(city=Person.ssn),
    "a subquery": lambda: update(Person).values(ssn=select(Person.city).limit(1).scalar_subquery()),
    "the result of a select": lambda: insert(Person).from_select(["id", "ssn"], select(Person.id + 10, Person.city)),
    "a literal that is selected": lambda: insert(Person).from_select(
        ["id", "ssn"], select(literal(9), literal(SECRET))
    ),
    "a protected column that is selected": lambda: insert(Person).from_select(
        ["id", "ssn"], select(Person.id + 10, Person.name)
    ),
    "a literal in a union": lambda: insert(Archived).from_select(
        ["id", "ssn"], union_all(select(Person.id, Person.ssn), select(literal(9), literal(SECRET)))
    ),
    "a literal in a union's subquery": lambda: insert(Archived).from_select(
        ["id", "ssn"],
        select(union_all(select(Person.id, Person.ssn), select(literal(9), literal(SECRET))).subquery()),
    ),
    "a coerced function in a subquery": lambda: insert(Person).from_select(
        ["id", "ssn"],
        select(
            select(literal(9).label("id"), type_coerce(func.upper(SECRET), PEOPLE.c.ssn.type).label("ssn")).subquery()
        ),
    ),
    "a function of the type in a subquery": lambda: insert(Person).from_select(
        ["id", "ssn"],
        select(select(literal(9).label("id"), func.upper(SECRET, type_=PEOPLE.c.ssn.type).label("ssn")).subquery()),
    ),
    "a literal column of the type": lambda: insert(Person).from_select(
        ["id", "ssn"], select(literal(9), literal_column(f"upper('{SECRET}')", type_=PEOPLE.c.ssn.type))
    ),
    "a text that is selected": lambda: insert(Person).from_select(
        ["id", "ssn"], select(text(f"SELECT 9 AS id, '{SECRET}' AS ssn").columns(Person.id, Person.ssn).subquery())
    ),
    "a statement in a CTE": lambda: select(
        insert(PEOPLE).values(id=3, ssn=func.upper(SECRET)).returning(PEOPLE.c.id).cte()
    ),
    "a statement beside": lambda: select(Person.id).add_cte(update(PEOPLE).values(ssn=func.upper(SECRET)).cte()),
}


def conflict(dialect: Any, set_: Callable[[Any], Any], where: Callable[[Any], Any] = lambda row: None) -> Any:
    statement = dialect.insert(PEOPLE).values(id=1)
    row = statement.excluded
    return statement.on_conflict_do_update(index_elements=["id"], set_=set_(row), where=where(row))


def duplicate(set_: Callable[[Any], Any]) -> Any:
    statement = mysql.insert(PEOPLE).values(id=1)
    return statement.on_duplicate_key_update(set_(statement.inserted))


ROWS: dict[str, Callable[[Any], Any]] = {  # what an upsert sets, given the row that was not inserted
    "a function": lambda row: {"ssn": func.upper(SECRET)},
    "a literal": lambda row: {"ssn": literal(SECRET)},
    "a function of the row": lambda row: {"city": func.nullif(row.ssn, SECRET)},
    "another column of the row": lambda row: {"ssn": row.full_name},
}

UPSERTS: list[tuple[str, str, Callable[[], Any]]] = [
    *((name, "mariadb", lambda set_=set_: duplicate(set_)) for name, set_ in ROWS.items()),
    *(
        (name, kind, lambda dialect=dialect, set_=set_: conflict(dialect, set_))
        for name, set_ in (ROWS | {"the column's name": lambda row: {"name": SECRET}}).items()
        for kind, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
    ),
    *(
        (name, kind, lambda dialect=dialect, where=where: conflict(dialect, lambda row: {"city": "x"}, where))
        for name, where in {
            "a condition on the row": lambda row: literal(SECRET) == row.ssn,
            "a condition on the table": lambda row: literal(SECRET) == PEOPLE.c.ssn,
        }.items()
        for kind, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
    ),
    *(
        (name, kind, lambda dialect=dialect, more=more: more(dialect.insert(PEOPLE).values(id=1)))
        for name, more in {
            "a condition of the index": lambda into: into.on_conflict_do_nothing(
                index_elements=["id"], index_where=func.lower(into.excluded.ssn) == SECRET
            ),
            "what is returned": lambda into: into.on_conflict_do_update(
                index_elements=["id"], set_={"city": "x"}
            ).returning(func.nullif(into.excluded.ssn, SECRET)),
        }.items()
        for kind, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
    ),
]

TAGS: dict[str, Callable[[], Any]] = {
    "a value first": lambda: select(Owner.id).where(literal(SECRET) == Owner.mail_tag),
    "lower": lambda: select(Owner.id).where(func.lower(Owner.mail_tag) == SECRET),
    "coalesce": lambda: select(func.coalesce(Owner.mail_tag, SECRET)),
    "a subquery of a value": lambda: select(Owner.id).where(Owner.mail_tag.in_(select(literal(SECRET)))),
    "a function of the type": lambda: select(Owner.id).where(
        Owner.mail_tag == func.upper(SECRET, type_=BlindIndexTag())
    ),
    "a coerced column": lambda: select(Owner.id).where(type_coerce(Owner.mail_tag, String) == SECRET),
    "a column of a subquery": lambda: select(
        (sub := select(type_coerce(Owner.mail_tag, String).label("x"), Owner.mail).subquery()).c.x
    ).where(sub.c.x == SECRET),
    "a plain column": lambda: select(Owner.id).where(Owner.city == Owner.mail_tag),
    "in a subquery": lambda: select(Owner.id).where(literal(SECRET).in_(select(Owner.mail_tag))),
    "intersect": lambda: select(Owner.mail_tag).intersect(select(literal(SECRET))),
    "a function that sorts": lambda: select(Owner.id).order_by(func.nullif(Owner.mail_tag, SECRET)),
    "a function that is written": lambda: insert(Owner).from_select(
        ["id", "mail_tag"], select(literal(9), func.upper(SECRET, type_=BlindIndexTag()))
    ),
    "a function in a subquery that is written": lambda: insert(Owner).from_select(
        ["id", "mail_tag"],
        select(select(literal(9).label("id"), func.upper(SECRET, type_=BlindIndexTag()).label("t")).subquery()),
    ),
}


class TestRefused:
    @pytest.mark.parametrize("make", READS.values(), ids=[*READS])
    def test_an_expression_with_a_protected_column_is_refused(self, session: Session, make: Any) -> None:
        """With an error that names the column, before the driver has anything."""
        with given(session.get_bind()) as sent, pytest.raises(ProtectedColumnError, match=r"people\.ssn") as caught:
            session.execute(make()).all()
        assert SECRET not in str(caught.value)
        assert sent == []

    @pytest.mark.parametrize("make", WRITES.values(), ids=[*WRITES])
    def test_what_the_database_would_compute_for_a_protected_column_is_refused(
        self, session: Session, make: Any
    ) -> None:
        """With an error that names the column, before the driver has anything."""
        with (
            given(session.get_bind()) as sent,
            pytest.raises(ProtectedColumnError, match=r"people\.(ssn|name)") as caught,
        ):
            session.execute(make()).all()
        assert SECRET not in str(caught.value)
        assert sent == []

    @pytest.mark.parametrize("make", TAGS.values(), ids=[*TAGS])
    def test_a_companion_column_meets_tags_alone(self, session: Session, make: Any) -> None:
        """What it is compared with was meant for the column that it is of."""
        with given(session.get_bind()) as sent, pytest.raises(ProtectedColumnError, match="mail_tag"):
            session.execute(make()).all()
        assert sent == []

    @pytest.mark.parametrize("set_", [{"mail": func.upper(SECRET)}, {"mail": SECRET}])
    def test_several_clauses_of_an_upsert_are_examined(self, database: Database, set_: Any) -> None:
        """SQLite has them; SQLAlchemy 2.0 refuses them itself. Tags are not added to several."""
        engine = database("sqlite")
        Base.metadata.create_all(engine)
        refused = pytest.raises((ProtectedColumnError, InvalidRequestError), match=r"owners\.mail|already has")
        with Session(engine) as session, given(engine) as sent, refused:
            upsert = sqlite.insert(Owner).values(id=1, mail="x").on_conflict_do_nothing(index_elements=["city"])
            session.execute(upsert.on_conflict_do_update(index_elements=["id"], set_=set_))
        assert sent == []

    def test_an_alias_that_is_named_like_an_upserts_row_is_refused_in_delete(self) -> None:
        """`DELETE … USING`, which SQLite has not."""
        statement = delete(PEOPLE).where(PEOPLE.c.id == EXCLUDED.c.id, func.lower(EXCLUDED.c.ssn) == SECRET)
        with pytest.raises(ProtectedColumnError, match=r"people\.ssn"):
            statement.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]

    @pytest.mark.filterwarnings("ignore:Additional column names")
    @pytest.mark.parametrize(("name", "kind", "make"), UPSERTS, ids=[f"{name}-{kind}" for name, kind, _ in UPSERTS])
    def test_an_upsert_is_refused_likewise(self, database: Database, name: str, kind: str, make: Any) -> None:
        """In each database's own words."""
        engine = database(kind)
        Base.metadata.create_all(engine)
        refused = pytest.raises(ProtectedColumnError, match=r"people\.(ssn|name)")
        with Session(engine) as session, given(engine) as sent, refused:
            session.execute(make())
        assert sent == []

    def test_an_sql_expression_as_an_attribute_is_refused(self, session: Session) -> None:
        """Of an object that is added or changed."""
        for person in (Person(id=3, ssn=func.upper(SECRET)), session.get_one(Person, 1)):
            person.ssn = func.upper(SECRET)
            session.add(person)
            with pytest.raises(ProtectedColumnError, match=r"people\.ssn"):
                session.flush()
            session.rollback()

    @pytest.mark.parametrize(
        "sort",
        [
            lambda: select(Person.ssn).order_by(Person.ssn),
            lambda: select(Person.ssn).order_by("ssn"),
            lambda: select(Person.ssn.label("x")).order_by("x"),
            lambda: select(Person.ssn.label("x")).order_by(text("ssn")),
            lambda: select(Person.city).order_by(PEOPLE.c.ssn),
            lambda: select(Person.city).group_by(PEOPLE.c.ssn),
            lambda: select(x := Person.ssn.label("x")).group_by(x),
            lambda: select(x := Person.ssn.label("x")).order_by(x),
            lambda: select(x := Person.ssn.label("x")).order_by(desc(x)),
            lambda: select(x := Person.ssn.label("x")).order_by(nulls_last(x)),
            lambda: select(Person.ssn).order_by(desc("ssn")),
            lambda: select(Person.ssn.label("x")).order_by(func.lower(literal_column("x"))),
            lambda: select(COERCED.c.x).order_by(COERCED.c.x),
            lambda: select(COERCED.c.x.label("y")).order_by("y"),
            lambda: union_all(select(Person.ssn), select(Archived.ssn)).order_by("ssn"),
        ],
    )
    def test_sorting_and_grouping_by_ciphertext_is_refused(self, session: Session, sort: Any) -> None:
        """It would be of no use, and look as if it were."""
        with pytest.raises(ProtectedColumnError, match=r"people\.ssn"):
            session.execute(sort()).all()

    @pytest.mark.parametrize(
        "declare",
        [
            lambda: Column("v", Encrypted(String, ENCRYPTOR), server_default="x"),
            lambda: Column("v", Encrypted(String, ENCRYPTOR), Computed("1")),
            lambda: Column("v", Encrypted(String, ENCRYPTOR), default=func.upper(SECRET)),
            lambda: Column("v", Encrypted(String, ENCRYPTOR), onupdate=func.upper(SECRET)),
            lambda: Column("v", Encrypted(String, ENCRYPTOR), default=select(literal(SECRET)).scalar_subquery()),
        ],
        ids=["server default", "computed", "SQL default", "SQL onupdate", "subquery"],
    )
    def test_values_that_the_database_makes_are_refused_when_declared(self, declare: Any) -> None:
        """It would have to know them."""
        with pytest.raises(ConfigurationError, match=r"t\.v is encrypted"):
            Table("t", MetaData(), declare())

    def test_an_index_on_an_expression_is_refused(self, session: Session) -> None:
        """And one on the column itself."""
        metadata = MetaData()
        protected = Table("t", metadata, Column("id", Integer), Column("v", Encrypted(String, ENCRYPTOR)))
        for made in (Index("i", func.lower(protected.c.v)), Index("j", protected.c.v)):
            with pytest.raises(ProtectedColumnError, match=r"t\.v"):
                made.create(session.connection())

    def test_a_literal_is_never_rendered(self) -> None:
        """Neither in a statement that is only printed."""
        statement = insert(PEOPLE).values(ssn=SECRET)
        assert SECRET not in str(statement)
        with pytest.raises(CompileError) as caught:
            str(statement.compile(compile_kwargs={"literal_binds": True}))
        assert SECRET not in str(caught.value)
