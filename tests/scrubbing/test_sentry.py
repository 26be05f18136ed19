"""What Sentry gets of an outage, from its real client: no plaintext with the hook, and much without it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import sentry_sdk
from moto import mock_aws
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from sqlalchemy import String, create_engine, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor
from fieldcrypt.scrubbing import Scrubber, scrub
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_model
from fieldcrypt_sqlalchemy import Encrypted, encrypted
from tests.support.doubles import CountingProvider, RowStore, outage

SSN = "078-05-1120"


@pytest.fixture
def sent() -> Iterator[list[dict[str, Any]]]:
    """The events that Sentry's client sends, with all that it can be told to collect."""
    yield []
    sentry_sdk.init()


def start(events: list[dict[str, Any]], **how: Any) -> None:
    """Start Sentry's client with options."""

    class Kept(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            events.extend(item.payload.json for item in envelope.items if item.payload.json is not None)

    more: Any = {"traces_sample_rate": 1.0, "max_value_length": 100_000, **how}
    sentry_sdk.init("http://key@localhost/1", transport=Kept, _experiments={"record_sql_params": True}, **more)


def away() -> Encryptor:
    """An Encryptor whose key service is away."""
    provider = CountingProvider()
    provider.wrap_failure = outage
    return Encryptor(provider, RowStore())


def a_field() -> None:
    away().field("patients.ssn", str).encrypt(SSN)


def a_flush() -> None:
    class Base(DeclarativeBase):
        pass

    @encrypted(away(), row="id")
    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        ssn: Mapped[str] = mapped_column(Encrypted(String))

    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Patient(id=1, ssn=SSN))
        session.commit()


def a_save() -> None:
    @encrypted_model(away())
    class Account(Model):
        class Meta:
            table_name = "accounts"
            region = "us-east-1"

        id = UnicodeAttribute(hash_key=True)
        ssn = EncryptedAttribute(UnicodeAttribute())

    with mock_aws():
        boto3.setup_default_session(aws_access_key_id="local", aws_secret_access_key="local")
        Account.create_table(billing_mode="PAY_PER_REQUEST")
        Account("1", ssn=SSN).save()


def a_plain_column() -> None:
    """A column that is not protected, in an error of the database."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE plain (ssn TEXT UNIQUE)")
        connection.exec_driver_sql("INSERT INTO plain VALUES (?)", (SSN,))
        connection.exec_driver_sql("INSERT INTO plain VALUES (?)", (SSN,))


OUTAGES: dict[str, Callable[[], None]] = {
    "a field": a_field,
    "a flush": a_flush,
    "a save": a_save,
    "a plain column": a_plain_column,
}


def report(work: Callable[[], None]) -> None:
    with sentry_sdk.start_transaction(name="a request"):
        ssn = SSN  # as an application's own frame has it
        with pytest.raises(Exception) as caught:  # noqa: PT011 (whatever it is)
            work()
        sentry_sdk.capture_exception(caught.value)
        assert ssn


@pytest.mark.parametrize("what", OUTAGES)
class TestTheHook:
    def test_no_plaintext_is_sent(self, sent: list[dict[str, Any]], what: str) -> None:
        """Neither with the error nor with the transaction around it."""
        start(sent, before_send=scrub, before_send_transaction=scrub)
        report(OUTAGES[what])
        assert [event.get("type", "error") for event in sent] == ["error", "transaction"]
        assert SSN not in json.dumps(sent)

    def test_without_it_there_is_some(self, sent: list[dict[str, Any]], what: str) -> None:
        """Or else the test above would show nothing."""
        start(sent)
        report(OUTAGES[what])
        assert SSN in json.dumps(sent)

    def test_where_it_failed_is_still_there(self, sent: list[dict[str, Any]], what: str) -> None:
        """All frames, with their lines."""
        start(sent, before_send=scrub)
        report(OUTAGES[what])
        frames = [frame for error in sent[0]["exception"]["values"] for frame in error["stacktrace"]["frames"]]
        assert {"tests.scrubbing.test_sentry"} < {frame["module"] for frame in frames}
        assert all(frame["lineno"] and "vars" not in frame for frame in frames)


def test_frames_of_fieldcrypt_need_no_hook(sent: list[dict[str, Any]]) -> None:
    """Their variables are gone before Sentry sees them."""
    start(sent)
    report(a_flush)
    frames = [frame for error in sent[0]["exception"]["values"] for frame in error["stacktrace"]["frames"]]
    ours = [frame for frame in frames if frame["module"].startswith("fieldcrypt")]
    assert ours
    assert SSN not in json.dumps([frame.get("vars") for frame in ours])


def test_frames_of_chosen_modules_alone(sent: list[dict[str, Any]]) -> None:
    """Of the others, the variables stay."""
    start(sent, before_send=Scrubber(modules=["sqlalchemy", "fieldcrypt_sqlalchemy"]))
    report(a_flush)
    frames = [frame for error in sent[0]["exception"]["values"] for frame in error["stacktrace"]["frames"]]
    with_variables = {frame["module"].partition(".")[0] for frame in frames if "vars" in frame}
    assert "tests" in with_variables
    assert not with_variables & {"sqlalchemy", "fieldcrypt_sqlalchemy"}


def test_a_request_and_other_parts_of_an_event() -> None:
    """As its integrations for web frameworks, threads and logging make them."""
    event: dict[str, Any] = {
        "request": {
            "url": "https://example.org/patients",
            "data": {"ssn": SSN},
            "query_string": f"ssn={SSN}",
            "headers": {"Referer": f"https://example.org/?ssn={SSN}", "Accept": "*/*"},
        },
        "threads": {"values": [{"stacktrace": {"frames": [{"module": "app", "vars": {"ssn": SSN}}]}}]},
        "logentry": {"message": f"failed\n[parameters: ('{SSN}', ']\n')]\n(Background on this error at: …)"},
        "breadcrumbs": [{"message": "INSERT", "data": {"db.params": [SSN], "db.paramstyle": "qmark"}}],
        "spans": [{"description": "INSERT", "data": {"db.params": [SSN]}}],
        "exception": None,
    }
    found = scrub(event)
    assert SSN not in json.dumps(found)
    assert found["request"] == {"url": "https://example.org/patients", "headers": {"Accept": "*/*"}}
    assert found["logentry"]["message"] == "failed\n[parameters: hidden]\n(Background on this error at: …)"


@pytest.mark.parametrize("length", [200, 100_000])
def test_messages_that_are_cut_or_go_on(sent: list[dict[str, Any]], length: int) -> None:
    """Nothing then tells where the parameters end. A message is what an application captures, as well."""
    start(sent, before_send=scrub, max_value_length=length)
    with pytest.raises(StatementError) as caught, create_engine("sqlite://").begin() as connection:
        connection.exec_driver_sql("SELECT ?, ?, ? FROM nowhere", (SSN, SSN, "x" * 300))
    sentry_sdk.capture_message(f"an error: {caught.value}")
    sentry_sdk.capture_exception(RuntimeError(f"{caught.value}\nanother try"))
    sentry_sdk.capture_exception(caught.value)
    assert len(sent) == 3
    assert SSN not in json.dumps(sent)


def test_the_echo_of_statements(sent: list[dict[str, Any]], caplog: pytest.LogCaptureFixture) -> None:
    """Sentry makes breadcrumbs of log records."""
    start(sent, before_send=scrub)
    caplog.set_level(logging.INFO, "sqlalchemy.engine.Engine.echoed")
    with create_engine("sqlite://", logging_name="echoed").begin() as connection:
        for token in ({}, {"logging_token": "a request"}):
            connection.execution_options(**token)
            connection.exec_driver_sql("SELECT ?", (SSN,))
            connection.execute(text("SELECT :ssn"), {"ssn": SSN})
            connection.execute(text("SELECT 'of no parameters'"))
    sentry_sdk.capture_message("done")
    messages = [note.get("message") for note in sent[0]["breadcrumbs"]["values"]]
    assert "[parameters: hidden]" in messages
    assert "SELECT 'of no parameters'" in messages
    assert SSN not in json.dumps(sent)


def test_an_event_with_nothing_in_it() -> None:
    """A hook that raises would lose the event."""
    assert scrub({}) == {}


def test_one_name_for_several_is_refused() -> None:
    """Its letters would be taken for modules."""
    with pytest.raises(TypeError, match="several names"):
        Scrubber(modules="sqlalchemy")
