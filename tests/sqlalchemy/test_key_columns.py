"""Columns that identify rows and tenants: what they must not have, and what they may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    Column,
    Computed,
    Engine,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Integer,
    Sequence,
    String,
    Table,
    Uuid,
    func,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import ConfigurationError, Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted, encrypted


def model(column: Any, *constraints: Any) -> Any:
    """A decorated model with this column for its tenant; there is a table of clinics to refer to."""

    class Base(DeclarativeBase):
        pass

    Table("clinics", Base.metadata, Column("id", String(10), primary_key=True))

    @encrypted(Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()), row="id", tenant="tenant")
    class Thing(Base):
        __tablename__ = "things"
        __table_args__ = constraints
        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        tenant: Mapped[Any] = column
        value: Mapped[str] = mapped_column(Encrypted(String))

    return Thing


DEFAULTS = {"sqlite": "'x'", "postgresql": "gen_random_uuid()", "mariadb": "(uuid())"}


def test_a_default_of_pythons_wins_over_one_of_the_database(engine: Engine) -> None:
    """As it does for SQLAlchemy: the database has one for who inserts past the model."""
    default = text(DEFAULTS[engine.dialect.name])

    class Base(DeclarativeBase):
        pass

    @encrypted(Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()), row="uid")
    class Thing(Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        uid: Mapped[UUID] = mapped_column(unique=True, default=uuid4, server_default=default)
        value: Mapped[str] = mapped_column(Encrypted(String))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Thing(value="v"))
        session.commit()
    with Session(engine) as session:
        assert session.scalars(select(Thing)).one().value == "v"


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(lambda: mapped_column(String(10), server_default="x"), id="server default"),
        pytest.param(lambda: mapped_column(String(10), default="x", server_default=FetchedValue()), id="trigger"),
        pytest.param(lambda: mapped_column(String(10), Computed("id")), id="computed"),
        pytest.param(lambda: mapped_column(Integer, Identity()), id="identity"),
        pytest.param(lambda: mapped_column(String(10), default=func.now(), server_default="x"), id="SQL default"),
        pytest.param(lambda: mapped_column(Integer, Sequence("s")), id="sequence"),
    ],
)
def test_what_the_database_makes_is_refused(column: Callable[[], Any]) -> None:
    """Whatever default there is beside it."""
    with pytest.raises(ConfigurationError, match=r"^Thing\.tenant is made by the database"):
        model(column())


@pytest.mark.parametrize(
    "column",
    [
        lambda: mapped_column(String(10), onupdate=lambda: "x"),
        lambda: mapped_column(String(10), server_onupdate=FetchedValue()),
    ],
    ids=["onupdate", "server_onupdate"],
)
def test_what_changes_with_every_update_is_refused(column: Callable[[], Any]) -> None:
    """The values of the row would stay bound to what was there before."""
    with pytest.raises(ConfigurationError, match=r"^Thing\.tenant has an onupdate"):
        model(column())


ACTIONS = [
    *({"onupdate": action} for action in ("CASCADE", "cascade", "SET NULL", "SET DEFAULT")),
    *({"ondelete": action} for action in ("SET NULL", "SET DEFAULT")),
]


@pytest.mark.parametrize("action", ACTIONS, ids=str)
@pytest.mark.parametrize("where", ["the column", "the table"])
def test_a_foreign_key_that_changes_by_itself_is_refused(action: dict[str, Any], where: str) -> None:
    """With what to do instead."""
    declared: tuple[Any, ...] = (mapped_column(ForeignKey("clinics.id", **action)),)
    if where == "the table":
        declared = mapped_column(String(10)), ForeignKeyConstraint(["tenant"], ["clinics.id"], **action)
    with pytest.raises(ConfigurationError, match=r"^Thing\.tenant is a foreign key with ON .*Declare it without"):
        model(*declared)


@pytest.mark.parametrize(
    "action", [{}, {"onupdate": "RESTRICT"}, {"onupdate": "NO ACTION"}, {"ondelete": "CASCADE"}], ids=str
)
def test_other_foreign_keys_are_as_good_as_any_column(action: dict[str, Any]) -> None:
    """Also where they take their type from the table that they refer to."""
    assert isinstance(model(mapped_column(ForeignKey("clinics.id", **action))).__table__.c.tenant.type, String)


def test_a_type_that_is_not_known_yet_is_refused() -> None:
    """What it does to its values could not be told before they are bound to it."""
    with pytest.raises(ConfigurationError, match=r"^Thing\.tenant has no type yet.*give it the type"):
        model(mapped_column(ForeignKey("later.id")))


def test_the_type_may_come_with_the_foreign_key(database: Callable[[str], Engine]) -> None:
    """If it is said, it does not matter when the other table is declared."""
    thing = model(mapped_column(Uuid, ForeignKey("later.id")))
    Table("later", thing.metadata, Column("id", Uuid, primary_key=True))
    engine, clinic = database("sqlite"), uuid4()
    thing.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(thing(tenant=clinic, value="v"))
        session.commit()
        assert session.scalars(select(thing.value)).one().open(session.scalars(select(thing.id)).one(), tenant=clinic)
