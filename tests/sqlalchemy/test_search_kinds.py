"""Beginnings, ends, ranges and parts in SQLAlchemy: what is exact goes wherever equality does, the rest to `find`."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    BindParameter,
    Engine,
    StaticPool,
    String,
    and_,
    case,
    create_engine,
    delete,
    event,
    exists,
    func,
    inspect,
    literal,
    not_,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column, with_loader_criteria
from sqlalchemy.sql import visitors

from fieldcrypt_sqlalchemy import Encrypted, ProtectedColumnError, encrypted, find, of_tenant
from tests.conftest import Database
from tests.sqlalchemy.kinds import people
from tests.support.encryptors import new_encryptor

Crowd = tuple[Session, Any]

PEOPLE: list[dict[str, Any]] = [
    {"id": 1, "surname": "Meyer", "ssn": "078-05-1120", "email": "ann@x.org", "born": date(1950, 1, 31)},
    {"id": 2, "surname": "MEISTER", "ssn": "1120", "email": "bob@x.org", "born": date(1951, 2, 1)},
    {"id": 3, "surname": "Me", "ssn": "120", "email": "none", "born": date(1951, 2, 2)},
    {"id": 4, "clinic": "south", "surname": "Meyerling", "owed": Decimal("7.5"), "ssn": "078-05-1120"},
    {"id": 5, "surname": None, "owed": Decimal("7.5")},
]


@pytest.fixture
def crowd(engine: Engine) -> Iterator[Crowd]:
    """People in each kind of database; on PostgreSQL with arrays."""
    person = _filled(engine)
    with Session(engine) as session:
        yield session, person


@pytest.fixture
def small(shared: tuple[Engine, Any]) -> Iterator[Crowd]:
    """People in SQLite, for what does not depend on the database, and commits nothing."""
    engine, person = shared
    with Session(engine) as session:
        yield session, person


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Engine, Any]]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    yield engine, _filled(engine)
    engine.dispose()


def _filled(engine: Engine) -> Any:
    person = people(new_encryptor(), arrays=engine.dialect.name == "postgresql")
    person.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(person(**values) for values in PEOPLE)
        session.commit()
    return person


BORN = date(1951, 2, 1)

EXACT: dict[str, tuple[Callable[[Any], Any], list[int]]] = {
    "startswith": (lambda p: p.surname.startswith("MEY"), [1, 4]),
    "a text as short as the rung": (lambda p: p.surname.startswith("me"), [1, 2, 3, 4]),
    "not startswith": (lambda p: not_(p.surname.startswith("mey")), [2, 3]),
    "endswith": (lambda p: p.surname.endswith("ER"), [1, 2]),
    "between": (lambda p: p.born.between(date(1950, 1, 31), BORN), [1, 2]),
    "not between": (lambda p: ~p.born.between(date(1950, 1, 31), BORN), [3]),
    "bounds the wrong way round": (lambda p: p.born.between(BORN, date(1950, 1, 1)), []),
    "not those": (lambda p: ~p.born.between(BORN, date(1950, 1, 1)), [1, 2, 3]),
    "<": (lambda p: p.born < BORN, [1]),
    "<=": (lambda p: p.born <= BORN, [1, 2]),
    ">": (lambda p: p.born > BORN, [3]),
    ">=": (lambda p: p.born >= BORN, [2, 3]),
    "the value first": (lambda p: BORN < p.born, [3]),  # noqa: SIM300
    "a part": (lambda p: p.ssn.part("ssn_last4") == "1120", [1, 2, 4]),
    "a part by its own name": (lambda p: p.ssn.part("last 4").in_(["120", "x"]), [3]),
    "another part": (lambda p: p.ssn.part("last 4") != "1120", [3]),
    "no such part": (lambda p: p.ssn.part("last 4").not_in(["1120", "120"]), []),
    "a part as the end": (lambda p: p.ssn.endswith("1120"), [1, 2, 4]),
}


@pytest.mark.parametrize("case", EXACT)
def test_a_question_is_answered_as_sql_would(small: Crowd, case: str) -> None:
    """NULL neither meets a condition nor its opposite."""
    (session, person), (condition, right) = small, EXACT[case]
    assert sorted(session.scalars(select(person.id).where(condition(person)))) == right


def in_a_subquery(person: Any, condition: Any) -> Any:
    rows = select(person.__table__).subquery()
    return select(rows.c.id).where(condition(rows.c))


def in_a_cte(person: Any, condition: Any) -> Any:
    rows = select(person).cte()
    return select(rows.c.id).where(condition(rows.c))


def in_an_alias(person: Any, condition: Any) -> Any:
    other = aliased(person)
    return select(other.id).join(person, person.id == other.id).where(condition(other))


PLACES: list[Callable[[Any, Any], Any]] = [
    in_a_subquery,
    in_a_cte,
    in_an_alias,
    lambda p, c: select(p.id).where(or_(c(p), p.ward == 7)),
    lambda p, c: select(p.id).where(and_(c(p), p.ward == 0)),
    lambda p, c: select(p.id).where(case((c(p), 1), else_=0) == 1),
    lambda p, c: select(p.id).where(not_(not_(c(p)))),
    lambda p, c: select(p.id).where(p.id.in_(select(p.id).where(c(p)))),
    lambda p, c: select(p.id).options(with_loader_criteria(p, c(p))),
    lambda p, c: select(p.id).where(c(p)).order_by(p.id).limit(9),
    lambda p, c: select(p.__table__.c.id).where(c(p.__table__.c)),
    lambda p, c: select(p.id).where(exists().where(p.id == p.id, c(p))).where(c(p)),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("condition", "right"),
    [
        (lambda p: p.surname.startswith("mey"), [1, 4]),
        (lambda p: p.born.between(date(1951, 1, 1), date(1951, 2, 1)), [2]),
        (lambda p: p.ssn.part("ssn_last4") == "120", [3]),
    ],
)
def test_an_exact_one_may_stand_anywhere(small: Crowd, place: Any, condition: Any, right: list[int]) -> None:
    """As `==` may."""
    session, person = small
    assert sorted(session.scalars(place(person, condition))) == right


@pytest.mark.parametrize("how", ["evaluate", "fetch"])
def test_the_session_follows_what_is_changed_and_deleted(crowd: Crowd, how: Any) -> None:
    """The ORM evaluates conditions on tags of objects that it has loaded, arrays included."""
    session, person = crowd
    everybody = {each.id: each for each in session.scalars(select(person))}
    options = {"synchronize_session": how}
    session.execute(update(person).where(person.born < BORN).values(ward=5), execution_options=options)
    session.execute(delete(person).where(person.surname.startswith("mei")), execution_options=options)
    session.execute(delete(person).where(not_(person.surname.startswith("me"))), execution_options=options)
    assert everybody[1].ward == 5
    assert [number for number, each in everybody.items() if inspect(each).deleted] == [2]


def test_a_tenant_is_named_for_any_question(crowd: Crowd) -> None:
    """A compound and parts have it in the same way."""
    session, person = crowd
    assert session.scalars(select(person.id).where(of_tenant(person.ssn, "south") == "078-05-1120")).all() == [4]
    assert find(session, select(person).where(of_tenant(person.owed, "south") < 8))[0].id == 4
    with pytest.raises(ProtectedColumnError, match=r"people\.owed has tags per tenant: name the tenant"):
        person.owed < 8  # noqa: B015
    with pytest.raises(ProtectedColumnError, match="without of_tenant"):
        of_tenant(person.ssn, "south").part("last 4") == "1120"  # noqa: B015


def test_nothing_is_found_of_a_tenant_without_keys(crowd: Crowd) -> None:
    """All values differ from what is looked for, and NULL still does not."""
    session, person = crowd
    condition = of_tenant(person.ssn, "west") == "1120"
    assert session.scalars(select(person.id).where(condition)).all() == []
    assert sorted(session.scalars(select(person.id).where(not_(condition)))) == [1, 2, 3, 4]
    assert find(session, select(person).where(of_tenant(person.owed, "west") < 8)) == []


class TestInexact:
    CONDITIONS: tuple[Callable[[Any], Any], ...] = (
        lambda p: p.email == "ann@x.org",  # partitions
        lambda p: p.email.part("domain") == "x.org",  # short tags
        lambda p: p.surname.startswith("meyer"),  # longer than the ladder
        lambda p: of_tenant(p.owed, "north").between(7, 8),  # cut levels
    )

    @pytest.mark.parametrize("condition", CONDITIONS)
    @pytest.mark.parametrize(
        "statement",
        [
            lambda p, c: select(p).where(c),
            lambda p, c: select(p.id, c),
            lambda p, c: select(func.count()).where(c),
            lambda p, c: select(p).where(or_(c, p.id == 1)),
            lambda p, c: select(p).where(or_(c, p.ward == 1, p.id == 1)),
            lambda p, c: select(p).where((p.id == 1) | c),
            lambda p, c: select(p).where(c).limit(1),
            lambda p, c: select(exists().where(c)),
            lambda p, c: select(p.id).where(case((c, 1), else_=0) == 1),
            lambda p, c: select(p.id).join(aliased(p), c),
            lambda p, c: select(select(p).where(c).subquery().c.id),
            lambda p, c: select(p.id).options(with_loader_criteria(p, c)),
            lambda p, c: select(p).order_by(c),
            lambda p, c: delete(p).where(c),
            lambda p, c: update(p).where(c).values(ward=1),
            lambda p, c: update(p).values(ward=case((c, 1), else_=0)),
        ],
    )
    def test_only_find_takes_it(self, small: Crowd, condition: Any, statement: Any) -> None:
        """Whatever else would count, change or leave out rows that are not those; the error says the way out."""
        session, person = small
        with pytest.raises(ProtectedColumnError, match=r"find\(session, statement\)"):
            session.execute(statement(person, condition(person)))

    @pytest.mark.parametrize("condition", CONDITIONS)
    def test_it_has_no_opposite(self, small: Crowd, condition: Any) -> None:
        """Rows of other values would be left out with it."""
        with pytest.raises(ProtectedColumnError, match="leave them out in Python"):
            not_(condition(small[1]))

    def test_find_compares_what_it_finds(self, crowd: Crowd) -> None:
        """Each question after decryption."""
        session, person = crowd
        right = [[1], [1, 2], [1, 4], [5]]
        for condition, numbers in zip(self.CONDITIONS, right, strict=True):
            found = find(session, select(person).where(condition(person)), order_by=person.id)
            assert [each.id for each in found] == numbers

    @pytest.mark.parametrize(
        "condition",
        [
            lambda p: p.surname.startswith("mey"),
            lambda p: p.born.between(date(1950, 1, 1), date(1950, 12, 31)),
            lambda p: p.ssn.part("last 4") == "1120",
            lambda p: and_(p.ward == 0, p.born < BORN),
        ],
    )
    def test_find_leaves_out_rows_to_which_somebody_copied_tags(self, small: Crowd, condition: Any) -> None:
        """An exact question is compared, too: whoever can write to the table can copy all tags of a row."""
        session, person = small
        tags = [name for name in person.__table__.c.keys() if "_" in name]  # noqa: SIM118
        sets = ", ".join(f"{name} = (SELECT {name} FROM people WHERE id = 1)" for name in tags)
        session.execute(text(f"UPDATE people SET {sets} WHERE id = 3"))
        statement = select(person).where(condition(person), person.id.in_([1, 3]))
        assert [each.id for each in session.scalars(statement)] == [1, 3]
        assert [each.id for each in find(session, statement)] == [1]


class TestSorting:
    def test_find_compares_what_the_session_has_unless_it_is_loaded_again(self, database: Database) -> None:
        """Another session has changed it meanwhile."""
        person = _filled(database("sqlite"))
        with Session(database("sqlite"), expire_on_commit=False) as session:
            known = session.get_one(person, 1)
            session.commit()
            with Session(database("sqlite")) as other:
                other.get_one(person, 1).surname = "Meyerhof"
                other.commit()
            statement = select(person).where(person.surname.startswith("meyerh"))
            assert find(session, statement) == []
            assert find(session, statement.execution_options(populate_existing=True)) == [known]

    def test_find_sorts_by_decrypted_values(self, crowd: Crowd) -> None:
        """Up or down, by several attributes, None last both ways; equal ones stay as the statement sorts them."""
        session, person = crowd

        def sorted_by(*order: Any, **how: Any) -> list[int]:
            found = find(session, select(person).order_by(person.id.desc()), order_by=list(order), **how)
            return [each.id for each in found]

        assert sorted_by(person.born) == [1, 2, 3, 5, 4]
        assert sorted_by(person.born.desc()) == [3, 2, 1, 5, 4]
        assert sorted_by(person.surname) == [2, 3, 1, 4, 5]  # by code points
        assert sorted_by(person.surname, key=str.casefold) == [3, 2, 1, 4, 5]
        assert sorted_by(person.clinic.desc(), person.surname.desc(), limit=3) == [4, 1, 3]
        other = aliased(person)
        assert [each.id for each in find(session, select(other), order_by=other.born.desc(), limit=1)] == [3]

    @pytest.mark.parametrize("most", [2, 3])
    def test_no_more_than_the_most_is_loaded(self, small: Crowd, most: int) -> None:
        """One row more is asked for, which tells that there are too many: of three that may match."""
        session, person = small
        loaded: list[Any] = []
        event.listen(session, "loaded_as_persistent", lambda _, instance: loaded.append(instance))
        statement = select(person).where(person.ssn.part("last 4") == "1120")
        if most == 3:
            assert len(find(session, statement, order_by=person.ssn, most=most)) == 3
        else:
            with pytest.raises(ProtectedColumnError, match="more than 2 rows: narrow the statement"):
                find(session, statement, order_by=person.ssn, most=most)
        assert len(loaded) == 3
        session.expunge_all()
        loaded.clear()
        with pytest.raises(ProtectedColumnError, match="more than 1 rows"):
            find(session, statement, order_by=person.ssn, most=1)
        assert len(loaded) == 2

    @pytest.mark.parametrize(
        ("order", "how", "why"),
        [
            (lambda p: func.lower(p.clinic), {}, "takes attributes"),
            (lambda p: "surname", {}, "takes attributes"),
            (lambda p: aliased(p).surname, {}, "takes attributes"),
            (lambda p: None, {"key": str.casefold}, "name the attributes"),
            (lambda p: p.surname, {"limit": -1}, "number of rows"),
            (lambda p: p.surname, {"most": True}, "number of rows"),
        ],
    )
    def test_find_sorts_by_nothing_else(self, small: Crowd, order: Any, how: Any, why: str) -> None:
        """Expressions are the database's, which cannot sort."""
        session, person = small
        with pytest.raises((ProtectedColumnError, ValueError), match=why):
            find(session, select(person), order_by=order(person), **how)

    def test_find_counts_nothing(self, small: Crowd) -> None:
        """It has to compare objects."""
        session, person = small
        with pytest.raises(ProtectedColumnError, match=r"takes a SELECT of one model, select\(Model\)"):
            find(session, select(func.count()).where(person.surname.startswith("meyer")))

    def test_a_statement_with_a_limit_is_not_sorted(self, small: Crowd) -> None:
        """The database would have cut it off before."""
        session, person = small
        with pytest.raises(ProtectedColumnError, match=r"find\(…, limit=…\)"):
            find(session, select(person).limit(2), order_by=person.surname)

    def test_the_database_is_not_asked_to_sort(self, small: Crowd) -> None:
        """The error names find."""
        session, person = small
        with pytest.raises(ProtectedColumnError, match=r"use find\(session, select\(Model\), order_by=…\)"):
            session.execute(select(person).order_by(person.surname.desc()))


class TestRefusals:
    @pytest.mark.parametrize(
        ("ask", "error", "why"),
        [
            (lambda p: p.ssn.startswith("078"), ProtectedColumnError, r"people\.ssn .* answers startswith.*Prefixes"),
            (lambda p: p.surname.startswith("m"), ProtectedColumnError, "Prefixes"),
            (lambda p: p.surname.startswith(""), ProtectedColumnError, "startswith of an empty text, and needs none"),
            (lambda p: p.ssn.endswith(""), ProtectedColumnError, "endswith of an empty text, and needs none"),
            (lambda p: p.ssn < "1", ProtectedColumnError, r"people\.ssn .*Range"),
            (lambda p: p.born == BORN, ProtectedColumnError, r"people\.born has no index that answers =="),
            (lambda p: p.ssn.part("domain") == "x", ProtectedColumnError, r"domain\(\)"),
            (lambda p: p.email.istartswith("x"), ProtectedColumnError, 'normaliser="casefold", and use startswith'),
            (lambda p: p.surname.like("mey%"), ProtectedColumnError, "Only ==.*startswith, endswith, between"),
            (lambda p: p.surname.startswith("mey", autoescape=True), ProtectedColumnError, "% and _ stand for"),
            (lambda p: p.surname.startswith("mey", escape="/"), ProtectedColumnError, "% and _ stand for"),
            (lambda p: p.born.between(BORN, BORN, symmetric=True), ProtectedColumnError, "lower bound"),
            (lambda p: p.surname.startswith(p.clinic), ProtectedColumnError, "plain values only"),
            (lambda p: p.born < literal(BORN), ProtectedColumnError, "plain values only"),
            (lambda p: p.born.between(BORN, func.now()), ProtectedColumnError, "plain values only"),
            (lambda p: p.ssn.part("last 4") == p.clinic, ProtectedColumnError, "plain values only"),
            (lambda p: p.ssn.part("last 4").in_("1120"), ProtectedColumnError, "list of plain values"),
            (lambda p: p.ssn.part("last 4") == None, ProtectedColumnError, r"is_\(None\)"),  # noqa: E711
            (lambda p: p.born < None, ProtectedColumnError, r"is_\(None\)"),
            (
                lambda p: p.born.between(None, BORN),
                ProtectedColumnError,
                r"is_\(None\), and for .* at one end <= or >=",
            ),
            (lambda p: p.ssn.part("last 4") < "x", ProtectedColumnError, "its part last 4, which are equal or not"),
            (lambda p: select(p.ssn.part("last 4")), ArgumentError, "the part last 4 of people.ssn, to be compared by"),
            (lambda p: p.born > "1951", TypeError, r"people\.born cannot be searched.*expected date"),
            (lambda p: p.surname.endswith(5), TypeError, "expected str"),
            (lambda p: p.ssn.part("last 4") == 1120, TypeError, "last 4"),
            (lambda p: of_tenant(p.owed, "north") < Decimal("NaN"), ValueError, r"people\.owed cannot be searched"),
            (lambda p: p.ssn.part("last 4").in_(["1120", None]), ProtectedColumnError, "None"),
        ],
    )
    def test_what_cannot_be_answered_says_what_could(self, ask: Any, error: Any, why: str) -> None:
        """Where the condition is written, and without a value."""
        with pytest.raises(error, match=why) as caught:
            ask(people(new_encryptor()))
        assert not [value for value in ("078", "mey", "1951", "1120") if value in str(caught.value)]

    @pytest.mark.parametrize(
        ("ask", "declared"),
        [
            (lambda p: p.secret != "x", r'IndexedBy\("…"\) would'),
            (lambda p: p.secret.between("x", "y"), "of=Range"),
            (lambda p: "x" < p.secret, "of=Range"),  # noqa: SIM300
            (lambda p: p.secret.startswith(p.id), "of=Prefixes"),
            (lambda p: p.secret.endswith("x"), "of=Suffixes"),
        ],
    )
    def test_a_column_without_an_index_says_which_one_would_answer(self, ask: Any, declared: str) -> None:
        """The same as a column with others does."""

        class Base(DeclarativeBase):
            pass

        @encrypted(new_encryptor(), row="id")
        class Person(Base):
            __tablename__ = "people"
            id: Mapped[str] = mapped_column(String(9), primary_key=True)
            secret: Mapped[str] = mapped_column(Encrypted(String))

        with pytest.raises(ProtectedColumnError, match=f"has no blind index that answers .*{declared}"):
            ask(Person)


class TestSecrets:
    def test_nothing_shows_or_keeps_what_is_asked_for(self, small: Crowd, caplog: pytest.LogCaptureFixture) -> None:
        """Neither a statement, nor its log, nor a condition that is pickled: that holds the tags."""
        session, person = small
        conditions = [
            person.surname.startswith("meyerl"),
            person.surname.endswith("ing"),
            person.ssn.part("last 4") == "1120",
            person.born.between(date(1933, 3, 3), date(1944, 4, 4)),
        ]
        with caplog.at_level(logging.DEBUG, "sqlalchemy"):
            found = find(session, select(person).where(*conditions[:3]))
        parts = [part for condition in conditions for part in visitors.iterate(condition)]
        shown = [caplog.text, *map(str, conditions[1:]), *map(repr, parts)]
        shown += [repr(value) for part in parts for value in vars(part).values()]
        pickled = [pickle.dumps(part) for part in parts if isinstance(part, BindParameter)]
        assert len(pickled) == 6
        for secret in ("meyerl", "1120", "1933"):
            assert not [each for each in shown if secret in each]
            assert not [each for each in pickled if secret.encode() in each]
        assert [each.id for each in found] == [4]

    def test_questions_of_one_shape_share_a_compiled_statement(self, small: Crowd) -> None:
        """And those of another one do not: another rung, or another number of companions."""
        _, person = small

        def key(condition: Any) -> Any:
            found: Any = select(person.id).where(condition)._generate_cache_key()
            return found.key

        assert key(person.born < date(1930, 1, 1)) == key(person.born.between(date(1940, 1, 1), date(1950, 1, 1)))
        assert key(person.surname.startswith("abc")) == key(person.surname.startswith("xyz"))
        different = ["ab", "abc", "abcd", "abcde"]
        assert len({key(person.surname.startswith(text)) for text in different}) == 4

    def test_a_cached_statement_asks_what_is_given(self, crowd: Crowd) -> None:
        """The second time, too."""
        session, person = crowd

        def born_before(day: date) -> list[int]:
            return sorted(session.scalars(select(person.id).where(person.born < day)))

        assert [born_before(date(1950, 2, 1)), born_before(date(1951, 2, 2)), born_before(date(1940, 1, 1))] == [
            [1],
            [1, 2],
            [],
        ]
