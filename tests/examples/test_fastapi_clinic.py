"""The clinic on FastAPI, async SQLAlchemy and PostgreSQL: migrated by Alembic, and asked as its clients ask it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from alembic import command
from alembic.config import Config
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from examples.fastapi_clinic.app import create_app
from examples.fastapi_clinic.models import encryptor
from fieldcrypt.settings import Settings
from fieldcrypt.testing import FaultyProxy
from tests.examples.program import running

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_clinic"
SSN, EMAIL, NAME = "078-05-1120", "Ann@example.org", "Ann Archer"
NEW = {"name": NAME, "ssn": SSN, "email": EMAIL, "born": "1970-01-01", "ward": "4"}
NORTH, SOUTH = {"X-Clinic": "north"}, {"X-Clinic": "south"}


@pytest.fixture
def migrated(database: Any, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A PostgreSQL that Alembic has made the tables of."""
    engine: Engine = database("postgresql")
    url = engine.url.set(drivername="postgresql+asyncpg")
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    command.upgrade(Config(str(EXAMPLE / "alembic.ini")), "head")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO clinics VALUES ('north', 'North'), ('south', 'South')"))
    return engine


@pytest.fixture
def clinic(migrated: Engine, keys: Settings, kms: FaultyProxy) -> Iterator[Any]:
    """The application, what it stores in, and KMS."""
    url = migrated.url.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
    with TestClient(create_app(url, keys)) as client:
        yield SimpleNamespace(client=client, engine=migrated, url=url, keys=keys, kms=kms)


def test_the_migration_is_what_the_models_say(migrated: Engine) -> None:
    command.check(Config(str(EXAMPLE / "alembic.ini")))


def test_a_patient_is_found_by_email_however_it_is_spelled(clinic: Any) -> None:
    added = clinic.client.post("/patients", json=NEW, headers=NORTH)
    found = clinic.client.get("/patients", params={"email": "ann@EXAMPLE.org"}, headers=NORTH)
    assert found.json() == [added.json()]


def test_the_database_has_ciphertext_alone(clinic: Any) -> None:
    clinic.client.post("/patients", json=NEW, headers=NORTH)
    with clinic.engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM patients")).one()
    stored = b"".join(bytes(value) for value in row if isinstance(value, (bytes, memoryview)))
    assert {type(row.ssn), type(row.email_tag)} == {bytes}
    assert not [secret for secret in (SSN, EMAIL, NAME) if secret.encode() in stored]


def test_a_response_shows_neither_ssn_nor_tag(clinic: Any) -> None:
    answer = clinic.client.post("/patients", json=NEW, headers=NORTH).json()
    assert answer.keys() == {"id", "ward", "name", "email", "born"}
    schemas = clinic.client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["PatientView"]["properties"].keys() == answer.keys()


def test_a_clinic_sees_its_own_patients_alone(clinic: Any) -> None:
    number = clinic.client.post("/patients", json=NEW, headers=NORTH).json()["id"]
    assert clinic.client.get(f"/patients/{number}", headers=NORTH).status_code == 200
    assert clinic.client.get(f"/patients/{number}", headers=SOUTH).status_code == 404
    assert clinic.client.get("/patients", params={"email": EMAIL}, headers=SOUTH).json() == []


def test_an_address_is_unique_within_its_clinic(clinic: Any) -> None:
    again = {**NEW, "email": EMAIL.upper()}
    statuses = [
        clinic.client.post("/patients", json=new, headers=who).status_code
        for new, who in [(NEW, NORTH), (again, NORTH), (again, SOUTH)]
    ]
    assert statuses == [201, 409, 201]


def test_a_clinic_that_does_not_exist_gets_no_data_key(clinic: Any) -> None:
    assert clinic.client.post("/patients", json=NEW, headers={"X-Clinic": "nowhere"}).status_code == 403
    with clinic.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM fieldcrypt_data_keys")) == 0


@pytest.mark.parametrize(
    ("fail", "status"),
    [(FaultyProxy.error, 503), (lambda kms: kms.fail("AccessDeniedException", "no"), 500)],
    ids=["outage of KMS", "its refusal"],
)
def test_reading_searching_and_writing_answer_the_same_when_kms_fails(
    fail: Callable[[FaultyProxy], None], status: int, clinic: Any
) -> None:
    """With nothing in the answer that says why; an outage says when to try again."""
    number = clinic.client.post("/patients", json=NEW, headers=NORTH).json()["id"]
    encryptor.forget()
    fail(clinic.kms)
    answers = [
        clinic.client.get(f"/patients/{number}", headers=NORTH),
        clinic.client.get("/patients", params={"email": EMAIL}, headers=NORTH),
        clinic.client.post("/patients", json=NEW, headers=NORTH),
    ]
    assert [answer.status_code for answer in answers] == 3 * [status]
    assert all(answer.json().keys() == {"detail"} and "key" not in answer.text for answer in answers)
    assert {"Retry-After" in answer.headers for answer in answers} == {status == 503}


def test_a_clinic_that_was_shredded_is_gone(clinic: Any) -> None:
    number = clinic.client.post("/patients", json=NEW, headers=NORTH).json()["id"]
    encryptor.data_keys.shred("north", by="the clinic's wish")
    assert clinic.client.get(f"/patients/{number}", headers=NORTH).status_code == 410


def test_a_value_that_was_moved_to_another_row_is_a_fault_of_the_server(clinic: Any) -> None:
    """Anyone who can write to the table cannot show one patient the name of another."""
    ann = clinic.client.post("/patients", json=NEW, headers=NORTH).json()["id"]
    clinic.client.post("/patients", json={**NEW, "name": "Bob", "email": "bob@example.org"}, headers=NORTH)
    with clinic.engine.begin() as connection:
        connection.execute(text("UPDATE patients SET name = (SELECT max(name) FROM patients)"))
        others = connection.scalars(text("SELECT count(DISTINCT name) FROM patients")).one()
    statuses = [
        clinic.client.get(f"/patients/{row}", headers=NORTH).status_code
        for row in [ann, *(each for each in patient_ids(clinic.engine) if each != ann)]
    ]
    assert (others, sorted(statuses)) == (1, [200, 500])


def test_a_new_process_has_its_keys_before_the_first_request(clinic: Any) -> None:
    number = clinic.client.post("/patients", json=NEW, headers=NORTH).json()["id"]
    encryptor.forget()
    with TestClient(create_app(clinic.url, clinic.keys)) as started:
        before = clinic.kms.requests
        assert started.get(f"/patients/{number}", headers=NORTH).json()["name"] == NAME
        assert clinic.kms.requests == before


def test_the_application_starts_without_its_key_service(clinic: Any, caplog: pytest.LogCaptureFixture) -> None:
    """And serves when that is back."""
    number = clinic.client.post("/patients", json=NEW, headers=NORTH).json()["id"]
    clinic.kms.refuse()
    with TestClient(create_app(clinic.url, clinic.keys)) as started:
        assert "started without all data keys" in caplog.text
        clinic.kms.healthy()
        assert started.get(f"/patients/{number}", headers=NORTH).status_code == 200


def test_a_process_stays_ready_in_an_outage_of_kms_as_long_as_it_has_keys(clinic: Any) -> None:
    clinic.client.post("/patients", json=NEW, headers=NORTH)
    clinic.kms.refuse()
    with_keys = clinic.client.get("/ready")
    encryptor.forget()
    without = clinic.client.get("/ready")
    assert (with_keys.status_code, without.status_code) == (200, 503)
    assert clinic.client.get("/live").status_code == 200


def test_the_log_says_what_failed_and_shows_no_value(clinic: Any, caplog: pytest.LogCaptureFixture) -> None:
    clinic.client.post("/patients", json=NEW, headers=NORTH)
    encryptor.forget()
    clinic.kms.refuse()
    clinic.client.get("/patients", params={"email": EMAIL}, headers=NORTH)
    assert "patients.email: KMS could not unwrap" in caplog.text
    assert not [secret for secret in (SSN, EMAIL, NAME) if secret in caplog.text]


def test_uvicorn_serves_it_as_the_container_does_and_ends_when_it_is_asked_to(migrated: Engine, keys: Settings) -> None:
    """With the command of the Dockerfile, on a port of this machine."""
    url = migrated.url.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
    command = json.loads(re.findall(r"^CMD (.*)", (EXAMPLE / "Dockerfile").read_text(), re.MULTILINE)[0])
    own = {"0.0.0.0": "127.0.0.1", "8000": "0"}  # noqa: S104 (in a container)
    variables = {"DATABASE_URL": url, "FIELDCRYPT_PROVIDER": keys.provider}
    with running(*(own.get(word, word) for word in command), environment=variables) as server:
        home = server.until_it_says(r"running on (http://\S+)")
        with httpx2.Client(base_url=home, headers=NORTH) as client:
            added = client.post("/patients", json=NEW).json()
            assert client.get("/patients", params={"email": EMAIL}).json() == [added]
        server.stop()
    assert "Application shutdown complete" in server.said


def test_the_dockerfile_has_no_faults() -> None:
    """As hadolint knows them, and it is not root that serves."""
    hadolint = Path(sys.executable).parent / "hadolint"
    linted = subprocess.run([hadolint, "--no-color", EXAMPLE / "Dockerfile"], capture_output=True, text=True)
    assert (linted.returncode, linted.stdout) == (0, "")
    assert re.search(r"^USER [1-9]\d*$", (EXAMPLE / "Dockerfile").read_text(), re.MULTILINE)


def patient_ids(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [str(row) for row in connection.scalars(text("SELECT id FROM patients"))]
