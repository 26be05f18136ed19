"""What a plan says of a column that becomes ciphertext, before anything is encrypted."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import JSON, Column, Engine, ForeignKey, Integer, MetaData, String, Table, Text, create_engine, inspect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import IndexedBy
from fieldcrypt.search import Prefixes
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import Database
from tests.migration.tables import ENCRYPTOR, SOON, do


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_what_the_database_does_with_plaintext_is_told(database: Database, kind: str) -> None:
    """Constraints, computed columns, defaults and indexes look at ciphertext then; not those of other columns."""
    engine, type_ = database(kind), "varchar(200)"
    do(
        engine,
        f"CREATE TABLE patients (id int PRIMARY KEY, ssn {type_} DEFAULT 'none', ssn_too {type_} DEFAULT 'x', "
        f"files json, head {type_} GENERATED ALWAYS AS (substr(ssn, 1, 3)) STORED, CONSTRAINT once UNIQUE (ssn), "
        "CONSTRAINT short CHECK (length(ssn) < 20),\nCONSTRAINT other CHECK (ssn_too <> ''))",
        "CREATE INDEX of_others ON patients (ssn_too)",
        "INSERT INTO patients (id, ssn) VALUES (1, 'Ann')",
    )
    columns: list[Column[Any]] = [
        Column(
            "ssn", Encrypted(String(20), ENCRYPTOR, name="patients.ssn", storage=String(200), accept_plaintext=SOON)
        ),
        Column("files", Encrypted(JSON, ENCRYPTOR, name="patients.files", storage=JSON, accept_plaintext=SOON)),
    ]
    people = Table("patients", MetaData(), Column("id", Integer, primary_key=True), *columns)
    remarks = Migration(engine, people).plan().remarks
    told = ("the CHECK constraint short", "the computed column head", "has the default 'none'", "the index once is on")
    assert len(remarks) == len(told), remarks
    assert all(any(each in remark for remark in remarks) for each in told)
    assert not any(each in remark for remark in remarks for each in ("other", "of_others", "files"))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_companions_that_are_missing_come_with_the_indexes_that_the_model_declares(
    database: Database, kind: str
) -> None:
    """The statements word for word make the columns and indexes that `create_all` would, so that no search scans."""
    engine = database(kind)
    prefixes = IndexedBy("name_prefix", of=Prefixes(3, 4), accept_leakage=True, one_companion=kind == "postgresql")

    class Base(DeclarativeBase):
        pass

    @encrypted(ENCRYPTOR, row="id")
    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        ssn: Mapped[str] = mapped_column(Encrypted(String, index="ssn_tag", accept_plaintext=SOON))
        ssn_tag: Mapped[bytes | None] = blind_index(unique=True)
        name: Mapped[str] = mapped_column(Encrypted(String, index=["name_tag", prefixes], accept_plaintext=SOON))
        name_tag: Mapped[bytes | None] = blind_index()
        if kind == "postgresql":
            name_prefix: Mapped[bytes | None] = blind_index(array=True)
        else:
            name_prefix_3: Mapped[bytes | None] = blind_index()
            name_prefix_4: Mapped[bytes | None] = blind_index(index=False)

    Base.metadata.create_all(engine)
    wanted = _indexes(engine)
    Base.metadata.drop_all(engine)
    binary = "bytea" if kind == "postgresql" else "blob"
    do(engine, f"CREATE TABLE patients (id int PRIMARY KEY, ssn {binary} NOT NULL, name {binary} NOT NULL)")
    needed = Migration(engine, Patient).plan().needed
    gin = "CREATE INDEX ix_patients_name_prefix ON patients USING gin (name_prefix)"
    assert any(each.endswith(gin) for each in needed) == (kind == "postgresql")
    assert any(each.endswith("CREATE UNIQUE INDEX uq_patients_ssn_tag ON patients (ssn_tag)") for each in needed)
    do(engine, *(each.partition(": ")[2] for each in needed))
    assert _indexes(engine) == wanted
    assert len(wanted) == 3
    assert Migration(engine, Patient).plan().needed == ()


def _indexes(engine: Engine) -> set[tuple[Any, ...]]:
    """Of what columns, whether they are unique, and of what kind."""
    look = inspect(engine)
    found = {
        (*each["column_names"], bool(each["unique"]), (each.get("dialect_options") or {}).get("postgresql_using"))
        for each in look.get_indexes("patients")
    }
    return found | {(*each["column_names"], True, None) for each in look.get_unique_constraints("patients")}


def test_columns_that_a_migration_with_copies_leaves_out_are_told() -> None:
    """A column of the same model that still accepts plaintext is named at each step, with what encrypts it."""
    engine = create_engine("sqlite://")

    class Base(DeclarativeBase):
        pass

    @encrypted(ENCRYPTOR, row="id", fields="left-out")
    class Claim(Base):
        __tablename__ = "claims"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        name: Mapped[str | None]
        name_encrypted: Mapped[str | None] = mapped_column(Encrypted(String))
        note: Mapped[str | None] = mapped_column(Encrypted(Text, storage=Text, accept_plaintext=SOON))
        iban: Mapped[str | None] = mapped_column(Encrypted(String))

    Base.metadata.create_all(engine)
    do(engine, "INSERT INTO claims (id, name, note) VALUES (1, 'Ann', 'a note')")
    copying = Migration(engine, Claim, {"name": "name_encrypted"})
    (told,) = copying.plan().remarks
    assert told.startswith("claims.note may still have plaintext, and is not part of this migration")
    assert 'name="claims-in-place"' in told
    copying.backfill()
    verified = copying.verify()
    assert (verified.wrong, verified.remarks) == (0, (told,))
    assert str(verified) == "the only row is correct in what is part of this migration"
    assert told in copying.finish().remarks
    in_place = Migration(engine, Claim, name="claims-in-place")
    assert in_place.plan().remarks == ()
    assert in_place.backfill().changed == 1
    assert str(in_place.verify()) == "the only row is correct"


@pytest.mark.parametrize("joined", [True, False], ids=["joined", "single table"])
def test_columns_of_derived_classes_that_are_left_out_are_told(joined: bool) -> None:
    """Also where nothing of the derived class is copied; those that it inherits are told once."""
    engine = create_engine("sqlite://")

    class Base(DeclarativeBase):
        pass

    @encrypted(ENCRYPTOR, row="id", fields="people")
    class Person(Base):
        __tablename__ = "people"
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        kind: Mapped[str]
        name: Mapped[str | None]
        name_encrypted: Mapped[str | None] = mapped_column(Encrypted(String))
        note: Mapped[str | None] = mapped_column(Encrypted(Text, storage=Text, accept_plaintext=SOON))

    class Doctor(Person):
        __mapper_args__ = {"polymorphic_identity": "doctor"}  # noqa: RUF012
        if joined:
            __tablename__ = "doctors"
            id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
        licence: Mapped[str | None] = mapped_column(Encrypted(Text, storage=Text, accept_plaintext=SOON))

    Base.metadata.create_all(engine)
    copying = Migration(engine, Person, {"name": "name_encrypted"})
    remarks = copying.plan().remarks
    told = [remark.partition(" may still have plaintext")[0] for remark in remarks]
    assert told == ["people.note", "doctors.licence" if joined else "people.licence"]
    copying.backfill()
    assert copying.verify().remarks == remarks
    assert Migration(engine, Person, name="people-in-place").plan().remarks == ()
