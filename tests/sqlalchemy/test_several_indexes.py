"""Several indexes of a column, with a companion for each, or one for all levels."""

from __future__ import annotations

import pickle
from datetime import date
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Date,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import ConfigurationError, Encryptor, Protection, row_context
from fieldcrypt.search import Prefixes, Range, Suffixes, domain
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, IndexedBy, blind_index, encrypted
from tests.conftest import Database
from tests.support.encryptors import new_encryptor


def _with_array(encryptor: Encryptor, how: IndexedBy, array: bool = True) -> Any:
    class Base(DeclarativeBase):
        pass

    @encrypted(encryptor, row="id")
    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[str] = mapped_column(String(10), primary_key=True)
        surname: Mapped[str | None] = mapped_column(Encrypted(String, index=how))
        starts: Mapped[Any] = blind_index(array=array)

    return Patient


def test_an_index_that_needs_the_row_needs_a_decorated_model() -> None:
    """Its tags depend on the row, which nobody else knows."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(Encrypted(String, Encryptor(), index=IndexedBy("tag", partitions=4)))
        tag: Mapped[bytes | None] = blind_index()

    with pytest.raises(ConfigurationError, match=r"Patient\.email has tags that depend on the row"):
        Patient()


def test_a_core_table_has_several_indexes(engine: Engine) -> None:
    """Each has the tags of all rows, with a statement of many as with one."""
    encryptor = new_encryptor()
    indexes = [IndexedBy("mail_tag", normaliser="casefold"), IndexedBy("domain_tag", of=domain())]
    table = Table(
        "patients",
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("mail", Encrypted(String, encryptor, index=indexes)),
        Column("mail_tag", BlindIndexTag(), index=True),
        Column("domain_tag", BlindIndexTag(), index=True),
    )
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(table), [{"id": 1, "mail": "Ann@x.org"}, {"id": 2, "mail": "nobody"}])
        connection.execute(insert(table).values(id=3, mail="Ann@y.org"))
        connection.execute(update(table).where(table.c.id == 3).values(mail="Bob@X.org"))
        connection.execute(update(table).where(table.c.id == bindparam("n")).values(mail=bindparam("m")),
                           [{"n": 2, "m": "no@z.org"}])  # fmt: skip
        made = Protection(str, index=indexes).field_indexes(encryptor, "patients.mail", str)
        for _, mail, *tags in connection.execute(select(table)):
            assert dict(zip(("mail_tag", "domain_tag"), tags, strict=True)) == made.tags(mail)


def test_an_array_has_the_tags_of_all_levels(database: Database) -> None:
    """On PostgreSQL, in a column with a GIN index."""
    encryptor, how = (
        new_encryptor(),
        IndexedBy("starts", of=Prefixes(2, 4), one_companion=True, accept_leakage=True),
    )
    patient = _with_array(encryptor, how)
    engine = database("postgresql")
    patient.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([patient(id="1", surname="Mey"), patient(id="2", surname=None)])
        session.commit()
        first, second = session.scalars(select(patient).order_by(patient.id))
        made = Protection(str, index=how).field_indexes(encryptor, "patients.surname", str)
        assert list(first.starts) == made.tags("Mey", row=row_context("1"))["starts"]
        assert second.starts is None
        first.surname = "Meyer"
        session.commit()
        assert list(first.starts) == made.tags("Meyer", row=row_context("1"))["starts"]
        definition = session.connection().exec_driver_sql(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_patients_starts'"
        )
        assert "USING gin (starts)" in definition.scalars().one()


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_an_array_is_refused_where_there_are_none(database: Database, kind: str) -> None:
    """When the table is created."""
    how = IndexedBy("starts", of=Prefixes(2, 4), one_companion=True, accept_leakage=True)
    patient = _with_array(Encryptor(), how)
    with pytest.raises(ConfigurationError, match=r"patients\.starts is an array of tags, which PostgreSQL alone"):
        patient.metadata.create_all(database(kind))


@pytest.mark.parametrize(
    ("how", "array", "why"),
    [
        (IndexedBy("starts", of=Prefixes(2, 4), one_companion=True, accept_leakage=True), False, r"array=True"),
        (IndexedBy("starts"), True, r"starts = blind_index\(\)"),
    ],
)
def test_an_index_and_its_companion_agree_on_arrays(how: IndexedBy, array: bool, why: str) -> None:
    """The message says how to declare it."""
    with pytest.raises(ConfigurationError, match=why):
        _with_array(Encryptor(), how, array)()


@pytest.mark.parametrize("how", [IndexedBy("tag", partitions=2), IndexedBy("tag", tag_size=8)])
def test_what_is_not_one_tag_a_value_is_not_unique(how: IndexedBy) -> None:
    """Other values have the same tag, or equal ones another."""

    class Base(DeclarativeBase):
        pass

    @encrypted(Encryptor(), row="id")
    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[str] = mapped_column(String(10), primary_key=True)
        surname: Mapped[str | None] = mapped_column(Encrypted(String, index=how))
        tag: Mapped[bytes | None] = blind_index(unique=True)

    with pytest.raises(ConfigurationError, match="'tag' cannot be unique"):
        Patient()


@pytest.mark.parametrize("how", ["unique=True", "UniqueConstraint", "Index"])
@pytest.mark.parametrize(
    ("type_", "of"),
    [
        (String, Prefixes(3, 3)),
        (String, Suffixes(3, 3)),
        (Date, Range(date(1900, 1, 1), date(2100, 1, 1), radix=16, rows=20_000)),
    ],
)
def test_a_level_is_not_unique(type_: Any, of: Any, how: str) -> None:
    """It would refuse a second name that begins alike, and a second birthday of the same years."""
    index = IndexedBy("tag", of=of, accept_leakage=True)
    *others, companion = index.companions

    class Base(DeclarativeBase):
        pass

    model = {
        "__tablename__": "patients",
        "id": mapped_column(String(10), primary_key=True),
        "clinic": mapped_column(String(10)),
        "value": mapped_column(Encrypted(type_, index=index)),
        **{name: blind_index() for name in others},
        companion: blind_index(unique=how == "unique=True"),
        "__table_args__": {
            "unique=True": (),
            "UniqueConstraint": (UniqueConstraint("clinic", companion),),
            "Index": (Index("at_most_one", companion, unique=True),),
        }[how],
    }
    patient = encrypted(Encryptor(), row="id")(type("Patient", (Base,), model))
    with pytest.raises(ConfigurationError, match=rf"'{companion}' cannot be unique.*without of= unique"):
        patient()


def test_whole_tags_of_a_part_may_be_unique() -> None:
    """One customer for each domain, say."""

    class Base(DeclarativeBase):
        pass

    @encrypted(Encryptor(), row="id")
    class Customer(Base):
        __tablename__ = "customers"
        id: Mapped[str] = mapped_column(String(10), primary_key=True)
        mail: Mapped[str | None] = mapped_column(Encrypted(String, index=IndexedBy("mail_domain", of=domain())))
        mail_domain: Mapped[bytes | None] = blind_index(unique=True)

    Customer()


def test_a_type_from_before_arrays_is_unpickled() -> None:
    """It has one tag."""
    old = BlindIndexTag()
    del old.__dict__["array"]
    assert pickle.loads(pickle.dumps(old)).array is False
