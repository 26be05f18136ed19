"""People, visits and other tables with protected columns, for statements that no list of leaks has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, Integer, String, Table, column, create_engine, event, table
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.ext.declarative import ConcreteBase
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, query_expression, relationship
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.expression import ColumnElement

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, ProtectedColumnError, blind_index

SECRET = "078-05-1120"
ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


class Base(DeclarativeBase):
    pass


class Visit(Base):
    __tablename__ = "visits"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    notes: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR))


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    city: Mapped[str | None]
    ssn: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR))
    odd: Mapped[str | None] = mapped_column("social security", Encrypted(String, ENCRYPTOR))
    mail: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR, index="mail_tag"))
    mail_tag: Mapped[bytes | None] = blind_index()
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    visits: Mapped[list[Visit]] = relationship()
    extra: Mapped[str | None] = query_expression()


class Part(Base):
    """Its key has two columns."""

    __tablename__ = "parts"
    number: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    ssn: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR))


class Employee(ConcreteBase, Base):
    __tablename__ = "employees"
    id: Mapped[int] = mapped_column(primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "employee", "concrete": True}  # noqa: RUF012


class Manager(Employee):
    __tablename__ = "managers"
    id: Mapped[int] = mapped_column(primary_key=True)
    ssn: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR))
    __mapper_args__ = {"polymorphic_identity": "manager", "concrete": True}  # noqa: RUF012


class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "thing", "polymorphic_on": "kind"}  # noqa: RUF012
    kind: Mapped[str]
    ssn: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR))


class Special(Thing):
    __tablename__ = "specials"
    id: Mapped[int] = mapped_column(ForeignKey("things.id"), primary_key=True)
    code: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR))
    __mapper_args__ = {"polymorphic_identity": "special"}  # noqa: RUF012


class Hidden(ColumnElement[Any]):
    """An expression of an application's own, which tells SQLAlchemy nothing of what is in it."""

    inherit_cache = False
    type = String()

    def __init__(self, *parts: Any) -> None:
        self.parts = list(parts)


@compiles(Hidden)
def _render_hidden(element: Hidden, compiler: Any, **kw: Any) -> str:
    rendered = (part if isinstance(part, str) else compiler.process(part, **kw) for part in element.parts)
    return f"coalesce({', '.join(rendered)}, '')"


class Merge(UpdateBase):
    """A statement that writes, of an application's own, or of a dialect's."""

    inherit_cache = False
    __visit_name__ = "merge"

    def __init__(self, into: Any, **values: Any) -> None:
        self.table = into
        self.values = values


@compiles(Merge)
def _render_merge(statement: Merge, compiler: Any, **kw: Any) -> str:
    values = ", ".join(f"{key} = '{value}'" for key, value in statement.values.items())
    return f"UPDATE {statement.table} SET {values}"


PEOPLE: Table = Person.__table__  # type: ignore[assignment]
SSN: Encrypted = PEOPLE.c.ssn.type  # type: ignore[assignment]
LIGHT = table("people", column("id", Integer), column("city", String), column("ssn", SSN))
MAIL: Encrypted = PEOPLE.c.mail.type  # type: ignore[assignment]
LIGHT_MAIL = table("people", column("id", Integer), column("mail", MAIL), column("mail_tag", BlindIndexTag()))


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://")
    Base.metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        session.add_all([Person(id=1, city="Oslo", ssn="a", mail="m"), Person(id=2, ssn="a"), Visit(id=3, person_id=1)])
        session.commit()
        yield session


@contextmanager
def nothing_sent(engine: Any) -> Iterator[None]:
    """Expect a refusal that names a column, before the driver has anything."""
    sent: list[str] = []
    listener: Any = lambda cursor, statement, *about: sent.append(statement)  # noqa: E731
    for name in ("do_execute", "do_execute_no_params", "do_executemany"):
        event.listen(engine, name, listener)
    with pytest.raises(ProtectedColumnError, match=r"\.(ssn|social security|notes|mail|code)\b") as caught:
        yield
    assert sent == []
    assert SECRET not in str(caught.value)
