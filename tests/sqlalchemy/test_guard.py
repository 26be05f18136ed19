"""The guard sees all elements of a statement, knows protected columns by their types, and refuses what is unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    case,
    cast,
    column,
    delete,
    except_,
    exists,
    func,
    insert,
    intersect,
    lambda_stmt,
    literal,
    literal_column,
    null,
    select,
    table,
    text,
    tuple_,
    type_coerce,
    union,
    union_all,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import (
    Bundle,
    Session,
    aliased,
    joinedload,
    load_only,
    selectinload,
    with_expression,
    with_loader_criteria,
)
from sqlalchemy.sql.expression import ClauseElement

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy import Encrypted, ProtectedColumnError
from fieldcrypt_sqlalchemy.guard.statements import examine
from tests.sqlalchemy.guarded import (
    ENCRYPTOR,
    LIGHT,
    LIGHT_MAIL,
    MAIL,
    PEOPLE,
    SECRET,
    SSN,
    Employee,
    Hidden,
    Manager,
    Merge,
    Part,
    Person,
    Special,
    Thing,
    Visit,
    nothing_sent,
)
from tests.sqlalchemy.guarded import engine as engine
from tests.sqlalchemy.guarded import session as session

IS_2_0 = sqlalchemy.__version__.startswith("2.0.")
Make = Callable[[], Any]
VISITS: Table = Visit.__table__  # type: ignore[assignment]
ALONE = table("people", column("id", Integer), column("mail", MAIL))
LONE = column("ssn", SSN)
OTHER = aliased(Person)
POSTGRESQL: Any = postgresql.dialect()  # type: ignore[no-untyped-call]

DEFAULTS = Table(
    "defaults",
    MetaData(),
    Column("id", Integer),
    Column("ssn", SSN),
    Column("a", String, default=text(f"nullif(ssn, '{SECRET}')"), onupdate=text(f"nullif(ssn, '{SECRET}')")),
)

NAMED = f"ssn = '{SECRET}'"

LIGHTWEIGHT: dict[str, Make] = {
    "lower": lambda: select(LIGHT.c.id).where(func.lower(LIGHT.c.ssn) == SECRET),
    "coalesce": lambda: select(func.coalesce(LIGHT.c.ssn, SECRET)),
    "case": lambda: select(case((LIGHT.c.id == 1, LIGHT.c.ssn), else_=SECRET)),
    "cast": lambda: select(LIGHT.c.id).where(cast(LIGHT.c.ssn, String) == SECRET),
    "concat": lambda: select(literal(SECRET).concat(LIGHT.c.ssn)),
    "a value first": lambda: select(LIGHT.c.id).where(literal(SECRET) == LIGHT.c.ssn),
    "a coerced column": lambda: select(LIGHT.c.id).where(type_coerce(LIGHT.c.ssn, String) == SECRET),
    "order by": lambda: select(LIGHT.c.id).order_by(LIGHT.c.ssn),
    "group by": lambda: select(func.count()).group_by(LIGHT.c.ssn),
    "distinct": lambda: select(LIGHT.c.ssn).distinct(),
    "a tuple": lambda: select(LIGHT.c.id).where(tuple_(LIGHT.c.id, LIGHT.c.ssn).in_([(1, SECRET)])),
    "an alias": lambda: select((p := LIGHT.alias("p")).c.id).where(func.lower(p.c.ssn) == SECRET),
    "a subquery": lambda: select((s := select(LIGHT.c.ssn).subquery()).c.ssn).where(func.lower(s.c.ssn) == SECRET),
    "a label": lambda: select((s := select(LIGHT.c.ssn.label("x")).subquery()).c.x).where(func.lower(s.c.x) == SECRET),
    "an update from it": lambda: update(LIGHT).values(city=LIGHT.c.ssn),
    "an update of a function": lambda: update(LIGHT).values(ssn=func.upper(SECRET)),
    "an update of a literal": lambda: update(LIGHT).values(ssn=literal(SECRET)),
    "a condition of an update": lambda: update(LIGHT).values(city="x").where(func.lower(LIGHT.c.ssn) == SECRET),
    "what is returned": lambda: insert(LIGHT).values(id=3).returning(func.nullif(LIGHT.c.ssn, SECRET)),
    "text": lambda: select(LIGHT.c.id).where(text(NAMED)),
    "a column without a table": lambda: (
        select(literal_column("id")).where(func.lower(LONE) == SECRET).select_from(LIGHT)
    ),
    "a column of text": lambda: select((s := text("SELECT ssn FROM people").columns(LONE).subquery()).c.ssn).where(
        func.lower(s.c.ssn) == SECRET
    ),
    "a literal column of the type": lambda: select(func.lower(literal_column("people.ssn", SSN)) == SECRET),
    "a default": lambda: insert(Table("t", MetaData(), Column("a", String, default=func.lower(LIGHT.c.ssn)))),
    "an element of an application": lambda: select(Hidden(LIGHT.c.ssn, literal(SECRET))),
}


class TestLightweightTables:
    """A column of `table()`, or a `column()` of its own, is known by its type."""

    @pytest.mark.parametrize("make", LIGHTWEIGHT.values(), ids=[*LIGHTWEIGHT])
    def test_what_would_send_plaintext_is_refused(self, session: Session, make: Make) -> None:
        """As for a Table: Alembic's migrations of data describe tables so."""
        with nothing_sent(session.get_bind()):
            session.execute(make()).all()

    def test_plain_statements_go_on(self, session: Session) -> None:
        """Values are encrypted on their way in, and decrypted on their way out."""
        session.execute(insert(LIGHT).values(id=7, ssn=SECRET))
        session.execute(insert(LIGHT), [{"id": 8, "ssn": SECRET}, {"id": 9, "ssn": None}])
        session.execute(update(LIGHT).where(LIGHT.c.id == 8).values(ssn="b"))
        found = select(LIGHT.c.ssn).where(LIGHT.c.id > 6).order_by(LIGHT.c.id)
        assert session.scalars(found).all() == [SECRET, "b", None]
        assert session.scalars(select(LIGHT.c.id).where(LIGHT.c.ssn.is_(None))).all() == [9]
        assert session.get(Person, 7).ssn == SECRET  # type: ignore[union-attr]

    def test_upserts_of_the_same_field_go_on(self, session: Session) -> None:
        """What could not be inserted may replace what is there."""
        given = sqlite.insert(LIGHT).values(id=1, ssn=SECRET)
        session.execute(given.on_conflict_do_update(index_elements=["id"], set_={"ssn": given.excluded.ssn}))
        assert session.scalars(select(LIGHT.c.ssn).where(LIGHT.c.id == 1)).all() == [SECRET]

    def test_a_searchable_column_is_searched_with_its_companion(self, session: Session) -> None:
        """And its values get tags, if the companion is described as well."""
        session.execute(insert(LIGHT_MAIL).values(id=7, mail=SECRET))
        assert session.scalars(select(LIGHT_MAIL.c.id).where(LIGHT_MAIL.c.mail == SECRET)).all() == [7]
        assert session.scalars(select(Person.id).where(Person.mail == SECRET)).all() == [7]

    @pytest.mark.parametrize("make", [lambda: insert(ALONE).values(id=7, mail=SECRET), lambda: update(ALONE)])
    def test_a_searchable_column_without_its_companion_is_refused(self, session: Session, make: Make) -> None:
        """Its values would have no tags, and never be found."""
        with pytest.raises(ConfigurationError, match="mail_tag"):
            session.execute(make(), {"mail": SECRET})


TEXTS: dict[str, Make] = {
    "a criterion of a loader": lambda: select(Person).options(
        with_loader_criteria(Person, literal_column("ssn") == SECRET)
    ),
    "a criterion of a loader, for a subquery": lambda: select(select(Person).subquery().c.id).options(
        with_loader_criteria(Person, literal_column("ssn") == SECRET)
    ),
    "a criterion of a loader, within EXISTS": lambda: (
        select(Visit.id)
        .where(exists(select(Person.id).where(Person.id == Visit.person_id)))
        .options(with_loader_criteria(Person, lambda cls: literal_column("ssn") == SECRET))
    ),
    "a criterion of a loader, for DELETE": lambda: delete(Person).options(
        with_loader_criteria(Person, literal_column("ssn") == SECRET)
    ),
    "an expression of the query": lambda: select(Person).options(
        with_expression(Person.extra, literal_column(f"nullif(ssn, '{SECRET}')", String))
    ),
    "a condition of a relationship": lambda: select(Person).options(
        joinedload(Person.visits.and_(text("notes = :x").bindparams(x=SECRET)))
    ),
    "a join along a relationship": lambda: select(Person).join(Person.visits.and_(text(f"notes = '{SECRET}'"))),
    "a name of two words": lambda: select(Person.id).where(text(f"\"social security\" = '{SECRET}'")),
    "a name in backticks": lambda: select(Person.id).where(text(f"`Social Security` = '{SECRET}'")),
    "a name in brackets": lambda: select(Person.id).where(text(f"people.[social security]='{SECRET}'")),
    "a name beside signs": lambda: select(Person.id).where(text(f"lower(people.ssn)='{SECRET}'")),
    "rows of values": lambda: insert(VISITS).values(
        [{"id": 9, "person_id": literal_column(f"nullif(notes, '{SECRET}')")}]
    ),
    "rows of tuples": lambda: insert(VISITS).values(
        [(9, text(f"(SELECT nullif(notes, '{SECRET}') FROM visits)"), None)]
    ),
    "a subquery behind a column": lambda: (
        update(PEOPLE).values(city="x").where(PEOPLE.c.id == select(PEOPLE.c.id).where(text(NAMED)).subquery().c.id)
    ),
    "a CTE": lambda: select(select(Person.id).where(text(NAMED)).cte().c.id),
    "a CTE that stands beside": lambda: select(Visit.id).add_cte(select(Person.id).where(text(NAMED)).cte()),
    "a text in an element of an application": lambda: select(Hidden(text(f"nullif(ssn, '{SECRET}')"))).select_from(
        PEOPLE
    ),
    "a string in an element of an application": lambda: select(Hidden(f"nullif(ssn, '{SECRET}')")).select_from(PEOPLE),
    "a default": lambda: insert(DEFAULTS),
    "a default of an update": lambda: update(DEFAULTS).values(id=1),
    "a prefix of a CTE": lambda: select(
        select(Person.id).cte().prefix_with(f"(SELECT nullif(ssn, '{SECRET}') FROM people)").c.id
    ),
    "a limit": lambda: select(Person.id).limit(literal_column(f"(SELECT nullif(ssn, '{SECRET}') FROM people)")),
    "a hint of an update": lambda: update(PEOPLE).values(city="x").with_hint(NAMED, selectable=PEOPLE),
}


class TestText:
    """Text that names a protected column is refused, wherever it stands."""

    @pytest.mark.parametrize("make", TEXTS.values(), ids=[*TEXTS])
    def test_text_that_names_a_protected_column_is_refused(self, session: Session, make: Make) -> None:
        """Also where the ORM alone puts it into the statement."""
        with nothing_sent(session.get_bind()):
            session.execute(make()).unique().all()

    @pytest.mark.parametrize("said", ["'unsocial security' = ''", "people.ssns = 1", "'a' = 'a'", "1 = 1"])
    def test_longer_names_are_other_names(self, said: str) -> None:
        """A name is matched as a whole."""
        examine(select(Person.id).where(text(said)).compile())

    def test_a_name_with_a_quote_in_it_is_known_as_sql_writes_it(self) -> None:
        """Which doubles the quote."""
        odd = Table("t", MetaData(), Column('a"b', Encrypted(String, ENCRYPTOR)))
        with pytest.raises(ProtectedColumnError, match=r't\.a"b'):
            examine(select(odd).where(text(f'"a""b" = \'{SECRET}\'')).compile())


def upsert(dialect: Any, **about: Any) -> Any:
    return dialect.insert(PEOPLE).values(id=1).on_conflict_do_update(**{"index_elements": ["id"], **about})


IN_UPSERTS: dict[str, Callable[[Any], Any]] = {
    "text": lambda on: upsert(on, set_={"city": text(f"nullif(people.ssn, '{SECRET}')")}),
    "literal_column": lambda on: upsert(on, set_={"city": literal_column(f"nullif(people.ssn, '{SECRET}')")}),
    "WHERE": lambda on: upsert(on, set_={"city": "x"}, where=text("people.ssn = :x").bindparams(x=SECRET)),
    "the index": lambda on: upsert(on, set_={"city": "x"}, index_where=text(NAMED)),
    "an expression of the index": lambda on: upsert(
        on, set_={"city": "x"}, index_elements=[text(f"nullif(ssn, '{SECRET}')")]
    ),
    "DO NOTHING": lambda on: on.insert(PEOPLE).on_conflict_do_nothing(index_elements=["id"], index_where=text(NAMED)),
    "a function": lambda on: upsert(on, set_={"ssn": func.upper(SECRET)}),
    "a column of a lightweight table": lambda on: upsert(on, set_={"city": func.nullif(LIGHT.c.ssn, SECRET)}),
    "another column": lambda on: upsert(on, set_={"city": PEOPLE.alias("excluded").c.ssn}),
}


class TestUpserts:
    """What an upsert sets, and its conditions, are elements of the statement."""

    @pytest.mark.parametrize("on", [postgresql, sqlite], ids=["postgresql", "sqlite"])
    @pytest.mark.parametrize("make", IN_UPSERTS.values(), ids=[*IN_UPSERTS])
    def test_protected_columns_in_it_are_refused(self, on: Any, make: Callable[[Any], Any]) -> None:
        """SQLAlchemy 2.0 does not traverse these clauses, 2.1 does."""
        with pytest.raises(ProtectedColumnError, match=r"people\.ssn"):
            examine(make(on).compile(dialect=on.dialect()))

    @pytest.mark.parametrize("value", [text(f"nullif(ssn, '{SECRET}')"), func.nullif(LIGHT.c.ssn, SECRET)])
    def test_the_same_on_mysql(self, value: Any) -> None:
        """Whose clause has another name."""
        given = mysql.insert(PEOPLE).values(id=1).on_duplicate_key_update(city=value)
        with pytest.raises(ProtectedColumnError, match=r"people\.ssn"):
            examine(given.compile(dialect=mysql.dialect()))

    @pytest.mark.parametrize(
        "make",
        [
            lambda row: {"city": func.nullif(row.ssn, SECRET)},
            lambda row: {"city": row.ssn},
            lambda row: {"ssn": row.ssn},
        ],
    )
    def test_a_row_of_the_name_excluded_is_none_outside_of_an_upsert(
        self, session: Session, make: Callable[[Any], Any]
    ) -> None:
        """Any alias can be given that name."""
        with nothing_sent(session.get_bind()):
            session.execute(insert(PEOPLE).values(id=9, **make(PEOPLE.alias("excluded").c)))


SETS: dict[str, Make] = {
    "distinct": lambda: select(Person.ssn).distinct(),
    "distinct of a part of a key": lambda: select(Part.number, Part.ssn).distinct(),
    "distinct with another row's key": lambda: (
        select(Person.id, OTHER.ssn).join(OTHER, OTHER.id == Person.boss_id).distinct()
    ),
    "distinct of a scalar subquery": lambda: select(
        Visit.id, select(Person.ssn).where(Person.id == Visit.person_id).scalar_subquery()
    ).distinct(),
    "distinct of a coerced column": lambda: select(type_coerce(Person.ssn, String)).distinct(),
    "distinct of a subquery": lambda: select(select(Person.id, Person.ssn).subquery().c.ssn).distinct(),
    "distinct that is counted": lambda: select(func.count()).select_from(select(Person.ssn).distinct().subquery()),
    "distinct of a parent alone": lambda: (
        select(Special.code, Thing.ssn).join(Thing, Thing.id == Special.id).distinct()
    ),
    "union": lambda: union(select(Person.ssn), select(Person.ssn)),
    "union with a key on one side": lambda: union(
        select(Person.id, Person.ssn), select(Visit.person_id, Person.ssn).join(Person)
    ),
    "intersect": lambda: intersect(select(Person.ssn), select(Person.ssn)),
    "except": lambda: except_(select(Person.ssn), select(Person.ssn).where(Person.id == 1)),
    "a union in a union": lambda: union_all(union(select(Person.ssn), select(Person.ssn)), select(Person.ssn)),
    "a union all in a union": lambda: union(union_all(select(Person.ssn), select(Person.ssn)), select(Person.ssn)),
    "a recursive CTE": lambda: select(
        (start := select(Person.ssn).cte(recursive=True)).union(select(start.c.ssn)).c.ssn
    ),
}


def _distinct_on(statement: Any, column: Any) -> Any:
    return statement.distinct(column) if IS_2_0 else statement.ext(postgresql.distinct_on(column))


def _tree() -> Any:
    start = select(Person.id, Person.ssn).where(Person.id == 1).cte(recursive=True)
    return select(start.union(select(Person.id, Person.ssn).join(start, Person.boss_id == start.c.id)).c.ssn)


KEYED: dict[str, Make] = {
    "a model": lambda: select(Person).distinct(),
    "a model with its collection": lambda: select(Person).distinct().options(joinedload(Person.visits)),
    "a model with its collection, and a limit": lambda: (
        select(Person).distinct().options(joinedload(Person.visits)).limit(5)
    ),
    "a model with few columns": lambda: select(Person).options(load_only(Person.ssn)).distinct(),
    "a model of an alias": lambda: select(aliased(Person)).distinct(),
    "a model that inherits": lambda: select(Special).distinct(),
    "a model that is joined": lambda: select(Person).join(Person.visits).distinct(),
    "two models": lambda: select(Person, Visit).join(Visit, Visit.person_id == Person.id).distinct(),
    "columns with the key": lambda: select(Person.ssn, Person.id.label("x")).distinct(),
    "columns with the whole key": lambda: select(Part).distinct(),
    "a subquery with the key": lambda: select((s := select(Person).subquery()).c.id, s.c.ssn).distinct(),
    "columns that are not protected": lambda: select(Person.city).distinct(),
    "a union of models": lambda: select(Person).from_statement(union(select(Person), select(Person))),
    "except": lambda: except_(select(Person.id, Person.ssn), select(Person.id, Person.ssn).where(Person.id == 1)),
    "a recursive CTE": _tree,
    "union all": lambda: union_all(select(Person.ssn), select(Person.ssn)),
}


class TestRowsThatAreCompared:
    """Equal values have different ciphertexts, so rows are compared by the key of the row, or not at all."""

    @pytest.mark.parametrize("make", SETS.values(), ids=[*SETS])
    def test_rows_without_their_key_are_refused(self, session: Session, make: Make) -> None:
        """DISTINCT would find two rows for one value, EXCEPT would take nothing away."""
        with nothing_sent(session.get_bind()):
            session.execute(make()).all()

    @pytest.mark.parametrize("make", KEYED.values(), ids=[*KEYED])
    def test_rows_with_their_key_go_on(self, session: Session, make: Make) -> None:
        """The key alone decides which rows are equal."""
        session.execute(make()).unique().all()

    def test_queries_of_models_are_distinct(self, session: Session) -> None:
        """The older form is compiled in another way."""
        people = session.query(Person)
        assert people.distinct().count() == 2
        assert len(people.union(people).all()) == 2

    def test_distinct_on_a_key_goes_on(self) -> None:
        """It compares what stands in ON alone."""
        examine(_distinct_on(select(Person.ssn), Person.id).compile(dialect=POSTGRESQL))
        with pytest.raises(ProtectedColumnError, match=r"people\.ssn"):
            examine(_distinct_on(select(Person.id), LIGHT.c.ssn).compile(dialect=POSTGRESQL))

    def test_rows_of_a_table_without_a_key_are_refused(self) -> None:
        """A table without a primary key has no rows that could be told apart."""
        view = Table("v", MetaData(), Column("id", Integer), Column("ssn", SSN))
        with pytest.raises(ProtectedColumnError, match="DISTINCT"):
            examine(select(view).distinct().compile())


def _after(first: Any) -> Any:
    return union_all(select(Person.id, first.label("notes")), select(Visit.id, Visit.notes))


NULLS: dict[str, Make] = {
    "NULL": lambda: _after(null()),
    "NULL as another type": lambda: _after(cast(null(), String)),
    "a subquery": lambda: select(_after(null()).subquery().c.notes),
    "a union in a union": lambda: union_all(_after(null()), select(Visit.id, Visit.notes)),
    "a column of a subquery": lambda: union_all(
        select((s := select(Person.id, null().label("notes")).subquery()).c.id, s.c.notes),
        select(Visit.id, Visit.notes),
    ),
    "objects": lambda: select(aliased(Visit, _after(null()).subquery(), adapt_on_names=True)),
}


class TestNullsFirst:
    """SQLAlchemy reads a column of a union by the type that it has in the first SELECT."""

    @pytest.mark.parametrize("make", NULLS.values(), ids=[*NULLS])
    def test_a_null_without_the_type_is_refused(self, session: Session, make: Make) -> None:
        """Ciphertext would come as the value."""
        with nothing_sent(session.get_bind()):
            session.execute(make()).all()

    def test_a_null_of_the_type_goes_on(self, session: Session) -> None:
        """As the message says."""
        session.get(Visit, 3).notes = SECRET  # type: ignore[union-attr]
        session.flush()
        found = session.execute(_after(type_coerce(null(), VISITS.c.notes.type))).all()
        assert (3, SECRET) in [tuple(row) for row in found]

    def test_a_null_that_comes_later_goes_on(self, session: Session) -> None:
        """The first SELECT has the column."""
        session.execute(union_all(select(Visit.id, Visit.notes), select(Person.id, null()))).all()

    def test_concrete_inheritance_goes_on(self, session: Session) -> None:
        """SQLAlchemy gives its NULLs the type."""
        session.add(Manager(id=1, ssn=SECRET))
        session.commit()
        assert session.scalars(select(Employee)).one().ssn == SECRET  # type: ignore[attr-defined]


class TestWhatIsUnknown:
    """A clause that is not known is refused where a protected column stands in it."""

    @pytest.mark.parametrize(
        "make",
        [
            lambda: select(Hidden(PEOPLE.c.ssn, literal(SECRET))),
            lambda: select(Hidden("x", Hidden(LIGHT.c.ssn))),
            lambda: select(Hidden(Person.ssn)),
            lambda: select(Hidden(literal("x"))).order_by(Hidden(LIGHT.c.ssn)),
        ],
    )
    def test_a_protected_column_in_it_is_refused(self, make: Make) -> None:
        """However deep it stands."""
        with pytest.raises(ProtectedColumnError, match=r"people\.ssn"):
            examine(make().compile())

    def test_an_element_of_an_application_beside_a_protected_column_goes_on(self, session: Session) -> None:
        """There is nothing protected in it."""
        found = session.execute(select(Person.ssn, Hidden(PEOPLE.c.city)).where(Person.id == 1)).all()
        assert found == [("a", "Oslo")]

    def test_a_statement_that_writes_in_a_way_of_its_own_is_refused(self, session: Session) -> None:
        """Nobody knows what it does with the values."""
        with nothing_sent(session.get_bind()):
            session.execute(Merge(PEOPLE, ssn=SECRET))

    @pytest.mark.skipif(IS_2_0, reason="clauses can be added to statements since SQLAlchemy 2.1")
    def test_a_clause_that_is_added_to_a_statement_is_refused(self, session: Session) -> None:
        """SQLAlchemy renders it somewhere between the others."""
        from sqlalchemy.sql import SyntaxExtension

        class Qualify(SyntaxExtension, ClauseElement):
            __visit_name__ = "qualify"
            inherit_cache = False

            def __init__(self, predicate: Any) -> None:
                self.predicate = predicate

            def apply_to_select(self, select_stmt: Any) -> None:
                select_stmt.apply_syntax_extension_point(lambda existing: [*existing, self], "post_criteria")

        compiles(Qualify)(lambda element, compiler, **kw: f"AND {compiler.process(element.predicate, **kw)}")
        for inside in (func.lower(LIGHT.c.ssn) == SECRET, text(NAMED)):
            with nothing_sent(session.get_bind()):
                session.execute(select(Person.id).ext(Qualify(inside)))
        session.execute(select(Person.ssn).where(Person.id > 0).ext(Qualify(Person.id > 0)))


ORDINARY: dict[str, Make] = {
    "a bundle": lambda: select(Bundle("b", Person.id, Person.ssn)),
    "a lock of a column's table": lambda: select(Person.id).with_for_update(of=Person.ssn),
    "columns that replace others": lambda: select(Person).join(Person.visits).with_only_columns(Person.ssn),
    "an expression of the query that is none": lambda: select(Person).options(
        with_expression(Person.extra, Person.city)
    ),
    "a criterion": lambda: select(Person).options(with_loader_criteria(Person, Person.city == "x")),
    "a subquery of windows": lambda: select(
        aliased(Person, select(Person, func.row_number().over(order_by=Person.id).label("n")).subquery())
    ),
    "a scalar subquery": lambda: select(Person.id, select(Visit.notes).where(Visit.id == 3).scalar_subquery()),
    "a sum of tests": lambda: select(func.sum(case((Person.ssn.is_(None), 1), else_=0))),
    "rows grouped by a test": lambda: select(Person.ssn.is_(None), func.count()).group_by(Person.ssn.is_(None)),
    "rows sorted by a test": lambda: select(Person).order_by(Person.ssn.is_(None), Person.id),
    "all columns": lambda: select(literal_column("*")).select_from(PEOPLE),
    "text that names others": lambda: select(Person).where(text("city = 'x'")).order_by(text("people.id")),
    "ciphertext": lambda: select(type_coerce(Person.ssn, LargeBinary)),
    "an update of joined rows": lambda: update(Person).where(Person.id == Visit.person_id).values(ssn="x"),
    "rows that are returned": lambda: update(Person).values(ssn="x").returning(Person),
    "rows of a SELECT": lambda: insert(Person).from_select(["id", "ssn"], select(Person.id + 10, Person.ssn)),
    "an upsert that computes with others": lambda: upsert(
        sqlite, set_={"city": func.coalesce(PEOPLE.alias("excluded").c.city, PEOPLE.c.city)}
    ),
    "a lambda": lambda: lambda_stmt(lambda: select(Person).where(Person.id == 1)),
}


@pytest.mark.parametrize("make", ORDINARY.values(), ids=[*ORDINARY])
def test_ordinary_statements_go_on(session: Session, make: Make) -> None:
    """What needs no plaintext is not refused."""
    session.execute(make())


@pytest.mark.skipif(IS_2_0, reason="these statements are of SQLAlchemy 2.1")
class TestDefinitions:
    """A view, or a table with the rows of a SELECT, is defined by that."""

    @pytest.mark.parametrize("name", ["CreateTableAs", "CreateView"])
    @pytest.mark.parametrize(
        "make",
        [
            lambda: select(Person.id, func.nullif(select(Person.ssn).scalar_subquery(), SECRET).label("x")),
            lambda: select(Person.id).where(text(NAMED)),
            lambda: select(Person.id).where(func.lower(LIGHT.c.ssn) == SECRET),
            lambda: select(Person.ssn).distinct(),
        ],
    )
    def test_the_select_is_examined(self, session: Session, name: str, make: Make) -> None:
        """Its values would be in the text of the statement."""
        with nothing_sent(session.get_bind()):
            session.execute(getattr(sqlalchemy, name)(make(), "made"))

    @pytest.mark.parametrize("name", ["CreateTableAs", "CreateView"])
    def test_columns_as_they_are_go_on(self, session: Session, name: str) -> None:
        """What is defined holds ciphertext."""
        session.execute(getattr(sqlalchemy, name)(select(Person.id, Person.ssn), "made"))
        made = table("made", column("id"), column("ssn", SSN))
        assert session.scalars(select(made.c.ssn).where(made.c.id == 1)).all() == ["a"]


def test_collections_are_loaded_with_a_subquery_of_a_distinct_query(session: Session) -> None:
    """What the ORM builds around a statement is examined like that, and goes on."""
    people = select(Person).distinct().options(selectinload(Person.visits))
    assert [len(person.visits) for person in session.scalars(people.order_by(Person.id))] == [1, 0]


def test_a_parameter_with_a_name_of_its_own_goes_on(session: Session) -> None:
    """It gets the column's type."""
    session.execute(update(PEOPLE).where(PEOPLE.c.id == 1).values(ssn=bindparam("x")), {"x": SECRET})
    assert session.get(Person, 1).ssn == SECRET  # type: ignore[union-attr]
