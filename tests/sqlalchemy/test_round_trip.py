"""What an inner TypeDecorator cannot read back does not go in."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    Date,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy_utils import StringEncryptedType
from sqlalchemy_utils.types.encrypted.encrypted_type import FernetEngine

from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted, seal
from fieldcrypt_sqlalchemy.value.conversion import conversion
from fieldcrypt_sqlalchemy.value.round_trip import stored
from tests.conftest import Database
from tests.support.encryptors import new_encryptor

SECRET = "078-05-1120"


class _OfText(TypeDecorator[Any]):
    """Text, bound and read by two functions."""

    impl = String
    cache_ok = True
    bind: Callable[[Any], Any] = str
    read: Callable[[Any], Any] = str

    def process_bind_param(self, value: Any, dialect: object) -> Any:
        return None if value is None else type(self).bind(value)

    def process_result_value(self, value: Any, dialect: object) -> Any:
        return None if value is None else type(self).read(value)


def of_text(bind: Callable[[Any], Any], read: Callable[[Any], Any]) -> Any:
    """A TypeDecorator of text."""
    return type("OfText", (_OfText,), {"bind": staticmethod(bind), "read": staticmethod(read), "cache_ok": True})()


def unreadable(text: str) -> Any:
    raise LookupError(text)


class Popping(TypeDecorator[Any]):
    """Takes the document apart that it reads."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: object) -> Any:
        return {"version": 1, "of": value}

    def process_result_value(self, value: Any, dialect: object) -> Any:
        assert value.pop("version") == 1
        return value.pop("of")


class Halves(TypeDecorator[float]):
    """Binds twice what it is given, and reads half of it; NaN is NaN."""

    impl = Float
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: object) -> Any:
        return value * 2

    def process_result_value(self, value: Any, dialect: object) -> Any:
        return value / 2


def around(type_: Any) -> Any:
    """A TypeDecorator of another one, which does nothing itself."""
    return type("Around", (TypeDecorator,), {"impl": type(type_), "cache_ok": True})()


class Hash(str):
    """Of a password, to which it is equal."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) or (not isinstance(other, Hash) and str(self) == hashed(other))

    __hash__ = str.__hash__


def hashed(value: Any) -> str:
    """What a password is stored as; of a hash, itself."""
    return str(value) if isinstance(value, Hash) else f"#{sum(str(value).encode())}"


REFUSED: dict[str, tuple[Any, Any]] = {
    "reading raises": (of_text(str, unreadable), SECRET),
    "reading raises for this value": (of_text(str, int), SECRET),
    "what is read cannot be bound": (of_text(lambda value: value + "", lambda text: (text,)), SECRET),
    "a hash of what is given": (of_text(lambda value: str(sum(value.encode())), str), SECRET),
    "longer each time": (of_text(lambda value: f"<{value}>", str), SECRET),
    "NULL the second time": (of_text(lambda value: value or None, lambda text: ""), SECRET),
    "of an item": (ARRAY(of_text(str, unreadable)), ["a", SECRET]),
    "a type around it": (
        type("Around", (TypeDecorator,), {"impl": type(of_text(str, unreadable)), "cache_ok": True})(),
        SECRET,
    ),
    "a date in a form that it does not read": (
        of_text(str, lambda text: dt.date.fromisoformat(f"[{text}")),
        dt.date.max,
    ),
}

TAKEN: dict[str, tuple[Any, Any, Any]] = {
    "as it is": (of_text(str, str), SECRET, SECRET),
    "lower case": (of_text(str.lower, str), "ABC", "abc"),
    "lower case when it is read": (of_text(str, str.lower), "ABC", "abc"),
    "text of a number": (of_text(str, int), 7, 7),
    "text for a number": (of_text(str, int), "7", 7),
    "bound as NULL": (of_text(lambda value: value or None, str), "", None),
    "read as None": (of_text(str, lambda text: text or None), "", None),
    "taken apart when it is read": (Popping(), {"a": [1]}, {"a": [1]}),
    "never equal to itself": (Halves(), math.nan, math.nan),
    "a hash that knows what it is of": (of_text(hashed, Hash), SECRET, SECRET),
    "encrypted inside": (StringEncryptedType(String, "key", FernetEngine), SECRET, SECRET),
}


def a_table(type_: Any) -> Table:
    return Table("people", MetaData(), Column("value", Encrypted(type_, new_encryptor())))


def told(error: BaseException | None) -> str:
    """The messages of an error, and of all that is behind it, which may come round in a circle."""
    found: dict[int, str] = {}
    while error is not None and id(error) not in found:
        found[id(error)] = f"{error} {error.args}"
        error = error.__cause__ or error.__context__
    return "\n".join(found.values())


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_back_is_not_stored(engine: Engine, case: str) -> None:
    """The error names the column, and has no plaintext in it or behind it; the table stays empty."""
    type_, value = REFUSED[case]
    table = a_table(type_)
    with engine.begin() as connection:
        table.create(connection)
        with pytest.raises(ValueError, match=r"the encrypted column people\.value") as caught:
            connection.execute(insert(table).values(value=value))
        assert connection.scalar(select(func.count()).select_from(table)) == 0
    assert SECRET not in told(caught.value)


@pytest.mark.parametrize("case", TAKEN)
def test_what_comes_back_is_stored(database: Database, case: str) -> None:
    """Also what is normalised on its way, if that has an end."""
    type_, value, expected = TAKEN[case]
    table = a_table(type_)
    with database("sqlite").begin() as connection:
        table.create(connection)
        connection.execute(insert(table).values(value=value))
        found = connection.scalar(select(table.c.value))
    assert found == expected or (found != found and expected != expected)


@pytest.mark.parametrize("type_", [String(), Integer(), Date(), LargeBinary(), JSON(), ARRAY(Integer), Float()])
def test_types_of_sqlalchemy_s_are_not_asked(type_: Any) -> None:
    """What they cost does not change: nothing is put between."""
    assert not _is_asked(type_)


def test_a_type_that_only_binds_is_not_asked() -> None:
    """It reads what is stored, as it is."""

    class Stripped(TypeDecorator[str]):
        impl = String
        cache_ok = True

        def process_bind_param(self, value: Any, dialect: object) -> Any:
            return value.strip()

    assert not _is_asked(Stripped())
    assert _is_asked(Popping())


def _is_asked(type_: Any) -> bool:
    found: Any = stored(type_, "x").to_field
    plain: Any = conversion(type_).to_field
    return found is not None and found.__qualname__ != plain.__qualname__


class TestDoors:
    """Every way to write, on a decorated model and on one that is not."""

    @pytest.fixture(params=[False, True], ids=["plain", "decorated"])
    def model(self, request: pytest.FixtureRequest, database: Database) -> Any:
        keys, self.engine = new_encryptor(), database("sqlite")

        class Base(DeclarativeBase):
            pass

        class Person(Base):
            __tablename__ = "people"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            name: Mapped[str | None] = mapped_column(Encrypted(String, keys))
            value: Mapped[int | None] = mapped_column(Encrypted(of_text(str, int), keys, index="tag"))
            tag: Mapped[bytes | None] = blind_index()

        Base.metadata.create_all(self.engine)
        return encrypted(keys, row="id")(Person) if request.param else Person

    def test_objects(self, model: Any) -> None:
        """New ones, and changed ones."""
        with Session(self.engine) as session:
            session.add(model(id=1, value="x"))
            with pytest.raises(ValueError, match=r"people\.value"):
                session.flush()
            session.rollback()
            session.add(model(id=1, value=5))
            session.flush()
            session.get_one(model, 1).value = "x"
            with pytest.raises(ValueError, match=r"people\.value"):
                session.flush()

    def test_statements(self, model: Any) -> None:
        """INSERT and UPDATE, sealed where the model needs that."""
        sealed = model.__table__.c.value.type.__class__.__name__ == "RowBound"
        with Session(self.engine) as session:
            values = {"id": 1, "value": "x"}
            for statement in (insert(model), update(model)):
                with pytest.raises(ValueError, match=r"people\.value"):
                    session.execute(statement.values(seal(model, values) if sealed else values))

    @pytest.mark.parametrize("decorated", [False, True])
    def test_what_the_type_itself_raises_is_told_without_values(self, database: Database, *, decorated: bool) -> None:
        """As it is for a decorated model, which seals before there is a statement; or without the parameters of one."""
        keys, engine = new_encryptor(), database("sqlite")

        def refuse(value: Any) -> Any:
            raise OSError("no such value")

        class Base(DeclarativeBase):
            pass

        class Person(Base):
            __tablename__ = "people"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            name: Mapped[str] = mapped_column(Encrypted(String, keys))
            value: Mapped[Any] = mapped_column(Encrypted(of_text(refuse, str), keys))

        if decorated:
            encrypted(keys, row="id")(Person)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Person(id=1, name=SECRET, value="secret too"))
            with pytest.raises(OSError if decorated else StatementError, match="no such value") as caught:
                session.flush()
        assert SECRET not in told(caught.value)
        assert "secret too" not in told(caught.value)
