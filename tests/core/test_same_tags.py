"""The indexes of a field that is declared for records, SQLAlchemy, PynamoDB and boto3 have the same tags in each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model
from sqlalchemy import Column, Date, Integer, LargeBinary, String, create_engine, type_coerce
from sqlalchemy.orm import DeclarativeBase, Session

from fieldcrypt import CompoundIndex, Encryptor, IndexedBy, ProtectedRecord, Protection
from fieldcrypt.search import Prefixes, Range, Suffixes, domain, last, year
from fieldcrypt_dynamodb import EncryptedTable, Protected, ProtectedTable
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_model
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, encrypted
from tests.pynamodb.people import DateAttribute
from tests.support.dynamodb import DynamoDb
from tests.support.encryptors import new_encryptor

INDEXES = {
    "ssn": [IndexedBy("ssn_last4", normaliser="digits", of=last(4)), IndexedBy("ssn_tag", name="another")],
    "email": [
        IndexedBy("email_start", normaliser="casefold", of=Prefixes(14, 17), accept_leakage=True),
        IndexedBy("email_end", of=Suffixes(15, 16), accept_leakage=True),
        IndexedBy("email_tag", partitions=8, accept_leakage=True, per_tenant=True),
    ],
    "born": [
        IndexedBy("born_year", of=year(), per_tenant=True),
        IndexedBy("born_range", of=Range(date(1900, 1, 1), date(2100, 1, 1)), accept_leakage=True),
    ],
    "visits": [IndexedBy("visits_range", of=Range(0, 2**25, 2**20), accept_leakage=True)],
}
COMPOUNDS = [
    CompoundIndex("who_tag", of={"ssn": "digits", "email": "casefold"}),
    CompoundIndex("where_tag", of={"clinic": None, "email": domain()}, partitions=8, accept_leakage=True),
]
TYPES: dict[str, type] = {"ssn": str, "email": str, "born": date, "visits": int}
VALUES = {
    **{"clinic": "north", "number": 7, "ssn": "078-05-1120"},
    **{"email": "Ann@Example.org", "born": date(1994, 5, 6), "visits": 17_171_717},
}
COMPANIONS = [each for indexes in INDEXES.values() for index in indexes for each in index.companions]
COMPANIONS += [each.companion for each in COMPOUNDS]
KEY = ["clinic", "number"]


def of_record(encryptor: Encryptor, dynamodb: DynamoDb) -> Any:
    fields = {name: Protection(type, index=INDEXES[name]) for name, type in TYPES.items()}
    return ProtectedRecord("patients", encryptor, key=KEY, tenant="clinic", fields=fields, indexes=COMPOUNDS).encrypt(
        VALUES
    )


def of_sqlalchemy(encryptor: Encryptor, dynamodb: DynamoDb) -> Any:
    class Base(DeclarativeBase):
        pass

    types = {"ssn": String, "email": String, "born": Date, "visits": Integer}
    columns: dict[str, Any] = {
        "__tablename__": "patients",
        "clinic": Column(String, primary_key=True),
        "number": Column(Integer, primary_key=True, autoincrement=False),
        **{name: Column(Encrypted(type, index=INDEXES[name])) for name, type in types.items()},
        **{name: Column(BlindIndexTag()) for name in COMPANIONS},
    }
    model: Any = encrypted(encryptor, row=("clinic", "number"), tenant="clinic", indexes=COMPOUNDS)(
        type("Row", (Base,), columns)
    )
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(model(**VALUES))
        session.commit()
        found = session.query(*[type_coerce(model.__table__.c[name], LargeBinary) for name in COMPANIONS]).one()
    return dict(zip(COMPANIONS, found, strict=True))


def of_pynamodb(encryptor: Encryptor, dynamodb: DynamoDb) -> Any:
    types = {"ssn": UnicodeAttribute, "email": UnicodeAttribute, "born": DateAttribute, "visits": NumberAttribute}
    attributes: dict[str, Any] = {
        "Meta": dynamodb.meta("patients"),
        "clinic": UnicodeAttribute(hash_key=True),
        "number": NumberAttribute(range_key=True),
        **{name: EncryptedAttribute(type(), index=INDEXES[name]) for name, type in types.items()},
        **{name: BlindIndexAttribute(null=True) for name in COMPANIONS},
    }
    model: Any = encrypted_model(encryptor, tenant="clinic", indexes=COMPOUNDS)(type("Patient", (Model,), attributes))
    model.create_table(wait=True)
    model(**VALUES).save()
    return item_of(dynamodb)


def of_boto3(encryptor: Encryptor, dynamodb: DynamoDb) -> Any:
    dynamodb.client().create_table(
        TableName="patients",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "clinic", "AttributeType": "S"},
            {"AttributeName": "number", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "clinic", "KeyType": "HASH"},
            {"AttributeName": "number", "KeyType": "RANGE"},
        ],
    )
    attributes = {name: Protected(type, index=INDEXES[name]) for name, type in TYPES.items()}
    described = ProtectedTable(
        "patients", encryptor, key=KEY, tenant="clinic", attributes=attributes, indexes=COMPOUNDS
    )
    EncryptedTable(dynamodb.resource().Table("patients"), described).put_item(Item=VALUES)
    return item_of(dynamodb)


def item_of(dynamodb: DynamoDb) -> Any:
    """The only item, in DynamoDB's form."""
    (item,) = dynamodb.client().scan(TableName="patients")["Items"]
    return {name: value.get("B") for name, value in item.items()}


@pytest.mark.parametrize("place", [of_sqlalchemy, of_pynamodb, of_boto3])
def test_tags_of_all_kinds_are_the_same(moto: DynamoDb, place: Callable[..., Any]) -> None:
    """Those that depend on the row, too: dummies and partitions."""
    encryptor = new_encryptor()
    expected, found = of_record(encryptor, moto), place(encryptor, moto)
    assert {name: found[name] for name in COMPANIONS} == {name: expected[name] for name in COMPANIONS}
    assert None not in [found[name] for name in COMPANIONS]
