"""Tables of a row's history, which libraries make of a decorated model: they open with what it was bound to then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, String, Table, create_engine, event, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    attributes,
    configure_mappers,
    mapped_column,
    object_mapper,
)
from sqlalchemy_continuum import make_versioned, remove_versioning, version_class

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted

ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


@pytest.fixture
def continuum() -> Iterator[None]:
    make_versioned(user_cls=None)
    yield
    remove_versioning()


@pytest.mark.usefixtures("continuum")
def test_continuum_keeps_versions_that_open(tmp_path: Path) -> None:
    """Of a row that was changed, moved to another tenant, and deleted; searches find them by the values they had."""
    engine = create_engine(f"sqlite:///{tmp_path}/versions.sqlite")

    class Base(DeclarativeBase):
        pass

    @encrypted(ENCRYPTOR, row="id", tenant="clinic")
    class Patient(Base):
        __tablename__ = "patients"
        __versioned__ = {}  # type: ignore[var-annotated] # noqa: RUF012
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        clinic: Mapped[str] = mapped_column(String(40))
        ssn: Mapped[str] = mapped_column(Encrypted(String))
        email: Mapped[str] = mapped_column(Encrypted(String, index="email_tag"))
        email_tag: Mapped[bytes | None] = blind_index()

    configure_mappers()
    version: Any = version_class(Patient)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        patient: Any = Patient(id=1, clinic="a", ssn="s1", email="e1")
        session.add(patient)
        session.commit()
        patient.ssn = "s2"
        session.commit()
        patient.clinic = "b"
        session.commit()
        session.delete(patient)
        session.commit()
    with Session(engine) as session:
        versions = session.scalars(select(version).order_by(version.transaction_id)).all()
        assert [(v.clinic, v.ssn, v.email) for v in versions[:3]] == [
            ("a", "s1", "e1"),
            ("a", "s2", "e1"),
            ("b", "s2", "e1"),
        ]
        assert versions[1].changeset == {"ssn": ["s1", "s2"]}
        assert len(session.scalars(select(version.ssn).where(version.email == "e1")).all()) == 4
    engine.dispose()


def _with_history(base: Any, model: Any) -> Any:
    """Make a class for the history of another one, as SQLAlchemy's recipe `history_meta` does."""
    columns = [Column("version", Integer, primary_key=True, autoincrement=False)]
    for column in model.__table__.c:
        copy: Any = column._copy()
        copy.unique = False
        copy.default = copy.server_default = None
        columns.append(copy)
    table = Table("patients_history", base.metadata, *columns)
    return type("PatientHistory", (base,), {"__table__": table})


def _note_versions(session: Session, history: Any) -> None:
    """Keep what objects were, before they are flushed."""
    for target in list(session.dirty):
        old = {}
        for prop in object_mapper(target).column_attrs:
            added, unchanged, deleted = attributes.get_history(target, prop.key)
            old[prop.key] = (deleted or unchanged or added or [None])[0]
        session.add(history(version=session.info.setdefault("version", 0), **old))
        session.info["version"] += 1


def test_copied_columns_keep_versions_that_open(engine: Engine) -> None:
    """What an attribute's history tells of a value that nobody has read is sealed, and is written for its old row."""

    class Base(DeclarativeBase):
        pass

    @encrypted(ENCRYPTOR, row="id", tenant="clinic")
    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[str] = mapped_column(String(40), primary_key=True)
        clinic: Mapped[str] = mapped_column(String(40))
        ssn: Mapped[str] = mapped_column(Encrypted(String))
        born: Mapped[str | None] = mapped_column(Encrypted(String))

    history = _with_history(Base, Patient)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Patient(id="1", clinic="a", ssn="s1", born="1970"))
        session.commit()
        event.listen(session, "before_flush", lambda session, *_: _note_versions(session, history))
        session.get_one(Patient, "1").ssn = "s2"
        session.commit()
        session.get_one(Patient, "1").clinic = "b"
        session.commit()
        patient = session.get_one(Patient, "1")
        assert (patient.clinic, patient.ssn, patient.born) == ("b", "s2", "1970")
    with Session(engine) as session:
        versions = session.scalars(select(history).order_by(history.version)).all()
        assert [(v.clinic, v.ssn, v.born) for v in versions] == [("a", "s1", "1970"), ("a", "s2", "1970")]
