"""Types of keys and tenants: what is written is read again, however it was spelt; what might not be is refused."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    ARRAY,
    BINARY,
    CHAR,
    JSON,
    NCHAR,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Engine,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    PickleType,
    SmallInteger,
    String,
    Text,
    Time,
    TypeDecorator,
    Unicode,
    Uuid,
    select,
    text,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import UserDefinedType

from fieldcrypt import ConfigurationError, Encryptor, row_context
from fieldcrypt_sqlalchemy import Encrypted, encrypted, seal
from tests.support.encryptors import new_encryptor

ALL = ("sqlite", "postgresql", "mariadb")
GUID = UUID("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")


class Colour(enum.Enum):
    RED = "r"
    SCARLET = "r"  # another name of RED
    BLUE = "b"


class Place(enum.StrEnum):
    NORTH = "north-1"


class Number(enum.IntEnum):
    SEVEN = 7


def values_of(members: Any) -> list[str]:
    return [member.value for member in members]


class Padded(TypeDecorator[str]):
    """A text of fixed length, with nothing of its own."""

    impl = CHAR(8)
    cache_ok = True


class PaddedSomewhere(TypeDecorator[str]):
    """A text of fixed length on PostgreSQL and MariaDB."""

    impl = String(8)
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(String(8) if dialect.name == "sqlite" else CHAR(8))


class Lower(TypeDecorator[str]):
    """Text in lower case, of fixed length."""

    impl = CHAR(8)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        return value and value.lower()


class Guid(TypeDecorator[UUID]):
    """SQLAlchemy's recipe for UUIDs."""

    impl = CHAR(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(postgresql.UUID() if dialect.name == "postgresql" else CHAR(32))

    def process_bind_param(self, value: UUID | None, dialect: Any) -> Any:
        return value if value is None or dialect.name == "postgresql" else value.hex

    def process_result_value(self, value: Any, dialect: object) -> UUID | None:
        return value if value is None or isinstance(value, UUID) else UUID(value)


class Minutes(TypeDecorator[int]):
    """An int that is kept as a time: nothing that could be a key on its own."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: object) -> Any:
        return None if value is None else datetime.datetime(2000, 1, 1) + datetime.timedelta(minutes=value)

    def process_result_value(self, value: Any, dialect: object) -> int | None:
        return None if value is None else int((value - datetime.datetime(2000, 1, 1)).total_seconds()) // 60


@dataclass(frozen=True)
class Case:
    """A type, values that a row can be given, and the text that all of them are bound to."""

    name: str
    type: Callable[[], Any]
    bound: str
    given: tuple[Any, ...]
    databases: tuple[str, ...] = ALL


def folding() -> Any:
    """A text that the database compares without case."""
    return (
        String(20)
        .with_variant(String(20, collation="NOCASE"), "sqlite")
        .with_variant(String(20, collation="utf8mb4_general_ci"), "mysql", "mariadb")
    )


def some_bytes() -> Any:
    return LargeBinary(16).with_variant(mysql.VARBINARY(16), "mysql", "mariadb")


def fixed_bytes() -> Any:
    return BINARY(4).with_variant(postgresql.BYTEA(), "postgresql")


GUIDS, CAPITALS = (str(GUID), GUID.hex), (GUID.hex.upper(), str(GUID).upper())
MARIADB, POSTGRES = ("mariadb",), ("postgresql",)
CASES = [
    Case("String", lambda: String(20), "Äb c ", ("Äb c ",)),
    Case("String of a StrEnum", lambda: String(20), "north-1", ("north-1", Place.NORTH)),
    Case("Unicode", lambda: Unicode(20), "ä", ("ä",)),
    Case("Text", lambda: Text().with_variant(mysql.VARCHAR(20), "mysql", "mariadb"), "a ", ("a ",)),
    Case("a folding collation", folding, "Abc", ("Abc",)),
    Case("DOMAIN", lambda: postgresql.DOMAIN("code", CHAR(8)), "abc", ("abc", "abc "), POSTGRES),
    Case("CHAR", lambda: CHAR(8), "abc", ("abc", "abc ", "abc     ")),
    Case("NCHAR", lambda: NCHAR(8), "abc", ("abc", "abc ", "abc     ")),
    Case("mysql.CHAR", lambda: mysql.CHAR(8), "abc", ("abc", "abc "), MARIADB),
    Case("mysql.NCHAR", lambda: mysql.NCHAR(8), "abc", ("abc", "abc "), MARIADB),
    Case("CHAR on one database", lambda: String(8).with_variant(CHAR(8), *ALL[1:], "mysql"), "abc", ("abc", "abc ")),
    Case("a TypeDecorator over CHAR", Padded, "abc", ("abc", "abc ")),
    Case("a TypeDecorator that chooses CHAR", PaddedSomewhere, "abc", ("abc", "abc ")),
    Case("a TypeDecorator that converts one way", Lower, "abc", ("abc", "ABC", "Abc ")),
    Case("a TypeDecorator that converts both ways", Guid, str(GUID), (GUID,)),
    Case("a TypeDecorator over what is no key", Minutes, "90", (90,)),
    Case("Integer", Integer, "7", (7, Number.SEVEN)),
    Case("SmallInteger", SmallInteger, "-7", (-7,)),
    Case("BigInteger", BigInteger, str(2**62), (2**62,)),
    Case("mysql.BIGINT", lambda: mysql.BIGINT(unsigned=True), str(2**63), (2**63,), MARIADB),
    Case("Uuid", Uuid, str(GUID), (GUID,)),
    Case("Uuid as text", lambda: Uuid(as_uuid=False), str(GUID), GUIDS),
    Case("Uuid as text in capitals", lambda: Uuid(as_uuid=False), str(GUID), CAPITALS, ALL[1:]),
    Case("postgresql.UUID as text", lambda: postgresql.UUID(as_uuid=False), str(GUID), GUIDS + CAPITALS, POSTGRES),
    Case("LargeBinary", some_bytes, "610062", (b"a\0b",)),
    Case("LargeBinary with zeros at the end", some_bytes, "610000", (b"a\0\0",)),
    Case("BINARY", fixed_bytes, "61620000", (b"ab\0\0",)),
    Case("mysql.BINARY", lambda: mysql.BINARY(4), "61620000", (b"ab\0\0",), MARIADB),
    Case("Date", Date, "2026-01-31", (datetime.date(2026, 1, 31),)),
    Case("Enum", lambda: Enum(Colour), "RED", (Colour.RED, Colour.SCARLET, "RED")),
    Case("Enum without a type of the database", lambda: Enum(Colour, native_enum=False), "RED", (Colour.RED, "RED")),
    Case("Enum by value", lambda: Enum(Colour, values_callable=values_of), "BLUE", (Colour.BLUE, "b")),
    Case("Enum of a StrEnum", lambda: Enum(Place), "NORTH", (Place.NORTH, "NORTH", "north-1")),
    Case("Enum of texts", lambda: Enum("a", "B", name="letters"), "B", ("B",)),
    Case("mysql.ENUM", lambda: mysql.ENUM("a", "B"), "B", ("B",), MARIADB),
    Case("postgresql.ENUM", lambda: postgresql.ENUM("a", "B", name="letters"), "B", ("B",), POSTGRES),
    Case("postgresql.ENUM of a class", lambda: postgresql.ENUM(Colour, name="c"), "RED", (Colour.RED, "RED"), POSTGRES),
]


def model(encryptor: Encryptor, key_type: Any, tenant_type: Any) -> Any:
    """A decorated model whose key and tenant are of these types."""

    class Base(DeclarativeBase):
        pass

    @encrypted(encryptor, row="key", tenant="tenant")
    class Thing(Base):
        __tablename__ = "things"
        key: Mapped[Any] = mapped_column(key_type, primary_key=True, autoincrement=False)
        tenant: Mapped[Any] = mapped_column(tenant_type)
        number: Mapped[int | None]
        value: Mapped[str] = mapped_column(Encrypted(String))

    return Thing


@pytest.mark.filterwarnings("ignore:Type object .*DOMAIN:sqlalchemy.exc.SADeprecationWarning")  # SQLAlchemy's own
@pytest.mark.parametrize(
    ("database_name", "case", "given"),
    [
        pytest.param(database, case, given, id=f"{database}-{case.name}-{given!r}")
        for case in CASES
        for database in case.databases
        for given in case.given
    ],
)
def test_what_is_written_is_read(database: Callable[[str], Engine], database_name: str, case: Case, given: Any) -> None:
    """As the key and as the tenant, by who wrote it and by others, who change it, and bound to what the docs name."""
    engine = database(database_name)
    encryptor = new_encryptor()
    thing = model(encryptor, case.type(), case.type())
    thing.metadata.create_all(engine)
    with Session(engine) as session:
        added = thing(key=given, tenant=given, value="v")
        session.add(added)
        session.commit()  # which expires it
        assert added.value == "v"
        added.number = 1
        session.commit()
        added.value = "w"
        session.commit()
        assert added.value == "w"
    with Session(engine) as session:
        loaded = session.scalars(select(thing)).one()
        assert loaded.value == "w"
        session.expire_all()
        assert loaded.value == "w"
        loaded.value = "v"
        session.commit()
        assert loaded.value == "v"
        stored = session.scalars(text("SELECT value FROM things")).one()
    field = encryptor.field("things.value", str)
    assert field.decrypt(bytes(stored), tenant=case.bound, context=row_context(case.bound)) == "v"


@pytest.mark.parametrize("given", CAPITALS)
def test_sqlite_reads_a_uuid_in_capitals(database: Callable[[str], Engine], given: str) -> None:
    """It finds it only so, and SQLAlchemy asks for it in lower case: so it is not changed by its key."""
    thing, engine = model(new_encryptor(), Uuid(as_uuid=False), Uuid(as_uuid=False)), database("sqlite")
    thing.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(thing(key=given, tenant=given, value="v"))
        session.commit()
    with Session(engine) as session:
        loaded = session.scalars(select(thing)).one()
        assert (loaded.key, loaded.value) == (str(GUID), "v")


@pytest.mark.parametrize(
    ("type_", "given"),
    [
        pytest.param(lambda: Enum(Colour), "red", id="a name of an Enum, folded"),
        pytest.param(lambda: Enum(Colour, values_callable=values_of), "RED", id="a name where values are stored"),
        pytest.param(lambda: Enum("a", "B", name="letters"), "b", id="a text of an Enum, folded"),
        pytest.param(lambda: mysql.ENUM("a", "B"), "b", id="mysql.ENUM, folded"),
        pytest.param(lambda: mysql.ENUM("a", "B"), "B ", id="mysql.ENUM, with a blank"),
        pytest.param(lambda: BINARY(4), b"ab", id="bytes that would be filled up"),
        pytest.param(lambda: mysql.BINARY(4), b"ab", id="bytes that MySQL would fill up"),
        pytest.param(lambda: String(3), "abc ", id="blanks that would be cut off"),
        pytest.param(lambda: Uuid(as_uuid=False), "7", id="a text that is no UUID"),
        pytest.param(lambda: Uuid(as_uuid=False), GUID, id="a UUID where texts are expected"),
        pytest.param(Uuid, str(GUID), id="a text where UUIDs are expected"),
        pytest.param(Padded, 7, id="an int where texts are expected"),
        pytest.param(Integer, True, id="a bool"),
        pytest.param(Date, datetime.datetime(2026, 1, 1), id="a datetime where dates are expected"),
    ],
)
def test_a_value_that_the_database_would_change_is_refused(type_: Callable[[], Any], given: Any) -> None:
    """By the name of its attribute, and without the value."""
    thing = model(new_encryptor(), type_(), String(10))
    with pytest.raises((TypeError, ValueError), match=r"^Thing\.key ") as refused:
        seal(thing, {"key": given, "tenant": "t", "value": "v"})
    assert repr(given) not in str(refused.value)


class Folding(UserDefinedType[str]):
    """A text that the database keeps in a way of its own."""

    def get_col_spec(self, **_: Any) -> str:
        return "FOLDING"


class Reversing(String):
    """A text with a conversion that nobody can follow."""

    def bind_processor(self, dialect: Any) -> Any:
        return lambda value: value[::-1]


class Halfway(TypeDecorator[Any]):
    """Converts one way, between values that could be keys and a type that could not."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: object) -> Any:
        return value


class Expressed(TypeDecorator[str]):
    """A text that is converted in SQL."""

    impl = String
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> Any:
        return bindparam


REFUSED: list[Any] = [
    *(Boolean, DateTime, Float, Interval, JSON, Numeric, PickleType, Time, Folding, Reversing, Halfway, Expressed),
    *(postgresql.MACADDR, postgresql.INET, postgresql.CIDR, postgresql.REGCLASS, postgresql.OID, postgresql.BIT),
    *(postgresql.TSVECTOR, postgresql.HSTORE, postgresql.INT4RANGE, mysql.BIT, mysql.YEAR, mysql.TIMESTAMP),
    ARRAY(Integer),
    mysql.SET("a", "b"),
    BINARY(),
    String().with_variant(postgresql.INET(), "postgresql"),
    String().with_variant(Integer(), "sqlite"),
    postgresql.DOMAIN("moment", DateTime()),
]


@pytest.mark.filterwarnings("ignore:Type object .*DOMAIN:sqlalchemy.exc.SADeprecationWarning")
@pytest.mark.parametrize("place", ["key", "tenant"])
@pytest.mark.parametrize("type_", REFUSED, ids=lambda each: getattr(each, "__name__", repr(each)))
def test_other_types_are_refused_when_the_model_is_mapped(type_: Any, place: str) -> None:
    """By the name of the attribute, with what works instead."""
    types = {"key": String(10), "tenant": String(10), place: type_}
    with pytest.raises(ConfigurationError, match=rf"^Thing\.{place} is .*(Uuid|BINARY\(16\)|of one kind)"):
        model(new_encryptor(), types["key"], types["tenant"])


def test_a_member_of_an_enum_may_get_another_value(database: Callable[[str], Engine]) -> None:
    """What is written is bound to its name, as it always was."""
    encryptor = new_encryptor()

    def thing(values: Callable[[Any], list[str]]) -> Any:
        return model(encryptor, String(10), Enum(Colour, values_callable=values, native_enum=False, length=10))

    old, new = thing(values_of), thing(lambda members: [f"x{each.value}" for each in members])
    engine = database("sqlite")
    old.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(old(key="k", tenant=Colour.BLUE, value="v"))
        session.commit()
        session.execute(text("UPDATE things SET tenant = 'xb'"))
        session.commit()
    with Session(engine) as session:
        assert session.scalars(select(new)).one().value == "v"
