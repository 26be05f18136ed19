"""Queries by protected columns are rewritten to blind indexes, or refused; nothing else tells the value."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    inspect,
    lambda_stmt,
    literal,
    not_,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.exc import CompileError, IntegrityError
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    aliased,
    joinedload,
    lazyload,
    mapped_column,
    relationship,
    selectinload,
    subqueryload,
    synonym,
    with_loader_criteria,
)
from sqlalchemy.sql import visitors

from fieldcrypt import ConfigurationError, KeyStoreError, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, IndexedBy, ProtectedColumnError, blind_index
from tests.conftest import Database
from tests.sqlalchemy.searched import ANN, BOB, EVE, ZOE, Base, Owner, Pet, keys
from tests.sqlalchemy.searched import session as session
from tests.support.encryptors import new_encryptor

CONDITIONS: list[Callable[[Any], Any]] = [
    lambda c: c == ANN,
    lambda c: c != ANN,
    lambda c: c == EVE,
    lambda c: c == "",
    lambda c: c.in_([ANN]),
    lambda c: c.in_(["x", BOB]),
    lambda c: c.in_([]),
    lambda c: c.in_(name for name in (ANN, BOB)),
    lambda c: c.not_in([ANN, EVE]),
    lambda c: c.not_in([]),
    lambda c: c.is_(None),
    lambda c: c.is_not(None),
    lambda c: c == None,  # noqa: E711
    lambda c: c != null(),
    lambda c: not_(c == ANN),
    lambda c: not_(c != ANN),
    lambda c: not_(c.in_([ANN, BOB])),
    lambda c: not_(c.not_in([ANN])),
    lambda c: ~c.in_([]),
    lambda c: not_(and_(c != ANN, c != BOB)),
    lambda c: or_(c == ANN, c.is_(None)),
    lambda c: and_(c.in_([ANN, BOB]), c != BOB),
    lambda c: (c == BOB).is_(True),
    lambda c: case((c == ANN, 1), else_=0) == 0,
    lambda c: c.label("x") == ANN,
]

# Finds something by the attribute of that name.
Query = Callable[[str], Any]


def has(relation: Any, **values: Any) -> Any:
    return relation.has(**values)


LAMBDAS: dict[str, Any] = {
    "plain": lambda owner: owner.plain == "ann@example.org",
    "email": lambda owner: owner.email == "ann@example.org",
}


def with_a_cte(name: str) -> Any:
    cte = select(Owner).where(getattr(Owner, name) == ANN).cte()
    return select(Pet.id).join(cte, cte.c.id == Pet.owner_id)


def with_a_recursive_cte(name: str) -> Any:
    columns = Owner.id, Owner.plain, Owner.email, Owner.email_tag
    first = select(*columns).where(Owner.id == 1).cte(recursive=True)
    every = first.union_all(select(*columns).where(Owner.id == first.c.id + 1))
    return select(every.c.id).where(every.c[name] == ANN)


def of_a_subquery(name: str) -> Any:
    owners = select(Owner.id, Owner.plain, Owner.email, Owner.email_tag).subquery()
    return select(owners.c.id).where(owners.c[name] == ANN)


def of_a_subquery_of_both(name: str) -> Any:
    """With two columns of each name, of which the second is meant."""
    both = select(Owner, Pet).join(Pet, Pet.owner_id == Owner.id).subquery()
    column = both.corresponding_column(Pet.__table__.c[name])
    assert column is not None
    return select(both.c.id).where(column == ANN)


def of_a_subquery_of_aliases(name: str) -> Any:
    """Two aliases of one table."""
    first, second = Owner.__table__.alias("one"), Owner.__table__.alias("two")
    both = select(first, second).where(first.c.id == second.c.id + 1).subquery()
    column = both.corresponding_column(second.c[name])
    assert column is not None
    return select(both.c.id).where(column == ANN)


def of_a_union(name: str) -> Any:
    columns = Owner.id, Owner.plain, Owner.email, Owner.email_tag
    union = union_all(select(*columns).where(Owner.id < 3), select(*columns).where(Owner.id > 2)).subquery()
    return select(union.c.id).where(union.c[name] == ANN)


def of_an_aliased_subquery(name: str) -> Any:
    owner = aliased(Owner, select(Owner).where(Owner.id > 1).subquery())
    return select(owner.id).where(getattr(owner, name) == ANN)


def of_an_alias(name: str) -> Any:
    one, two = aliased(Owner), aliased(Owner, name="two")
    return select(one.id, two.id).where(one.id == two.id - 1, getattr(one, name) == ANN, getattr(two, name) == BOB)


def by_a_related_row(name: str) -> Any:
    return select(Owner.id).where(Owner.pets.any(getattr(Pet, name) == ANN))


def of_an_aliased_relationship(name: str) -> Any:
    pet = aliased(Pet)
    return select(Owner.id).join(Owner.pets.of_type(pet)).where(getattr(pet, name).in_([ANN, EVE]))


QUERIES: list[Query] = [
    lambda name: select(Owner.id).filter_by(**{name: ANN}),
    lambda name: select(func.count()).where(getattr(Owner, name) == ANN),
    lambda name: select(func.count()).select_from(Owner).where(getattr(Owner, name) != ANN),
    lambda name: select(Pet.id).join(Pet.owner).where(getattr(Owner, name) == ANN, getattr(Pet, name) == BOB),
    lambda name: select(Pet.id).join(Owner, and_(Owner.id == Pet.owner_id, getattr(Owner, name) == ANN)),
    lambda name: select(Owner.id).where(exists().where(Pet.owner_id == Owner.id, getattr(Pet, name) == ANN)),
    lambda name: select(Owner.id).where(Owner.id.in_(select(Pet.owner_id).where(getattr(Pet, name) == EVE))),
    lambda name: select(Pet.id).where(has(Pet.owner, **{name: ANN})),
    lambda name: select(Owner.id, getattr(Owner, name) == ANN).where(Owner.id != 3),
    lambda name: select(Owner.__table__.c.id).where(Owner.__table__.c[name] == ANN),
    lambda name: select(Owner.id).options(with_loader_criteria(Owner, getattr(Owner, name) == ANN)),
    lambda name: select(Owner.id).options(with_loader_criteria(Owner, LAMBDAS[name])),
    by_a_related_row,
    of_a_subquery,
    of_a_subquery_of_aliases,
    of_a_subquery_of_both,
    of_a_union,
    of_an_alias,
    of_an_aliased_relationship,
    of_an_aliased_subquery,
    with_a_cte,
    with_a_recursive_cte,
]


class TestSearching:
    @pytest.mark.parametrize("condition", CONDITIONS)
    def test_a_condition_means_what_it_means_for_a_plain_column(self, session: Session, condition: Any) -> None:
        """NULL included: it neither equals a value nor differs from one."""
        right = session.scalars(select(Owner.id).where(condition(Owner.plain)).order_by(Owner.id)).all()
        assert session.scalars(select(Owner.id).where(condition(Owner.email)).order_by(Owner.id)).all() == right

    @pytest.mark.parametrize("query", QUERIES)
    def test_a_query_finds_what_it_finds_by_a_plain_column(self, session: Session, query: Query) -> None:
        """In all places where a condition may stand."""
        right = sorted(map(tuple, session.execute(query("plain"))))
        assert sorted(map(tuple, session.execute(query("email")))) == right != []

    @pytest.mark.parametrize("how", ["evaluate", "fetch", False])
    def test_rows_are_changed_and_deleted_by_value(self, session: Session, how: Any) -> None:
        """And the session follows."""
        owners = session.scalars(select(Owner).order_by(Owner.id)).all()
        options = {"synchronize_session": how}
        session.execute(update(Owner).where(Owner.email == BOB).values(plain="x"), execution_options=options)
        session.execute(update(Pet).values(owner_id=None))
        session.execute(delete(Owner).where(Owner.email == ANN, Owner.id == 4), execution_options=options)
        session.execute(delete(Pet).where(Pet.email != ANN), execution_options=options)
        if how:
            assert [inspect(owner).deleted or owner.plain for owner in owners] == [ANN, "x", None, True]
        assert session.scalars(select(Owner.id).order_by(Owner.id)).all() == [1, 2, 3]
        assert session.scalars(select(Pet.id).order_by(Pet.id)).all() == [1, 4]

    def test_the_session_follows_a_value_that_an_update_has_set(self, session: Session) -> None:
        """Also if a second one looks for it."""
        owner = session.get_one(Owner, 2)
        assert owner.email_tag
        session.execute(update(Owner).where(Owner.email == BOB).values(email=EVE))
        session.execute(update(Owner).where(Owner.email == EVE).values(plain="found"))
        assert (owner.email, owner.plain) == (EVE, "found")

    def test_a_cached_statement_searches_for_the_value_that_is_given(self, session: Session) -> None:
        """SQLAlchemy compiles it once."""

        def found(mail: str) -> list[int]:
            return list(session.scalars(select(Owner.id).where(Owner.email == mail)))

        assert [found(ANN), found(BOB), found(EVE)] == [[1, 4], [2], []]

    @pytest.mark.parametrize("load", [joinedload, selectinload, subqueryload, lazyload])
    def test_a_cached_option_loads_by_the_value_that_is_given(self, session: Session, load: Any) -> None:
        """SQLAlchemy puts its parameters into the option of the first statement."""

        def found(mail: str) -> list[int]:
            statement = select(Owner).options(load(Owner.pets.and_(Pet.email == mail))).order_by(Owner.id)
            owners = session.scalars(statement.execution_options(populate_existing=True)).unique()
            return [pet.id for owner in owners for pet in owner.pets]

        assert [found(ANN), found(BOB), found(ZOE), found(ANN)] == [[1], [2], [], [1]]

    def test_a_lambda_searches_for_the_value_of_a_condition_that_is_given(self, session: Session) -> None:
        """It makes its statement once."""

        def found(condition: Any) -> list[int]:
            return list(session.scalars(lambda_stmt(lambda: select(Owner.id).where(condition))))

        assert [found(Owner.email == mail) for mail in (BOB, ANN, BOB)] == [[2], [1, 4], [2]]

    def test_a_legacy_query_searches_too(self, session: Session) -> None:
        """And session.get_one with a condition of a loader."""
        assert session.query(Owner.id).filter(Owner.email == BOB).all() == [(2,)]
        assert session.query(Owner).filter_by(email=ANN).count() == 2

    def test_what_stands_for_an_attribute_is_searched_too(self, database: Database) -> None:
        """On mapped dataclasses: a synonym, a hybrid, the values of related objects."""

        class Base(MappedAsDataclass, DeclarativeBase):
            pass

        class Pupil(Base):
            __tablename__ = "pupils"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            email: Mapped[str | None] = mapped_column(Encrypted(String, new_encryptor(), index="tag"))
            tag: Mapped[bytes | None] = blind_index(init=False, repr=False, compare=False)
            room_id: Mapped[int | None] = mapped_column(ForeignKey("rooms.id"), default=None)
            mail: Mapped[str | None] = synonym("email", init=False)

            @hybrid_property
            def address(self) -> str | None:
                return self.email

        class Room(Base):
            __tablename__ = "rooms"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            pupils: Mapped[list[Pupil]] = relationship(default_factory=list)
            mails: AssociationProxy[list[str]] = association_proxy("pupils", "email", init=False)

        Base.metadata.create_all(database("sqlite"))
        with Session(database("sqlite")) as session:
            session.add_all([Room(id=1, pupils=[Pupil(id=1, email=ANN)]), Room(id=2, pupils=[Pupil(id=2, email=BOB)])])
            session.commit()
            assert repr(session.get_one(Pupil, 1)) == repr(session.merge(Pupil(id=1, email=ANN, room_id=1)))
            session.commit()
            conditions: list[Any] = [Pupil.mail == ANN, Pupil.address == ANN, Room.mails == ANN, Room.mails.in_([ANN])]
            found = [session.scalars(select(each.left.table.c.id).where(each)).all() for each in conditions[:2]]
            found += [session.scalars(select(Room.id).where(each)).all() for each in conditions[2:]]
        assert found == [[1]] * 4

    def test_a_unique_companion_lets_no_value_in_twice(self, engine: Engine) -> None:
        """NULL may occur any number of times."""
        encryptor = new_encryptor()
        table = Table(
            "users",
            MetaData(),
            Column("email", Encrypted(String, encryptor, index=IndexedBy("tag", normaliser="casefold"))),
            Column("tag", BlindIndexTag(), unique=True),
        )
        table.create(engine)
        with engine.connect() as connection:
            connection.execute(insert(table), [{"email": ANN}, {"email": None}, {"email": None}])
            connection.commit()
            with pytest.raises(IntegrityError) as caught:
                connection.execute(insert(table), {"email": ANN.upper()})
        assert "ann" not in str(caught.value).lower()


class TestRefusals:
    @pytest.mark.parametrize(
        "compare",
        [
            lambda c: c.like("zoe%"),
            lambda c: c.ilike("zoe%"),
            lambda c: c.contains("zoe"),
            lambda c: c.icontains("zoe"),
            lambda c: c.regexp_match("zoe"),
            lambda c: c.is_distinct_from(ZOE),
            lambda c: c.is_(True),
            lambda c: c + ZOE,
            lambda c: ZOE + c,
            lambda c: c.nulls_first(),
            lambda c: c.collate("C"),
            lambda c: c.op("~")(ZOE),
        ],
    )
    def test_what_tags_cannot_tell_says_so(self, compare: Any) -> None:
        """And what they can."""
        with pytest.raises(ProtectedColumnError, match=r"owners\.email.*Only ==, !=, in_.*blind index") as caught:
            compare(Owner.email)
        assert "zoe" not in str(caught.value)

    @pytest.mark.parametrize(
        "compare",
        [
            lambda: Owner.email == Owner.plain,
            lambda: Owner.email == Pet.email,
            lambda: Owner.email == bindparam("email"),
            lambda: Owner.email == literal(ANN),
            lambda: Owner.email == func.lower(ANN),
            lambda: Owner.email == select(Pet.plain).scalar_subquery(),
            lambda: Owner.email.in_(select(Pet.plain)),
            lambda: Owner.email.in_([ANN, literal(BOB)]),
        ],
    )
    def test_a_value_must_be_at_hand(self, compare: Any) -> None:
        """Its tag is computed here, so it cannot come from the database, or later."""
        with pytest.raises(ProtectedColumnError, match=r"owners\.email can be compared with plain values only"):
            compare()

    def test_a_variable_of_a_lambda_is_not_at_hand(self, session: Session) -> None:
        """SQLAlchemy puts it in later; the error says so."""
        mail = ANN
        with pytest.raises(ProtectedColumnError, match="variables of a lambda"):
            session.scalars(lambda_stmt(lambda: select(Owner.id).where(Owner.email == mail)))

    @pytest.mark.parametrize(
        ("values", "why"),
        [(ANN, "a list of plain values"), ([ANN, None], "not take None: use is_"), (None, "a list")],
    )
    def test_in_takes_a_list_of_values(self, values: Any, why: str) -> None:
        """Not a text, whose characters would be meant; nor None, which IN never finds."""
        with pytest.raises(ProtectedColumnError, match=why):
            Owner.email.in_(values)

    @pytest.mark.parametrize("place", [lambda q: q.order_by(Owner.email), lambda q: q.group_by(Owner.email)])
    def test_the_database_does_not_sort_or_group(self, session: Session, place: Any) -> None:
        """Which would be by ciphertext."""
        with pytest.raises(ProtectedColumnError, match=r"owners\.email"):
            session.execute(place(select(Owner.id)))

    @pytest.mark.parametrize("value", [5, 5.5, b"x", True, object(), ["x"]])
    def test_a_value_of_another_type_is_refused_at_once(self, value: Any) -> None:
        """Where the mistake is, and not when the statement is executed. The value is not shown."""
        for compare in (lambda: Owner.email == value, lambda: Owner.email.in_([ANN, value])):
            with pytest.raises(TypeError, match=r"owners\.email.*expected str") as caught:
                compare()
            assert not isinstance(caught.value, ProtectedColumnError)
            assert repr(value) not in str(caught.value)

    @pytest.mark.parametrize(
        "compare",
        [
            lambda c: c == ANN,
            lambda c: c == ANN.encode(),
            lambda c: c.in_([ANN]),
            lambda c: c.like("ann%"),
            lambda c: c == literal(ANN),
            lambda c: c == func.sha256(ANN),
            lambda c: c == Owner.plain,
            lambda c: "x" + Owner.__table__.c.email_tag,
        ],
    )
    def test_a_companion_is_not_compared_with_plaintext(self, compare: Any) -> None:
        """Whoever does so meant the other column, which the error says."""
        with pytest.raises(ProtectedColumnError, match="set, or compare, the encrypted column") as caught:
            compare(Owner.email_tag)
        assert ANN not in str(caught.value)

    def test_tags_may_meet_tags(self, session: Session) -> None:
        """Tables are joined by tags, if the columns have one name; others' never match."""
        join = select(func.count()).select_from(Owner).join(Pet, Owner.email_tag == Pet.email_tag)
        assert session.scalar(join) == 0
        one, two = aliased(Owner), aliased(Owner)
        pairs = select(one.id, two.id).where(one.email_tag == two.email_tag, one.id < two.id)
        assert session.execute(pairs).all() == [(1, 4)]

    def test_a_subquery_without_the_companion_is_not_searched(self, session: Session) -> None:
        """The error says what to select."""
        owners = select(Owner.id, Owner.email).subquery()
        with pytest.raises(ConfigurationError, match=r"has no such column: select email_tag there as well"):
            select(owners.c.id).where(owners.c.email == ANN)


class TestSecrets:
    def test_a_statement_shows_nothing_of_the_values(self, session: Session, caplog: pytest.LogCaptureFixture) -> None:
        """Neither itself, nor its parts, nor its parameters, nor what is logged."""
        statement = select(Owner.id).where(Owner.email == ANN, Owner.email.in_([ANN, BOB]))
        shown = [str(statement), repr(statement)]
        for node in visitors.iterate(statement):
            shown += [repr(node), *map(repr, vars(node).values())]
        compiled = statement.compile(session.get_bind())
        shown += [str(compiled), repr(compiled.params), repr(compiled.binds)]
        with caplog.at_level(logging.DEBUG, "sqlalchemy"):
            session.execute(statement)
        assert "email_tag IN" in caplog.text
        assert not [text for text in (*shown, caplog.text) if "ann@" in text or "bob@" in text]

    def test_a_literal_is_not_rendered(self) -> None:
        """Neither value nor tag gets into SQL text."""
        statement = select(Owner.id).where(Owner.email == ANN)
        with pytest.raises(CompileError, match="cannot be rendered") as caught:
            statement.compile(compile_kwargs={"literal_binds": True})
        assert ANN not in str(caught.value)

    def test_a_pickled_condition_holds_tags(self, session: Session) -> None:
        """SQLAlchemy computes what is computed late when it pickles; the value does not travel."""
        condition: Any = Owner.__table__.c.email == ANN
        pickled = pickle.dumps(condition.right)
        assert b"ann@" not in pickled
        again = pickle.loads(pickled)
        assert session.scalars(select(Owner.id).where(Owner.__table__.c.email_tag.in_(again))).all() == [1, 4]

    def test_an_outage_is_told_without_the_statement_s_values(self, database: Database) -> None:
        """As the error that it is, not wrapped in one with the statement's parameters."""

        class Down(MemoryKeyStore):
            def list(self, *_: Any) -> Any:
                raise KeyStoreError("down")

        keys.configure(LocalKeyProvider.generate(), Down())
        Base.metadata.create_all(database("sqlite"))
        with (
            Session(database("sqlite")) as session,
            pytest.raises(KeyStoreError, match=r"^owners\.email: down") as caught,
        ):
            session.execute(select(Owner.id).where(Owner.email == ANN))
        assert "ann@" not in repr(vars(caught.value))
