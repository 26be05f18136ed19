"""Pickles of decorated objects: for caches and queues, which keep what they are given."""

from __future__ import annotations

import pickle
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import JSON, Column, Integer, MetaData, String, Table, create_engine, func, insert, select
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor, FileKeyStore, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, ProtectedColumnError, encrypted

SSN = "078-05-1120"
ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


class Base(DeclarativeBase):
    pass


@encrypted(ENCRYPTOR, row="id", tenant="clinic")
class Patient(Base):
    __tablename__ = "patients"
    id: Mapped[str] = mapped_column(primary_key=True)
    clinic: Mapped[str]
    ssn: Mapped[str | None] = mapped_column(Encrypted(String))
    notes: Mapped[dict[str, Any] | None] = mapped_column(MutableDict.as_mutable(Encrypted(JSON)))


@pytest.fixture
def session(tmp_path: Any) -> Iterator[Session]:
    engine = create_engine(f"sqlite:///{tmp_path}/patients.sqlite")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Patient(id="1", clinic="north", ssn=SSN, notes={"secret": SSN}))
        session.commit()
        yield session
    engine.dispose()


def cached(patient: Patient) -> Patient:
    """Return what a cache gives back, which has seen no plaintext."""
    data = pickle.dumps(patient)
    assert SSN.encode() not in data
    again: Patient = pickle.loads(data)
    return again


def test_an_object_that_was_read_is_pickled_sealed(session: Session) -> None:
    """And can be read when it comes back, without a session."""
    patient = session.get_one(Patient, "1")
    assert (patient.ssn, patient.notes) == (SSN, {"secret": SSN})
    again = cached(patient)
    assert (again.ssn, again.notes) == (SSN, {"secret": SSN})


def test_an_object_that_was_just_flushed_is_pickled_sealed(session: Session) -> None:
    """Its values have not come from the database."""
    patient = Patient(id="2", clinic="north", ssn=SSN)
    session.add(patient)
    session.flush()
    assert cached(patient).ssn == SSN


def test_a_change_that_was_not_flushed_is_pickled_sealed_and_written_later(session: Session) -> None:
    """Neither the new value is in the pickle, nor the one before."""
    patient = session.get_one(Patient, "1")
    patient.ssn = SSN + "-new"
    again = cached(patient)
    session.rollback()
    session.merge(again)
    session.commit()
    session.expire_all()
    assert session.scalars(select(Patient)).one().ssn == SSN + "-new"


def test_a_move_that_was_not_flushed_survives_a_pickle(session: Session) -> None:
    """The values open with what the row is bound to in the database, and move later."""
    patient = session.get_one(Patient, "1")
    assert patient.ssn == SSN
    patient.clinic = "south"
    again = cached(patient)
    session.rollback()
    session.merge(again)
    session.commit()
    read = session.get_one(Patient, "1")
    assert (read.clinic, read.ssn, read.notes) == ("south", SSN, {"secret": SSN})


def test_changes_within_a_value_are_tracked_after_a_pickle(session: Session) -> None:
    """The value that comes back is of the type that tracks them."""
    patient = session.get_one(Patient, "1")
    again = cached(patient)
    session.expunge(patient)
    session.add(again)
    assert again.notes is not None
    again.notes["more"] = 1
    session.commit()
    assert session.get_one(Patient, "1").notes == {"secret": SSN, "more": 1}


def test_a_new_object_with_a_key_is_pickled_sealed() -> None:
    """For the row that it will have."""
    assert cached(Patient(id="3", clinic="north", ssn=SSN)).ssn == SSN


def test_a_new_object_without_a_key_is_not_pickled() -> None:
    """Nothing is known to seal its values for."""
    with pytest.raises(ProtectedColumnError, match=r"Patient.id is None.*flush the object, or give"):
        pickle.dumps(Patient(ssn=SSN))


def test_a_table_that_was_used_can_be_pickled(tmp_path: Any) -> None:
    """As SQLAlchemy's reflected tables are kept; what comes back protects and searches as before."""
    (tmp_path / "local.key").write_bytes(b64encode(bytes(32)))
    (tmp_path / "local.key").chmod(0o600)
    encryptor = Encryptor(LocalKeyProvider.from_file(tmp_path / "local.key"), FileKeyStore.create(tmp_path / "keys"))
    number: Column[str] = Column("ssn", Encrypted(String, encryptor, index="tag"))
    table = Table("patients", MetaData(), Column("id", Integer), number, Column("tag", BlindIndexTag()))
    with create_engine("sqlite://").begin() as connection:
        table.create(connection)
        connection.execute(insert(table), [{"id": 1, "ssn": SSN}])
        assert connection.scalar(select(table.c.id).where(table.c.ssn == SSN)) == 1
        again = pickle.loads(pickle.dumps(table))
        assert connection.execute(select(again.c.ssn).where(again.c.ssn == SSN)).all() == [(SSN,)]
        with pytest.raises(ProtectedColumnError, match=r"patients\.ssn"):
            connection.execute(select(again.c.id).where(func.lower(again.c.ssn) == SSN))
