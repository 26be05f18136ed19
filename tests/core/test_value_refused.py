"""A value that does not decrypt is reported once, whoever reads it and whatever is tried before it is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from cryptography.fernet import Fernet
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model
from sqlalchemy import Date, String, Text, create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import DecryptionError, Encryptor, KeyPolicy, KeyProviderError, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.columns.arrow import decrypt_column
from fieldcrypt.events import Event, EventKind
from fieldcrypt.migration import PreviousField
from fieldcrypt.mixed_mode import Accepted, MixedField
from fieldcrypt.schemes import read_either
from fieldcrypt.schemes.fernet import FernetReader
from fieldcrypt_dynamodb import ItemSeal, Protected, ProtectedTable
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_model
from fieldcrypt_sqlalchemy import Encrypted, encrypted

SSN = "078-05-1120"
SOON = datetime.now(UTC).date() + timedelta(days=30)
MIXED: dict[str, Any] = {"accept_plaintext": SOON}


class Watched:
    """An Encryptor, and the values that it refused."""

    def __init__(self) -> None:
        self.refused: list[Event] = []
        policy = KeyPolicy(replication_wait=timedelta(0))
        self.encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=policy, observer=self._see)

    def _see(self, event: Event) -> None:
        if event.kind is EventKind.VALUE_REFUSED:
            self.refused.append(event)

    def told(self, read: Callable[[], object]) -> Event:
        """The one event of a read that fails."""
        with pytest.raises(DecryptionError):
            read()
        (event,) = self.refused
        assert self.encryptor.stats().events["value_refused"] == 1
        return event


@pytest.fixture
def watched() -> Watched:
    """An Encryptor that is watched."""
    return Watched()


def changed(data: bytes) -> bytes:
    """A value of which one bit is another."""
    return data[:-1] + bytes([data[-1] ^ 1])


class TestTheCore:
    def test_field_key_and_tenant_are_named(self, watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
        """And nothing of the value; it is an error in the log."""
        field = watched.encryptor.field("patients.ssn", str)
        data = changed(field.encrypt(SSN, tenant="clinic-7"))
        with caplog.at_level(logging.ERROR, "fieldcrypt"):
            event = watched.told(lambda: field.decrypt(data, tenant="clinic-7"))
        assert event == Event(EventKind.VALUE_REFUSED, data[1:17].hex(), "clinic-7", "patients.ssn")
        assert [record.levelno for record in caplog.records] == [logging.ERROR]

    def test_the_tenant_is_the_one_that_was_named(self, watched: Watched) -> None:
        """Not the value's own, which would say why it is refused."""
        field = watched.encryptor.field("patients.ssn", str)
        data = field.encrypt(SSN, tenant="clinic-7")
        assert watched.told(lambda: field.decrypt(data, tenant="clinic-8")).tenant == "clinic-8"

    def test_what_is_no_value_names_no_key(self, watched: Watched) -> None:
        """Its bytes may be plaintext, which an event must not show."""
        field = watched.encryptor.field("patients.ssn", str)
        assert watched.told(lambda: field.decrypt(b"plaintext of a protected column")).key_id is None

    def test_another_type_is_told_as_well(self, watched: Watched) -> None:
        """A value that is authentic, but not what the field declares."""
        data = watched.encryptor.field("patients.ssn", str).encrypt(SSN)
        watched.told(lambda: watched.encryptor.field("patients.ssn", int).decrypt(data))

    def test_an_outage_is_no_refusal(self, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody has looked at the value."""

        class Away(LocalKeyProvider):
            def unwrap(self, wraps: Any, context: Any) -> bytes:
                raise KeyProviderError("away")

        store = MemoryKeyStore()
        provider = LocalKeyProvider.generate()
        data = Encryptor(provider, store).field("a.b", str).encrypt(SSN)
        watched.encryptor.configure(Away(bytes(32)), store, observer=watched._see)
        with pytest.raises(KeyProviderError):
            watched.encryptor.field("a.b", str).decrypt(data)
        assert watched.refused == []


class TestSeveralForms:
    """Readers that try more than one thing."""

    def test_a_value_that_one_of_them_takes_is_not_refused(self, watched: Watched) -> None:
        """A value under a former name, which the field itself does not open, is none that anybody changed."""
        now, before = (watched.encryptor.field(name, str) for name in ("a.b", "a.former"))
        mixed = MixedField(watched.encryptor, now, Accepted(None, [PreviousField(before)], SOON))
        assert mixed.decrypt(before.encrypt(SSN)) == SSN
        assert watched.refused == []

    @pytest.mark.parametrize("readers", ["former", "fernet", "none"])
    def test_one_that_nobody_takes_is_told_once(self, watched: Watched, readers: str) -> None:
        """Under the name of the field that was asked."""
        now, before = (watched.encryptor.field(name, str) for name in ("a.b", "a.former"))
        accept: dict[str, list[Any]] = {
            "former": [PreviousField(before)],
            "fernet": [FernetReader(Fernet(Fernet.generate_key()))],
            "none": [],
        }
        accepted = Accepted(SOON, accept[readers], SOON if accept[readers] else None)
        mixed = MixedField(watched.encryptor, now, accepted)
        assert watched.told(lambda: mixed.decrypt(changed(before.encrypt(SSN)))).place == "a.b"

    def test_read_either(self, watched: Watched) -> None:
        """The function for other schemes tells once as well."""
        field = watched.encryptor.field("a.b", str)
        token = Fernet(Fernet.generate_key()).encrypt(SSN.encode())
        reader = FernetReader(Fernet(Fernet.generate_key()))
        assert watched.told(lambda: read_either(field, [reader], token)).place == "a.b"


def table_of(encryptor: Encryptor, **options: Any) -> Any:
    """An undecorated model with a protected column."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        ssn: Mapped[str] = mapped_column(Encrypted(String, encryptor, **options))

    return Patient


def row_of(encryptor: Encryptor, **options: Any) -> Any:
    """A decorated one."""

    class Base(DeclarativeBase):
        pass

    @encrypted(encryptor, row="id")
    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        ssn: Mapped[str] = mapped_column(Encrypted(String, **options))

    return Patient


class TestSqlAlchemy:
    @pytest.mark.parametrize(
        ("options", "stored"),
        [*((how, what) for how in ({}, {"storage": Text}) for what in (b"no value", "no value", 7)), (MIXED, None)],
        ids=str,
    )
    @pytest.mark.parametrize("model", [table_of, row_of])
    def test_once(self, watched: Watched, model: Any, options: dict[str, Any], stored: object) -> None:
        """Whatever somebody put into the column: binary, text or a number; bound to the row, and read again, or not."""
        patient = model(watched.encryptor, **options)
        engine = create_engine("sqlite://")
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(patient(id=1, ssn=SSN))
            session.commit()
            if options is MIXED:  # what has the form of a value is no plaintext
                stored = watched.encryptor.field("x.y", str).encrypt(SSN)
            session.execute(text("UPDATE patients SET ssn = :ssn"), {"ssn": stored})
            session.commit()
            assert watched.told(lambda: session.scalars(select(patient)).one().ssn).place == "patients.ssn"

    def test_an_authentic_value_that_the_type_does_not_take(self, watched: Watched) -> None:
        """A field of text holds the days of a Date that nobody can read."""

        class Base(DeclarativeBase):
            pass

        class Patient(Base):
            __tablename__ = "patients"
            id: Mapped[int] = mapped_column(primary_key=True)
            born: Mapped[Any] = mapped_column(Encrypted(Date, watched.encryptor))

        engine = create_engine("sqlite://")
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.execute(
                text("INSERT INTO patients VALUES (1, :born)"),
                {"born": watched.encryptor.field("patients.born", str).encrypt("1990-01-02")},
            )
            assert watched.told(lambda: session.scalars(select(Patient)).all()).place == "patients.born"


class TestDynamoDb:
    @pytest.mark.parametrize("form", [PYTHON, WIRE])
    @pytest.mark.parametrize("mixed", [False, True])
    def test_boto3(self, watched: Watched, form: Any, mixed: bool) -> None:
        """In both of boto3's forms, in mixed mode and without it."""
        ssn = Protected(str, accept_plaintext=SOON if mixed else None)
        items = Items(ProtectedTable("patients", watched.encryptor, key=["id"], attributes={"ssn": ssn}), form)
        plain = {"id": "1", "ssn": SSN} if form is PYTHON else {"id": {"S": "1"}, "ssn": {"S": SSN}}
        item = items.encrypted(plain)
        item["id"] = {"S": "2"}
        event = watched.told(lambda: items.decrypted(item))
        assert (event.place, event.key_id is not None) == ("patients.ssn", True)

    def test_what_is_not_encrypted(self, watched: Watched) -> None:
        """Plaintext in a protected attribute, which is named and not shown."""
        table = ProtectedTable("patients", watched.encryptor, key=["id"], attributes={"ssn": str})
        event = watched.told(lambda: Items(table, PYTHON).decrypted({"id": {"S": "1"}, "ssn": {"S": SSN}}))
        assert (event.place, event.key_id) == ("patients.ssn", None)

    def test_a_seal(self, watched: Watched) -> None:
        """A sealed attribute was removed; looking for seals of former declarations tells nobody."""
        former = ProtectedTable(
            "former", watched.encryptor, key=["id"], attributes={"ssn": str}, seal=ItemSeal("seal", ("a",))
        )
        seal = ItemSeal("seal", ("a", "ssn"), accept=[former], accept_until=SOON)
        table = ProtectedTable("patients", watched.encryptor, key=["id"], attributes={"ssn": str}, seal=seal)
        items = Items(table, PYTHON)
        item = items.encrypted({"id": "1", "ssn": SSN, "a": "1"})
        del item["a"]
        assert watched.told(lambda: items.decrypted(item)).place == "patients.seal"

    @pytest.mark.parametrize("decorated", [True, False])
    def test_pynamodb(self, watched: Watched, decorated: bool) -> None:
        """Decorated models and others."""

        class Patient(Model):
            class Meta:
                table_name = "patients"

            id = NumberAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute(), watched.encryptor)

        model = encrypted_model(watched.encryptor)(Patient) if decorated else Patient
        data = watched.encryptor.field("patients.ssn", str).encrypt(SSN)
        event = watched.told(lambda: model.from_raw_data({"id": {"N": "1"}, "ssn": {"B": changed(data)}}))
        assert event.place == "patients.ssn"


def test_columns(watched: Watched) -> None:
    """A column of Arrow's."""
    field = watched.encryptor.field("patients.ssn", str)
    column = pa.array([field.encrypt(SSN), changed(field.encrypt(SSN))], pa.binary())
    assert watched.told(lambda: decrypt_column(field, column)).place == "patients.ssn"
