"""What others attach to a type reaches the type inside an encrypted one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import JSON, Engine, Integer, String, TypeDecorator, event
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import DeclarativeBase, Mapped, Mapper, Session, configure_mappers, mapped_column
from sqlalchemy_utils import force_auto_coercion
from sqlalchemy_utils.listeners import coercion_listener
from sqlalchemy_utils.types.scalar_coercible import ScalarCoercible

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted, encrypted


class Document(JSON):
    """A type that only these tests have, for what is associated with a type is so for good."""

    cache_ok = True


class OwnDocument(TypeDecorator[Any]):
    """A user's type, likewise."""

    impl = JSON
    cache_ok = True


class Words(JSON):
    """A list of words."""

    cache_ok = True


MutableDict.associate_with(Document)
MutableDict.associate_with(OwnDocument)
MutableList.associate_with(Words)


class Number(ScalarCoercible, TypeDecorator[int]):  # type: ignore[misc]
    """A number that takes text, as types of sqlalchemy-utils take it."""

    impl = Integer
    cache_ok = True

    def _coerce(self, value: Any) -> Any:
        return None if value is None else int(value)


@pytest.fixture(params=[False, True], ids=["plain", "decorated"])
def model(request: pytest.FixtureRequest) -> Any:
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())

    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        kind: Mapped[str] = mapped_column(String(10), default="person")
        document: Mapped[Any] = mapped_column(Encrypted(Document, encryptor), nullable=True)
        own: Mapped[Any] = mapped_column(Encrypted(OwnDocument, encryptor), nullable=True)
        words: Mapped[Any] = mapped_column(Encrypted(Words, encryptor), nullable=True)
        inside: Mapped[Any] = mapped_column(Encrypted(MutableDict.as_mutable(JSON), encryptor), nullable=True)
        plain: Mapped[Any] = mapped_column(Encrypted(JSON, encryptor), nullable=True)
        number: Mapped[int | None] = mapped_column(Encrypted(Number, encryptor))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012

    return encrypted(encryptor, row="id")(Person) if request.param else Person


@pytest.fixture
def session(engine: Engine, model: Any) -> Iterator[Session]:
    model.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


class TestAssociateWith:
    def test_changes_in_place_are_saved(self, session: Session, model: Any) -> None:
        """Of objects that were added, of the same after a commit, and of those that were loaded."""
        person = model(id=1, document={"a": 1}, own={"b": 1}, words=["x"])
        session.add(person)
        session.flush()
        person.document["a"] = 2
        session.commit()
        person.own["b"] = 2
        session.commit()
        session.expunge_all()
        loaded = session.get_one(model, 1)
        assert (loaded.document, loaded.own) == ({"a": 2}, {"b": 2})
        loaded.document["a"] = 3
        loaded.words.append("y")
        session.commit()
        session.expunge_all()
        loaded = session.get_one(model, 1)
        assert (loaded.document, loaded.own, loaded.words) == ({"a": 3}, {"b": 2}, ["x", "y"])

    def test_a_type_that_was_made_mutable_may_stand_inside(self, session: Session, model: Any) -> None:
        """`Encrypted(MutableDict.as_mutable(JSON))`, as well as the other way round."""
        session.add(model(id=1, inside={"a": 1}))
        session.commit()
        session.expunge_all()
        loaded = session.get_one(model, 1)
        loaded.inside["a"] = 2
        session.commit()
        session.expunge_all()
        assert session.get_one(model, 1).inside == {"a": 2}

    def test_other_values_are_refused(self, model: Any) -> None:
        """As `MutableDict` refuses them, when they are set."""
        with pytest.raises(ValueError, match="does not accept objects of type"):
            model(document=["a", "list"])

    def test_other_types_are_left_alone(self, session: Session, model: Any) -> None:
        """What is associated with one type is not with what it extends."""
        session.add(model(id=1, plain={"a": 1}))
        session.flush()
        assert type(session.get_one(model, 1).plain) is dict

    def test_classes_that_inherit_are_tracked(self, session: Session, model: Any) -> None:
        """In the table of their base."""

        class Worker(model):  # type: ignore[misc]
            __mapper_args__ = {"polymorphic_identity": "worker"}  # noqa: RUF012

        session.add(Worker(id=1, document={"a": 1}))
        session.commit()
        session.expunge_all()
        loaded = session.get_one(Worker, 1)
        loaded.document["a"] = 2
        session.commit()
        session.expunge_all()
        assert session.get_one(Worker, 1).document == {"a": 2}


class TestCoercion:
    @pytest.fixture(autouse=True)
    def coerced(self, model: Any) -> Iterator[None]:
        """`force_auto_coercion()`, for the time of a test."""
        force_auto_coercion()
        configure_mappers()
        yield
        event.remove(Mapper, "mapper_configured", coercion_listener)

    def test_a_value_is_coerced_when_it_is_set(self, session: Session, model: Any) -> None:
        """And stored as what it was made."""
        person = model(id=1, number="7")
        assert person.number == 7
        session.add(person)
        session.commit()
        session.expunge_all()
        loaded = session.get_one(model, 1)
        loaded.number = "8"
        session.commit()
        assert loaded.number == 8

    def test_garbage_is_refused_when_it_is_set(self, model: Any) -> None:
        """By the type inside."""
        with pytest.raises(ValueError, match="invalid literal"):
            model(number="garbage")

    def test_a_type_that_coerces_nothing_has_no_listener(self, model: Any) -> None:
        """Its values are set as they are."""
        assert not hasattr(model.__table__.c.plain.type, "coercion_listener")
        assert model(plain="text").plain == "text"
