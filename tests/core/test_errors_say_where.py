"""Every error says where: the field, the data key and the tenant, as attributes and in the text; and nothing secret."""

from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.models import Model
from sqlalchemy import Date, LargeBinary, Numeric, String, Text, create_engine, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    KeyNotFoundError,
    KeyPolicy,
    KeyProviderChain,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
    NotWrappedHereError,
    PlaintextRefusedError,
    WrappedKey,
)
from fieldcrypt.columns import arrow, pandas, polars
from fieldcrypt.errors import FieldcryptError, located
from fieldcrypt.format import text_form
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt_dynamodb import EncryptedClient, Protected, ProtectedAttributeError, ProtectedTable
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_pynamodb import ProtectedAttributeError as AttributeOfModelError
from fieldcrypt_pynamodb import encrypted as encrypted_model
from fieldcrypt_sqlalchemy import Encrypted, ProtectedColumnError, blind_index, encrypted

SSN = "078-05-1120"
NUMBER = 78051120  # of a wrong type for a text, and as secret
TENANT = "clinic-7"
FIELD = "patients.ssn"
POLICY = KeyPolicy(replication_wait=timedelta(0))

SOON = datetime.now(UTC).date() + timedelta(days=30)
keys = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=POLICY)
ssn = keys.field(FIELD, str)
email = keys.blind_index("patients.email", str)
VALUE = ssn.encrypt(SSN, tenant=TENANT)
KEY_ID = VALUE[1:17].hex()
BROKEN = VALUE[:-1] + bytes([VALUE[-1] ^ 1])


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patients"
    id: Mapped[int] = mapped_column(primary_key=True)
    ssn: Mapped[Any] = mapped_column(Encrypted(String, keys), nullable=True)
    born: Mapped[Any] = mapped_column(Encrypted(Date, keys), nullable=True)
    fee: Mapped[Any] = mapped_column(Encrypted(Numeric, keys), nullable=True)
    photo: Mapped[Any] = mapped_column(Encrypted(LargeBinary, keys), nullable=True)


@encrypted(keys, row="id", tenant="clinic")
class Bound(Base):
    __tablename__ = "bound"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    clinic: Mapped[str]
    ssn: Mapped[Any] = mapped_column(Encrypted(String, index="tag", name=FIELD))
    tag: Mapped[Any] = blind_index()


class Mixed(Base):
    __tablename__ = "mixed"
    id: Mapped[int] = mapped_column(primary_key=True)
    ssn: Mapped[Any] = mapped_column(Encrypted(String, keys, name=FIELD, accept_plaintext=SOON))


@encrypted(keys, row="id", tenant="clinic")
class MixedBound(Base):
    __tablename__ = "mixed_bound"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    clinic: Mapped[str]
    ssn: Mapped[Any] = mapped_column(Encrypted(String, name=FIELD, accept_plaintext=SOON))


class Texts(Base):
    __tablename__ = "texts"
    id: Mapped[int] = mapped_column(primary_key=True)
    ssn: Mapped[Any] = mapped_column(Encrypted(String, keys, name=FIELD, storage=Text), nullable=True)
    mail: Mapped[Any] = mapped_column(Encrypted(String, keys, index="mail_tag"), nullable=True)
    mail_tag: Mapped[Any] = blind_index()


class Item(Model):
    class Meta:
        table_name = "patients"

    id = NumberAttribute(hash_key=True)
    ssn = EncryptedAttribute(UnicodeAttribute(null=True), keys)
    seen = EncryptedAttribute(UTCDateTimeAttribute(null=True), keys)


@encrypted_model(keys, tenant="clinic")
class BoundItem(Model):
    class Meta:
        table_name = "patients"

    id = NumberAttribute(hash_key=True)
    clinic = UnicodeAttribute()
    ssn = EncryptedAttribute(UnicodeAttribute(null=True))
    seen = EncryptedAttribute(UTCDateTimeAttribute(null=True))


TABLE = ProtectedTable("patients", keys, key=["id"], tenant="clinic", attributes={"ssn": str, "age": Protected(int)})
ITEM = {"id": {"N": "1"}, "clinic": {"S": TENANT}}


def stored(model: Any, value: Any, **others: Any) -> None:
    """Write a value of the ORM."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(model(id=1, **value, **others))
        session.flush()


def read(model: Any, table: str, data: Any) -> None:
    """Read one that somebody has put into the database."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    columns, values = {
        Bound: ("id, clinic, ssn, tag", f"1, '{TENANT}', :data, x''"),
        MixedBound: ("id, clinic, ssn", f"1, '{TENANT}', :data"),
    }.get(model, ("id, ssn", "1, :data"))
    with Session(engine) as session:
        session.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), {"data": data})
        session.commit()
        _ = session.scalars(select(model)).one().ssn


def search(condition: Callable[[], Any]) -> None:
    """Make a condition, and a SELECT of it."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(select(Patient.id).where(condition()))


def scan(condition: str) -> None:
    """Ask for items through the wrapper of boto3."""
    client = EncryptedClient(boto3.client("dynamodb", region_name="us-east-1"), [TABLE])
    client.scan(TableName="patients", FilterExpression=condition, ExpressionAttributeValues={":x": {"S": SSN}})


# What goes wrong, and where the error says that it did: field, whether the data key is known, tenant.
CASES: dict[str, tuple[Callable[[], object], str, bool, str | None]] = {
    "core: a wrong type": (lambda: ssn.encrypt(NUMBER, tenant=TENANT), FIELD, False, TENANT),  # type: ignore[arg-type]
    "core: lone surrogates": (lambda: ssn.encrypt(f"{SSN}\udc80"), FIELD, False, None),
    "core: a wrong context": (lambda: ssn.encrypt(SSN, context={"fieldcrypt:field": "x"}), FIELD, False, None),
    "core: a tenant that is none": (lambda: ssn.encrypt(SSN, tenant=NUMBER), FIELD, False, None),  # type: ignore[arg-type]
    "core: no keys yet": (lambda: Encryptor().field(FIELD, str).encrypt(SSN), FIELD, False, None),
    "core: changed": (lambda: ssn.decrypt(BROKEN), FIELD, True, None),
    "core: another tenant's": (lambda: ssn.decrypt(VALUE, tenant="clinic-8"), FIELD, True, "clinic-8"),
    "core: plaintext": (lambda: ssn.decrypt(SSN.encode()), FIELD, False, None),
    "core: text": (lambda: ssn.decrypt(SSN), FIELD, False, None),  # type: ignore[arg-type]
    "core: another type": (lambda: keys.field(FIELD, int).decrypt(VALUE), FIELD, True, None),
    "index: a wrong type": (lambda: email.tag(NUMBER, tenant=TENANT), "patients.email", False, TENANT),  # type: ignore[arg-type]
    "index: of a search": (lambda: email.tags(NUMBER), "patients.email", False, None),  # type: ignore[arg-type]
    "index: of a comparison": (lambda: email.matches("x", NUMBER), "patients.email", False, None),  # type: ignore[arg-type]
    "SQLAlchemy: a wrong type": (lambda: stored(Patient, {"ssn": NUMBER}), FIELD, False, None),
    "SQLAlchemy: no date": (lambda: stored(Patient, {"born": SSN}), "patients.born", False, None),
    "SQLAlchemy: a float": (lambda: stored(Patient, {"fee": 0.78051120}), "patients.fee", False, None),
    "SQLAlchemy: no bytes": (lambda: stored(Patient, {"photo": SSN}), "patients.photo", False, None),
    "SQLAlchemy: bound": (lambda: stored(Bound, {"ssn": NUMBER}, clinic=TENANT), FIELD, False, TENANT),
    "SQLAlchemy: changed": (lambda: read(Patient, "patients", BROKEN), FIELD, True, None),
    "SQLAlchemy: bound, changed": (lambda: read(Bound, "bound", BROKEN), FIELD, True, TENANT),
    "SQLAlchemy: plaintext": (lambda: read(Patient, "patients", SSN), FIELD, False, None),
    "SQLAlchemy: mixed, changed": (lambda: read(Mixed, "mixed", BROKEN), FIELD, True, None),
    "SQLAlchemy: mixed, a number": (lambda: read(Mixed, "mixed", NUMBER), FIELD, False, None),
    "SQLAlchemy: mixed and bound, a number": (
        lambda: read(MixedBound, "mixed_bound", NUMBER),
        FIELD,
        False,
        TENANT,
    ),
    "SQLAlchemy: text, plain": (lambda: read(Texts, "texts", SSN), FIELD, False, None),
    "SQLAlchemy: text, changed": (lambda: read(Texts, "texts", text_form.encode(BROKEN)), FIELD, True, None),
    "SQLAlchemy: a wrong type sought": (lambda: search(lambda: Texts.mail == NUMBER), "texts.mail", False, None),
    "SQLAlchemy: one of several sought": (
        lambda: search(lambda: Texts.mail.in_([NUMBER])),
        "texts.mail",
        False,
        None,
    ),
    "SQLAlchemy: LIKE": (lambda: search(lambda: Patient.ssn.like(SSN)), FIELD, False, None),
    "SQLAlchemy: a function": (lambda: search(lambda: func.lower(Patient.ssn) == "x"), FIELD, False, None),
    "SQLAlchemy: another column": (lambda: search(lambda: Texts.mail == Texts.ssn), "texts.mail", False, None),
    "boto3: a wrong type": (
        lambda: Items(TABLE, PYTHON).encrypted({"id": 1, "clinic": TENANT, "ssn": NUMBER}),
        FIELD,
        False,
        TENANT,
    ),
    "boto3: of a client": (
        lambda: Items(TABLE, WIRE).encrypted({**ITEM, "age": {"S": SSN}}),
        "patients.age",
        False,
        TENANT,
    ),
    "boto3: changed": (lambda: Items(TABLE, WIRE).decrypted({**ITEM, "ssn": {"B": BROKEN}}), FIELD, True, TENANT),
    "boto3: plaintext": (lambda: Items(TABLE, WIRE).decrypted({**ITEM, "ssn": {"S": SSN}}), FIELD, False, None),
    "boto3: compared": (lambda: scan("begins_with(ssn, :x)"), FIELD, False, None),
    "PynamoDB: compared": (lambda: Item.ssn == SSN, FIELD, False, None),
    "PynamoDB: bound, compared": (lambda: BoundItem.ssn.startswith(SSN), FIELD, False, None),
    "PynamoDB: computed": (lambda: Item.ssn.set(Item.seen), FIELD, False, None),
    "PynamoDB: a wrong type": (lambda: Item(1, ssn=NUMBER).serialize(), FIELD, False, None),
    "PynamoDB: no datetime": (lambda: Item(1, seen=SSN).serialize(), "patients.seen", False, None),
    "PynamoDB: bound": (lambda: BoundItem(1, clinic=TENANT, ssn=NUMBER).serialize(), FIELD, False, TENANT),
    "PynamoDB: bound, no datetime": (
        lambda: BoundItem(1, clinic=TENANT, seen=SSN).serialize(),
        "patients.seen",
        False,
        None,
    ),
    "PynamoDB: changed": (lambda: Item.from_raw_data({"id": {"N": "1"}, "ssn": {"B": BROKEN}}), FIELD, True, None),
    "PynamoDB: bound, changed": (lambda: BoundItem.from_raw_data({**ITEM, "ssn": {"B": BROKEN}}), FIELD, True, TENANT),
    "PynamoDB: plaintext": (lambda: BoundItem.from_raw_data({**ITEM, "ssn": {"S": SSN}}), FIELD, False, None),
    "Arrow": (lambda: arrow.encrypt_column(ssn, pa.array([NUMBER]), tenant=TENANT), FIELD, False, TENANT),
    "Arrow: changed": (lambda: arrow.decrypt_column(ssn, pa.array([BROKEN]), tenant=TENANT), FIELD, True, TENANT),
    "Arrow: no tenant": (
        lambda: arrow.encrypt_column(ssn, pa.array([SSN]), tenant=pa.array([None], pa.string())),
        FIELD,
        False,
        None,
    ),
    "pandas": (lambda: pandas.encrypt_column(ssn, pd.Series([NUMBER])), FIELD, False, None),
    "pandas: changed": (lambda: pandas.decrypt_column(ssn, pd.Series([BROKEN])), FIELD, True, None),
    "Polars": (lambda: polars.encrypt_column(ssn, pl.Series([NUMBER])), FIELD, False, None),
    "Polars: changed": (lambda: polars.decrypt_column(ssn, pl.Series([BROKEN])), FIELD, True, None),
}


@pytest.mark.parametrize("case", CASES)
def test_where(case: str) -> None:
    """As attributes and in the text, once each; and nothing of the value, in what is behind the error either."""
    work, field, has_key, tenant = CASES[case]
    with pytest.raises((FieldcryptError, TypeError, ValueError)) as caught:
        work()
    error: Any = caught.value
    assert (error.field, getattr(error, "key_id", None), getattr(error, "tenant", None)) == (
        field,
        KEY_ID if has_key else None,
        tenant,
    )
    message = str(error)
    told = [message.count(part) for part in (field, KEY_ID, f"tenant {tenant!r}")]
    assert told == [1, int(has_key), int(tenant is not None)]
    shown = "".join(traceback.format_exception_only(error)) + repr(error) + repr(vars(error))
    assert not any(secret in shown for secret in (SSN, str(NUMBER), SSN.encode().hex()))


def test_a_key_that_is_missing_is_named() -> None:
    """By who looks for it, also where a value names no field."""
    with pytest.raises(KeyNotFoundError) as caught:
        keys.needs_reencrypt(b"\x01" + b"k" * 16 + VALUE[17:])
    assert (caught.value.key_id, caught.value.field) == ((b"k" * 16).hex(), None)


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_it_survives_a_copy(again: Callable[[Any], Any]) -> None:
    """Of processes and queues, and so does what tombstones say."""
    store = MemoryKeyStore()
    encryptor = Encryptor(LocalKeyProvider.generate(), store, policy=POLICY)
    field = encryptor.field(FIELD, str)
    data = field.encrypt(SSN, tenant=TENANT)
    encryptor.data_keys.shred(TENANT, by="a test")
    with pytest.raises(KeyStoreError) as caught:
        field.decrypt(data, tenant=TENANT)
    error = again(caught.value)
    assert (error.field, error.key_id, error.tenant, error.by) == (FIELD, data[1:17].hex(), TENANT, "a test")
    assert str(error) == str(caught.value)


@pytest.mark.parametrize("kind", [ProtectedColumnError, ProtectedAttributeError, AttributeOfModelError])
def test_what_integrations_refuse_has_one_base(kind: type[PlaintextRefusedError]) -> None:
    """Whoever handles it need not know which integration it was; and it says which field."""
    with pytest.raises(PlaintextRefusedError) as caught:
        raise kind("not here", field=FIELD)
    assert pickle.loads(pickle.dumps(caught.value)).field == FIELD


def test_one_error_in_two_places() -> None:
    """Threads that share a failed call have each an error of their own place."""
    shared = KeyStoreError("down")
    one, other = located(shared, field="a.b"), located(shared, field="c.d")
    assert (str(one), str(other), str(shared)) == ("a.b: down", "c.d: down", "down")


def test_a_tenant_forges_no_log_line() -> None:
    """Its name is quoted."""
    assert str(located(KeyStoreError("down"), tenant="A\nB\x1b[2J")) == "down (tenant 'A\\nB\\x1b[2J')"


class TestNotWrappedHere:
    """The error of a process that has other wrapping keys."""

    ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

    def test_names_the_keys(self) -> None:
        """Those that the data key is under, and those that are configured."""
        theirs, ours = LocalKeyProvider.generate(), LocalKeyProvider.generate()
        for provider in (ours, AwsKmsKeyProvider(self.ARN), KeyProviderChain(ours, LocalKeyProvider.generate())):
            store = MemoryKeyStore()
            data = Encryptor(theirs, store).field(FIELD, str).encrypt(SSN)
            with pytest.raises(NotWrappedHereError) as caught:
                Encryptor(provider, store).field(FIELD, str).decrypt(data)
            assert repr(theirs.wrapping_keys()[0]) in str(caught.value)
            assert caught.value.key_id == data[1:17].hex()
        assert self.ARN not in str(caught.value)

    def test_shows_foreign_names_quoted_and_in_part(self) -> None:
        """Whoever writes to the key store chooses them."""
        forged = [WrappedKey("\n\x1b[2J" + "x" * 60_000, b"y")] * 100
        with pytest.raises(NotWrappedHereError) as caught:
            LocalKeyProvider.generate().unwrap(forged, {})
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 2_000

    def test_is_not_said_of_a_self_contained_value(self) -> None:
        """Its record is part of the value: that would say why it does not decrypt."""
        data = Encryptor(LocalKeyProvider.generate()).field(FIELD, str).encrypt(SSN)
        with pytest.raises(DecryptionError) as caught:
            Encryptor(LocalKeyProvider.generate()).field(FIELD, str).decrypt(data)
        assert type(caught.value) is DecryptionError
