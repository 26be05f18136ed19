"""SQLModel's models in a line per field: encrypted, searched, and with tags that nobody sees."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Date, Engine, MetaData, String, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import Field, Session, SQLModel, create_engine, select

from fieldcrypt import ConfigurationError, Encryptor, IndexedBy, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.search import Prefixes, Range, Suffixes
from fieldcrypt_sqlalchemy import Encrypted, encrypted, find
from fieldcrypt_sqlmodel import protected_field, tag_field

NAME = [
    IndexedBy("name_tag", normaliser="casefold"),
    IndexedBy("name_prefix", normaliser="casefold", of=Prefixes(2, 3), accept_leakage=True),
]
BORN = Range(date(1900, 1, 1), date(2100, 1, 1))
SSN, EMAIL = "078-05-1120", "ann@example.org"


@encrypted(Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()), row="id")
class Member(SQLModel, table=True):
    __tablename__ = "sqlmodel_members"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    ssn: str = protected_field(Encrypted(String), max_length=11)
    born: date | None = protected_field(Encrypted(Date), None)
    email: str = protected_field(Encrypted(String, index="email_tag"))
    email_tag: bytes | None = tag_field(unique=True)


@pytest.fixture
def session() -> Iterator[Session]:
    engine: Engine = create_engine("sqlite://")
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables["sqlmodel_members"]])
    with Session(engine) as session:
        yield session
    engine.dispose()


def added(session: Session, **values: Any) -> Member:
    member = Member(**{"ssn": SSN, "email": EMAIL, **values})
    session.add(member)
    session.commit()
    session.refresh(member)
    return member


def test_a_member_is_found_by_its_tag_and_read(session: Session) -> None:
    added(session, born=date(1980, 2, 29))
    session.expunge_all()
    found = session.exec(select(Member).where(Member.email == EMAIL)).one()
    assert (found.ssn, found.born, found.email) == (SSN, date(1980, 2, 29), EMAIL)


def test_the_database_has_ciphertext(session: Session) -> None:
    added(session)
    row = session.execute(text("SELECT ssn, email, email_tag FROM sqlmodel_members")).one()
    assert not [value for value in row if SSN.encode() in value or EMAIL.encode() in value]


def test_a_unique_tag_keeps_values_apart(session: Session) -> None:
    added(session)
    with pytest.raises(IntegrityError):
        added(session)


def test_a_column_is_nullable_as_its_annotation_says(session: Session) -> None:
    columns = SQLModel.metadata.tables["sqlmodel_members"].columns
    assert {name: columns[name].nullable for name in ("ssn", "born", "email_tag")} == {
        "ssn": False,
        "born": True,
        "email_tag": True,
    }


def test_a_repr_has_neither_values_nor_tags(session: Session) -> None:
    member = added(session)
    assert repr(member) == f"Member(id={member.id!r})"


def test_json_has_no_tags(session: Session) -> None:
    assert added(session).model_dump().keys() == {"id", "ssn", "born", "email"}


def test_a_schema_of_what_is_sent_has_no_tags() -> None:
    assert "email_tag" not in Member.model_json_schema(mode="serialization")["properties"]


def test_a_column_that_is_not_encrypted_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="encrypted"):
        protected_field(String)  # type: ignore[arg-type]


@pytest.mark.parametrize("argument", ["index", "unique", "primary_key", "foreign_key"])
def test_what_ciphertext_cannot_be_is_refused(argument: str) -> None:
    with pytest.raises(ConfigurationError, match=argument):
        protected_field(Encrypted(String), **{argument: True})


@pytest.mark.parametrize("argument", ["sa_type", "sa_column"])
def test_a_second_column_is_refused(argument: str) -> None:
    with pytest.raises(ConfigurationError, match="leave out sa_type"):
        protected_field(Encrypted(String), **{argument: String})


def test_what_is_said_to_be_false_is_taken() -> None:
    assert protected_field(Encrypted(String), index=False, unique=False).unique is False


class Guest(SQLModel, table=True):
    """Decorated below, with indexes of several kinds."""

    __tablename__ = "sqlmodel_guests"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = protected_field(Encrypted(String, index=NAME))
    born: date = protected_field(Encrypted(Date, index=IndexedBy("born_range", of=BORN, accept_leakage=True)))
    name_tag: bytes | None = tag_field()
    name_prefix_2: bytes | None = tag_field()
    name_prefix_3: bytes | None = tag_field()
    born_range_2: bytes | None = tag_field()
    born_range_3: bytes | None = tag_field()
    born_range_4: bytes | None = tag_field()
    born_range_5: bytes | None = tag_field()
    born_range_6: bytes | None = tag_field()


encrypted(Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()), row="id")(Guest)


def test_all_kinds_of_indexes_find_a_row(session: Session) -> None:
    SQLModel.metadata.create_all(session.get_bind(), tables=[SQLModel.metadata.tables["sqlmodel_guests"]])
    session.add_all([Guest(name="Ann Meyer", born=date(1980, 2, 29)), Guest(name="Bob", born=date(1990, 1, 1))])
    session.commit()
    names: Any = Guest.name
    for question in (select(Guest).where(names.startswith("an")), select(Guest).where(Guest.name == "ANN MEYER")):
        assert [found.name for found in session.exec(question)] == ["Ann Meyer"]
    assert [each.name for each in find(session, select(Guest).where(Guest.born < date(1985, 1, 1)))] == ["Ann Meyer"]


def test_an_array_of_tags_is_one_field() -> None:
    """With the index that PostgreSQL searches arrays by."""

    class Base(SQLModel):
        metadata = MetaData()  # as no other database has arrays

    class Visitor(Base, table=True):
        __tablename__ = "sqlmodel_visitors"

        id: UUID = Field(default_factory=uuid4, primary_key=True)
        name: str = protected_field(
            Encrypted(String, index=IndexedBy("name_ends", of=Suffixes(2, 4), accept_leakage=True, one_companion=True))
        )
        name_ends: list[bytes] | None = tag_field(array=True)

    table = Base.metadata.tables["sqlmodel_visitors"]
    (index,) = table.indexes
    dialect: Any = postgresql
    assert str(CreateIndex(index).compile(dialect=dialect.dialect())).endswith("USING gin (name_ends)")
    assert "name_ends BYTEA[]" in str(CreateTable(table).compile(dialect=dialect.dialect()))
