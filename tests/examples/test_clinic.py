"""The example application, as its users call it: nothing that is protected is in a store, a schema or a log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fakeredis import FakeStrictRedis
from fastapi.testclient import TestClient
from sqlalchemy import StaticPool, text
from sqlmodel import create_engine

from examples.clinic import encryptor
from examples.clinic.app import create_app
from examples.clinic.intake import INTAKES
from examples.clinic.letters import Letter, opened, stored
from fieldcrypt import DecryptionError, LocalKeyProvider, MemoryKeyStore

SSN, EMAIL = "078-05-1120", "Ann@example.org"
NEW = {"clinic_id": "north", "ssn": SSN, "email": EMAIL, "ward": "4"}


@pytest.fixture
def clinic() -> Iterator[Any]:
    """The application, and what it stores in."""
    engine = create_engine("sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool)
    redis, queue = FakeStrictRedis(), list[str]()
    app = create_app(LocalKeyProvider.generate(), MemoryKeyStore(), engine, redis, queue)
    with TestClient(app) as client:
        yield SimpleNamespace(client=client, engine=engine, redis=redis, queue=queue)
    redis.flushall()
    engine.dispose()
    encryptor.close()


class TestPatients:
    def test_a_patient_is_found_by_email_however_it_is_spelled(self, clinic: Any) -> None:
        clinic.client.post("/patients", json=NEW)
        found = clinic.client.get("/patients", params={"email": "ann@EXAMPLE.org"}).json()
        assert [(each["email"], each["ward"]) for each in found] == [(EMAIL, "4")]

    def test_a_response_has_no_tag_and_nothing_that_is_excluded(self, clinic: Any) -> None:
        assert clinic.client.post("/patients", json=NEW).json().keys() == {"id", "clinic_id", "ward", "email"}

    def test_the_database_has_ciphertext(self, clinic: Any) -> None:
        clinic.client.post("/patients", json=NEW)
        with clinic.engine.connect() as connection:
            row = connection.execute(text("SELECT * FROM patients")).one()
        assert SSN.encode() not in b"".join(value for value in row if isinstance(value, bytes))
        assert {type(value) for value in (row.ssn, row.email, row.email_tag)} == {bytes}

    def test_no_schema_of_a_response_names_a_tag(self, clinic: Any) -> None:
        schemas = clinic.client.get("/openapi.json").json()["components"]["schemas"]
        assert "Patient" in schemas
        assert "tag" not in json.dumps(schemas)

    @pytest.mark.parametrize("path", ["/patients", "/intakes"])
    def test_a_request_without_a_clinic_is_answered(self, path: str, clinic: Any) -> None:
        assert clinic.client.post(path, json={**NEW, "clinic_id": ""}).status_code == 422


class TestIntakes:
    def test_the_queue_has_text_that_only_the_application_reads(self, clinic: Any) -> None:
        filled_in = {
            "clinic_id": "north",
            "ssn": SSN,
            "born": "1980-02-29",
            "contacts": [{"name": "Bo", "phone": "555"}],
        }
        clinic.client.post("/intakes", json=filled_in)
        (message,) = clinic.queue
        assert not [word for word in (SSN, "1980-02-29", "555") if word in message]
        read = INTAKES.decrypt_json(message, tenant="north")
        assert (read.ssn, str(read.born), read.contacts[0].phone) == (SSN, "1980-02-29", "555")

    def test_logs_and_reprs_have_nothing_of_it(self, clinic: Any, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG):
            clinic.client.post("/intakes", json={"clinic_id": "north", "ssn": SSN})
        assert SSN not in caplog.text
        assert SSN not in repr(INTAKES.decrypt_json(clinic.queue[0]))


class TestSessions:
    def test_a_session_comes_back(self, clinic: Any) -> None:
        session = {"email": EMAIL, "form": {"ssn": SSN, "step": 2}}
        clinic.client.put("/sessions/a1", json=session)
        assert clinic.client.get("/sessions/a1").json() == {**session, "number": "a1"}
        assert SSN.encode() not in clinic.redis.get("session:a1")

    @pytest.mark.parametrize("session", [{"email": 5}, {"email": EMAIL, "form": SSN}])
    def test_a_session_that_does_not_fit_is_answered(self, session: dict[str, Any], clinic: Any) -> None:
        response = clinic.client.put("/sessions/a1", json=session)
        assert (response.status_code, SSN in response.text, clinic.redis.get("session:a1")) == (422, False, None)

    def test_a_session_under_another_number_is_refused(self, clinic: Any) -> None:
        """Whoever writes to Redis cannot give one person the session of another."""
        clinic.client.put("/sessions/a1", json={"email": EMAIL})
        clinic.redis.set("session:b2", clinic.redis.get("session:a1"))
        with pytest.raises(DecryptionError):
            clinic.client.get("/sessions/b2")


class TestLetters:
    def test_a_letter_comes_back(self, clinic: Any) -> None:
        letter = Letter(7, "north", EMAIL, f"Your number is {SSN}.")
        assert opened(stored(letter)) == letter
        assert {type(stored(letter)[name]) for name in ("to", "text")} == {bytes}
