"""People whose numbers must not leave the process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, LargeBinary, String, Table, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted, blind_index

SECRET = "078-05-1120"
ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    city: Mapped[str | None] = mapped_column(String(100))
    ssn: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR))
    name: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR), key="full_name")


class Archived(Base):
    __tablename__ = "archive"
    id: Mapped[int] = mapped_column(primary_key=True)
    ssn: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR, name="people.ssn"))
    copy: Mapped[bytes | None] = mapped_column(LargeBinary)


class Owner(Base):
    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    city: Mapped[str | None] = mapped_column(String(100))
    mail: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR, index="mail_tag"))
    mail_tag: Mapped[bytes | None] = blind_index()


PEOPLE: Table = Person.__table__  # type: ignore[assignment]
SUB = select(Person.id, Person.ssn).subquery()
CTE = select(Person.id, Person.ssn).cte()
OTHER = aliased(Person)
HANDED_ON = select(Person.id, select(OTHER.ssn).limit(1).scalar_subquery().label("x")).subquery()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """Two rows, on every database."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Person(id=1, city="Paris", ssn="1", name="Ann"), Person(id=2, ssn=None)])
        session.commit()
        yield session
