"""Celery workers: what stands in their queue, what they ask KMS for, and what they do while it is away."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from examples.celery_reports.models import Base, Patient, Report, encryptor, sessions
from examples.celery_reports.tasks import write_report
from fieldcrypt.settings import Settings
from fieldcrypt.testing import FaultyProxy
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.examples import reports_on_files
from tests.examples.program import running
from tests.support.servers import until

NAME, DIAGNOSIS = "Ann Archer", "hay fever"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that is the broker of all tests here: Celery keeps its connection to it."""
    directory = tmp_path_factory.mktemp("broker")
    for name in ("queue", "control"):
        (directory / name).mkdir()
    reports_on_files.use(directory)
    return directory


@pytest.fixture
def clinic(database: Any, keys: Settings, kms: FaultyProxy, broker: Path) -> Iterator[Any]:
    """A database with a patient, a queue, and KMS behind a proxy."""
    engine = database("postgresql")
    Base.metadata.create_all(engine)
    sessions.configure(bind=engine)
    keys.configure(encryptor, store=SqlKeyStore(engine))
    patient = Patient(clinic_id="north", name=NAME, diagnosis=DIAGNOSIS)
    with sessions(expire_on_commit=False) as session, session.begin():
        session.add(patient)
    variables = {
        "DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "FIELDCRYPT_PROVIDER": keys.provider,
        "BROKER_DIRECTORY": str(broker),
    }
    yield SimpleNamespace(engine=engine, patient=patient, queue=broker / "queue", kms=kms, variables=variables)
    for message in (broker / "queue").iterdir():
        message.unlink()
    encryptor.close()


def worker(clinic: Any) -> Any:
    arguments = ["-A", "tests.examples.reports_on_files", "worker", "--pool=prefork", "--concurrency=2"]
    return running("celery", *arguments, "--loglevel=INFO", "--without-mingle", environment=clinic.variables)


def messages(queue: Path) -> list[bytes]:
    """What stands in a queue, as somebody who can read the broker sees it."""
    found = [json.loads(path.read_bytes()) for path in sorted(queue.iterdir()) if path.is_file()]
    return [json.dumps(each["headers"]).encode() + base64.b64decode(each["body"]) for each in found]


def report_is_there(clinic: Any) -> bool:
    with Session(clinic.engine) as session:
        report = session.get(Report, clinic.patient.id)
        return report is not None and report.text == f"{NAME} is treated for {DIAGNOSIS}."


def test_the_queue_has_the_id_of_a_patient_and_nothing_else(clinic: Any) -> None:
    write_report.delay(str(clinic.patient.id))
    (message,) = messages(clinic.queue)
    assert str(clinic.patient.id).encode() in message
    assert not [value for value in (NAME, DIAGNOSIS) if value.encode() in message]


def test_forked_workers_do_a_task_with_the_keys_that_their_parent_fetched(clinic: Any) -> None:
    """A data key once, for all of them; what they write under it asks KMS for nothing either."""
    write_report.delay(str(clinic.patient.id))
    before = clinic.kms.requests
    with worker(clinic) as program:
        until(lambda: report_is_there(clinic), "the report")
        assert clinic.kms.requests - before == 1
        program.stop()
    assert program.status == 0
    assert not [value for value in (NAME, DIAGNOSIS) if value in program.said]


def test_a_task_waits_for_kms_and_is_done_when_that_is_back(clinic: Any) -> None:
    clinic.kms.refuse()
    write_report.delay(str(clinic.patient.id))
    with worker(clinic) as program:
        program.until_it_says(r"(started without all data keys)")
        program.until_it_says(r"(Retry in)")
        clinic.kms.healthy()
        until(lambda: report_is_there(clinic), "the report")
    assert not [value for value in (NAME, DIAGNOSIS) if value in program.said]


def test_a_pickled_argument_leaks_plaintext_unless_it_is_a_decorated_object(clinic: Any) -> None:
    """Somebody who can read the broker reads a dictionary, whose values also stand in a header of their own."""
    for argument in ({"name": clinic.patient.name, "diagnosis": clinic.patient.diagnosis}, clinic.patient):
        write_report.apply_async([argument], serializer="pickle")
    of_dictionary, of_object = sorted(messages(clinic.queue), key=lambda message: NAME.encode() not in message)
    assert of_dictionary.count(NAME.encode()) == 2
    assert NAME.encode() not in of_object
    assert pickle.loads(of_object[of_object.index(b"\x80") :])[0][0].name == NAME
