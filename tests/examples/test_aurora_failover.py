"""A clinic on an Aurora global database while a region is lost, its database and its KMS at once."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
from aws_advanced_python_wrapper.cleanup import release_resources
from sqlalchemy import Engine

from examples.aurora_failover import patients
from examples.aurora_failover.database import start
from examples.aurora_failover.models import Base, encryptor
from fieldcrypt.testing import LocalAws
from tests.examples.aurora import FIRST, SECOND, Aurora, aurora
from tests.support.servers import until

BEFORE, AFTER = 30, 30  # patients admitted before the region is lost, and once the other one has taken over
CLINICS = [f"clinic-{number}" for number in range(3)]


class Person(NamedTuple):
    """What was admitted."""

    id: UUID
    name: str
    ssn: str


class Admissions(Thread):
    """Admits patients until told to stop; keeps those who were acknowledged, and the error if one came."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Person] = []
        self.error: Exception | None = None
        self.stopping = False

    def run(self) -> None:
        try:
            while not self.stopping:
                person = Person(uuid4(), f"Patient {len(self.done)}", f"ssn {len(self.done)}")
                patients.admit(person.id, CLINICS[len(self.done) % len(CLINICS)], person.name, person.ssn)
                self.done.append(person)
        except Exception as error:  # noqa: BLE001 (whatever it is, a test says that there was none)
            self.error = error


class Failover(NamedTuple):
    """What is left when a region is gone."""

    database: Aurora
    admissions: Admissions
    at_loss: int  # how many were admitted by then


def configure(patch: pytest.MonkeyPatch, database: Aurora, aws: LocalAws, key: str, region: str) -> Engine:
    """Start the application as a new process of a region would, with an environment of its own."""
    endpoints = "&".join(f"endpoint.{each}={aws.endpoint(each)}" for each in aws.regions)
    patch.setenv("DATABASE_URL", database.endpoint(region).render_as_string(hide_password=False))
    patch.setenv("AURORA_INSTANCES", database.instances)
    patch.setenv("AWS_REGION", region)
    patch.setenv("AWS_ACCESS_KEY_ID", "local")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    patch.setenv("FIELDCRYPT_PROVIDER", f"awskms:{key}?regions={FIRST},{SECOND}&{endpoints}")
    return start()


@pytest.fixture(scope="class")
def failover(aws: LocalAws, kms_key: str) -> Iterator[Failover]:
    """One failover, in the middle of writing, of which the tests tell one fact each."""
    with pytest.MonkeyPatch.context() as patch, aurora() as database:
        engine = configure(patch, database, aws, kms_key, FIRST)
        Base.metadata.create_all(engine)
        admissions = Admissions()
        admissions.start()
        try:
            until(lambda: len(admissions.done) >= BEFORE or admissions.error, "patients before the loss")
            at_loss = len(admissions.done)
            aws.cut(FIRST)
            database.writer.kill()
            database.replica.promote()
            until(lambda: len(admissions.done) >= at_loss + AFTER or admissions.error, "patients after the loss")
        finally:
            admissions.stopping = True
            admissions.join()
            engine.dispose()
        yield Failover(database, admissions, at_loss)
        release_resources()
        aws.restore(FIRST)


@pytest.fixture
def another(failover: Failover, aws: LocalAws, kms_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that starts in the region that is left, after the failover."""
    engine = configure(monkeypatch, failover.database, aws, kms_key, SECOND)
    yield
    engine.dispose()
    encryptor.close()


@pytest.mark.usefixtures("another")
class TestFailover:
    def test_no_admission_fails(self, failover: Failover) -> None:
        assert failover.admissions.error is None
        assert len(failover.admissions.done) >= failover.at_loss + AFTER

    def test_every_patient_who_was_admitted_is_read(self, failover: Failover) -> None:
        """Those of both regions, each under the data keys of its clinic."""
        for person in failover.admissions.done:
            assert patients.name_of(person.id) == person.name

    def test_every_patient_is_found_once(self, failover: Failover) -> None:
        """Also the one whose admission was repeated."""
        for person in failover.admissions.done:
            assert patients.find(person.ssn) == [person.id]

    def test_a_new_clinic_gets_its_data_key_from_the_region_that_is_left(self, failover: Failover) -> None:
        patient = uuid4()
        patients.admit(patient, "new clinic", "Ann Example", "078-05-1120")
        assert patients.name_of(patient) == "Ann Example"
