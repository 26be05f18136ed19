"""Models of every shape that can be decorated, and those that cannot."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    CHAR,
    JSON,
    DateTime,
    Engine,
    Float,
    ForeignKey,
    Identity,
    Integer,
    Sequence,
    String,
    TypeDecorator,
    func,
    select,
    text,
)
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    composite,
    mapped_column,
    with_polymorphic,
)

from fieldcrypt import ConfigurationError, DecryptionError, KeyRecord
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted
from tests.sqlalchemy.clinics import SSN, Clinic
from tests.sqlalchemy.clinics import clinic as clinic
from tests.sqlalchemy.clinics import lite as lite
from tests.support.encryptors import new_encryptor


class Colour(enum.Enum):
    RED = "r"


class Place(enum.StrEnum):
    NORTH = "north-1"


class Number(enum.IntEnum):
    SEVEN = 7


class Folded(TypeDecorator[str]):
    """Text that is kept in lower case."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        return value and value.lower()


class Guid(TypeDecorator[UUID]):
    """A UUID as text."""

    impl = CHAR(32)
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: object) -> str | None:
        return None if value is None else value.hex

    def process_result_value(self, value: str | None, dialect: object) -> UUID | None:
        return None if value is None else UUID(value)


@dataclass
class Position:
    lat: int
    lon: int


class TestModels:
    def test_single_table_and_joined_inheritance(self, engine: Engine) -> None:
        """Columns of the base, of the same table, and of a table of their own, by the row of the base."""
        encryptor = new_encryptor()

        class Base(DeclarativeBase):
            pass

        @encrypted(encryptor, row="id")
        class Person(Base):
            __tablename__ = "people"
            id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
            kind: Mapped[str] = mapped_column(String(20))
            ssn: Mapped[str] = mapped_column(Encrypted(String))
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012 (as SQLAlchemy declares it)

        class Nurse(Person):
            badge: Mapped[str | None] = mapped_column(Encrypted(String))
            __mapper_args__ = {"polymorphic_identity": "nurse"}  # noqa: RUF012 (as SQLAlchemy declares it)

        class Doctor(Person):
            __tablename__ = "doctors"
            id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
            licence: Mapped[str] = mapped_column(Encrypted(String))
            __mapper_args__ = {"polymorphic_identity": "doctor"}  # noqa: RUF012 (as SQLAlchemy declares it)

        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([Person(ssn="1"), Nurse(ssn="2", badge="b"), Doctor(ssn="3", licence="l")])
            session.commit()
        with Session(engine) as session:
            assert sorted(person.ssn for person in session.scalars(select(Person))) == ["1", "2", "3"]
            assert [nurse.badge for nurse in session.scalars(select(Nurse))] == ["b"]
            assert [doctor.licence for doctor in session.scalars(select(Doctor))] == ["l"]
        with Session(engine) as session:
            everyone = with_polymorphic(Person, "*")
            loaded: list[Any] = list(session.scalars(select(everyone).order_by(everyone.kind)))
            assert [(p.ssn, getattr(p, "licence", None)) for p in loaded] == [("3", "l"), ("2", None), ("1", None)]
            loaded[0].licence = "renewed"
            loaded[0].ssn = "33"
            session.commit()
            assert (loaded[0].licence, loaded[0].ssn) == ("renewed", "33")

    def test_a_decorated_mixin_or_abstract_base_binds_what_derives_from_it(self, engine: Engine) -> None:
        """Each class by its own row."""

        class Base(DeclarativeBase):
            pass

        @encrypted(new_encryptor(), row="id")
        class Named:
            id: Mapped[str] = mapped_column(String(20), primary_key=True)
            name: Mapped[str] = mapped_column(Encrypted(String))

        @encrypted(new_encryptor(), row="key")
        class Keyed(Base):
            __abstract__ = True
            key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            secret: Mapped[str] = mapped_column(Encrypted(String))

        class Pet(Named, Base):
            __tablename__ = "pets"

        class Owner(Named, Base):
            __tablename__ = "owners"

        class Vault(Keyed):
            __tablename__ = "vaults"

        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([Pet(id="1", name="Rex"), Owner(id="1", name="Ann"), Vault(key=1, secret="s")])
            session.commit()
            read = [session.get_one(Pet, "1").name, session.get_one(Owner, "1").name, session.get_one(Vault, 1).secret]
            assert read == ["Rex", "Ann", "s"]
            session.execute(text("UPDATE pets SET name = (SELECT name FROM owners)"))
            session.expire_all()
            with pytest.raises(DecryptionError):
                _ = session.get_one(Pet, "1").name

    def test_mapped_dataclasses(self, engine: Engine) -> None:
        """Constructor, comparison and defaults work on plaintext."""

        class Base(MappedAsDataclass, DeclarativeBase):
            pass

        @encrypted(new_encryptor(), row="id")
        class Card(Base):
            __tablename__ = "cards"
            id: Mapped[str] = mapped_column(String(36), primary_key=True)
            number: Mapped[str] = mapped_column(Encrypted(String))
            holder: Mapped[str] = mapped_column(Encrypted(String), default="nobody")

        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Card("1", "4111"))
            session.commit()
            assert session.get_one(Card, "1") == Card("1", "4111", "nobody")

    def test_sqlmodel(self, lite: Engine) -> None:
        """Whose objects are read past their attributes by pydantic."""
        from sqlmodel import Column, Field, SQLModel

        @encrypted(new_encryptor(), row="id")
        class Hero(SQLModel, table=True):
            __tablename__ = "heroes"
            id: UUID = Field(default_factory=uuid4, primary_key=True)
            name: str
            secret: str = Field(sa_column=Column(Encrypted(String)))

        SQLModel.metadata.create_all(lite, tables=[Hero.__table__])  # type: ignore[attr-defined]
        try:
            with Session(lite) as session:
                hero = Hero(name="Deadpond", secret="Dive Wilson")
                session.add(hero)
                session.flush()
                assert hero.model_dump()["secret"] == "Dive Wilson"
                session.commit()
                session.refresh(hero)
                assert hero.model_dump()["secret"] == "Dive Wilson"
                hero.secret = "Wade"
                session.commit()
            with Session(lite) as session:
                assert [hero.model_dump()["secret"] for hero in session.scalars(select(Hero))] == ["Wade"]
                session.execute(text("UPDATE heroes SET id = '00000000000000000000000000000001'"))
                session.expire_all()
                with pytest.raises(DecryptionError):
                    session.scalars(select(Hero)).all()
        finally:
            SQLModel.metadata.remove(Hero.__table__)  # type: ignore[attr-defined]

    def test_changes_within_mutable_values_are_written(self, engine: Engine) -> None:
        """`MutableDict` and `MutableList`, after a load and after a flush."""

        class Base(DeclarativeBase):
            pass

        @encrypted(new_encryptor(), row="id")
        class File(Base):
            __tablename__ = "files"
            id: Mapped[str] = mapped_column(String(36), primary_key=True)
            data: Mapped[dict[str, Any]] = mapped_column(MutableDict.as_mutable(Encrypted(JSON)))
            tags: Mapped[list[Any]] = mapped_column(MutableList.as_mutable(Encrypted(JSON)))

        Base.metadata.create_all(engine)
        with Session(engine, expire_on_commit=False) as session:
            file = File(id="1", data={"a": 1}, tags=[1])
            session.add(file)
            session.commit()
            file.data["b"] = 2
            file.tags.append(2)
            session.commit()
        with Session(engine) as session:
            file = session.get_one(File, "1")
            assert (file.data, file.tags) == ({"a": 1, "b": 2}, [1, 2])
            file.data["c"] = 3
            session.commit()
            assert file.data == {"a": 1, "b": 2, "c": 3}

    @pytest.mark.parametrize("parts", ["columns", "names", "attributes"])
    def test_composite_values(self, engine: Engine, parts: str) -> None:
        """Made of protected columns, when they are loaded and after a change; a pickle has no plaintext of them."""

        class Base(DeclarativeBase):
            pass

        class Trip(Base):
            __tablename__ = "trips"
            id: Mapped[str] = mapped_column(String(36), primary_key=True)
            lat: Mapped[int] = mapped_column(Encrypted(Integer))
            lon: Mapped[int] = mapped_column(Encrypted(Integer))
            if parts == "columns":
                at: Mapped[Position] = composite(lat, lon)
            elif parts == "names":
                at: Mapped[Position] = composite("lat", "lon")  # type: ignore[no-redef]

        made: Any = Trip
        if parts == "attributes":
            made.at = composite(Position, Trip.lat, Trip.lon)
        made = encrypted(new_encryptor(), row="id")(made)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(made(id="1", at=Position(1, 2)))
            session.commit()
        with Session(engine) as session:
            trip = session.get_one(made, "1")
            assert trip.at == Position(1, 2)
            trip.at = Position(3, 4)
            assert not {"at", 3, 4} & {*trip.__getstate__(), *trip.__getstate__().values()}
            session.commit()
            assert trip.at == Position(3, 4)

    def test_keys_of_every_kind(self, engine: Engine) -> None:
        """Also a CHAR, which some databases fill up with blanks."""

        class Base(DeclarativeBase):
            pass

        @encrypted(new_encryptor(), row=("code", "day", "number", "colour", "data"), tenant="code")
        class Thing(Base):
            __tablename__ = "things"
            code: Mapped[str] = mapped_column(CHAR(8), primary_key=True)
            day: Mapped[date] = mapped_column(primary_key=True)
            number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            colour: Mapped[Colour] = mapped_column(primary_key=True)
            data: Mapped[str] = mapped_column(String(10))
            value: Mapped[str] = mapped_column(Encrypted(String))

        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Thing(code="ab", day=date(2026, 1, 1), number=7, colour=Colour.RED, data="d", value="v"))
            session.commit()
        with Session(engine) as session:
            assert session.scalars(select(Thing)).one().value == "v"

    def test_a_key_is_what_the_database_gives_back(self, engine: Engine) -> None:
        """Not what the application gave, if a subclass or a type of its own says more than the database keeps."""

        class Base(DeclarativeBase):
            pass

        @encrypted(new_encryptor(), row=("name", "number"), tenant="clinic")
        class Thing(Base):
            __tablename__ = "things"
            name: Mapped[str] = mapped_column(Folded(20), primary_key=True)
            number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            clinic: Mapped[str] = mapped_column(String(20))
            value: Mapped[str] = mapped_column(Encrypted(String))

        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Thing(name="UPPER", number=Number.SEVEN, clinic=Place.NORTH, value="v"))
            session.commit()
        with Session(engine) as session:
            thing = session.scalars(select(Thing)).one()
            assert (thing.name, thing.number, thing.clinic, thing.value) == ("upper", 7, "north-1", "v")

    @pytest.mark.parametrize(("number", "clinic"), [("007", "north"), (True, "north"), (7, 1), (7, b"north")])
    def test_a_key_that_the_database_would_change_is_refused(self, lite: Engine, number: Any, clinic: Any) -> None:
        """The value would be bound to what is never read again."""

        class Base(DeclarativeBase):
            pass

        @encrypted(new_encryptor(), row="number", tenant="clinic")
        class Thing(Base):
            __tablename__ = "things"
            number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            clinic: Mapped[str] = mapped_column(String(20))
            value: Mapped[str] = mapped_column(Encrypted(String))

        with Session(lite) as session:
            session.add(Thing(number=number, clinic=clinic, value="v"))
            with pytest.raises(TypeError, match=r"Thing\.(number|clinic) takes (int|str), not "):
                session.flush()

    def test_a_type_of_the_applications_may_hold_the_key(self, engine: Engine) -> None:
        """SQLAlchemy's own recipe for UUIDs on every database, for one."""

        class Base(DeclarativeBase):
            pass

        @encrypted(new_encryptor(), row="id")
        class Thing(Base):
            __tablename__ = "things"
            id: Mapped[UUID] = mapped_column(Guid(), primary_key=True, default=uuid4)
            value: Mapped[str] = mapped_column(Encrypted(String))

        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Thing(value="v"))
            session.commit()
            session.expire_all()
            assert session.scalars(select(Thing)).one().value == "v"

    def test_none_takes_the_default(self, clinic: Clinic) -> None:
        """As it does for SQLAlchemy."""
        id = clinic.add(balance=None)
        with clinic.session() as session:
            assert session.get_one(clinic.patient, id).balance == Decimal("0.00")

    def test_a_column_may_have_an_encryptor_of_its_own(self, lite: Engine) -> None:
        """And a blind index, filled with the tenant's row."""
        own = new_encryptor()

        class Base(DeclarativeBase):
            pass

        @encrypted(new_encryptor(), row="id")
        class Account(Base):
            __tablename__ = "accounts"
            id: Mapped[str] = mapped_column(primary_key=True)
            email: Mapped[str] = mapped_column(Encrypted(String, own, index="email_tag"))
            email_tag: Mapped[bytes | None] = blind_index()

        Base.metadata.create_all(lite)
        with Session(lite) as session:
            session.add(Account(id="1", email="ann@example.org"))
            session.commit()
            found = session.scalars(select(Account).where(Account.email == "ann@example.org")).one()
            assert found.email == "ann@example.org"
        purposes = {record.purpose.name for _, record in own.data_keys.entries() if isinstance(record, KeyRecord)}
        assert purposes == {"ENCRYPTION", "BLIND_INDEX"}


class TestDeclarations:
    @pytest.mark.parametrize(
        ("column", "says"),
        [
            (lambda: mapped_column(Integer, primary_key=True), "default=uuid4"),
            (lambda: mapped_column(Integer, Identity(), primary_key=True), "made by the database"),
            (lambda: mapped_column(Integer, Sequence("s"), primary_key=True), "made by the database"),
            (lambda: mapped_column(String, server_default="x", primary_key=True), "made by the database"),
            (lambda: mapped_column(Integer, default=func.random(), primary_key=True), "made by the database"),
            (lambda: mapped_column(DateTime, primary_key=True), "no exact text"),
            (lambda: mapped_column(Float, primary_key=True, autoincrement=False), "no exact text"),
        ],
        ids=["autoincrement", "identity", "sequence", "server default", "SQL default", "datetime", "float"],
    )
    def test_a_key_that_cannot_bind_is_refused_when_the_model_is_mapped(self, column: Any, says: str) -> None:
        """With what to do instead."""

        class Base(DeclarativeBase):
            pass

        with pytest.raises(ConfigurationError, match=f"(?s)Thing.id.*{says}"):

            @encrypted(new_encryptor(), row="id")
            class Thing(Base):
                __tablename__ = "things"
                id: Mapped[Any] = column()
                value: Mapped[str] = mapped_column(Encrypted(String))

    def test_an_unknown_or_encrypted_key_is_refused(self) -> None:
        """By its name."""

        class Base(DeclarativeBase):
            pass

        class Thing(Base):
            __tablename__ = "things"
            id: Mapped[str] = mapped_column(primary_key=True)
            value: Mapped[str] = mapped_column(Encrypted(String))

        for row, says in (("idd", "no attribute 'idd'"), ("value", "is encrypted")):
            with pytest.raises(ConfigurationError, match=says):
                encrypted(new_encryptor(), row=row)(Thing)

    def test_an_inherited_column_is_decorated_where_it_is_declared(self) -> None:
        """Or its base would write unbound what the subclass reads bound."""

        class Base(DeclarativeBase):
            pass

        class Person(Base):
            __tablename__ = "people"
            id: Mapped[str] = mapped_column(primary_key=True)
            ssn: Mapped[str] = mapped_column(Encrypted(String, new_encryptor()))

        with pytest.raises(ConfigurationError, match="decorate that"):

            @encrypted(new_encryptor(), row="id")
            class Doctor(Person):
                pass

    def test_a_model_in_use_cannot_be_decorated(self) -> None:
        """Its mapping has been taken over elsewhere already."""

        class Base(DeclarativeBase):
            pass

        class Person(Base):
            __tablename__ = "people"
            id: Mapped[str] = mapped_column(primary_key=True)
            ssn: Mapped[str] = mapped_column(Encrypted(String))

        Base.registry.configure()
        with pytest.raises(ConfigurationError, match="in use already"):
            encrypted(new_encryptor(), row="id")(Person)

    def test_an_attribute_that_is_added_later_is_refused(self, lite: Engine) -> None:
        """It would not be bound to its row, and nobody would notice."""

        class Base(DeclarativeBase):
            pass

        encryptor = new_encryptor()

        @encrypted(encryptor, row="id")
        class Person(Base):
            __tablename__ = "people"
            id: Mapped[str] = mapped_column(primary_key=True)
            ssn: Mapped[str] = mapped_column(Encrypted(String))

        Person.extra = mapped_column(Encrypted(String, encryptor))
        Base.metadata.create_all(lite)
        with Session(lite) as session:
            session.add(Person(id="1", ssn=SSN, extra="x"))
            with pytest.raises(ConfigurationError, match=r"Person\.extra was added after"):
                session.flush()

    def test_a_model_that_was_not_decorated_says_so_at_its_first_use(self, lite: Engine) -> None:
        """Its columns have no encryptor."""

        class Base(DeclarativeBase):
            pass

        class Person(Base):
            __tablename__ = "people"
            id: Mapped[str] = mapped_column(primary_key=True)
            ssn: Mapped[str] = mapped_column(Encrypted(String))

        Base.metadata.create_all(lite)
        with Session(lite) as session:
            session.add(Person(id="1", ssn=SSN))
            with pytest.raises(ConfigurationError, match=r"people\.ssn has no encryptor"):
                session.flush()
