"""A Lambda function on the stream of an encrypted table: what it writes, and what holds it up and what does not."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from examples.lambda_streams.tables import appointments, encryptor, reminders
from fieldcrypt.settings import Settings
from fieldcrypt.testing import FaultyProxy, LocalAws
from fieldcrypt_dynamodb import DynamoKeyStore, EncryptedTable
from tests.conftest import Clock
from tests.examples.streams import event
from tests.infrastructure.cloudformation import Template
from tests.support.dynamodb import FIRST, SECOND, DynamoDb, put_raw, raw

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "examples/lambda_streams/template.yaml"
ACCOUNT, KEY_ID = "123456789012", f"mrk-{1:032x}"
FUNCTION = "examples.lambda_streams.function"
CONTEXT = SimpleNamespace()  # of which the function reads nothing


@pytest.fixture
def environment(
    aws: LocalAws, moto: DynamoDb, keys: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The tables that the template declares, and the variables that it gives the function."""
    template = Template(TEMPLATE, ACCOUNT, {"KeyId": KEY_ID, "OtherRegion": SECOND})
    for name in ("Appointments", "Reminders"):
        declared = dict(template.resources[name]["Properties"])
        stream = declared.pop("StreamSpecification", None)
        more = {"StreamSpecification": {"StreamEnabled": True, **stream}} if stream else {}
        moto.client().create_table(TableName=name, **declared, **more)
    variables = dict(template.resources["Reminder"]["Properties"]["Environment"]["Variables"])
    Settings(variables["FIELDCRYPT_PROVIDER"], variables["FIELDCRYPT_STORE"]).configure(encryptor)  # it takes both
    DynamoKeyStore(variables["FIELDCRYPT_STORE"].removeprefix("dynamodb:"), client_factory=moto.client).create_table()
    variables |= {"FIELDCRYPT_PROVIDER": keys.provider, "AWS_ENDPOINT_URL_DYNAMODB": moto.endpoints[FIRST]}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield variables
    encryptor.close()


def cold_start(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the function's module as a new environment has it."""
    monkeypatch.delitem(sys.modules, FUNCTION, raising=False)
    return importlib.import_module(FUNCTION)


@pytest.fixture
def function(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return cold_start(monkeypatch)


class Clinic:
    """The web application, and what the stream has of it."""

    def __init__(self, dynamodb: DynamoDb, aws: LocalAws) -> None:
        self.dynamodb = dynamodb
        self._streams = aws.client("dynamodbstreams", FIRST)
        self._table = EncryptedTable(dynamodb.resource().Table("Appointments"), appointments("Appointments"))
        self._reminders = EncryptedTable(dynamodb.resource().Table("Reminders"), reminders("Reminders"))

    def book(self, number: str, patient: str, clinic: str = "north") -> None:
        self._table.put_item(Item=_appointment(number, patient, clinic))

    def sealed(self, number: str, patient: str) -> dict[str, Any]:
        """Return an appointment as DynamoDB would have it."""
        described = appointments("Appointments")
        return described.encrypt_item(_appointment(number, patient, "north"), form="python", to="dynamodb")

    def event(self) -> dict[str, Any]:
        return event(self._streams, self.dynamodb.resource().Table("Appointments").latest_stream_arn)

    def reminders(self) -> dict[str, str]:
        return {item["appointment"]: item["text"] for item in self._reminders.scan()["Items"]}


def _appointment(number: str, patient: str, clinic: str) -> dict[str, Any]:
    whom = {"patient": patient, "phone": f"555 {number}", "reason": "a cough"}
    return {"id": number, "clinic": clinic, "day": "1 July", **whom}


@pytest.fixture
def clinic(function: ModuleType, moto: DynamoDb, aws: LocalAws) -> Clinic:
    clinic = Clinic(moto, aws)
    for number, patient in enumerate(["Ann", "Bob", "Cat"]):
        clinic.book(str(number), patient)
    return clinic


def failures(answer: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


class TestBatches:
    def test_each_appointment_has_a_reminder(self, function: ModuleType, clinic: Clinic) -> None:
        assert failures(function.handler(clinic.event(), CONTEXT)) == []
        assert clinic.reminders() == {
            "0": "Dear Ann, we expect you on 1 July.",
            "1": "Dear Bob, we expect you on 1 July.",
            "2": "Dear Cat, we expect you on 1 July.",
        }

    def test_what_is_written_is_encrypted(self, function: ModuleType, clinic: Clinic) -> None:
        function.handler(clinic.event(), CONTEXT)
        assert raw(clinic.dynamodb, "Reminders", {"appointment": {"S": "0"}})["text"].keys() == {"B"}

    @pytest.mark.parametrize(
        "damage",
        [
            {"phone": {"B": b"\x00" * 80}},
            {"phone": {"S": "none"}},
            {"clinic": {"S": "south"}},
            {"reason": {"NULL": True}, "phone": {"M": {"home": {"S": "none"}}}},
        ],
        ids=["bytes", "plaintext", "another tenant", "another type"],
    )
    def test_a_damaged_item_does_not_stop_the_stream(self, function: ModuleType, clinic: Clinic, damage: Any) -> None:
        """It is passed over, and the records after it are processed."""
        item = clinic.sealed("3", "Dan")
        put_raw(clinic.dynamodb, "Appointments", {**item, **damage})
        clinic.book("4", "Eve")
        assert failures(function.handler(clinic.event(), CONTEXT)) == []
        assert clinic.reminders().keys() == {"0", "1", "2", "4"}

    def test_a_clinic_whose_keys_were_shredded_does_not_stop_the_stream(
        self, function: ModuleType, clinic: Clinic
    ) -> None:
        clinic.book("3", "Dan", clinic="south")
        encryptor.data_keys.shred("south", by="the end of the contract")
        clinic.book("4", "Eve")
        assert failures(function.handler(clinic.event(), CONTEXT)) == []
        assert clinic.reminders().keys() == {"0", "1", "2", "4"}

    def test_while_kms_is_away_the_first_record_is_delivered_again(
        self, function: ModuleType, clinic: Clinic, kms: FaultyProxy
    ) -> None:
        """With all after it; and none of them is tried, which would take each as long."""
        encryptor.forget()
        kms.refuse()
        delivered = clinic.event()
        before = kms.requests
        assert failures(function.handler(delivered, CONTEXT)) == [delivered["Records"][0]["dynamodb"]["SequenceNumber"]]
        tried = kms.requests - before
        kms.healthy()
        assert tried <= 2
        assert failures(function.handler(delivered, CONTEXT)) == []
        assert clinic.reminders().keys() == {"0", "1", "2"}


class TestEnvironments:
    def test_a_cold_start_needs_no_kms(self, environment: dict[str, str], kms: FaultyProxy) -> None:
        """In a process of its own, which imports the function and has clinics to fetch keys for."""
        kms.refuse()
        subprocess.run(
            [sys.executable, "-c", f"import {FUNCTION}"],
            check=True,
            timeout=60,
            cwd=ROOT,
            env={"PYTHONPATH": ":".join(sys.path), "AWS_DEFAULT_REGION": FIRST, "BUSY_CLINICS": "north", **environment},
        )

    def test_a_cold_start_fetches_the_keys_of_busy_clinics(
        self, clinic: Clinic, kms: FaultyProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        delivered = clinic.event()
        monkeypatch.setenv("BUSY_CLINICS", "north south")
        function = cold_start(monkeypatch)
        before = kms.requests
        function.handler(delivered, CONTEXT)
        assert kms.requests == before

    def test_after_a_restore_from_a_snapshot_keys_are_fetched_again(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And not before it, where they would be of no use."""
        hooks = ModuleType("snapshot_restore_py")
        registered: list[Any] = []
        vars(hooks)["register_after_restore"] = registered.append
        monkeypatch.setitem(sys.modules, "snapshot_restore_py", hooks)
        monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
        monkeypatch.setenv("BUSY_CLINICS", "north")
        cold_start(monkeypatch)
        assert encryptor.stats().live_keys == 0
        for hook in registered:
            hook()
        assert encryptor.stats().live_keys == 1

    def test_after_a_long_freeze_keys_are_asked_for_again(
        self, clock: Clock, function: ModuleType, clinic: Clinic, kms: FaultyProxy
    ) -> None:
        """By the wall clock, for the other one stands still in a frozen environment; within ten seconds of running."""
        delivered = clinic.event()
        function.handler(delivered, CONTEXT)
        before = kms.requests
        clock.lose(24 * 3600)
        clock.advance(10)
        assert failures(function.handler(delivered, CONTEXT)) == []
        assert kms.requests == before + 1
