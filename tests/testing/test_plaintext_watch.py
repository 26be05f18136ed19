"""PlaintextWatch: what it takes for secret, what it sees, and what it does not take for a leak.

What AWS clients send, and in which forms a secret is found, is in tests/project/test_wiretap.py, whose wiretap is one.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID

import boto3
import pyarrow
import pytest
from botocore.endpoint import Endpoint
from moto import mock_aws
from sqlalchemy import (
    JSON,
    Column,
    Date,
    Engine,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Uuid,
    create_engine,
    text,
)
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.columns.arrow import decrypt_column, encrypt_column
from fieldcrypt.search import Equal
from fieldcrypt.spi import FieldGroup, encrypt_fields
from fieldcrypt.testing import PlaintextWatch
from fieldcrypt_sqlalchemy import Encrypted, encrypted
from tests.support.backends import BACKENDS

SSN = "078-05-1120"
LEAKED = pytest.raises(AssertionError, match=SSN)

TABLE = Table(
    "notes",
    MetaData(),
    *(Column("text", String), Column("data", LargeBinary), Column("document", JSON)),
    *(Column("day", Date), Column("id", Uuid), Column("number", Numeric)),
)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    TABLE.metadata.create_all(engine)
    yield engine
    engine.dispose()


def leak(engine: Engine, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(TABLE.insert(), values or {"text": SSN})


@pytest.fixture(params=BACKENDS)
def encryptor(request: pytest.FixtureRequest) -> Encryptor:
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), backend=request.param)


LONG = 7_000 * SSN

USES: dict[str, tuple[str, Callable[[Any], object]]] = {
    "encrypted": (SSN, lambda fields: fields.ssn.encrypt(SSN)),
    "decrypted": (SSN, lambda fields: fields.ssn.decrypt(fields.data)),
    "encrypted with others": (SSN, lambda fields: fields.group.encrypt([SSN])),
    "decrypted with others": (SSN, lambda fields: fields.group.decrypt([fields.data])),
    "encrypted in a batch": (SSN, lambda fields: encrypt_fields([(fields.ssn, SSN, None)])),
    "encrypted among many": (SSN, lambda fields: fields.ssn.encrypt_many([SSN, "x"])),
    "decrypted among many": (SSN, lambda fields: fields.ssn.decrypt_many([fields.data, fields.data])),
    "read as rows bring it": (SSN, lambda fields: fields.read(fields.data)),
    "encrypted with padding": (SSN, lambda fields: fields.padded.encrypt(SSN)),
    "encrypted as a column": (SSN, lambda fields: encrypt_column(fields.ssn, pyarrow.array([SSN]))),
    "decrypted as a column": (SSN, lambda fields: decrypt_column(fields.ssn, pyarrow.array([fields.data]))),
    "tagged": (SSN, lambda fields: fields.index.tag(SSN)),
    "searched for": (SSN, lambda fields: fields.index.ask(Equal((SSN,)))),
    "a long text, encrypted": (LONG, lambda fields: fields.ssn.encrypt(LONG)),
    "a long text, decrypted": (LONG, lambda fields: fields.ssn.decrypt(fields.long)),
}


class Fields:
    """Fields that were used before, so that all is prepared that can be."""

    def __init__(self, encryptor: Encryptor) -> None:
        self.ssn = encryptor.field("patients.ssn", str)
        self.padded = encryptor.field("patients.ssn", str, pad=32)
        self.index = encryptor.blind_index("patients.ssn")
        self.group = FieldGroup([self.ssn])
        self.read = self.ssn.reader()
        self.data = self.ssn.encrypt(SSN)
        self.long = self.ssn.encrypt(LONG)
        for _, use in USES.values():
            use(self)


@pytest.mark.parametrize(("secret", "use"), USES.values(), ids=USES.keys())
def test_what_goes_through_a_field_is_secret(
    engine: Engine, encryptor: Encryptor, secret: str, use: Callable[[Any], object]
) -> None:
    """However it does so, natively too, and not only the first time."""
    fields = Fields(encryptor)
    with PlaintextWatch() as watch:
        leak(engine, text=secret)
        fields.ssn.encrypt("something else")
        assert not watch.leaks()
        use(fields)
    with LEAKED:
        watch.assert_no_plaintext()


def test_fields_are_as_before_when_the_watch_is_over(engine: Engine, encryptor: Encryptor) -> None:
    """Also if watches are within each other, as a fixture's and a test's own."""
    fields = Fields(encryptor)
    with PlaintextWatch() as outer:
        with PlaintextWatch() as inner:
            fields.ssn.encrypt("the first")
        fields.ssn.encrypt(SSN)
    fields.ssn.encrypt("the last one")
    for watch in (inner, outer):
        assert SSN not in repr(watch)
    assert [len(watch._secrets) for watch in (inner, outer)] == [1, 2]


def test_watches_may_end_in_any_order(encryptor: Encryptor) -> None:
    """Each sees what there is until its own end, and nothing is left in botocore when the last one has ended."""
    field, before = encryptor.field("patients.ssn", str), Endpoint._do_get_response  # type: ignore[attr-defined]
    first, second = PlaintextWatch().__enter__(), PlaintextWatch().__enter__()
    field.encrypt("the first")
    first.__exit__(None, None, None)
    with mock_aws():
        boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b").list_buckets()
    field.encrypt(SSN)
    second.__exit__(None, None, None)
    assert [(len(watch._secrets), watch.sent) for watch in (first, second)] == [(1, 0), (2, 1)]
    assert Endpoint._do_get_response is before  # type: ignore[attr-defined]


class Base(DeclarativeBase):
    pass


models = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


@encrypted(models, row="id")
class Patient(Base):
    __tablename__ = "patients"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ssn: Mapped[str] = mapped_column(Encrypted(String))
    note: Mapped[str | None]


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Patient(id=1, ssn=SSN))
        session.commit()
        yield session


def test_a_protected_model_sends_no_plaintext(session: Session) -> None:
    """What it writes, and what it reads."""
    with PlaintextWatch() as watch:
        assert session.get_one(Patient, 1).ssn == SSN
        session.add(Patient(id=2, ssn="219-09-9999"))
        session.commit()
    watch.assert_no_plaintext()
    assert watch.sent == 2


def test_a_value_that_was_read_and_copied_elsewhere_is_a_leak(session: Session) -> None:
    """The usual accident."""
    patient = session.get_one(Patient, 1)
    session.expire_all()
    with PlaintextWatch() as watch:
        patient.note = f"SSN {patient.ssn}"
        session.commit()
    with pytest.raises(AssertionError, match=r"UPDATE patients.*sent '078-05-1120' in 'SSN 078-05-1120'"):
        watch.assert_no_plaintext()


SENT: dict[str, tuple[Any, Callable[[Engine], object]]] = {
    "in a literal": (SSN, lambda engine: executed(engine, f"SELECT '{SSN}'")),
    "in a comment": (SSN, lambda engine: executed(engine, f"SELECT 1 /* {SSN} */")),
    "as one of many": (SSN, lambda engine: leak_many(engine)),
    "in bytes": (SSN, lambda engine: leak(engine, data=b"x" + SSN.encode())),
    "in JSON": (SSN, lambda engine: leak(engine, document={"a": [f"no {SSN}"]})),
    "in JSON with escapes": ("Jürgen", lambda engine: leak(engine, text=json.dumps(["Jürgen"]))),
    "a day": (date(1970, 1, 31), lambda engine: leak(engine, day=date(1970, 1, 31))),
    "an id": (UUID(int=7), lambda engine: leak(engine, id=UUID(int=7))),
    "a number": (7, lambda engine: leak(engine, number=Decimal("7.00"))),
    "a short text": ("x", lambda engine: leak(engine, text="x")),
}


def executed(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(statement))


def leak_many(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(TABLE.insert(), [{"text": "x"}, {"text": SSN}])


@pytest.mark.parametrize(("secret", "send"), SENT.values(), ids=SENT.keys())
def test_what_an_engine_sends_is_seen(engine: Engine, secret: Any, send: Callable[[Engine], object]) -> None:
    """In whatever form; what was added counts also if it is short."""
    with PlaintextWatch() as watch:
        watch.add(secret)
        send(engine)
    with pytest.raises(AssertionError, match="plaintext was sent"):
        watch.assert_no_plaintext()


def test_what_an_asynchronous_engine_sends_is_seen() -> None:
    """Its statements go the same way."""

    async def send() -> None:
        engine = create_async_engine("sqlite+aiosqlite://")
        async with engine.connect() as connection:
            await connection.execute(text("SELECT :ssn"), {"ssn": SSN})
        await engine.dispose()

    with PlaintextWatch() as watch:
        watch.add(SSN)
        asyncio.run(send())
    with LEAKED:
        watch.assert_no_plaintext()


def test_what_mock_aws_answers_is_seen() -> None:
    """It was to be sent."""
    with mock_aws(), PlaintextWatch() as watch:
        watch.add(SSN)
        s3 = boto3.client("s3", "us-east-1")
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key=f"patients/{SSN}", Body=b"")
    with pytest.raises(AssertionError, match=rf"patients/{SSN}"):
        watch.assert_no_plaintext()


def test_short_values_of_fields_are_no_secrets(engine: Engine, encryptor: Encryptor) -> None:
    """The 7 of an age is the key of another row."""
    with PlaintextWatch() as watch:
        encryptor.field("patients.age", int).encrypt(7)
        leak(engine, number=7)
    assert not watch.leaks()


def test_what_is_in_the_clear_on_purpose_may_be_allowed(engine: Engine) -> None:
    """A value that is protected in one place and a key in another."""
    with PlaintextWatch() as watch:
        watch.add(SSN)
        watch.allow(SSN)
        leak(engine)
    watch.assert_no_plaintext()


def test_a_test_that_sends_nothing_proves_nothing(encryptor: Encryptor) -> None:
    """And does not pass."""
    with PlaintextWatch() as watch:
        encryptor.field("a.b", str).encrypt(SSN)
    with pytest.raises(AssertionError, match="nothing was sent"):
        watch.assert_no_plaintext()


def test_a_test_without_secrets_proves_nothing(engine: Engine) -> None:
    """Nor does it pass, though something was sent."""
    with PlaintextWatch() as watch:
        leak(engine)
    with pytest.raises(AssertionError, match="did not know what to look for"):
        watch.assert_no_plaintext()


def test_what_is_sent_before_and_after_is_not_seen(engine: Engine) -> None:
    """Nothing is left of it in engines and clients."""
    leak(engine)
    with PlaintextWatch() as watch:
        watch.add(SSN)
        leak(engine, text="x")
    leak(engine)
    watch.assert_no_plaintext()
    assert watch.sent == 1


def test_a_watch_is_used_once() -> None:
    """What it saw is of one block."""
    watch = PlaintextWatch()
    with watch:
        pass
    with pytest.raises(RuntimeError, match="used once"), watch:
        pass


class TestEscapes:
    NAME = "Jürgen O'Brien 42"

    @pytest.mark.parametrize(
        "sent",
        [
            "INSERT INTO t VALUES ('Jürgen O''Brien 42')",
            json.dumps(NAME),
            f"note: {json.dumps(NAME)}",
            f"SELECT x'{NAME.encode().hex().upper()}'",
            f"Message={quote_plus(NAME)}&Version=2010-03-31",
            f"data:text/plain;base64,{base64.b64encode(NAME.encode()).decode()}",
            f"a.{base64.urlsafe_b64encode(NAME.encode()).decode().rstrip('=')}.b",
        ],
    )
    def test_a_secret_is_found_in_them(self, engine: Engine, sent: str) -> None:
        """Of SQL, JSON, hexadecimal, URLs and base64, also as a part of something longer."""
        with PlaintextWatch() as watch, engine.begin() as connection:
            watch.add(self.NAME)
            connection.execute(TABLE.insert(), {"text": sent})
        assert watch.leaks()

    def test_a_moment_in_a_literal(self, engine: Engine) -> None:
        """With a space, as SQL has it."""
        with PlaintextWatch() as watch, engine.begin() as connection:
            watch.add(datetime(1990, 5, 17, 12, 30))
            connection.execute(text("SELECT '1990-05-17 12:30:00'"))
        assert watch.leaks()

    def test_metadata_of_an_object(self) -> None:
        """Which are headers of a request to S3."""
        with mock_aws(), PlaintextWatch() as watch:
            bucket = boto3.client("s3", region_name="us-east-1")
            bucket.create_bucket(Bucket="notes")
            watch.add(SSN)
            bucket.put_object(Bucket="notes", Key="1", Body=b"", Metadata={"ssn": SSN})
        assert watch.leaks()
