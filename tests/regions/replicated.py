"""Two regions on one replicated database, each with its own KMS, as the model of an Aurora global database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import ForeignKey, LargeBinary, String, create_engine, select, type_coerce
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool

from fieldcrypt import Encryptor, KeyPolicy
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws
from fieldcrypt_sqlalchemy import Encrypted, SqlKeyStore, blind_index, encrypted
from tests.support.mariadb import MariaDb, MariaDbReplica
from tests.support.postgres import Postgres, Standby
from tests.support.servers import Replica, Server

FIRST, SECOND = "us-east-1", "eu-west-1"
KINDS = ["postgresql", "mariadb"]
SSN = "078-05-1120"
CLINICS = [f"clinic-{number}" for number in range(4)]
POLICY = KeyPolicy(propagation_delay=timedelta(0))  # a rotated key is used at once: it replicates before its values


def models(encryptor: Encryptor) -> tuple[Any, Any]:
    """Return models of its own for each application: a column's type holds the keys."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        """Bound to its columns, with keys of no tenant; found by its ssn."""

        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        clinic: Mapped[str] = mapped_column(String(50))
        ssn: Mapped[str] = mapped_column(Encrypted(String, encryptor, index="ssn_tag"))
        ssn_tag: Mapped[bytes | None] = blind_index(unique=True)

    @encrypted(encryptor, row="patient_id", tenant="clinic")
    class Note(Base):
        """Bound to its row, under the clinic's own keys."""

        __tablename__ = "notes"
        patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), primary_key=True, autoincrement=False)
        clinic: Mapped[str] = mapped_column(String(50))
        text: Mapped[str] = mapped_column(Encrypted(String))

    return Patient, Note


class Row(NamedTuple):
    """A row as the application knows it, unencrypted."""

    id: int
    clinic: str
    ssn: str
    note: str

    @classmethod
    def of(cls, number: int, clinic: str) -> Row:
        return cls(number, clinic, f"ssn of {number}", f"note of {number}")


class Region:
    """An application in a region: its own KMS client for the region's own key, its own database, keys of the database.

    Args:
        aws: all regions.
        key: the ARN of the multi-Region key.
        name: the region; KMS is called in no other.
        server: the region's database.
    """

    def __init__(self, aws: LocalAws, key: str, name: str, server: Server) -> None:
        self.name = name
        self.engine = create_engine(server.url, poolclass=NullPool)
        provider = AwsKmsKeyProvider(key, regions=[name], client_factory=aws.kms)
        self.store = SqlKeyStore(self.engine)
        self.encryptor = Encryptor(provider, self.store, policy=POLICY)
        self.patient, self.note = models(self.encryptor)

    def create_tables(self) -> None:
        self.store.create_table()
        self.patient.metadata.create_all(self.engine)

    def write(self, row: Row) -> None:
        """Insert a row; it is acknowledged when this returns."""
        with Session(self.engine) as session:
            session.add(self.patient(id=row.id, clinic=row.clinic, ssn=row.ssn))
            session.flush()
            session.add(self.note(patient_id=row.id, clinic=row.clinic, text=row.note))
            session.commit()

    def read(self) -> set[Row]:
        """Return all rows, with all their fields decrypted."""
        query = select(self.patient, self.note).join(self.note)
        with Session(self.engine) as session:
            return {Row(p.id, p.clinic, p.ssn, note.text) for p, note in session.execute(query)}

    def find(self, ssn: str) -> list[int]:
        """Return the ids of the patients who have an ssn, by its blind index."""
        with Session(self.engine) as session:
            return list(session.scalars(select(self.patient.id).where(self.patient.ssn == ssn)))

    def key_ids(self) -> dict[int, bytes]:
        """Return the id of the data key of each row's ssn, by the row's id."""
        query = select(self.patient.id, type_coerce(self.patient.ssn, LargeBinary))
        with self.engine.connect() as connection:
            return {number: bytes(value)[1:17] for number, value in connection.execute(query)}


class Pair(NamedTuple):
    """Two regions of AWS, with a key in both, and a database in each, the second a replica of the first."""

    aws: LocalAws
    key: str
    primary: Server
    replica: Replica

    def first(self) -> Region:
        """Start an application in the first region."""
        return Region(self.aws, self.key, FIRST, self.primary)

    def second(self) -> Region:
        """Start an application in the second region."""
        return Region(self.aws, self.key, SECOND, self.replica)


@contextmanager
def running(request: pytest.FixtureRequest, *, synchronous: bool = True) -> Iterator[Pair]:
    """Run a pair of the kind that a fixture's parameter says, with empty tables."""
    with ExitStack() as stack:
        primary: Server
        replica: Replica
        if request.param == "postgresql":
            primary = postgres = stack.enter_context(Postgres())
            replica = stack.enter_context(Standby(postgres, synchronous=synchronous))
        else:
            primary = mariadb = stack.enter_context(MariaDb(request.getfixturevalue("mariadb_installation")))
            replica = stack.enter_context(MariaDbReplica(mariadb, synchronous=synchronous))
        aws = stack.enter_context(LocalAws((FIRST, SECOND), isolated=True))
        pair = Pair(aws, aws.create_key(), primary, replica)
        pair.first().create_tables()
        yield pair
