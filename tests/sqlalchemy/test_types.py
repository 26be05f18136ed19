"""What encrypted columns take and give back, type by type: what SQLAlchemy's own suite does not ask."""

from __future__ import annotations

import datetime as dt
import enum
from collections import OrderedDict
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    ARRAY,
    CHAR,
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Dialect,
    Engine,
    Enum,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    event,
    func,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeEngine

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted, encrypted
from tests.conftest import Database


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


class Repainted(enum.Enum):
    """The colours after somebody renamed one and dropped the other."""

    LIME = "g"


class Shade(enum.StrEnum):
    DARK = "d"


class Level(enum.IntEnum):
    HIGH = 3


class Moment(dt.datetime):
    """As pandas' timestamps and frozen clocks are."""


class FinerMoment(Moment):
    """One between two microseconds, which are not equal to it."""

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = Moment.__hash__


class Day(dt.date):
    pass


class DriversUuid(UUID):
    """As asyncpg's are."""


class Real(float):
    """As numpy's are."""

    def __repr__(self) -> str:
        return f"Real({float.__repr__(self)})"


def values(kind: type[enum.Enum]) -> list[str]:
    return [member.value for member in kind]


def encryptor() -> Encryptor:
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


def read_back(engine: Engine, type_: Any, given: Any) -> Any:
    table = Table("t", MetaData(), Column("v", Encrypted(type_, encryptor())))
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(insert(table), {"v": given})
        return connection.scalars(select(table.c.v)).one()


def kinds(value: Any) -> Any:
    """Return the exact types in a value."""
    if isinstance(value, dict):
        return dict, [(kinds(key), kinds(item)) for key, item in value.items()]
    return (type(value), [kinds(item) for item in value]) if isinstance(value, (list, tuple)) else type(value)


@pytest.mark.parametrize(
    ("type_", "given", "read"),
    [
        (String, Shade.DARK, "d"),
        (Integer, Level.HIGH, 3),
        (Float, Real(1.5), 1.5),
        (Float, 2**60, 2.0**60),
        (Float, Decimal("15.7563"), 15.7563),
        (Float(asdecimal=True), 15.7563, Decimal("15.7563")),
        (Float(asdecimal=True), Real(0.1), Decimal("0.1")),
        (Float(asdecimal=True), 7, Decimal(7)),
        (Numeric(asdecimal=False), 7, 7.0),
        (Boolean, 1, True),
        (Boolean, 0, False),
        (DateTime, Moment(2026, 11, 23, 1, 2, 3, 4, fold=1), dt.datetime(2026, 11, 23, 1, 2, 3, 4)),
        (Date, Day(2026, 11, 23), dt.date(2026, 11, 23)),
        (Uuid, DriversUuid(int=5), UUID(int=5)),
        (LargeBinary, memoryview(b"x"), b"x"),
        (Enum(Colour), "GREEN", Colour.GREEN),
        (Enum(Colour, values_callable=values), Colour.GREEN, Colour.GREEN),
        (Enum(Colour, values_callable=values), "g", Colour.GREEN),
        (Enum("d", "l", name="shades", native_enum=False), Shade.DARK, "d"),
        (JSON, OrderedDict(a=({Shade.DARK: Level.HIGH}, Real(0.5))), {"a": [{"d": 3}, 0.5]}),
        (JSON, (1, [MutableDict(a=None)]), [1, [{"a": None}]]),
        (ARRAY(Numeric), [1, None, Decimal("2.50")], [Decimal(1), None, Decimal("2.50")]),
        (ARRAY(Enum(Colour)), [Colour.RED, None, "GREEN"], [Colour.RED, None, Colour.GREEN]),
        (ARRAY(Integer, dimensions=2), ([1], (2, 3)), [[1], [2, 3]]),
        (ARRAY(Integer, dimensions=2, as_tuple=True), [[1], [2]], ((1,), (2,))),
        (postgresql.ARRAY(String), MutableList(["a"]), ["a"]),
        (ARRAY(JSON), [{"a": [1]}], [{"a": [1]}]),
    ],
    ids=repr,
)
def test_what_a_driver_would_take_without_loss_is_taken(database: Database, type_: Any, given: Any, read: Any) -> None:
    """And comes back as what the column is declared to hold."""
    value = read_back(database("sqlite"), type_, given)
    assert value == read
    assert kinds(value) == kinds(read)


@pytest.mark.parametrize(
    ("type_", "given"),
    [
        (Numeric(10, 2), 0.1),
        (Numeric, True),
        (Float, Decimal("0.1234567890123456789")),
        (Float, Decimal("1E+400")),
        (Float, "1.5"),
        (Integer, 5.0),
        (Boolean, 2),
        (Boolean, "true"),
        (Date, dt.datetime(2026, 11, 23)),
        (DateTime, dt.date(2026, 11, 23)),
        (DateTime, FinerMoment(2026, 11, 23)),
        (String, Colour.RED),
        (Uuid, "00000000-0000-0000-0000-000000000001"),
        (Enum(Colour), "r"),
        (Enum(Colour), Shade.DARK),
        (Enum(Colour, values_callable=values), "RED"),
        (Enum(Colour, values_callable=values), Repainted.LIME),
        (Enum("a", name="letters"), ["a"]),
        (JSON, JSON.NULL),
        (JSON, [JSON.NULL]),
        (JSON, [object()]),
        (ARRAY(Integer), ["1"]),
        (ARRAY(Integer), 1),
        (ARRAY(String), "letters"),
        (ARRAY(Enum(Colour)), ["r"]),
    ],
    ids=repr,
)
def test_what_would_be_rounded_cut_or_guessed_is_refused(database: Database, type_: Any, given: Any) -> None:
    """Before anything is sent."""
    with pytest.raises((TypeError, ValueError)):
        read_back(database("sqlite"), type_, given)


def test_a_document_that_contains_itself_is_refused(database: Database) -> None:
    """As too deep, and not by running out of stack."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="too deep"):
        read_back(database("sqlite"), JSON, endless)


class TestEnum:
    def table(self, keys: Encryptor, type_: Enum) -> Table:
        return Table("t", MetaData(), Column("v", Encrypted(type_, keys)))

    @pytest.mark.parametrize(
        ("type_", "text"), [(Enum(Colour), "GREEN"), (Enum(Colour, values_callable=values), "g")], ids=["name", "value"]
    )
    def test_a_member_is_encrypted_as_what_the_type_says(self, database: Database, type_: Enum, text: str) -> None:
        """Its name, or what values_callable makes of it."""
        keys = encryptor()
        table = self.table(keys, type_)
        with database("sqlite").begin() as connection:
            table.create(connection)
            connection.execute(insert(table), {"v": Colour.GREEN})
            data = connection.scalars(select(type_coerce(table.c.v, LargeBinary))).one()
        assert keys.field("t.v", str).decrypt(data) == text

    def test_a_member_may_be_renamed_where_its_value_counts(self, database: Database) -> None:
        """Which is what values_callable is for. A value without a member is not read, and not shown."""
        keys = encryptor()
        table = self.table(keys, Enum(Colour, values_callable=values))
        renamed = self.table(keys, Enum(Repainted, values_callable=values))
        with database("sqlite").begin() as connection:
            table.create(connection)
            connection.execute(insert(table), {"v": Colour.GREEN})
            assert connection.scalars(select(renamed.c.v)).all() == [Repainted.LIME]
            connection.execute(update(table), {"v": Colour.RED})
            with pytest.raises(DecryptionError) as caught:
                connection.scalars(select(renamed.c.v)).all()
        assert "'r'" not in str(caught.value)


class Hex(TypeDecorator[UUID]):
    """A UUID where the database has them, and text elsewhere, as in SQLAlchemy's recipes."""

    impl = CHAR(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(postgresql.UUID() if dialect.name == "postgresql" else CHAR(32))

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else value.hex

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        return value if value is None or dialect.name == "postgresql" else UUID(value)


class Tags(TypeDecorator[frozenset[str]]):
    """A set, as a document."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: frozenset[str] | None, dialect: Dialect) -> Any:
        return sorted(value) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> frozenset[str] | None:
        return None if value is None else frozenset(value)


class Lowered(TypeDecorator[str]):
    """Computed by the database on the way in."""

    impl = Text
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> ColumnElement[str]:
        return func.lower(bindparam, type_=self)


class Trimmed(TypeDecorator[str]):
    """Computed by the database on the way out."""

    impl = Text
    cache_ok = True

    def column_expression(self, column: Any) -> ColumnElement[str]:
        return func.trim(column, type_=self)


class Stripped(String):
    """The same without a TypeDecorator."""

    def bind_expression(self, bindvalue: Any) -> ColumnElement[str]:
        return func.trim(bindvalue, type_=self)


class TestDecorator:
    def test_the_plaintext_is_the_same_for_every_database(self, engine: Engine) -> None:
        """A decorator that looks at the dialect is told of none, whichever it is."""
        keys = encryptor()
        table = Table("t", MetaData(), Column("v", Encrypted(Hex, keys)))
        with engine.begin() as connection:
            table.create(connection)
            connection.execute(insert(table), {"v": UUID(int=5)})
            assert connection.scalars(select(table.c.v)).all() == [UUID(int=5)]
            data = connection.scalars(select(type_coerce(table.c.v, LargeBinary))).one()
        assert keys.field("t.v", str).decrypt(data) == UUID(int=5).hex

    def test_one_over_a_document_works(self, database: Database) -> None:
        """Alone and in an array."""
        tags = frozenset({"a", "b"})
        assert read_back(database("sqlite"), Tags, tags) == tags

    def test_one_that_makes_null_of_a_value_stores_null(self, database: Database) -> None:
        """There is nothing to encrypt then."""
        assert read_back(database("sqlite"), Tags, frozenset()) is None

    def test_one_in_an_array_is_applied_to_each_item(self, database: Database) -> None:
        """On the way in and out."""
        assert read_back(database("sqlite"), ARRAY(Hex), [UUID(int=5), None]) == [UUID(int=5), None]

    @pytest.mark.parametrize("type_", [Lowered, Trimmed, Stripped, ARRAY(Lowered)])
    def test_one_that_the_database_computes_is_refused(self, type_: Any) -> None:
        """It would compute with ciphertext, or not be applied at all."""
        with pytest.raises(ConfigurationError, match="bind_expression or column_expression"):
            Encrypted(type_, encryptor())


keys = encryptor()


class Base(DeclarativeBase):
    pass


class Notes:
    """Columns of a mixin are copied, with their types."""

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    notes: Mapped[dict[str, Any] | None] = mapped_column(MutableDict.as_mutable(Encrypted(JSON, keys)))
    stays: Mapped[list[str] | None] = mapped_column(MutableList.as_mutable(Encrypted(ARRAY(String), keys)))


class Patient(Notes, Base):
    __tablename__ = "patients"


@encrypted(keys, row="id")
class Ward(Notes, Base):
    """Bound to its rows."""

    __tablename__ = "wards"


class Visit(Base):
    __tablename__ = "visits"
    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(Encrypted(String, keys), default="ward 7")
    code: Mapped[UUID] = mapped_column(Encrypted(Uuid, keys), default=lambda: UUID(int=7))
    changes: Mapped[int] = mapped_column(Encrypted(Integer, keys), default=0, onupdate=lambda: 1)


@pytest.fixture
def session(database: Database) -> Any:
    """A session on SQLite."""
    Base.metadata.create_all(database("sqlite"))
    with Session(database("sqlite")) as session:
        yield session


class TestMutable:
    @pytest.mark.parametrize("model", [Patient, Ward])
    def test_a_change_in_place_is_saved(self, session: Session, model: Any) -> None:
        """Of a dict and a list, in column-bound and row-bound columns, whether the object was new or loaded."""
        new = model(id=1, notes={"a": 1}, stays=["may"])
        session.add(new)
        session.flush()
        new.notes["a"] = 2
        new.stays.append("june")
        session.commit()
        session.expunge_all()
        loaded: Any = session.get(model, 1)
        assert (loaded.notes, loaded.stays) == ({"a": 2}, ["may", "june"])
        loaded.notes["b"] = 3
        loaded.stays.pop(0)
        session.commit()
        session.expunge_all()
        again: Any = session.get(model, 1)
        assert (again.notes, again.stays) == ({"a": 2, "b": 3}, ["june"])

    @pytest.mark.parametrize("model", [Patient, Ward])
    def test_a_read_is_no_change(self, session: Session, database: Database, model: Any) -> None:
        """Nothing is encrypted and written again for having been looked at."""
        session.add(model(id=1, notes={"a": 1}, stays=["may"]))
        session.commit()
        statements: list[str] = []
        event.listen(database("sqlite"), "before_cursor_execute", lambda *about: statements.append(about[2]))
        loaded: Any = session.get(model, 1)
        assert (loaded.notes["a"], loaded.stays) == (1, ["may"])
        session.commit()
        assert {statement.split()[0] for statement in statements} == {"SELECT"}

    def test_a_row_that_is_loaded_again_is_tracked_again(self, session: Session) -> None:
        """After a rollback the changes are gone, and new ones are noticed."""
        session.add(Patient(id=1, notes={"a": 1}))
        session.commit()
        patient = session.get_one(Patient, 1)
        assert patient.notes is not None
        patient.notes["a"] = 2
        session.rollback()
        assert patient.notes == {"a": 1}
        patient.notes["b"] = 3
        session.commit()
        assert session.scalars(select(Patient.notes)).all() == [{"a": 1, "b": 3}]


class TestDefaults:
    def test_a_default_of_pythons_is_encrypted(self, session: Session) -> None:
        """A value or a function, through the ORM and Core."""
        session.add(Visit(id=1))
        session.execute(insert(Visit), [{"id": 2}, {"id": 3, "place": "ward 8"}])
        session.commit()
        rows = session.execute(select(Visit.place, Visit.code, Visit.changes).order_by(Visit.id)).all()
        assert rows == [(place, UUID(int=7), 0) for place in ("ward 7", "ward 7", "ward 8")]

    def test_a_function_for_updates_is_called_for_each(self, session: Session) -> None:
        """Through the ORM and Core."""
        session.add_all([Visit(id=1), Visit(id=2), Visit(id=3)])
        session.commit()
        session.get_one(Visit, 1).place = "ward 8"
        session.execute(update(Visit).where(Visit.id == 2).values(place="ward 9"))
        session.commit()
        assert session.scalars(select(Visit.changes).order_by(Visit.id)).all() == [1, 1, 0]

    def test_none_is_null_for_a_document_too(self, session: Session) -> None:
        """As with JSON(none_as_null=True): there is no encrypted null."""
        session.add(Patient(id=1, notes=None))
        session.commit()
        assert session.scalars(select(Patient.id).where(Patient.notes.is_(None))).all() == [1]
