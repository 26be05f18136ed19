"""Models of patients and tenants, with protected attributes of every kind."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection, LocalSecondaryIndex
from pynamodb.models import Model

from fieldcrypt import Encryptor
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, IndexedBy, encrypted

SSN = "078-05-1120"
OTHER_SSN = "219-09-9999"
EMAIL = "ann@example.org"
UTC = dt.UTC
KEY = {"clinic": {"S": "clinic-7"}, "id": {"N": "1"}}


class Address(MapAttribute[Any, Any]):
    """A map with declared attributes."""

    street = UnicodeAttribute(attr_name="s")
    number = NumberAttribute(null=True)


def patients(meta: Any, keys: Encryptor) -> Any:
    """A model with protected attributes of every kind, whose tenant is part of the key, and its table."""

    class ByName(GlobalSecondaryIndex[Any]):
        class Meta:
            index_name = "by-name"
            projection = AllProjection()

        name = UnicodeAttribute(hash_key=True)

    class ByWard(LocalSecondaryIndex[Any]):
        class Meta:
            index_name = "by-ward"
            projection = IncludeProjection(["ssn"])

        clinic = UnicodeAttribute(hash_key=True)
        ward = UnicodeAttribute(range_key=True)

    @encrypted(keys, tenant="clinic")
    class Patient(Model):
        Meta = meta

        clinic = UnicodeAttribute(hash_key=True)
        id = NumberAttribute(range_key=True)
        name = UnicodeAttribute(null=True)
        ward = UnicodeAttribute(null=True)
        visits = NumberAttribute(default=0)
        expires = TTLAttribute(null=True)
        version = VersionAttribute()
        by_name = ByName()
        by_ward = ByWard()

        ssn = EncryptedAttribute(UnicodeAttribute(null=True))
        email = EncryptedAttribute(UnicodeAttribute(null=True), index=IndexedBy("email_tag", normaliser="casefold"))
        email_tag = BlindIndexAttribute(null=True)
        weight = EncryptedAttribute(NumberAttribute(null=True))
        scan_ = EncryptedAttribute(BinaryAttribute(legacy_encoding=False, null=True), pad=64)
        alive = EncryptedAttribute(BooleanAttribute(default=True))
        born = EncryptedAttribute(UTCDateTimeAttribute(null=True, attr_name="b"))
        notes = EncryptedAttribute(JSONAttribute(null=True))
        allergies = EncryptedAttribute(UnicodeSetAttribute())
        doses = EncryptedAttribute(NumberSetAttribute())
        history: Any = EncryptedAttribute(ListAttribute(null=True))
        address = EncryptedAttribute(Address(null=True))
        extra: Any = EncryptedAttribute(MapAttribute(null=True))

    Patient.create_table(wait=True)
    return Patient


VALUES: dict[str, Any] = {
    "ssn": SSN,
    "email": EMAIL,
    "weight": 71.5,
    "scan_": b"\x00" + SSN.encode(),
    "alive": False,
    "born": dt.datetime(1980, 2, 29, 12, tzinfo=UTC),
    "notes": {"secret": [SSN, None, 1.5]},
    "allergies": {SSN, "nuts"},
    "doses": {1, 2.5},
    "history": [SSN, {"ssn": SSN}, None, True],
}

PROTECTED = {*VALUES, "address", "extra"}


def ann(model: Any, number: int = 1, clinic: str = "clinic-7", **other: Any) -> Any:
    """A patient with all values."""
    values = {**VALUES, "address": Address(street=SSN, number=3), "extra": {"ssn": SSN}, "name": "Ann", "ward": "W"}
    return model(clinic, number, **{**values, **other})


def check(patient: Any, **other: Any) -> None:
    """All values are there."""
    expected = {**VALUES, **other}
    assert {name: getattr(patient, name) for name in expected} == expected
    assert (patient.address.street, patient.address.number, patient.extra["ssn"]) == (SSN, 3, SSN)
    assert isinstance(patient.address, Address)


def tenants(meta: Any, keys: Encryptor) -> Any:
    """A model whose tenant is no part of the key, and its table."""

    @encrypted(keys, tenant="clinic")
    class Patient(Model):
        Meta = meta
        id = UnicodeAttribute(hash_key=True)
        clinic = UnicodeAttribute(null=True)
        name = UnicodeAttribute(null=True)
        ssn = EncryptedAttribute(UnicodeAttribute(null=True))

    Patient.create_table(wait=True)
    return Patient
