"""What becomes of encrypted columns in copies and views, and what cannot be declared."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy
import pytest
from sqlalchemy import (
    ARRAY,
    Column,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    any_,
    create_engine,
    func,
    insert,
    inspect,
    literal,
    select,
    table,
    text,
    tuple_,
)
from sqlalchemy import column as sql_column
from sqlalchemy.ext.declarative import AbstractConcreteBase
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, configure_mappers, declared_attr, mapped_column
from sqlalchemy.types import TypeDecorator

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, LocalKeyProvider
from fieldcrypt_sqlalchemy import (
    BlindIndexTag,
    Encrypted,
    IndexedBy,
    ProtectedColumnError,
    blind_index,
    encrypted,
    of_tenant,
)
from tests.conftest import Database
from tests.sqlalchemy.copies import ANN, SSN, people
from tests.support.encryptors import new_encryptor


def add_ann(engine: Engine, person: Any) -> None:
    person.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(person(id=1, ssn=SSN, email=ANN))
        session.commit()


@contextmanager
def a_view(engine: Engine, name: str) -> Iterator[None]:
    """A view of all people, for a while."""
    with engine.begin() as connection:
        connection.execute(text(f"CREATE VIEW {name} AS SELECT * FROM people"))
    yield
    with engine.begin() as connection:
        connection.execute(text(f"DROP VIEW {name}"))


class TestViewsAndCopies:
    def test_a_view_that_is_described_with_the_columns_types_is_read(self, engine: Engine) -> None:
        """And searched: what it shows are values of the table's columns."""
        person = people()
        add_ann(engine, person)
        columns = person.__table__.c
        view = Table("everybody", MetaData(), *(Column(c.name, c.type) for c in columns))
        with a_view(engine, "everybody"), engine.connect() as connection:
            found = connection.execute(select(view.c.ssn, view.c.email).where(view.c.email == ANN)).all()
        assert found == [(SSN, ANN)]

    @pytest.mark.parametrize("name", [None, "people_copy"])
    def test_a_copy_of_a_table_keeps_the_fields_names(self, name: str | None) -> None:
        """`Table.to_metadata()`, under the same name or another one."""
        table = people().__table__
        copied = table.to_metadata(MetaData(), name=name or table.name)
        assert [copied.c[key].type.name for key in ("ssn", "email")] == ["people.ssn", "people.email"]

    def test_rows_are_copied_into_a_copy_of_a_table(self, engine: Engine) -> None:
        """INSERT FROM SELECT moves ciphertext, which opens there."""
        person = people()
        copied = person.__table__.to_metadata(person.metadata, name="people_copy")
        add_ann(engine, person)
        with engine.begin() as connection:
            columns = ["id", "clinic", "ssn", "email", "tag"]
            source = select(*(person.__table__.c[key] for key in columns))
            connection.execute(insert(copied).from_select(columns, source))
            found = connection.execute(select(copied.c.ssn).where(copied.c.email == ANN)).scalars().all()
        assert found == [SSN]

    def test_a_column_that_is_copied_keeps_its_field_s_name(self) -> None:
        """`Column._copy()`, which libraries use."""
        copied = Table("other", MetaData(), people().__table__.c.ssn._copy())
        assert copied.c.ssn.type.name == "people.ssn"

    def test_a_type_that_several_columns_share_is_named_after_each(self) -> None:
        """A type object that came from no column has no name to keep."""
        shared = Encrypted(String, new_encryptor())
        tables: list[Any] = [
            Table(name, MetaData(), Column("a", shared), Column("b", shared)) for name in ("one", "two")
        ]
        names = [column.type.name for table in tables for column in table.c]
        assert names == ["one.a", "one.b", "two.a", "two.b"]

    def test_a_mixin_s_subclasses_have_fields_of_their_own(self) -> None:
        """By an attribute, `declared_attr`, and after other tables have got the column."""
        encryptor = new_encryptor()

        class Base(DeclarativeBase):
            pass

        class Mixin:
            id: Mapped[int] = mapped_column(primary_key=True)
            ssn: Mapped[str] = mapped_column(Encrypted(String, encryptor))

            @declared_attr
            def note(cls) -> Mapped[str]:  # noqa: N805
                return mapped_column(Encrypted(String, encryptor))

        made: list[Any] = [type(name, (Mixin, Base), {"__tablename__": name}) for name in ("one", "two")]
        names = [column.type.name for model in made for column in model.__table__.c if column.name != "id"]
        assert sorted(names) == ["one.note", "one.ssn", "two.note", "two.ssn"]

    def test_a_history_table_opens_what_its_model_wrote(self, engine: Engine) -> None:
        """Made as SQLAlchemy's `history_meta` example does: copied columns, and values moved over by an INSERT."""
        person = people()
        table = person.__table__

        class Versioned(DeclarativeBase):
            metadata = person.metadata

        columns = [column._copy() for column in table.c]
        for column in columns:
            column.unique = column.index = None
            if column.primary_key:
                column.autoincrement = False
        history_table = Table(
            "people_history",
            person.metadata,
            *columns,
            Column("version", Integer, primary_key=True, autoincrement=False),
        )

        history: Any = type("History", (Versioned,), {"__table__": history_table})
        add_ann(engine, person)
        with Session(engine) as session:
            ann = session.get_one(person, 1)
            state = inspect(ann)
            values = {key: getattr(ann, key) for key in state.mapper.column_attrs.keys() if key != "tag"}  # noqa: SIM118
            session.add(history(version=1, **values))
            session.commit()
            found = session.scalars(select(history).where(history.email == ANN)).one()
            assert (found.ssn, found.email, found.version) == (SSN, ANN, 1)

    def test_a_decorated_model_over_a_view_opens_its_rows(self, engine: Engine) -> None:
        """With the same key and tenant; and the model behind goes on to open its own."""
        person = people(decorated=True)
        add_ann(engine, person)

        class ViewBase(DeclarativeBase):
            pass

        table = person.__table__
        columns = (Column(c.name, c.type, primary_key=c.primary_key, autoincrement=False) for c in table.c)
        made: Any = type("Shown", (ViewBase,), {"__table__": Table("shown", ViewBase.metadata, *columns)})
        shown = encrypted(table.c.ssn.type.encryptor, row="id", tenant="clinic")(made)
        with a_view(engine, "shown"), Session(engine) as session:
            seen = session.scalars(select(shown).where(of_tenant(shown.email, "north") == ANN)).one()
            assert (seen.ssn, session.get_one(person, 1).ssn) == (SSN, SSN)

    def test_a_history_of_decorated_rows_opens_under_a_decorated_base(self, engine: Engine) -> None:
        """What a library derives from the base is bound to its rows by key and tenant, as the model is."""
        encryptor = new_encryptor()

        @encrypted(encryptor, row="id", tenant="clinic")
        class Base(DeclarativeBase):
            pass

        class Person(Base):
            __tablename__ = "people"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            clinic: Mapped[str] = mapped_column(String(20))
            ssn: Mapped[str] = mapped_column(Encrypted(String))

        table: Any = Person.__table__
        version = Column("version", Integer, primary_key=True, autoincrement=False)
        columns = {"__table__": Table("people_history", Base.metadata, *(c._copy() for c in table.c), version)}
        history: Any = type("PersonHistory", (Base,), columns)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Person(id=1, clinic="north", ssn=SSN))
            session.commit()
            ann = session.get_one(Person, 1)
            session.add(history(id=1, version=1, clinic=ann.clinic, ssn=ann.ssn))
            session.commit()
            assert (session.scalars(select(history)).one().ssn, ann.ssn) == (SSN, SSN)


class TestCompanions:
    @pytest.mark.parametrize("index", ["tag", IndexedBy("tag", normaliser="nfkc")])
    def test_two_columns_of_a_table_cannot_share_one(self, index: Any) -> None:
        """A search for the one would miss its rows; refused when the second one joins the table."""
        encryptor = new_encryptor()
        with pytest.raises(ConfigurationError, match=r"people\.work and people\.home are both indexed by 'tag'"):
            Table(
                "people",
                MetaData(),
                Column("home", Encrypted(String, encryptor, index="tag")),
                Column("work", Encrypted(String, encryptor, index=index, name="given")),
                Column("tag", BlindIndexTag()),
            )

    def test_two_attributes_of_a_model_cannot_share_one(self) -> None:
        """Refused where the class is declared."""
        encryptor = new_encryptor()

        class Base(DeclarativeBase):
            pass

        with pytest.raises(ConfigurationError, match="both indexed by 'tag'"):

            class Person(Base):
                __tablename__ = "people"
                id: Mapped[int] = mapped_column(primary_key=True)
                home: Mapped[str] = mapped_column(Encrypted(String, encryptor, index="tag"))
                work: Mapped[str] = mapped_column(Encrypted(String, encryptor, index=IndexedBy("tag")))
                tag: Mapped[bytes | None] = blind_index()

    def test_a_column_that_is_added_later_cannot_share_one(self) -> None:
        """As those of subclasses that share a table are."""
        encryptor = new_encryptor()

        class Base(DeclarativeBase):
            pass

        class Person(Base):
            __tablename__ = "people"
            id: Mapped[int] = mapped_column(primary_key=True)
            kind: Mapped[str]
            home: Mapped[str] = mapped_column(Encrypted(String, encryptor, index="tag"))
            tag: Mapped[bytes | None] = blind_index()
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "p"}  # noqa: RUF012

        with pytest.raises(ConfigurationError, match="both indexed by 'tag'"):

            class Worker(Person):
                work: Mapped[str | None] = mapped_column(Encrypted(String, encryptor, index="tag"))
                __mapper_args__ = {"polymorphic_identity": "w"}  # noqa: RUF012

    def test_a_column_may_take_the_place_of_itself(self) -> None:
        """`extend_existing` declares one again."""
        encryptor, metadata = new_encryptor(), MetaData()
        for _ in range(2):
            table = Table(
                "people",
                metadata,
                Column("home", Encrypted(String, encryptor, index="tag")),
                Column("tag", BlindIndexTag()),
                extend_existing=True,
            )
        assert list(table.c.keys()) == ["home", "tag"]


class TestInheritance:
    @pytest.mark.parametrize("on", [lambda column: column, lambda column: func.lower(column)])
    def test_classes_cannot_be_told_by_an_encrypted_column(self, on: Any) -> None:
        """Each SELECT of a subclass would compare it: refused when the class is mapped."""

        class Base(DeclarativeBase):
            pass

        with pytest.raises(ConfigurationError, match=r"polymorphic_on .*kind.* is encrypted"):

            class Animal(Base):
                __tablename__ = "animals"
                id: Mapped[int] = mapped_column(primary_key=True)
                kind = mapped_column(Encrypted(String, new_encryptor()))
                __mapper_args__ = {"polymorphic_on": on(kind.column), "polymorphic_identity": "a"}  # noqa: RUF012

    @pytest.mark.parametrize(("name", "opens"), [(None, False), ("staff.ssn", True)])
    def test_a_base_of_concrete_classes_needs_one_name(
        self, database: Database, name: str | None, *, opens: bool
    ) -> None:
        """Its SELECT is a UNION, whose columns are of one field each; the message says so."""
        encryptor, engine = new_encryptor(), database("sqlite")

        class Base(DeclarativeBase):
            pass

        class Employee(AbstractConcreteBase, Base):
            strict_attrs = True

        class Engineer(Employee):
            __tablename__ = "engineers"
            id: Mapped[int] = mapped_column(primary_key=True)
            ssn: Mapped[str] = mapped_column(Encrypted(String, encryptor, name=name))
            __mapper_args__ = {"polymorphic_identity": "e", "concrete": True}  # noqa: RUF012

        class Lawyer(Employee):
            __tablename__ = "lawyers"
            id: Mapped[int] = mapped_column(primary_key=True)
            ssn: Mapped[str] = mapped_column(Encrypted(String, encryptor, name=name))
            __mapper_args__ = {"polymorphic_identity": "l", "concrete": True}  # noqa: RUF012

        configure_mappers()
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([Engineer(id=1, ssn="one"), Lawyer(id=2, ssn="two")])
            session.commit()
            if opens:
                found: list[Any] = list(session.scalars(select(Employee)))
                assert {each.ssn for each in found} == {"one", "two"}
            else:
                with pytest.raises(ProtectedColumnError, match="one name"):
                    session.scalars(select(Employee))


class TestArguments:
    @pytest.mark.parametrize(
        ("given", "named"), [(str, "str"), (int, "int"), ("str", "an instance of str"), (1, "an instance of int")]
    )
    def test_a_type_is_sqlalchemy_s(self, given: Any, named: str) -> None:
        """A type of Python's is refused with what was given, and what is taken."""
        with pytest.raises(ConfigurationError, match=f"takes a SQLAlchemy type, such as String, not {named}$"):
            Encrypted(given, new_encryptor())

    def test_a_context_is_a_part_of_what_values_are_bound_to(self, database: Database) -> None:
        """As of a Field: what was encrypted without does not open, and a statement is cached for one context alone."""
        encryptor = new_encryptor()
        with database("sqlite").begin() as connection:
            connection.execute(text("CREATE TABLE cells (x BLOB)"))
            for context in ({"ward": "7"}, {"ward": "8"}):
                cells = table("cells", sql_column("x", Encrypted(String, encryptor, name="x", context=context)))
                connection.execute(insert(cells).values(x="Ann"))
                sealed = connection.exec_driver_sql("SELECT x FROM cells").scalar_one()
                assert encryptor.field("x", str, context=context).decrypt(sealed) == "Ann"
                with pytest.raises(DecryptionError):
                    encryptor.field("x", str).decrypt(sealed)
                connection.exec_driver_sql("DELETE FROM cells")

    @pytest.mark.parametrize("cached", [True, False, None])
    def test_a_class_of_ones_own_is_cached_by_its_arguments(self, cached: bool | None) -> None:
        """If it says that it may be cached, as of other types; if it says nothing, SQLAlchemy warns."""

        class Marked(Encrypted):
            cache_ok: Any = cached

            def __init__(self, mark: str) -> None:
                super().__init__(String, Encryptor(), name="x")
                self.mark = mark

        def key(type_: Any) -> Any:
            return select(table("cells", sql_column("x", type_)))._generate_cache_key()

        one, other = Marked("a"), Marked("b")
        other.encryptor = one.encryptor
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert (key(one) is None) is (cached is not True)
        assert bool(caught) is (cached is None)
        if cached:
            assert key(one) == key(one.copy()) != key(other)

    def test_a_type_inside_that_is_not_cached_is_not_cached_encrypted(self) -> None:
        """Its arguments may change what it makes of a value."""

        class Inner(TypeDecorator[str]):
            impl = String
            cache_ok = False

        cells = table("cells", sql_column("x", Encrypted(Inner(), Encryptor(), name="x")))
        assert select(cells)._generate_cache_key() is None

    def test_a_function_that_returns_a_type_is_taken(self) -> None:
        """SQLAlchemy's own columns take one, too."""
        assert isinstance(Encrypted(lambda: String(3)).type_, String)  # type: ignore[arg-type]

    @pytest.mark.parametrize(("given", "named"), [(True, "bool"), (blind_index(), "MappedColumn")])
    def test_an_index_is_named(self, given: Any, named: str) -> None:
        """The name of the column is asked for: neither True nor the column itself says it."""
        with pytest.raises(ConfigurationError, match=f"name of the companion.*, or IndexedBy.*, not {named}$"):
            Encrypted(String, new_encryptor(), index=given)

    @pytest.mark.parametrize("decorated", [False, True])
    def test_what_is_no_encryptor_is_named_by_its_type(self, decorated: bool) -> None:
        """The type alone: the value may be a key."""
        given: Any = create_engine("sqlite://")
        with pytest.raises(ConfigurationError, match=r"takes an Encryptor, not Engine$"):
            encrypted(given, row="id") if decorated else Encrypted(String, given)


class TestMappedClasses:
    @pytest.mark.parametrize(
        ("companion", "why"),
        [
            (lambda: blind_index(), "has no such column: declare it, tagg = "),
            (lambda: mapped_column("tagg", LargeBinary), "not a blind index column: declare it by tagg = "),
        ],
    )
    def test_a_searchable_attribute_needs_its_companion(self, companion: Any, why: str) -> None:
        """A name that is misspelt is found when classes are mapped, and not with the first row."""

        class Base(DeclarativeBase):
            pass

        class Person(Base):
            __tablename__ = "people"
            id: Mapped[int] = mapped_column(primary_key=True)
            email: Mapped[str] = mapped_column(Encrypted(String, new_encryptor(), index="tagg"))
            tag: Mapped[bytes | None] = companion()

        with pytest.raises(ConfigurationError, match=f"people.email is indexed by 'tagg'.*{why}"):
            configure_mappers()
        Base.registry.dispose()

    @pytest.mark.parametrize("decorated", [False, True])
    def test_tags_per_tenant_need_a_tenant(self, decorated: bool) -> None:
        """Whether the class is not decorated, or decorated without a tenant."""
        encryptor = new_encryptor()

        class Base(DeclarativeBase):
            pass

        class Person(Base):
            __tablename__ = "people"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            email: Mapped[str] = mapped_column(Encrypted(String, encryptor, index=IndexedBy("tag", per_tenant=True)))
            tag: Mapped[bytes | None] = blind_index()

        if decorated:
            encrypted(encryptor, row="id")(Person)
        with pytest.raises(ConfigurationError, match=r"Person.email has tags per tenant, but nothing says whose"):
            configure_mappers()
        Base.registry.dispose()

    def test_a_decorated_class_without_encrypted_columns_warns(self) -> None:
        """Its values are plaintext, whatever the decorator seems to say."""

        class Base(DeclarativeBase):
            pass

        @encrypted(new_encryptor(), row="id")
        class Plain(Base):
            __tablename__ = "plain"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            ssn: Mapped[str] = mapped_column(String(20))

        with pytest.warns(UserWarning, match="Plain is decorated with @encrypted, but has no encrypted columns"):
            configure_mappers()

    @pytest.mark.parametrize(
        ("row", "hint"),
        [
            ("idd", "its attributes are id, number, clinic, ssn$"),
            ("no", "the column 'no' has the attribute 'number': name that$"),
        ],
    )
    def test_a_row_is_named_by_attributes(self, row: str, hint: str) -> None:
        """The message has those that there are, and the one that a column's name stands for."""
        with pytest.raises(ConfigurationError, match=f"Numbered has no attribute '{row}' that is mapped.*; {hint}"):
            encrypted(new_encryptor(), row=row)(numbered())

    def test_a_tenant_that_the_database_makes_is_set_in_the_application(self) -> None:
        """A UUID would be no advice for it."""
        with pytest.raises(ConfigurationError, match=r"Numbered.clinic is made by the database.*Set the tenant") as e:
            encrypted(new_encryptor(), row="id", tenant="clinic")(numbered())
        assert "uuid4" not in str(e.value)


def numbered() -> Any:
    """A model with a column of another name than its attribute's, and a tenant with a default of the server's."""

    class Base(DeclarativeBase):
        pass

    class Numbered(Base):
        __tablename__ = "numbered"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        number: Mapped[int] = mapped_column("no")
        clinic: Mapped[str] = mapped_column(String(20), server_default="north")
        ssn: Mapped[str] = mapped_column(Encrypted(String))

    return Numbered


class TestStatementCache:
    def test_it_tells_types_of_different_names_apart(self, database: Database) -> None:
        """A statement with one name must not be run for the other: the value could not be read."""
        encryptor = Encryptor(LocalKeyProvider.generate())
        with database("sqlite").begin() as connection:
            connection.execute(text("CREATE TABLE cells (x BLOB)"))
            for name in ("a", "b"):
                cells = table("cells", sql_column("x", Encrypted(String, encryptor, name=name)))
                connection.execute(insert(cells).values(x="Ann"))
                assert connection.scalars(select(cells.c.x)).one() == "Ann"
                sealed = connection.exec_driver_sql("SELECT x FROM cells").scalar_one()
                assert encryptor.field(name, str).decrypt(sealed) == "Ann"
                connection.exec_driver_sql("DELETE FROM cells")


class TestRefusalsOfSearches:
    @pytest.mark.parametrize(
        "condition",
        [
            lambda person: person.email == any_(literal([ANN], ARRAY(String))),
            lambda person: any_(literal([ANN], ARRAY(String))) == person.email,
            lambda person: person.email.in_(any_(literal([ANN], ARRAY(String)))),
            lambda person: tuple_(person.email, person.id).in_([(ANN, 1)]),
            lambda person: func.lower(person.email) == ANN,
        ],
    )
    def test_what_is_refused_of_a_searchable_column_says_what_works(self, condition: Any) -> None:
        """`in_` does, with plain values; the value is not in the message."""
        with pytest.raises(ProtectedColumnError, match=r"in_\(…\)") as caught:
            select(people().id).where(condition(people())).compile()
        assert ANN not in str(caught.value)


class TestNumbers:
    @pytest.mark.parametrize("kind", [numpy.int64, numpy.uint8, numpy.int32])
    @pytest.mark.parametrize("type_", [Integer, Numeric(10, 2), Float])
    def test_integers_of_numpy_s_are_taken(self, database: Database, type_: Any, kind: Any) -> None:
        """What says that it is an integer is stored as one, exactly, as drivers take it."""
        assert self.stored(database, type_, kind(200)) == 200

    @pytest.mark.parametrize("value", [numpy.float64(2.0), numpy.bool_(True), True, numpy.array([2]), "2"])
    def test_what_is_no_integer_is_not(self, database: Database, value: Any) -> None:
        """Nor is a float that happens to be whole, or a truth value."""
        with pytest.raises(TypeError, match="expected int"):
            self.stored(database, Integer, value)

    def test_floats_of_numpy_s_are_taken(self, database: Database) -> None:
        """They are floats of Python's."""
        assert self.stored(database, Float, numpy.float64(0.1)) == 0.1

    @staticmethod
    def stored(database: Database, type_: Any, value: Any) -> Any:
        """What is read after a value was written."""
        table = Table("numbers", MetaData(), Column("n", Encrypted(type_, new_encryptor())))
        with database("sqlite").begin() as connection:
            table.create(connection)
            connection.execute(insert(table).values(n=value))
            found = connection.scalar(select(table.c.n))
        assert type(found) in (int, float, Decimal)
        return found
