"""Searching encrypted columns by blind index, on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import enum
import itertools
import logging
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    CHAR,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Engine,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Time,
    TypeDecorator,
    Unicode,
    UniqueConstraint,
    Uuid,
    and_,
    bindparam,
    case,
    create_engine,
    delete,
    event,
    exists,
    func,
    insert,
    inspect,
    lambda_stmt,
    literal,
    not_,
    null,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import CompileError, IntegrityError, ObjectNotExecutableError
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    aliased,
    joinedload,
    mapped_column,
    relationship,
    synonym,
    with_loader_criteria,
    with_polymorphic,
)
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql import visitors

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
    Purpose,
)
from fieldcrypt.migration import Progress
from fieldcrypt_sqlalchemy import (
    BlindIndexTag,
    Encrypted,
    IndexedBy,
    ProtectedColumnError,
    blind_index,
    encrypted,
    find,
    of_tenant,
    seal,
)
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import AsyncDatabase, Clock, Database
from tests.support.strategies import relaxed

ANN, BOB, EVE, ZOE = (f"{name}@example.org" for name in ("ann", "bob", "eve", "zoe"))
MYSQL = ("mysql", "mariadb")


def new_encryptor() -> Encryptor:
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


def patients(encryptor: Encryptor, **options: Any) -> Any:
    """A model whose attributes, columns and columns' keys have different names."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        visits: Mapped[int] = mapped_column(default=0)
        mail: Mapped[str | None] = mapped_column(
            "e_mail", Encrypted(String, encryptor, index="mail_tag"), key="email", **options
        )
        tag: Mapped[bytes | None] = mapped_column("e_mail_tag", BlindIndexTag(), key="mail_tag", index=True)

    return Patient


class Clinic:
    """A session over an empty table of patients."""

    def __init__(self, engine: Engine, **options: Any) -> None:
        self.engine = engine
        self.encryptor = new_encryptor()
        self.patient = patients(self.encryptor, **options)
        self.table = self.patient.__table__
        self.patient.metadata.create_all(engine)
        self.session = Session(engine)

    def add(self, number: int, mail: str | None) -> Any:
        """Add a patient, and return the object as it is after the flush."""
        patient = self.patient(id=number, mail=mail)
        self.session.add(patient)
        self.session.commit()
        return patient

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Execute a statement past the ORM."""
        return self.session.connection().execute(statement, parameters)

    def upsert(self, values: Callable[[Any], dict[Any, Any]], target: Any = None, **row: Any) -> Any:
        """Return an INSERT that sets other values in a row that is there, in the dialect of the database."""
        target = self.table if target is None else target
        name = self.engine.dialect.name
        module: Any = mysql if name in MYSQL else postgresql if name == "postgresql" else sqlite
        into = module.insert(target)
        into = into.values(**row) if row else into
        if name in MYSQL:
            return into.on_duplicate_key_update(values(into.inserted))
        return into.on_conflict_do_update(index_elements=["id"], set_=values(into.excluded))

    def found(self, mail: str) -> list[int]:
        """Return who is found by an address."""
        return list(self.session.scalars(select(self.patient.id).where(self.patient.mail == mail)))

    def assert_in_step(self) -> None:
        """Compare each stored tag with the one that its row's value should have."""
        index = self.encryptor.blind_index("patients.e_mail", str)
        for mail, tag in self.execute(select(self.table.c.email, self.table.c.mail_tag)):
            assert tag == (None if mail is None else index.tag(mail))


@pytest.fixture
def clinic(engine: Engine) -> Iterator[Clinic]:
    """A clinic in each kind of database."""
    clinic = Clinic(engine)
    with clinic.session:
        yield clinic


@pytest.fixture
def small(database: Database) -> Iterator[Clinic]:
    """A clinic in SQLite, for what does not depend on the database."""
    clinic = Clinic(database("sqlite"))
    with clinic.session:
        yield clinic


# Each leaves one patient with Ann's address; a second, if there is one, has Bob's or none.
Write = Callable[[Clinic], object]


def changed(clinic: Clinic) -> None:
    clinic.add(1, BOB).mail = ANN


def changed_with_an_expression(clinic: Clinic) -> None:
    patient = clinic.add(1, BOB)
    patient.mail, patient.visits = ANN, clinic.patient.visits + 1


def updated_by_key_and_value(clinic: Clinic) -> None:
    clinic.add(1, BOB)
    clinic.add(2, BOB)
    clinic.session.execute(update(clinic.patient).values(mail=ANN), [{"id": 1, "visits": 2}])


def changed_to_and_fro(clinic: Clinic) -> None:
    patient = clinic.add(1, ANN)
    patient.mail = BOB
    clinic.session.flush()
    patient.mail = ANN


def merged(clinic: Clinic) -> None:
    clinic.add(1, BOB)
    clinic.session.merge(clinic.patient(id=1, mail=ANN))


def merged_as_dataclasses_are(clinic: Clinic) -> None:
    """With all attributes set, the companion among them."""
    clinic.add(1, ANN)
    clinic.session.merge(clinic.patient(id=1, visits=3, mail=ANN, tag=None))


def merged_from_elsewhere(clinic: Clinic) -> None:
    patient = clinic.add(1, BOB)
    clinic.session.refresh(patient)
    clinic.session.expunge(patient)
    patient.mail = ANN
    clinic.session.merge(patient)


def saved_in_bulk_from_elsewhere(clinic: Clinic) -> None:
    patient = clinic.add(1, BOB)
    clinic.session.refresh(patient)
    clinic.session.expunge(patient)
    patient.mail = ANN
    clinic.session.bulk_save_objects([patient])


def set_back_after_an_update(clinic: Clinic) -> None:
    """The ORM follows what an UPDATE writes, but not the tag that is added to it."""
    patient = clinic.add(1, ANN)
    assert patient.tag
    clinic.session.execute(update(clinic.patient).values(mail=BOB))
    patient.mail = ANN


def set_back_after_a_bulk_update(clinic: Clinic) -> None:
    patient = clinic.add(1, ANN)
    assert patient.tag
    clinic.session.execute(update(clinic.patient), [{"id": 1, "mail": BOB}])
    patient.mail = ANN


def inserted_returning(clinic: Clinic) -> None:
    statement = insert(clinic.patient).values(id=1, mail=ANN)
    if clinic.engine.dialect.name != "mysql":
        (patient,) = clinic.session.scalars(statement.returning(clinic.patient))
        assert patient.mail == ANN
    else:
        clinic.session.execute(statement)


def copied(clinic: Clinic) -> None:
    clinic.add(5, ANN)
    columns = clinic.table.c
    source = select(columns.id - 4, columns.visits, columns.email, columns.mail_tag)
    clinic.execute(insert(clinic.table).from_select(["id", "visits", "email", "mail_tag"], source))
    clinic.execute(delete(clinic.table).where(columns.id == 5))


def updated_by_key(clinic: Clinic) -> None:
    clinic.add(1, BOB)
    clinic.add(2, EVE)
    rows = [{"id": 1, "mail": ANN}, {"id": 2, "mail": BOB}]
    clinic.session.execute(update(clinic.patient), rows)


def updated_by_mappings(clinic: Clinic) -> None:
    clinic.add(1, BOB)
    clinic.session.bulk_update_mappings(clinic.patient, [{"id": 1, "mail": ANN}])


def upserted_in_rows(clinic: Clinic) -> None:
    clinic.add(1, BOB)
    statement = clinic.upsert(lambda new: {"email": new.email})
    clinic.execute(statement, [{"id": 1, "email": ANN}, {"id": 2, "email": BOB}])


def upserted_with_parameters(clinic: Clinic) -> None:
    clinic.add(1, BOB)
    statement = clinic.upsert(lambda _: {clinic.table.c.email: bindparam("new")}, id=1, email=EVE)
    clinic.execute(statement, {"new": ANN})


WRITES: dict[str, Write] = {
    "add": lambda c: c.add(1, ANN),
    "add_all": lambda c: c.session.add_all([c.patient(id=1, mail=ANN), c.patient(id=2), c.patient(id=3, mail=BOB)]),
    "bulk insert": lambda c: c.session.execute(insert(c.patient), [{"id": 1, "mail": ANN}, {"id": 2, "mail": None}]),
    "bulk insert of unlike rows": lambda c: c.session.execute(
        insert(c.patient), [{"id": 2, "visits": 1}, {"id": 1, "mail": ANN}, {"id": 3, "mail": BOB, "visits": 2}]
    ),
    "values": lambda c: c.session.execute(insert(c.patient).values(id=1, mail=ANN)),
    "values by attribute": lambda c: c.session.execute(
        insert(c.patient).values({c.patient.id: 1, c.patient.mail: ANN})
    ),
    "values of several": lambda c: c.session.execute(
        insert(c.patient).values([{"id": 1, "mail": ANN}, {"id": 2, "mail": BOB}])
    ),
    "core values": lambda c: c.execute(insert(c.table).values(id=1, visits=0, email=ANN)),
    "core values by column": lambda c: c.execute(insert(c.table).values({c.table.c.id: 1, c.table.c.email: ANN})),
    "core tuple": lambda c: c.execute(insert(c.table).values((1, 0, ANN))),
    "core tuples": lambda c: c.execute(insert(c.table).values([(1, 0, ANN), (2, 0, BOB)])),
    "core values of several": lambda c: c.execute(
        insert(c.table).values([{"id": 1, "email": ANN}, {c.table.c.id: 2, c.table.c.email: None}])
    ),
    "core row": lambda c: c.execute(insert(c.table), {"id": 1, "email": ANN}),
    "core rows": lambda c: c.execute(insert(c.table), [{"id": 1, "email": ANN}, {"id": 2, "email": BOB}]),
    "core row over values": lambda c: c.execute(insert(c.table).values(email=BOB), {"id": 1, "email": ANN}),
    "core rows under other names": lambda c: c.execute(
        insert(c.table).values(id=bindparam("a"), email=bindparam("b")), [{"a": 1, "b": ANN}, {"a": 2, "b": BOB}]
    ),
    "insert returning": inserted_returning,
    "insert from select": copied,
    "bulk_save_objects": lambda c: c.session.bulk_save_objects([c.patient(id=1, mail=ANN)]),
    "bulk_save_objects from elsewhere": saved_in_bulk_from_elsewhere,
    "bulk_insert_mappings": lambda c: c.session.bulk_insert_mappings(c.patient, [{"id": 1, "mail": ANN}]),
    "bulk_update_mappings": updated_by_mappings,
    "change": changed,
    "change with an expression": changed_with_an_expression,
    "change to and fro": changed_to_and_fro,
    "merge": merged,
    "merge like a dataclass": merged_as_dataclasses_are,
    "merge from elsewhere": merged_from_elsewhere,
    "update": lambda c: (c.add(1, BOB), c.session.execute(update(c.patient).values(mail=ANN))),
    "update by attribute": lambda c: (
        c.add(1, BOB),
        c.session.execute(update(c.patient).values({c.patient.mail: ANN})),
    ),
    "update, fetched": lambda c: (
        c.add(1, BOB),
        c.session.execute(
            update(c.patient).where(c.patient.mail == BOB).values(mail=ANN),
            execution_options={"synchronize_session": "fetch"},
        ),
    ),
    "update in order": lambda c: (
        c.add(1, BOB),
        c.session.execute(update(c.patient).ordered_values((c.patient.mail, ANN), (c.patient.visits, 2))),
    ),
    "update by key": updated_by_key,
    "update by key and value": updated_by_key_and_value,
    "legacy update": lambda c: (c.add(1, BOB), c.session.query(c.patient).filter_by(mail=BOB).update({"mail": ANN})),
    "core update": lambda c: (c.add(1, BOB), c.execute(update(c.table).values(email=ANN))),
    "core update in order": lambda c: (
        c.add(1, BOB),
        c.execute(update(c.table).ordered_values((c.table.c.email, ANN), ("visits", 2))),
    ),
    "core update with rows": lambda c: (
        c.add(1, BOB),
        c.execute(
            update(c.table).where(c.table.c.id == bindparam("a")), [{"a": 1, "email": ANN}, {"a": 2, "email": EVE}]
        ),
    ),
    "core update of an alias": lambda c: (c.add(1, BOB), c.execute(update(c.table.alias("p")).values(email=ANN))),
    "set back after an update": set_back_after_an_update,
    "set back after a bulk update": set_back_after_a_bulk_update,
    "upsert": lambda c: (c.add(1, BOB), c.execute(c.upsert(lambda _: {"email": ANN}, id=1, email=EVE))),
    "upsert of what was not inserted": lambda c: (
        c.add(1, BOB),
        c.execute(c.upsert(lambda new: {"email": new.email}, id=1, email=ANN)),
    ),
    "upsert of all columns": lambda c: (
        c.add(1, BOB),
        c.execute(c.upsert(lambda new: {each.key: each for each in new}, id=1, visits=1, email=ANN)),
    ),
    "upsert by the model": lambda c: (
        c.add(1, BOB),
        c.session.execute(c.upsert(lambda new: {"email": new.email}, c.patient, id=1, mail=ANN)),
    ),
    "upsert in rows": upserted_in_rows,
    "upsert with parameters": upserted_with_parameters,
}

WITH_DEFAULT: dict[str, Write] = {
    "add": lambda c: c.session.add(c.patient(id=1)),
    "bulk insert": lambda c: c.session.execute(insert(c.patient), [{"id": 1}, {"id": 2}]),
    "bulk_insert_mappings": lambda c: c.session.bulk_insert_mappings(c.patient, [{"id": 1}, {"id": 2}]),
    "core values": lambda c: c.execute(insert(c.table).values(id=1)),
    "core values of several": lambda c: c.execute(insert(c.table).values([{"id": 1}, {"id": 2}])),
    "core tuples": lambda c: c.execute(insert(c.table).values([(1,), (2,)])),
    "core rows": lambda c: c.execute(insert(c.table), [{"id": 1}, {"id": 2}]),
    "upsert": lambda c: c.execute(c.upsert(lambda new: {"email": new.email}, id=1)),
}


class TestWrites:
    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_every_write_keeps_the_companion_in_step(self, clinic: Clinic, write: Write) -> None:
        """What was written is found, and each tag is its value's."""
        write(clinic)
        clinic.session.commit()
        clinic.assert_in_step()
        assert clinic.found(ANN) == [1]

    @pytest.mark.parametrize("write", WITH_DEFAULT.values(), ids=WITH_DEFAULT)
    def test_a_default_has_its_tag(self, database: Database, write: Write) -> None:
        """Each row gets its own, with the tag of that."""
        made = iter([ANN, BOB, EVE])
        clinic = Clinic(database("sqlite"), default=lambda: next(made))
        with clinic.session:
            write(clinic)
            clinic.session.commit()
            clinic.assert_in_step()
            assert clinic.found(ANN) == [1]

    @pytest.mark.parametrize(
        "write",
        [
            lambda c: c.execute(insert(c.table), [{"id": 1}, {"id": 2}]),
            lambda c: c.execute(insert(c.table).values([{"id": 1}, {"id": 2}])),
            lambda c: c.session.add_all([c.patient(id=1), c.patient(id=2)]),
        ],
        ids=["rows", "values", "add_all"],
    )
    def test_a_default_may_look_at_the_row(self, database: Database, write: Write) -> None:
        """As SQLAlchemy lets it."""

        def default(context: Any) -> str:
            return f"{context.get_current_parameters()['id']}@example.org"

        clinic = Clinic(database("sqlite"), default=default)
        with clinic.session:
            write(clinic)
            clinic.session.commit()
            assert [clinic.found(f"{number}@example.org") for number in (1, 2)] == [[1], [2]]

    @pytest.mark.parametrize(
        "empty",
        [
            lambda c, p: setattr(p, "mail", None),
            lambda c, p: c.session.execute(update(c.patient).values(mail=None)),
            lambda c, p: c.session.execute(update(c.patient), [{"id": 1, "mail": None}]),
            lambda c, p: c.execute(update(c.table), {"email": None}),
        ],
        ids=["set", "update", "bulk update", "core update"],
    )
    def test_no_value_has_no_tag(self, clinic: Clinic, empty: Callable[[Clinic, Any], object]) -> None:
        """NULL in one column, NULL in the other."""
        empty(clinic, clinic.add(1, ANN))
        clinic.session.commit()
        assert clinic.execute(select(clinic.table.c.mail_tag)).all() == [(None,)]

    def test_an_object_has_its_tag_after_the_flush(self, small: Clinic) -> None:
        """Whoever keeps objects over a commit has not to load them again."""
        small.session.expire_on_commit = False
        patient = small.add(1, ANN)
        before = patient.tag
        patient.mail = BOB
        small.session.commit()
        index = small.encryptor.blind_index("patients.e_mail", str)
        assert [before, patient.tag] == [index.tag(ANN), index.tag(BOB)]

    def test_what_the_application_puts_into_the_companion_is_not_written(self, small: Clinic) -> None:
        """Only a change of the column changes its tag."""
        patient = small.add(1, ANN)
        patient.tag = None
        patient.visits = 3
        small.session.commit()
        small.session.add(small.patient(id=2, mail=BOB, tag=patient.tag))
        small.execute(insert(small.table).values(id=3, email=EVE, mail_tag=patient.tag))
        small.execute(insert(small.table), {"id": 4, "email": EVE, "mail_tag": patient.tag})
        small.session.commit()
        small.assert_in_step()

    @pytest.mark.parametrize(
        "write",
        [
            lambda c, tag: update(c.table).values(mail_tag=tag),
            lambda c, tag: update(c.patient).values(tag=tag),
            lambda c, tag: update(c.table).values(mail_tag=None),
            lambda c, tag: insert(c.table).values(id=2, mail_tag=tag),
            lambda c, tag: insert(c.table).values([{"id": 2, "mail_tag": tag}]),
            lambda c, tag: c.upsert(lambda _: {"mail_tag": tag}, id=2),
            lambda c, tag: c.upsert(lambda new: {"mail_tag": new.mail_tag}, id=2),
        ],
    )
    def test_a_tag_is_not_written_alone(self, small: Clinic, write: Any) -> None:
        """The row would be found by a value that it has not."""
        tag = small.add(1, ANN).tag
        with pytest.raises(ProtectedColumnError, match=r"mail_tag cannot be written alone.*patients\.e_mail"):
            small.session.execute(write(small, tag))

    @pytest.mark.parametrize("value", [b"x" * 16, ANN, literal(b"x"), func.sha256("x")])
    def test_the_companion_takes_no_plaintext(self, small: Clinic, value: Any) -> None:
        """Whoever writes there meant the other column, which the error says."""
        small.add(1, ANN)
        for statement in (
            update(small.table).values(mail_tag=value),
            insert(small.table).values(id=2, mail_tag=value),
            insert(Table("other", MetaData(), Column("t", BlindIndexTag()))).values(t=value),
        ):
            with pytest.raises(ProtectedColumnError, match=r"encrypted"):
                small.session.execute(statement)

    def test_an_insert_within_another_statement_is_refused(self, small: Clinic) -> None:
        """It is no statement of its own, to which a tag could be added."""
        inner = insert(small.table).values(id=1, email=ANN).returning(small.table.c.id).cte("new")
        with pytest.raises(ProtectedColumnError, match=r"patients\.e_mail"):
            small.session.execute(select(inner))

    def test_a_statement_that_is_compiled_already_is_refused(self, small: Clinic) -> None:
        """No tag can be added to it. SQLAlchemy 2.1 executes none at all."""
        statement = insert(small.table).compile(small.engine, column_keys=["id", "email"])
        with pytest.raises(
            (ProtectedColumnError, ObjectNotExecutableError), match=r"compiled already|Not an executable"
        ):
            small.execute(statement, {"id": 1, "email": ANN})

    def test_a_default_in_an_insert_from_select_is_refused(self, database: Database) -> None:
        """It would be written without its tag."""
        clinic = Clinic(database("sqlite"), default=ANN)
        statement = insert(clinic.table).from_select(["id"], select(clinic.table.c.id + 1))
        with clinic.session, pytest.raises(ProtectedColumnError, match=r"patients\.e_mail has a default"):
            clinic.session.execute(statement)

    def test_values_copied_without_their_tags_are_refused(self, small: Clinic) -> None:
        """They would not be found."""
        columns = small.table.c
        statement = insert(small.table).from_select(["id", "email"], select(columns.id + 1, columns.email))
        with pytest.raises(ProtectedColumnError, match="without its tags"):
            small.session.execute(statement)

    def test_an_update_of_another_table_is_refused(self, database: Database) -> None:
        """MySQL can do that; the row would lose its tag."""
        clinic = Clinic(database("mariadb"))
        visits = Table("visits", clinic.patient.metadata, Column("patient", Integer), Column("done", Integer))
        visits.create(clinic.engine)
        statement = update(visits).where(visits.c.patient == clinic.table.c.id).values({clinic.table.c.email: ANN})
        with clinic.session, pytest.raises(ProtectedColumnError, match=r"patients\.e_mail"):
            clinic.execute(statement)


class Base(DeclarativeBase):
    """Of models whose Encryptor each test configures."""


keys = Encryptor()


class Owner(Base):
    """Each address twice: as it is, for the right answer, and encrypted."""

    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    plain: Mapped[str | None] = mapped_column(String(50))
    email: Mapped[str | None] = mapped_column(Encrypted(String, keys, index="email_tag"))
    email_tag: Mapped[bytes | None] = blind_index()
    pets: Mapped[list[Pet]] = relationship(back_populates="owner")


class Pet(Base):
    """With columns of the same names."""

    __tablename__ = "pets"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    plain: Mapped[str | None] = mapped_column(String(50))
    email: Mapped[str | None] = mapped_column(Encrypted(String, keys, index="email_tag"))
    email_tag: Mapped[bytes | None] = blind_index()
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owners.id"))
    owner: Mapped[Owner | None] = relationship(back_populates="pets")


OWNERS = [(1, ANN), (2, BOB), (3, None), (4, ANN)]
PETS = [(1, ANN, 2), (2, BOB, 1), (3, EVE, 1), (4, None, 4)]


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """Owners and their pets, in each kind of database."""
    keys.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Owner(id=number, plain=mail, email=mail) for number, mail in OWNERS)
        session.flush()
        session.add_all(Pet(id=number, plain=mail, email=mail, owner_id=owner) for number, mail, owner in PETS)
        session.commit()
        yield session


CONDITIONS: list[Callable[[Any], Any]] = [
    lambda c: c == ANN,
    lambda c: c != ANN,
    lambda c: c == EVE,
    lambda c: c == "",
    lambda c: c.in_([ANN]),
    lambda c: c.in_(["x", BOB]),
    lambda c: c.in_([]),
    lambda c: c.in_(name for name in (ANN, BOB)),
    lambda c: c.not_in([ANN, EVE]),
    lambda c: c.not_in([]),
    lambda c: c.is_(None),
    lambda c: c.is_not(None),
    lambda c: c == None,  # noqa: E711
    lambda c: c != null(),
    lambda c: not_(c == ANN),
    lambda c: not_(c != ANN),
    lambda c: not_(c.in_([ANN, BOB])),
    lambda c: not_(c.not_in([ANN])),
    lambda c: ~c.in_([]),
    lambda c: not_(and_(c != ANN, c != BOB)),
    lambda c: or_(c == ANN, c.is_(None)),
    lambda c: and_(c.in_([ANN, BOB]), c != BOB),
    lambda c: (c == BOB).is_(True),
    lambda c: case((c == ANN, 1), else_=0) == 0,
    lambda c: c.label("x") == ANN,
]

# Finds something by the attribute of that name.
Query = Callable[[str], Any]


def has(relation: Any, **values: Any) -> Any:
    return relation.has(**values)


LAMBDAS: dict[str, Any] = {
    "plain": lambda owner: owner.plain == "ann@example.org",
    "email": lambda owner: owner.email == "ann@example.org",
}


def with_a_cte(name: str) -> Any:
    cte = select(Owner).where(getattr(Owner, name) == ANN).cte()
    return select(Pet.id).join(cte, cte.c.id == Pet.owner_id)


def with_a_recursive_cte(name: str) -> Any:
    columns = Owner.id, Owner.plain, Owner.email, Owner.email_tag
    first = select(*columns).where(Owner.id == 1).cte(recursive=True)
    every = first.union_all(select(*columns).where(Owner.id == first.c.id + 1))
    return select(every.c.id).where(every.c[name] == ANN)


def of_a_subquery(name: str) -> Any:
    owners = select(Owner.id, Owner.plain, Owner.email, Owner.email_tag).subquery()
    return select(owners.c.id).where(owners.c[name] == ANN)


def of_a_subquery_of_both(name: str) -> Any:
    """With two columns of each name, of which the second is meant."""
    both = select(Owner, Pet).join(Pet, Pet.owner_id == Owner.id).subquery()
    column = both.corresponding_column(Pet.__table__.c[name])
    assert column is not None
    return select(both.c.id).where(column == ANN)


def of_a_subquery_of_aliases(name: str) -> Any:
    """Two aliases of one table."""
    first, second = Owner.__table__.alias("one"), Owner.__table__.alias("two")
    both = select(first, second).where(first.c.id == second.c.id + 1).subquery()
    column = both.corresponding_column(second.c[name])
    assert column is not None
    return select(both.c.id).where(column == ANN)


def of_a_union(name: str) -> Any:
    columns = Owner.id, Owner.plain, Owner.email, Owner.email_tag
    union = union_all(select(*columns).where(Owner.id < 3), select(*columns).where(Owner.id > 2)).subquery()
    return select(union.c.id).where(union.c[name] == ANN)


def of_an_aliased_subquery(name: str) -> Any:
    owner = aliased(Owner, select(Owner).where(Owner.id > 1).subquery())
    return select(owner.id).where(getattr(owner, name) == ANN)


def of_an_alias(name: str) -> Any:
    one, two = aliased(Owner), aliased(Owner, name="two")
    return select(one.id, two.id).where(one.id == two.id - 1, getattr(one, name) == ANN, getattr(two, name) == BOB)


def by_a_related_row(name: str) -> Any:
    return select(Owner.id).where(Owner.pets.any(getattr(Pet, name) == ANN))


def of_an_aliased_relationship(name: str) -> Any:
    pet = aliased(Pet)
    return select(Owner.id).join(Owner.pets.of_type(pet)).where(getattr(pet, name).in_([ANN, EVE]))


QUERIES: list[Query] = [
    lambda name: select(Owner.id).filter_by(**{name: ANN}),
    lambda name: select(func.count()).where(getattr(Owner, name) == ANN),
    lambda name: select(func.count()).select_from(Owner).where(getattr(Owner, name) != ANN),
    lambda name: select(Pet.id).join(Pet.owner).where(getattr(Owner, name) == ANN, getattr(Pet, name) == BOB),
    lambda name: select(Pet.id).join(Owner, and_(Owner.id == Pet.owner_id, getattr(Owner, name) == ANN)),
    lambda name: select(Owner.id).where(exists().where(Pet.owner_id == Owner.id, getattr(Pet, name) == ANN)),
    lambda name: select(Owner.id).where(Owner.id.in_(select(Pet.owner_id).where(getattr(Pet, name) == EVE))),
    lambda name: select(Pet.id).where(has(Pet.owner, **{name: ANN})),
    lambda name: select(Owner.id, getattr(Owner, name) == ANN).where(Owner.id != 3),
    lambda name: select(Owner.__table__.c.id).where(Owner.__table__.c[name] == ANN),
    lambda name: select(Owner.id).options(with_loader_criteria(Owner, getattr(Owner, name) == ANN)),
    lambda name: select(Owner.id).options(with_loader_criteria(Owner, LAMBDAS[name])),
    by_a_related_row,
    of_a_subquery,
    of_a_subquery_of_aliases,
    of_a_subquery_of_both,
    of_a_union,
    of_an_alias,
    of_an_aliased_relationship,
    of_an_aliased_subquery,
    with_a_cte,
    with_a_recursive_cte,
]


class TestSearching:
    @pytest.mark.parametrize("condition", CONDITIONS)
    def test_a_condition_means_what_it_means_for_a_plain_column(self, session: Session, condition: Any) -> None:
        """NULL included: it neither equals a value nor differs from one."""
        right = session.scalars(select(Owner.id).where(condition(Owner.plain)).order_by(Owner.id)).all()
        assert session.scalars(select(Owner.id).where(condition(Owner.email)).order_by(Owner.id)).all() == right

    @pytest.mark.parametrize("query", QUERIES)
    def test_a_query_finds_what_it_finds_by_a_plain_column(self, session: Session, query: Query) -> None:
        """In all places where a condition may stand."""
        right = sorted(map(tuple, session.execute(query("plain"))))
        assert sorted(map(tuple, session.execute(query("email")))) == right != []

    @pytest.mark.parametrize("how", ["evaluate", "fetch", False])
    def test_rows_are_changed_and_deleted_by_value(self, session: Session, how: Any) -> None:
        """And the session follows."""
        owners = session.scalars(select(Owner).order_by(Owner.id)).all()
        options = {"synchronize_session": how}
        session.execute(update(Owner).where(Owner.email == BOB).values(plain="x"), execution_options=options)
        session.execute(update(Pet).values(owner_id=None))
        session.execute(delete(Owner).where(Owner.email == ANN, Owner.id == 4), execution_options=options)
        session.execute(delete(Pet).where(Pet.email != ANN), execution_options=options)
        if how:
            assert [inspect(owner).deleted or owner.plain for owner in owners] == [ANN, "x", None, True]
        assert session.scalars(select(Owner.id).order_by(Owner.id)).all() == [1, 2, 3]
        assert session.scalars(select(Pet.id).order_by(Pet.id)).all() == [1, 4]

    def test_the_session_follows_a_value_that_an_update_has_set(self, session: Session) -> None:
        """Also if a second one looks for it."""
        owner = session.get_one(Owner, 2)
        assert owner.email_tag
        session.execute(update(Owner).where(Owner.email == BOB).values(email=EVE))
        session.execute(update(Owner).where(Owner.email == EVE).values(plain="found"))
        assert (owner.email, owner.plain) == (EVE, "found")

    def test_a_cached_statement_searches_for_the_value_that_is_given(self, session: Session) -> None:
        """SQLAlchemy compiles it once."""

        def found(mail: str) -> list[int]:
            return list(session.scalars(select(Owner.id).where(Owner.email == mail)))

        assert [found(ANN), found(BOB), found(EVE)] == [[1, 4], [2], []]

    def test_a_legacy_query_searches_too(self, session: Session) -> None:
        """And session.get_one with a condition of a loader."""
        assert session.query(Owner.id).filter(Owner.email == BOB).all() == [(2,)]
        assert session.query(Owner).filter_by(email=ANN).count() == 2

    def test_what_stands_for_an_attribute_is_searched_too(self, database: Database) -> None:
        """On mapped dataclasses: a synonym, a hybrid, the values of related objects."""

        class Base(MappedAsDataclass, DeclarativeBase):
            pass

        class Pupil(Base):
            __tablename__ = "pupils"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            email: Mapped[str | None] = mapped_column(Encrypted(String, new_encryptor(), index="tag"))
            tag: Mapped[bytes | None] = blind_index(init=False, repr=False, compare=False)
            room_id: Mapped[int | None] = mapped_column(ForeignKey("rooms.id"), default=None)
            mail: Mapped[str | None] = synonym("email", init=False)

            @hybrid_property
            def address(self) -> str | None:
                return self.email

        class Room(Base):
            __tablename__ = "rooms"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            pupils: Mapped[list[Pupil]] = relationship(default_factory=list)
            mails: AssociationProxy[list[str]] = association_proxy("pupils", "email", init=False)

        Base.metadata.create_all(database("sqlite"))
        with Session(database("sqlite")) as session:
            session.add_all([Room(id=1, pupils=[Pupil(id=1, email=ANN)]), Room(id=2, pupils=[Pupil(id=2, email=BOB)])])
            session.commit()
            assert repr(session.get_one(Pupil, 1)) == repr(session.merge(Pupil(id=1, email=ANN, room_id=1)))
            session.commit()
            conditions: list[Any] = [Pupil.mail == ANN, Pupil.address == ANN, Room.mails == ANN, Room.mails.in_([ANN])]
            found = [session.scalars(select(each.left.table.c.id).where(each)).all() for each in conditions[:2]]
            found += [session.scalars(select(Room.id).where(each)).all() for each in conditions[2:]]
        assert found == [[1]] * 4

    def test_a_unique_companion_lets_no_value_in_twice(self, engine: Engine) -> None:
        """NULL may occur any number of times."""
        encryptor = new_encryptor()
        table = Table(
            "users",
            MetaData(),
            Column("email", Encrypted(String, encryptor, index=IndexedBy("tag", normaliser="casefold"))),
            Column("tag", BlindIndexTag(), unique=True),
        )
        table.create(engine)
        with engine.connect() as connection:
            connection.execute(insert(table), [{"email": ANN}, {"email": None}, {"email": None}])
            connection.commit()
            with pytest.raises(IntegrityError) as caught:
                connection.execute(insert(table), {"email": ANN.upper()})
        assert "ann" not in str(caught.value).lower()


class TestRefusals:
    @pytest.mark.parametrize(
        "compare",
        [
            lambda c: c < ZOE,
            lambda c: c.between("a", "b"),
            lambda c: c.like("zoe%"),
            lambda c: c.ilike("zoe%"),
            lambda c: c.startswith("zoe"),
            lambda c: c.contains("zoe"),
            lambda c: c.regexp_match("zoe"),
            lambda c: c.is_distinct_from(ZOE),
            lambda c: c.is_(True),
            lambda c: c + ZOE,
            lambda c: ZOE + c,
            lambda c: c.desc(),
            lambda c: c.collate("C"),
            lambda c: c.op("~")(ZOE),
        ],
    )
    def test_what_tags_cannot_tell_says_so(self, compare: Any) -> None:
        """And what they can."""
        with pytest.raises(ProtectedColumnError, match=r"owners\.email.*Only ==, !=, in_.*blind index") as caught:
            compare(Owner.email)
        assert "zoe" not in str(caught.value)

    @pytest.mark.parametrize(
        "compare",
        [
            lambda: Owner.email == Owner.plain,
            lambda: Owner.email == Pet.email,
            lambda: Owner.email == bindparam("email"),
            lambda: Owner.email == literal(ANN),
            lambda: Owner.email == func.lower(ANN),
            lambda: Owner.email == select(Pet.plain).scalar_subquery(),
            lambda: Owner.email.in_(select(Pet.plain)),
            lambda: Owner.email.in_([ANN, literal(BOB)]),
        ],
    )
    def test_a_value_must_be_at_hand(self, compare: Any) -> None:
        """Its tag is computed here, so it cannot come from the database, or later."""
        with pytest.raises(ProtectedColumnError, match=r"owners\.email can be compared with plain values only"):
            compare()

    def test_a_variable_of_a_lambda_is_not_at_hand(self, session: Session) -> None:
        """SQLAlchemy puts it in later; the error says so."""
        mail = ANN
        with pytest.raises(ProtectedColumnError, match="variables of a lambda"):
            session.scalars(lambda_stmt(lambda: select(Owner.id).where(Owner.email == mail)))

    @pytest.mark.parametrize(
        ("values", "why"),
        [(ANN, "a list of plain values"), ([ANN, None], "not take None: use is_"), (None, "a list")],
    )
    def test_in_takes_a_list_of_values(self, values: Any, why: str) -> None:
        """Not a text, whose characters would be meant; nor None, which IN never finds."""
        with pytest.raises(ProtectedColumnError, match=why):
            Owner.email.in_(values)

    @pytest.mark.parametrize("place", [lambda q: q.order_by(Owner.email), lambda q: q.group_by(Owner.email)])
    def test_the_database_does_not_sort_or_group(self, session: Session, place: Any) -> None:
        """Which would be by ciphertext."""
        with pytest.raises(ProtectedColumnError, match=r"owners\.email"):
            session.execute(place(select(Owner.id)))

    @pytest.mark.parametrize("value", [5, 5.5, b"x", True, object(), ["x"]])
    def test_a_value_of_another_type_is_refused_at_once(self, value: Any) -> None:
        """Where the mistake is, and not when the statement is executed. The value is not shown."""
        for compare in (lambda: Owner.email == value, lambda: Owner.email.in_([ANN, value])):
            with pytest.raises(TypeError, match=r"owners\.email.*expected str") as caught:
                compare()
            assert not isinstance(caught.value, ProtectedColumnError)
            assert repr(value) not in str(caught.value)

    @pytest.mark.parametrize(
        "compare",
        [
            lambda c: c == ANN,
            lambda c: c == ANN.encode(),
            lambda c: c.in_([ANN]),
            lambda c: c.like("ann%"),
            lambda c: c == literal(ANN),
            lambda c: c == func.sha256(ANN),
            lambda c: c == Owner.plain,
            lambda c: "x" + Owner.__table__.c.email_tag,
        ],
    )
    def test_a_companion_is_not_compared_with_plaintext(self, compare: Any) -> None:
        """Whoever does so meant the other column, which the error says."""
        with pytest.raises(ProtectedColumnError, match="set, or compare, the encrypted column") as caught:
            compare(Owner.email_tag)
        assert ANN not in str(caught.value)

    def test_tags_may_meet_tags(self, session: Session) -> None:
        """Tables are joined by tags, if the columns have one name; others' never match."""
        join = select(func.count()).select_from(Owner).join(Pet, Owner.email_tag == Pet.email_tag)
        assert session.scalar(join) == 0
        one, two = aliased(Owner), aliased(Owner)
        pairs = select(one.id, two.id).where(one.email_tag == two.email_tag, one.id < two.id)
        assert session.execute(pairs).all() == [(1, 4)]

    def test_a_subquery_without_the_companion_is_not_searched(self, session: Session) -> None:
        """The error says what to select."""
        owners = select(Owner.id, Owner.email).subquery()
        with pytest.raises(ConfigurationError, match=r"has no such column: select email_tag there as well"):
            select(owners.c.id).where(owners.c.email == ANN)


class TestSecrets:
    def test_a_statement_shows_nothing_of_the_values(self, session: Session, caplog: pytest.LogCaptureFixture) -> None:
        """Neither itself, nor its parts, nor its parameters, nor what is logged."""
        statement = select(Owner.id).where(Owner.email == ANN, Owner.email.in_([ANN, BOB]))
        shown = [str(statement), repr(statement)]
        for node in visitors.iterate(statement):
            shown += [repr(node), *map(repr, vars(node).values())]
        compiled = statement.compile(session.get_bind())
        shown += [str(compiled), repr(compiled.params), repr(compiled.binds)]
        with caplog.at_level(logging.DEBUG, "sqlalchemy"):
            session.execute(statement)
        assert "email_tag IN" in caplog.text
        assert not [text for text in (*shown, caplog.text) if "ann@" in text or "bob@" in text]

    def test_a_literal_is_not_rendered(self) -> None:
        """Neither value nor tag gets into SQL text."""
        statement = select(Owner.id).where(Owner.email == ANN)
        with pytest.raises(CompileError, match="cannot be rendered") as caught:
            statement.compile(compile_kwargs={"literal_binds": True})
        assert ANN not in str(caught.value)

    def test_a_pickled_condition_holds_tags(self, session: Session) -> None:
        """SQLAlchemy computes what is computed late when it pickles; the value does not travel."""
        condition: Any = Owner.__table__.c.email == ANN
        pickled = pickle.dumps(condition.right)
        assert b"ann@" not in pickled
        again = pickle.loads(pickled)
        assert session.scalars(select(Owner.id).where(Owner.__table__.c.email_tag.in_(again))).all() == [1, 4]

    def test_an_outage_is_told_without_the_statement_s_values(self, database: Database) -> None:
        """As the error that it is, not wrapped in one with the statement's parameters."""

        class Down(MemoryKeyStore):
            def list(self, *_: Any) -> Any:
                raise KeyStoreError("down")

        keys.configure(LocalKeyProvider.generate(), Down())
        Base.metadata.create_all(database("sqlite"))
        with (
            Session(database("sqlite")) as session,
            pytest.raises(KeyStoreError, match=r"^owners\.email: down") as caught,
        ):
            session.execute(select(Owner.id).where(Owner.email == ANN))
        assert "ann@" not in repr(vars(caught.value))


class Trees(enum.Enum):
    """Sixteen values, which is the least that is searched without a word."""

    A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P = range(16)  # noqa: E741


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


class Reversed(TypeDecorator[str]):
    """A user's own type: stores text backwards, and nothing for nothing."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        return value[::-1] or None if value is not None else None

    def process_result_value(self, value: str | None, dialect: object) -> str | None:
        return value and value[::-1]


def without_spaces(text: str) -> str:
    return text.replace(" ", "")


UTC_PLUS_1 = dt.timezone(dt.timedelta(hours=1))
UTC = dt.UTC
LETTERS = Enum(*"abcdefghijklmnop", name="letters")

# A type, how it is indexed, what is stored, and what finds it and what does not.
SEARCHED: list[tuple[Any, dict[str, Any], Any, list[Any], list[Any]]] = [
    (String, {}, "Straße", ["Straße"], ["straße", "STRASSE", "Straße "]),
    (String, {"normaliser": "casefold"}, "Straße", ["STRASSE", "strasse"], ["Strase"]),
    (Text, {"normaliser": "nfkc"}, "\u00e9\ufb01", ["e\u0301fi"], ["\u00c9fi"]),
    (Unicode(5), {"normaliser": "digits"}, "+1 (555) 0100", ["1 555-0100"], ["555 0100"]),
    (String, {"normaliser": without_spaces}, "AB 12", ["AB12", "A B 1 2"], ["ab12"]),
    (Reversed, {}, "abc", ["abc"], ["cba"]),
    (Integer, {}, -7, [-7], [7]),
    (BigInteger, {}, 2**80, [2**80], [2**80 - 1]),
    (Numeric(10, 2), {}, Decimal("1.50"), [Decimal("1.5"), Decimal("1.500")], [Decimal("1.51"), 1]),
    (Numeric(10, 2), {}, 5, [5, Decimal("5.0")], [6]),
    (Date, {}, dt.date(1970, 1, 1), [dt.date(1970, 1, 1)], [dt.date(1970, 1, 2)]),
    (
        DateTime(timezone=True),
        {},
        dt.datetime(2026, 1, 1, 1, tzinfo=UTC_PLUS_1),
        [dt.datetime(2026, 1, 1, 0, tzinfo=UTC)],
        [dt.datetime(2026, 1, 1, 1, tzinfo=UTC), dt.datetime(2026, 1, 1, 0)],
    ),
    (Time, {}, dt.time(1, 2), [dt.time(1, 2)], [dt.time(1, 3)]),
    (Interval, {}, dt.timedelta(hours=24), [dt.timedelta(days=1)], [dt.timedelta(0)]),
    (Uuid, {}, UUID(int=1), [UUID(int=1)], [UUID(int=2)]),
    (Uuid(as_uuid=False), {}, str(UUID(int=1)), [str(UUID(int=1))], [str(UUID(int=2))]),
    (LargeBinary, {}, b"\x00\xff", [b"\x00\xff", bytearray(b"\x00\xff")], [b""]),
    (Enum(Trees), {}, Trees.B, [Trees.B], [Trees.C]),
    (LETTERS, {}, "b", ["b"], ["c"]),
    (Enum(Colour), {"accept_low_cardinality": True}, Colour.RED, [Colour.RED], [Colour.GREEN]),
    (Enum("a", "b", name="ab"), {"accept_low_cardinality": True}, "b", ["b"], ["a"]),
    (Boolean, {"accept_low_cardinality": True}, False, [False], [True]),
]


class TestTypes:
    @pytest.mark.parametrize(("type_", "how", "stored", "same", "others"), SEARCHED)
    def test_every_type_is_found_by_what_counts_as_equal(
        self, engine: Engine, type_: Any, how: Any, stored: Any, same: list[Any], others: list[Any]
    ) -> None:
        """And by nothing else."""
        searchable = Encrypted(type_, new_encryptor(), index=IndexedBy("tag", **how))
        table = Table("t", MetaData(), Column("v", searchable), Column("tag", BlindIndexTag(), index=True))
        with engine.begin() as connection:
            table.create(connection)
            connection.execute(insert(table), [{"v": stored}, {"v": None}])
            found = [connection.scalar(select(func.count()).where(table.c.v == value)) for value in (*same, *others)]
            assert connection.scalar(select(table.c.v).where(table.c.v.in_(same))) == stored
        assert found == [1] * len(same) + [0] * len(others)

    def test_a_value_that_becomes_null_has_no_tag(self, database: Database) -> None:
        """A user's type may make it so."""
        table = Table(
            "t", MetaData(), Column("v", Encrypted(Reversed, new_encryptor(), index="g")), Column("g", BlindIndexTag())
        )
        with database("sqlite").begin() as connection:
            table.create(connection)
            connection.execute(insert(table).values(v=""))
            assert connection.execute(select(table)).all() == [(None, None)]

    @pytest.mark.parametrize(
        ("type_", "how", "why"),
        [
            (Float, {}, "float"),
            (JSON, {}, "object"),
            (ARRAY(Integer), {}, "list"),
            (Boolean, {}, "accept_low_cardinality"),
            (Enum(Colour), {}, "accept_low_cardinality"),
            (Enum("a", "b", name="ab"), {}, "accept_low_cardinality"),
            (Integer, {"normaliser": "digits"}, "normaliser"),
            (String, {"normaliser": "none"}, "normaliser"),
            (String, {"tag_size": 0}, "tag_size"),
            (String, {"tag_size": 33}, "tag_size"),
        ],
    )
    def test_what_cannot_be_searched_is_refused_where_it_is_declared(self, type_: Any, how: Any, why: str) -> None:
        """What has no exact form, and what tags would tell."""
        with pytest.raises((ConfigurationError, TypeError, ValueError), match=why):
            Encrypted(type_, index=IndexedBy("tag", **how))

    @pytest.mark.parametrize(
        ("companion", "why"),
        [
            (None, "has no such column"),
            (Column("tag", LargeBinary), "not a blind index column"),
            (Column("other", BlindIndexTag()), "has no such column"),
        ],
    )
    def test_a_companion_is_needed(self, companion: Any, why: str) -> None:
        """The error says how to declare it."""
        columns = [] if companion is None else [companion]
        table = Table("t", MetaData(), Column("v", Encrypted(String, new_encryptor(), index="tag")), *columns)
        with pytest.raises(ConfigurationError, match=rf"t\.v is indexed by 'tag'.*{why}.*blind_index\(\)"):
            table.c.v == "x"  # noqa: B015


class TestDatabases:
    def test_the_companion_is_short_binary(self, engine: Engine) -> None:
        """On MySQL VARBINARY, for a BLOB has no index without a length."""
        table = patients(new_encryptor()).__table__
        ddl = str(CreateTable(table).compile(engine))
        right = {"sqlite": "BLOB", "postgresql": "BYTEA"}.get(engine.dialect.name, "VARBINARY(32)")
        assert f"e_mail_tag {right}" in ddl

    def test_the_database_searches_by_its_index(self, engine: Engine) -> None:
        """With one tag and with several, among enough rows to make it worth it."""
        clinic = Clinic(engine)
        with clinic.session:
            clinic.execute(insert(clinic.table), [{"id": number, "email": f"{number}@x"} for number in range(2000)])
            clinic.session.commit()
            if engine.dialect.name == "postgresql":
                clinic.execute(text("ANALYZE"))
            for condition in (clinic.patient.mail == "7@x", clinic.patient.mail.in_(["7@x", "8@x"])):
                statement = select(clinic.patient.id, clinic.patient.mail).where(condition)
                assert len(clinic.execute(statement).all()) > 0
                assert "ix_patients_e_mail_tag" in self.plan(clinic, statement)

    def plan(self, clinic: Clinic, statement: Any) -> str:
        """Return what the database says how it executes a statement."""
        said: list[Any] = []
        explain = "EXPLAIN QUERY PLAN" if clinic.engine.dialect.name == "sqlite" else "EXPLAIN"

        def spy(_: Any, cursor: Any, sql: str, parameters: Any, *__: Any) -> None:
            cursor.execute(f"{explain} {sql}", parameters)
            said.extend(cursor.fetchall())

        event.listen(clinic.engine, "before_cursor_execute", spy)
        clinic.execute(statement)
        event.remove(clinic.engine, "before_cursor_execute", spy)
        return str(said)


def clinics(encryptor: Encryptor, **how: Any) -> Any:
    """A decorated model with tenants, and tags per tenant."""

    class Base(DeclarativeBase):
        pass

    @encrypted(encryptor, row="id", tenant="clinic")
    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        clinic: Mapped[str] = mapped_column(String(20))
        email: Mapped[str | None] = mapped_column(Encrypted(String, index=IndexedBy("tag", per_tenant=True, **how)))
        note: Mapped[str | None] = mapped_column(Encrypted(String))
        tag: Mapped[bytes | None] = blind_index()

    return Patient


@pytest.fixture
def tenants(engine: Engine) -> Iterator[tuple[Session, Any]]:
    """A session, and a decorated model: Ann is a patient of two clinics, Bob of one."""
    patient = clinics(new_encryptor())
    patient.metadata.create_all(engine)
    with Session(engine) as session:
        rows = [(1, "north", ANN), (2, "south", ANN), (3, "south", BOB), (4, "south", None)]
        session.add_all(patient(id=UUID(int=number), clinic=clinic, email=mail) for number, clinic, mail in rows)
        session.commit()
        yield session, patient


def numbers(session: Session, statement: Any) -> list[int]:
    """Return the ids, UUIDs, as numbers."""
    return sorted(found.int for found in session.scalars(statement))


class TestTenants:
    def test_a_tenant_s_rows_are_found(self, tenants: tuple[Session, Any]) -> None:
        """And no other's, whatever the condition."""
        session, patient = tenants
        south = of_tenant(patient.email, "south")
        conditions = [south == ANN, south != ANN, south.in_([ANN, BOB]), south.not_in([BOB]), south == None]  # noqa: E711
        found = [numbers(session, select(patient.id).where(condition)) for condition in conditions]
        assert found == [[2], [1, 3], [2, 3], [1, 2], [4]]

    def test_a_tenant_is_what_the_column_keeps_of_it(self, tenants: tuple[Session, Any]) -> None:
        """Of a StrEnum, that is its value."""
        session, patient = tenants
        clinic = StrEnum("Clinic", {"ANYWHERE": "south"}).ANYWHERE  # type: ignore[attr-defined]
        assert numbers(session, select(patient.id).where(of_tenant(patient.email, clinic) == ANN)) == [2]

    def test_a_tenant_that_has_no_key_yet_has_no_rows(self, tenants: tuple[Session, Any]) -> None:
        """And gets none from searching; NULL still differs from nothing."""
        session, patient = tenants
        west = of_tenant(patient.email, "west")
        conditions = [west == ANN, not_(west == ANN), west != ANN]
        assert [numbers(session, select(patient.id).where(each)) for each in conditions] == [[], [1, 2, 3], [1, 2, 3]]
        store = patient.email.type.encryptor.store
        assert store.list("west") == []

    def test_the_tenant_has_to_be_named(self, tenants: tuple[Session, Any]) -> None:
        """And what it is named for has to have tags per tenant."""
        _, patient = tenants
        with pytest.raises(ProtectedColumnError, match="name the tenant, of_tenant"):
            patient.email == ANN  # noqa: B015
        for column in (patient.note, patient.clinic, Owner.email):
            with pytest.raises(ProtectedColumnError, match="per_tenant=True"):
                of_tenant(column, "south")

    def test_a_row_that_moves_gets_a_tag_of_its_new_tenant(self, tenants: tuple[Session, Any]) -> None:
        """And is found there, and there alone."""
        session, patient = tenants
        session.get_one(patient, UUID(int=1)).clinic = "south"
        session.commit()
        found = [select(patient.id).where(of_tenant(patient.email, clinic) == ANN) for clinic in ("north", "south")]
        assert [numbers(session, each) for each in found] == [[], [1, 2]]

    def test_tags_of_tenants_cannot_be_compared(self, tenants: tuple[Session, Any]) -> None:
        """One value has another tag for each; copied to another tenant's row, a tag finds nothing."""
        session, patient = tenants
        assert len(set(session.scalars(select(patient.tag).where(patient.tag.is_not(None))))) == 3
        session.execute(
            text("UPDATE patients SET tag = (SELECT tag FROM (SELECT * FROM patients) o WHERE clinic = 'north')")
        )
        assert numbers(session, select(patient.id).where(of_tenant(patient.email, "south").in_([ANN, BOB]))) == []

    @pytest.mark.parametrize(
        "write",
        [
            lambda s, p, row: s.execute(insert(p).values(seal(p, row))),
            lambda s, p, row: s.execute(insert(p), [seal(p, row), seal(p, {**row, "id": UUID(int=8), "email": None})]),
            lambda s, p, row: s.execute(insert(p).values([seal(p, row)])),
            lambda s, p, row: s.execute(insert(p.__table__), seal(p, row)),
            lambda s, p, row: (
                s.add(p(**{**row, "email": BOB})),
                s.execute(update(p).where(p.id == row["id"]).values(email=seal(p, row)["email"])),
            ),
            lambda s, p, row: (
                s.add(p(**{**row, "email": BOB})),
                s.execute(update(p), [seal(p, row, defaults=False)]),
            ),
            lambda s, p, row: s.merge(p(**row)),
        ],
    )
    def test_sealed_values_bring_their_tags(self, tenants: tuple[Session, Any], write: Any) -> None:
        """Which a statement could not make, for it knows no tenant."""
        session, patient = tenants
        write(session, patient, {"id": UUID(int=9), "clinic": "south", "email": EVE})
        session.commit()
        assert numbers(session, select(patient.id).where(of_tenant(patient.email, "south") == EVE)) == [9]
        assert session.get_one(patient, UUID(int=9)).email == EVE

    def test_a_value_that_was_read_is_not_written_elsewhere(self, tenants: tuple[Session, Any]) -> None:
        """It is of another row, and has no tag."""
        session, patient = tenants
        sealed = session.scalars(select(patient.email).where(patient.id == UUID(int=1))).one()
        with pytest.raises(ProtectedColumnError, match="seal its values"):
            session.execute(update(patient).values(email=sealed))

    def test_an_undecorated_column_cannot_have_tags_per_tenant(self, small: Clinic) -> None:
        """Nobody would say whose they are."""
        how = IndexedBy("tag", per_tenant=True)
        table = Table("t", MetaData(), Column("v", Encrypted(String, keys, index=how)), Column("tag", BlindIndexTag()))
        with pytest.raises(ProtectedColumnError, match="decorated"):
            small.session.execute(insert(table).values(v=ANN))

    def test_tags_of_other_columns_find_nothing(self, session: Session) -> None:
        """Copied by SQL, from one table to another."""
        session.execute(text("UPDATE pets SET email_tag = (SELECT email_tag FROM owners WHERE id = 2)"))
        assert session.scalars(select(Pet.id).where(Pet.email == BOB)).all() == []


class Person(Base):
    __tablename__ = "persons"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(20))
    email: Mapped[str | None] = mapped_column(Encrypted(String, keys, index="email_tag"))
    email_tag: Mapped[bytes | None] = blind_index()
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012


class Guest(Person):
    """In the same table."""

    room: Mapped[str | None] = mapped_column(Encrypted(String, keys, index="room_tag"))
    room_tag: Mapped[bytes | None] = blind_index()
    __mapper_args__ = {"polymorphic_identity": "guest"}  # noqa: RUF012


class Employee(Person):
    """In a table of its own, the key of which has another name."""

    __tablename__ = "employees"
    person: Mapped[int] = mapped_column(ForeignKey("persons.id"), primary_key=True)
    iban: Mapped[str | None] = mapped_column(Encrypted(String, keys, index="iban_tag"))
    iban_tag: Mapped[bytes | None] = blind_index()
    __mapper_args__ = {"polymorphic_identity": "employee"}  # noqa: RUF012


class TestInheritance:
    @pytest.fixture
    def persons(self, engine: Engine) -> Iterator[Session]:
        keys.configure(LocalKeyProvider.generate(), MemoryKeyStore())
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all(
                [Person(id=1, email=ANN), Guest(id=2, email=ANN, room="7"), Employee(id=3, email=ANN, iban="X1")]
            )
            session.commit()
            yield session

    def test_inherited_and_own_columns_are_searched(self, persons: Session) -> None:
        """Each class finds its own."""
        found = [
            persons.scalars(select(model.id).where(condition).order_by(model.id)).all()
            for model, condition in [
                (Person, Person.email == ANN),
                (Guest, Guest.email == ANN),
                (Employee, Employee.email == ANN),
                (Guest, Guest.room == "7"),
                (Employee, Employee.iban == "X1"),
                (Employee, and_(Employee.iban == "X1", Employee.email != ANN)),
            ]
        ]
        assert found == [[1, 2, 3], [2], [3], [2], [3], []]

    def test_polymorphic_aliases_are_searched(self, persons: Session) -> None:
        """Where the ORM replaces columns by those of a join."""
        every = with_polymorphic(Person, [Guest, Employee])
        flat = with_polymorphic(Person, [Employee], flat=True, aliased=True)
        employee = aliased(Employee)
        queries = [
            select(every.id).where(or_(every.Guest.room == "7", every.Employee.iban == "X1")).order_by(every.id),
            select(flat.id).where(flat.Employee.iban == "X1", flat.email == ANN),
            select(employee.id).where(employee.email == ANN, employee.iban.in_(["X1"])),
        ]
        assert [persons.scalars(query).all() for query in queries] == [[2, 3], [3], [3]]

    def test_changes_keep_tags_in_step(self, persons: Session) -> None:
        """In whichever table."""
        employee = persons.get_one(Employee, 3)
        employee.iban, employee.email = "X2", BOB
        persons.commit()
        persons.execute(update(Guest).where(Guest.email == ANN).values(room="8"))
        found = select(Person.id).where(Person.email == BOB), select(Employee.id).where(Employee.iban == "X2")
        assert [persons.scalars(query).all() for query in found] == [[3], [3]]
        assert persons.scalars(select(Guest.id).where(Guest.room == "8")).all() == [2]

    def test_writes_in_bulk_keep_tags_in_step(self, persons: Session) -> None:
        """The ORM executes them for each table."""

        def found() -> list[Any]:
            queries = select(Person.id).where(Person.email == BOB), select(Employee.id).where(Employee.iban == "X2")
            return [persons.scalars(query.order_by(Person.id)).all() for query in queries]

        rows = [{"id": number, "kind": "employee", "email": BOB, "iban": "X2"} for number in (5, 6)]
        persons.execute(insert(Employee), rows)
        persons.execute(insert(Guest), [{"id": 7, "kind": "guest", "email": BOB}])
        assert found() == [[5, 6, 7], [5, 6]]
        persons.execute(update(Employee), [{"id": 3, "person": 3, "email": BOB, "iban": "X2"}])
        assert found() == [[3, 5, 6, 7], [3, 5, 6]]
        persons.execute(update(Employee).values(iban="X3"), [{"id": 5, "person": 5, "email": ANN}])
        assert found() == [[3, 6, 7], [3, 6]]


def phones(encryptor: Encryptor, tag_size: int = 1) -> Any:
    """A model with tags of one byte, which many values share, or longer ones."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        ward: Mapped[int] = mapped_column(default=0)
        phone: Mapped[str | None] = mapped_column(
            Encrypted(String, encryptor, index=IndexedBy("tag", normaliser="digits", tag_size=tag_size))
        )
        tag: Mapped[bytes | None] = blind_index()

    return Patient


class TestTruncatedTags:
    @pytest.fixture
    def short(self, engine: Engine) -> Iterator[tuple[Session, Any]]:
        """Enough rows for each tag to be shared, but for once in ten million runs."""
        patient = phones(new_encryptor())
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            rows = [{"id": number, "phone": f"555-{number:04}", "ward": number % 2} for number in range(4000)]
            session.execute(insert(patient), [*rows, {"id": 9999, "phone": None, "ward": 0}])
            yield session, patient

    def test_find_leaves_out_what_only_shares_a_tag(self, short: tuple[Session, Any]) -> None:
        """Equal is what is after normalising."""
        session, patient = short
        assert (
            len(
                session.execute(
                    text("SELECT 1 FROM patients WHERE tag = (SELECT tag FROM patients WHERE id = 7)")
                ).all()
            )
            > 1
        )
        for statement in (
            select(patient).where(patient.phone == "(555) 0007"),
            select(patient).filter_by(phone="5550007", ward=1).order_by(patient.id),
            select(patient).where(and_(patient.phone.in_(["555-0007", "555-0008"]), patient.ward == 1)),
            select(patient).where(patient.phone == "555-0007").where(patient.phone.in_(["555-0007", "555-0008"])),
        ):
            assert [found.id for found in find(session, statement)] == [7]
        alias = aliased(patient)
        two = select(alias).where(alias.phone.in_(["555-0007", "555-0008"]), alias.phone.is_not(None))
        assert sorted(found.id for found in find(session, two)) == [7, 8]
        assert [found.id for found in find(session, select(patient).where(patient.phone.is_(None)))] == [9999]

    @pytest.mark.parametrize(
        "statement",
        [
            lambda p: select(p).where(p.phone == "5"),
            lambda p: select(p.id).where(p.ward == 0, p.phone.in_(["5"])),
            lambda p: select(func.count()).where(p.phone == "5"),
            lambda p: select(p).where(or_(p.ward == 1, p.phone == "5")),
            lambda p: select(p.phone == "5"),
            lambda p: select(p).where(exists().where(p.phone == "5")),
            lambda p: select(aliased(p, select(p).where(p.phone == "5").subquery())),
            lambda p: select(p).order_by(case((p.phone == "5", 1), else_=0)),
            lambda p: select(p).options(with_loader_criteria(p, p.phone == "5")),
            lambda p: update(p).where(p.phone == "5").values(ward=1),
            lambda p: delete(p).where(p.phone == "5"),
            lambda p: select(p).where(p.phone != "5"),
            lambda p: select(p).where(p.phone.not_in(["5"])),
            lambda p: select(p).where(not_(p.phone == "5")),
            lambda p: select(p).where(~p.phone.in_(["5"])),
            lambda p: select(p).where(not_(and_(p.ward == 1, p.phone == "5"))),
        ],
    )
    def test_nothing_else_takes_the_condition(self, database: Database, statement: Any) -> None:
        """Whoever forgets to compare is told by the first try."""
        patient = phones(new_encryptor())
        patient.metadata.create_all(database("sqlite"))
        refused = pytest.raises(ProtectedColumnError, match=r"patients\.phone has tags shorter than 16 bytes")
        with Session(database("sqlite")) as session, refused:
            session.execute(statement(patient))

    @pytest.mark.parametrize(
        "statement",
        [
            lambda p: select(p.id).where(p.phone == "5"),
            lambda p: select(p, p.ward).where(p.phone == "5"),
            lambda p: select(p).where(p.phone == "5").limit(1),
            lambda p: select(p).where(p.phone == "5").group_by(p.ward),
            lambda p: select(p).where(or_(p.ward == 1, p.phone == "5")),
            lambda p: select(p).where(exists().where(p.phone == "5")),
            lambda p: select(p).order_by(case((p.phone == "5", 1), else_=0)),
            lambda p: select(aliased(p)).where(p.phone == "5"),
            lambda p: select(p.__table__).where(p.__table__.c.phone == "5"),
            lambda p: update(p).where(p.phone == "5").values(ward=1),
            lambda p: union_all(select(p).where(p.phone == "5"), select(p)),
        ],
    )
    @pytest.mark.parametrize("tag_size", [1, 16])
    def test_find_takes_no_statement_that_it_could_not_filter(
        self, database: Database, statement: Any, tag_size: int
    ) -> None:
        """It would return too much, or too little."""
        patient = phones(new_encryptor(), tag_size)
        patient.metadata.create_all(database("sqlite"))
        with Session(database("sqlite")) as session, pytest.raises(ProtectedColumnError):
            find(session, statement(patient))

    def test_find_takes_any_statement_without_such_conditions(self, session: Session) -> None:
        """Rows may be limited if there is nothing to compare."""
        statement = select(Owner).options(joinedload(Owner.pets)).order_by(Owner.id)
        assert [owner.id for owner in find(session, statement.where(Owner.email == ANN))] == [1, 4]
        assert [owner.id for owner in find(session, statement.where(Owner.email != ANN).limit(5))] == [2]

    def test_find_leaves_out_rows_to_which_somebody_copied_a_tag(self, session: Session) -> None:
        """A whole tag is not bound to its row: the database finds it wherever it was put, as Bob puts Ann's here."""
        of_ann = "(SELECT email_tag FROM (SELECT * FROM owners) o WHERE id = 1)"
        session.execute(text(f"UPDATE owners SET email_tag = {of_ann} WHERE id IN (2, 3)"))
        statement = select(Owner).where(Owner.email == ANN).order_by(Owner.id)
        assert [(owner.id, owner.email) for owner in session.scalars(statement)] == [
            (1, ANN),
            (2, BOB),
            (3, None),
            (4, ANN),
        ]
        assert [owner.id for owner in find(session, statement)] == [1, 4]
        assert [owner.id for owner in find(session, select(Owner).where(not_(Owner.email != ANN)))] == [1, 4]

    @pytest.mark.parametrize("unique", ["column", "constraint", "index"])
    def test_short_tags_cannot_be_unique(self, unique: str) -> None:
        """The database would refuse other values."""
        table = Table(
            "t",
            MetaData(),
            Column("v", Encrypted(String, keys, index=IndexedBy("tag", tag_size=2))),
            Column("tag", BlindIndexTag(), unique=unique == "column"),
            *([UniqueConstraint("tag")] if unique == "constraint" else []),
            *([Index("i", "tag", unique=True)] if unique == "index" else []),
        )
        with pytest.raises(ConfigurationError, match="cannot be unique"):
            table.c.v == "x"  # noqa: B015


class TestRotation:
    """Settings of the policy: a new index key tags after 80 minutes and a bit, an old one is retired later still."""

    @pytest.fixture
    def rotated(self, small: Clinic, clock: Clock) -> Clinic:
        """Ann was tagged under the old key and Eve under none; Bob under the new one."""
        small.add(1, ANN)
        assert small.found(ANN) == [1]
        clock.advance(86_400)
        small.encryptor.data_keys.rotate(purpose=Purpose.BLIND_INDEX)
        clock.advance(86_400)
        small.add(2, BOB)
        small.add(3, EVE)
        small.add(4, None)
        small.execute(text("UPDATE patients SET e_mail_tag = NULL WHERE id = 3"))
        small.session.commit()
        return small

    def test_rows_are_found_under_both_keys(self, rotated: Clinic) -> None:
        """Also by a statement that was compiled before, when there was one."""
        assert [rotated.found(mail) for mail in (ANN, BOB, EVE)] == [[1], [2], []]
        others = rotated.session.scalars(select(rotated.patient.id).where(rotated.patient.mail != EVE)).all()
        assert sorted(others) == [1, 2]
        assert len(self.tags(rotated)) == 2

    def test_tagging_anew_and_retiring_ends_it(self, rotated: Clinic) -> None:
        """Every row is found by one tag, and the old one is not asked for."""
        old = rotated.execute(select(rotated.table.c.mail_tag).where(rotated.table.c.id == 1)).scalar_one()
        report = Migration(rotated.engine, rotated.patient).backfill(batch=2)
        assert (report.rows, report.changed, report.failed) == (4, 2, 0)
        assert len(rotated.encryptor.data_keys.retire_index_keys()) == 1
        assert old not in self.tags(rotated)
        assert len(self.tags(rotated)) == 1
        assert [rotated.found(mail) for mail in (ANN, BOB, EVE)] == [[1], [2], [3]]
        rotated.assert_in_step()

    def test_it_can_be_interrupted_and_repeated(self, rotated: Clinic) -> None:
        """What is done is done, and is not done again."""

        def interrupt(_: Progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Migration(rotated.engine, rotated.table).backfill(batch=1, on_progress=interrupt)
        assert Migration(rotated.engine, rotated.table).backfill().changed == 2  # of both together
        assert Migration(rotated.engine, rotated.table).backfill().changed == 0

    def tags(self, clinic: Clinic) -> list[bytes]:
        """Return the tags that are asked for to find Ann."""
        sent: list[Any] = []

        def spy(_: Any, __: Any, sql: str, parameters: Any, *___: Any) -> None:
            sent.extend(map(bytes, parameters))

        event.listen(clinic.engine, "before_cursor_execute", spy)
        clinic.execute(select(clinic.table.c.id).where(clinic.table.c.email == ANN))
        event.remove(clinic.engine, "before_cursor_execute", spy)
        return sent


class TestTaggingAnew:
    def spoil(self, clinic: Clinic, *numbers: int) -> None:
        """Take the tags of some patients, as if an earlier version of the application had written their rows."""
        ids = ", ".join(map(str, numbers))
        clinic.execute(text(f"UPDATE patients SET e_mail_tag = NULL WHERE id IN ({ids})"))
        clinic.session.commit()

    def test_rows_without_tags_get_them(self, clinic: Clinic) -> None:
        """On every database, over batches."""
        clinic.execute(insert(clinic.table), [{"id": number, "email": ANN} for number in range(25)])
        self.spoil(clinic, *range(20))
        report = Migration(clinic.engine, clinic.patient).backfill(batch=7)
        assert (report.rows, report.changed, report.failed) == (25, 20, 0)
        assert len(clinic.found(ANN)) == 25

    def test_a_tag_without_a_value_is_taken_away(self, small: Clinic) -> None:
        """It tells what was there."""
        small.add(1, ANN)
        small.execute(text("UPDATE patients SET e_mail = NULL"))
        small.session.commit()
        assert Migration(small.engine, small.patient).backfill().changed == 1
        assert small.execute(select(small.table.c.mail_tag)).scalar_one() is None

    OF_BOB = "(SELECT e_mail FROM (SELECT * FROM patients) p WHERE id = 2)"

    @pytest.mark.parametrize(
        ("change", "tagged"),
        [
            (f"UPDATE patients SET e_mail = {OF_BOB} WHERE id = 1", 1),
            ("UPDATE patients SET e_mail = NULL WHERE id = 1", 0),
            ("DELETE FROM patients WHERE id = 1", 0),
        ],
    )
    def test_a_row_that_changes_meanwhile_is_tagged_as_it_is(self, clinic: Clinic, change: str, tagged: int) -> None:
        """Even if it was by somebody who makes no tags: it does not get the tag of a value that it has no more."""
        clinic.add(1, ANN)
        clinic.add(2, BOB)
        self.spoil(clinic, 1)
        before_locks = iter([True])

        def meanwhile(_: Any, __: Any, sql: str, *___: Any) -> None:
            if sql.startswith("UPDATE fieldcrypt_migration_ranges") and next(before_locks, False):
                with clinic.engine.begin() as other:
                    other.execute(text(change))

        event.listen(clinic.engine, "before_cursor_execute", meanwhile)
        assert Migration(clinic.engine, clinic.patient).backfill().changed == tagged
        event.remove(clinic.engine, "before_cursor_execute", meanwhile)
        assert next(before_locks, None) is None
        assert clinic.found(ANN) == []
        clinic.session.rollback()
        clinic.assert_in_step()

    def test_rows_that_cannot_be_tagged_are_reported_and_the_others_done(self, small: Clinic) -> None:
        """By primary key, with the error; nothing is shown of the value."""
        for number in range(1, 6):
            small.add(number, ANN)
        small.execute(text("UPDATE patients SET e_mail = x'00' WHERE id = 2"))
        small.execute(text("UPDATE patients SET e_mail = 'text' WHERE id = 3"))
        self.spoil(small, 1, 2, 3, 4, 5)
        report = Migration(small.engine, small.patient).backfill(batch=2)
        assert (report.rows, report.changed, report.failed) == (5, 3, 2)
        assert {key: type(error) for key, error in report.failures.items()} == {
            (2,): DecryptionError,
            (3,): DecryptionError,
        }

    def test_a_second_row_with_a_unique_value_is_reported(self, engine: Engine) -> None:
        """It got in while the two had tags under different keys. All others of its batch are done."""
        table = Table(
            "users",
            MetaData(),
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column("email", Encrypted(String, new_encryptor(), index="tag")),
            Column("tag", BlindIndexTag(), unique=True),
        )
        table.create(engine)
        with engine.begin() as connection:
            for number, mail in enumerate([ANN, ANN, BOB]):
                connection.execute(insert(table).values(id=number, email=mail))
                connection.execute(text("UPDATE users SET tag = NULL"))
        report = Migration(engine, table).backfill()
        assert (report.changed, list(report.failures)) == (2, [(1,)])
        assert "refuses the row" in str(report.failures[1,])

    def test_a_decorated_model_is_tagged_by_tenant(self, tenants: tuple[Session, Any]) -> None:
        """Except rows of a tenant whose keys were destroyed."""
        session, patient = tenants
        session.execute(text("UPDATE patients SET tag = NULL"))
        session.commit()
        patient.email.type.encryptor.data_keys.shred("north", by="test")
        report = Migration(session.get_bind(), patient).backfill()  # type: ignore[arg-type]
        assert (report.rows, report.changed, report.failed) == (4, 2, 0)
        assert numbers(session, select(patient.id).where(of_tenant(patient.email, "south").in_([ANN, BOB]))) == [2, 3]

    def test_a_class_is_tagged_with_its_subclasses(self, engine: Engine) -> None:
        """In whichever table their columns are."""
        keys.configure(LocalKeyProvider.generate(), MemoryKeyStore())
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([Person(id=1, email=ANN), Guest(id=2, email=ANN, room="7")])
            session.add(Employee(id=3, email=ANN, iban="X1"))
            session.commit()
            session.execute(text("UPDATE persons SET email_tag = NULL, room_tag = NULL"))
            session.execute(text("UPDATE employees SET iban_tag = NULL"))
            session.commit()
            assert Migration(engine, Person).backfill().changed == 5
            found = [
                session.scalars(select(model.id).where(condition).order_by(model.id)).all()
                for model, condition in (
                    (Person, Person.email == ANN),
                    (Guest, Guest.room == "7"),
                    (Employee, Employee.iban == "X1"),
                )
            ]
        assert found == [[1, 2, 3], [2], [3]]

    def test_rows_are_told_apart_by_all_of_their_key(self, engine: Engine) -> None:
        """Page after page, and whatever the key's types."""

        class Base(DeclarativeBase):
            pass

        @encrypted(new_encryptor(), row=("day", "place", "number"), tenant="place")
        class Visit(Base):
            __tablename__ = "visits"
            __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012
            day: Mapped[dt.date] = mapped_column(primary_key=True)
            place: Mapped[str] = mapped_column(CHAR(4), primary_key=True)
            number: Mapped[UUID] = mapped_column(primary_key=True)
            who: Mapped[str | None] = mapped_column(Encrypted(String, index="tag"))
            room: Mapped[str | None] = mapped_column(Encrypted(String, index="room_tag"))
            tag: Mapped[bytes | None] = blind_index()
            room_tag: Mapped[bytes | None] = blind_index()

        Base.metadata.create_all(engine)
        days, places = [dt.date(2026, 1, day) for day in (1, 2)], ["a", "bb"]
        with Session(engine) as session:
            for day, place, number in itertools.product(days, places, range(3)):
                session.add(Visit(day=day, place=place, number=UUID(int=number), who=ANN, room=str(number)))
            session.commit()
            session.execute(text("UPDATE visits SET tag = NULL, room_tag = NULL"))
            session.commit()
            assert Migration(engine, Visit).backfill(batch=5).changed == 12
            query = select(func.count()).select_from(Visit)
            found = [session.scalar(query.where(each)) for each in (Visit.who == ANN, Visit.room == "1")]
        assert found == [12, 4]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
class TestAsync:
    def test_sessions_write_and_search(self, async_database: AsyncDatabase, database: Database, kind: str) -> None:
        """With an ordinary key store, whose I/O is done in a thread."""
        patient = patients(new_encryptor())
        patient.metadata.create_all(database(kind))

        async def run(engine: AsyncEngine) -> list[Any]:
            async with AsyncSession(engine) as session:
                session.add_all([patient(id=1, mail=ANN), patient(id=2, mail=BOB)])
                await session.flush()
                await session.execute(update(patient).where(patient.mail == BOB).values(mail=EVE))
                session.add(patient(id=3, mail=EVE))
                await session.commit()
                found = (
                    await session.scalars(select(patient.id).where(patient.mail == EVE).order_by(patient.id))
                ).all()
                (await session.get_one(patient, 3)).mail = ANN
                await session.commit()
                rows = await session.scalars(select(patient).where(patient.mail == ANN).order_by(patient.id))
                return [found, [(row.id, row.mail) for row in rows]]

        assert asyncio.run(run(async_database(kind))) == [[2, 3], [(1, ANN), (3, ANN)]]

    def test_connections_write_and_search(self, async_database: AsyncDatabase, database: Database, kind: str) -> None:
        """Values in the statement, in its parameters, and in conditions."""
        table = patients(new_encryptor()).__table__
        table.metadata.create_all(database(kind))

        async def run(engine: AsyncEngine) -> list[Any]:
            async with engine.begin() as connection:
                await connection.execute(insert(table).values(id=1, email=ANN))
                await connection.execute(insert(table), [{"id": 2, "email": BOB}, {"id": 3, "email": ANN}])
                query = select(table.c.id, table.c.email).where(table.c.email == ANN).order_by(table.c.id)
                return list((await connection.execute(query)).all())

        assert asyncio.run(run(async_database(kind))) == [(1, ANN), (3, ANN)]

    def test_find_and_a_migration_run_in_it(self, async_database: AsyncDatabase, database: Database, kind: str) -> None:
        """By way of `run_sync`."""
        patient = phones(new_encryptor())
        patient.metadata.create_all(database(kind))

        async def run(engine: AsyncEngine) -> tuple[Any, list[int]]:
            async with AsyncSession(engine) as session:
                session.add_all([patient(id=1, phone="555 1"), patient(id=2, phone="555 2")])
                await session.commit()
                await session.execute(text("UPDATE patients SET tag = NULL"))
                await session.commit()
            async with engine.connect() as connection:
                report = await connection.run_sync(lambda sync: Migration(sync.engine, patient).backfill())
            async with AsyncSession(engine) as session:
                found = await session.run_sync(find, select(patient).where(patient.phone == "5551"))
                return report.changed, [each.id for each in found]

        assert asyncio.run(run(async_database(kind))) == (2, [1])


STEPS = ("set", "flush", "commit", "rollback", "expire", "refresh", "update", "bulk", "merge", "core", "tag", "visit")


@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from([ANN, BOB, None])), max_size=12),
    st.booleans(),
    st.booleans(),
)
@settings(relaxed, max_examples=60)
def test_no_sequence_of_writes_gets_the_companion_out_of_step(steps: Any, expire: bool, autoflush: bool) -> None:
    """Through one object, past it, and back."""
    clinic = Clinic(create_engine("sqlite://"))
    clinic.session = Session(clinic.engine, expire_on_commit=expire, autoflush=autoflush)
    with clinic.session as session:
        patient = clinic.add(1, ANN)
        do: dict[str, Callable[[Any], object]] = {
            "set": lambda mail: setattr(patient, "mail", mail),
            "flush": lambda _: session.flush(),
            "commit": lambda _: session.commit(),
            "rollback": lambda _: session.rollback(),
            "expire": lambda _: session.expire(patient),
            "refresh": lambda _: session.refresh(patient),
            "update": lambda mail: session.execute(update(clinic.patient).values(mail=mail)),
            "bulk": lambda mail: session.execute(update(clinic.patient), [{"id": 1, "mail": mail}]),
            "merge": lambda mail: session.merge(clinic.patient(id=1, mail=mail, tag=None)),
            "core": lambda mail: clinic.execute(update(clinic.table).values(email=mail)),
            "tag": lambda _: setattr(patient, "tag", None),
            "visit": lambda _: setattr(patient, "visits", patient.visits + 1),
        }
        for step, mail in steps:
            do[step](mail)
        session.commit()
        clinic.assert_in_step()
    clinic.engine.dispose()


def test_many_threads_tag_and_search_at_once(database: Database) -> None:
    """The first of them make the index key, and all find what all have written."""
    clinic = Clinic(database("sqlite"))
    ready = threading.Barrier(8)

    def work(number: int) -> bytes:
        ready.wait()
        return bytes(clinic.patient.mail.type.tagger.tag(f"{number % 2}@x", None))

    with ThreadPoolExecutor(8) as pool:
        tags = list(pool.map(work, range(8)))
    assert len(set(tags)) == 2
    assert len(clinic.encryptor.store.list(None)) == 1  # type: ignore[union-attr]


def test_objects_are_copied_with_their_tags(small: Clinic) -> None:
    """By pickle and copy; what is added to another session is found there."""
    patient = small.add(1, ANN)
    small.session.refresh(patient)
    state = {key: value for key, value in vars(patient).items() if key != "_sa_instance_state"}
    assert pickle.loads(pickle.dumps(state)) == copy.deepcopy(state) == state
    assert type(pickle.loads(pickle.dumps(state))["tag"]) is type(patient.tag)
