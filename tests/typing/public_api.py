"""The types that users see, and some mistakes that their type checker finds."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, assert_type

from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model
from sqlalchemy import String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import fieldcrypt.migration
from fieldcrypt import BlindIndex, Encryptor, Field, IndexedBy, ProtectedRecord, Protection
from fieldcrypt_dynamodb import EncryptedClient, EncryptedTable, Protected, ProtectedTable
from fieldcrypt_dynamodb import of_tenant as items_of_tenant
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_items
from fieldcrypt_sqlalchemy import Encrypted, TenantColumn, blind_index, encrypted, find, of_tenant

encryptor = Encryptor()


class Colour(enum.Enum):
    """A type of a field."""

    RED = "r"


def names() -> None:
    """A name that is mistyped is found, although some are loaded when they are asked for."""
    assert_type(fieldcrypt.Progress, type[fieldcrypt.Progress])
    print(fieldcrypt.Encrypter)  # type: ignore[attr-defined]
    print(fieldcrypt.migration.FormerField)  # type: ignore[attr-defined]


def fields(texts: list[str], values: list[str | None]) -> None:
    """A field has the type that it is made with."""
    ssn = encryptor.field("patients.ssn", str)
    assert_type(ssn, Field[str])
    assert_type(encryptor.field("patients.photo"), Field[bytes])
    assert_type(encryptor.field("patients.colour", Colour), Field[Colour])
    assert_type(ssn.encrypt("a", tenant="north"), bytes)
    assert_type(ssn.decrypt(b""), str)
    assert_type(ssn.encrypt_many(texts), list[bytes])
    assert_type(ssn.encrypt_many(values), list[bytes | None])
    assert_type(ssn.decrypt_many([b""]), list[str])
    assert_type(encryptor.blind_index("patients.born", date), BlindIndex[date])
    assert_type(encryptor.blind_index("patients.ssn").tags("a"), list[bytes])
    ssn.encrypt(1)  # type: ignore[arg-type]
    ssn.decrypt("a")  # type: ignore[arg-type]
    encryptor.field("patients.ssn", str).encrypt(None)  # type: ignore[arg-type]


def records(record: Mapping[str, Any]) -> None:
    """A record is a dictionary before and after."""
    how = Protection(str, index=["email_tag", IndexedBy("domain_tag", normaliser="casefold")])
    assert_type(how.indexes, tuple[IndexedBy, ...])
    people = ProtectedRecord("people", encryptor, fields={"email": how, "born": date}, key="id", tenant="clinic")
    assert_type(people.encrypt(record), dict[str, Any])
    assert_type(people.decrypt_many([record]), list[dict[str, Any]])
    assert_type(people.fields["email"], Field[Any])
    Protection(str, "email_tag")  # type: ignore[call-arg]


class Base(DeclarativeBase):
    """Of the models."""


@encrypted(encryptor, row="id", tenant="clinic")
class Patient(Base):
    """A model as the README has it."""

    __tablename__ = "patients"
    id: Mapped[int] = mapped_column(primary_key=True)
    clinic: Mapped[str]
    ssn: Mapped[str | None] = mapped_column(Encrypted(String))
    email: Mapped[str] = mapped_column(Encrypted(String, index="email_tag"))
    email_tag: Mapped[bytes] = blind_index()


def rows(session: Session, patient: Patient) -> None:
    """The decorator changes no types, and what is selected has the model's."""
    assert_type(patient.ssn, str | None)
    assert_type(find(session, select(Patient).where(Patient.email == "a")), list[Patient])
    assert_type(of_tenant(Patient.email, "north"), TenantColumn)
    select(Patient).where(of_tenant(Patient.email, "north") == "a")
    patient.ssn = 1  # type: ignore[assignment]


def items(client: Any, table: Any) -> None:
    """The wrappers of boto3 stay what they are for a tenant."""
    patients = ProtectedTable("patients", encryptor, key="id", attributes={"ssn": Protected(str), "born": date})
    assert_type(items_of_tenant(EncryptedTable(table, patients), "north"), EncryptedTable)
    assert_type(items_of_tenant(EncryptedClient(client, [patients]), "north"), EncryptedClient)
    assert_type(EncryptedTable(table, patients).get_item(Key={"id": 1}), dict[str, Any])
    assert_type(items_of_tenant(patients, "north"), ProtectedTable)
    assert_type(patients.encrypt_item({"id": 1}, to="json"), dict[str, Any])
    patients.decrypt_item({"id": 1}, form="wire")  # type: ignore[arg-type]


@encrypted_items(encryptor, tenant="clinic")
class Account(Model):
    """A model of PynamoDB."""

    id = UnicodeAttribute(hash_key=True)
    clinic = UnicodeAttribute()
    ssn = EncryptedAttribute(UnicodeAttribute())


def models(account: Account) -> None:
    """An attribute of an instance has the type of the attribute inside."""
    assert_type(account.ssn, str)
    assert_type(Account.ssn, EncryptedAttribute[str])


def pipelines(apply: Callable[[Callable[[str], bytes]], None]) -> None:
    """Bound methods are what pipelines take."""
    apply(encryptor.field("patients.ssn", str).encrypt)
