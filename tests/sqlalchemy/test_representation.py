"""What the repr of a mapped object shows: no protected value, in whatever way its class got a repr."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import MetaData, String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, Session, mapped_column, registry
from sqlmodel import Field, SQLModel

from fieldcrypt import Encryptor
from fieldcrypt_sqlalchemy import Encrypted, encrypted

SSN = "078-05-1120"


def a_dataclass(encryptor: Encryptor) -> Any:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True)
        ssn: Mapped[str] = mapped_column(Encrypted(String, encryptor))

    return Person


def a_decorated_dataclass(encryptor: Encryptor) -> Any:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    @encrypted(encryptor, row="id")
    class Person(Base):
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        ssn: Mapped[str] = mapped_column(Encrypted(String))

    return Person


def a_table_of_sqlmodel(encryptor: Encryptor) -> Any:
    class Base(SQLModel, registry=registry()):
        metadata = MetaData()

    class Person(Base, table=True):
        __tablename__ = "people"
        id: int = Field(primary_key=True)
        ssn: str = Field(sa_type=Encrypted(String, encryptor))

    return Person


@pytest.mark.parametrize("declare", [a_dataclass, a_decorated_dataclass, a_table_of_sqlmodel])
def test_no_protected_value_is_shown(declare: Callable[[Encryptor], Any], encryptor: Encryptor) -> None:
    """Neither of a new object nor of one that was loaded; all else is."""
    model = declare(encryptor)
    new, engine = model(id=7, ssn=SSN), create_engine("sqlite://")
    assert "id=7" in repr(new)
    assert SSN not in repr(new)
    model.metadata.create_all(engine, tables=[model.__table__])
    with Session(engine) as session:
        session.add(new)
        session.commit()
        session.expire_all()
        assert SSN not in repr(session.scalars(select(model)).one())
        assert new.ssn == SSN


def test_a_repr_decrypts_nothing(encryptor: Encryptor) -> None:
    """So that an error can be logged while the keys are away."""
    model, engine = a_decorated_dataclass(encryptor), create_engine("sqlite://")
    model.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(model(id=7, ssn=SSN))
        session.commit()
        encryptor.close()
        assert "Person(id=7, ssn=<protected>)" in repr(session.scalars(select(model)).one())


def test_a_repr_that_was_written_stays(encryptor: Encryptor) -> None:
    """It is the application's."""

    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True)
        ssn: Mapped[str] = mapped_column(Encrypted(String, encryptor))

        def __repr__(self) -> str:
            return f"person {self.id}"

    assert repr(Person(id=7, ssn=SSN)) == "person 7"
