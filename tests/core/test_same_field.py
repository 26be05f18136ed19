"""A field that is declared for boto3, PynamoDB and SQLAlchemy is one field: each reads what the others wrote."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.models import Model
from sqlalchemy import DateTime, Integer, LargeBinary, String, create_engine, text, type_coerce
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor, IndexedBy, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_dynamodb import EncryptedTable, Protected, ProtectedTable
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_model
from fieldcrypt_sqlalchemy import Encrypted, blind_index
from fieldcrypt_sqlalchemy import encrypted as encrypted_rows
from tests.support.dynamodb import DynamoDb
from tests.support.loop_lag import ATTEMPTS, MAX_LAG, SlowProvider, lag_during

INDEX = IndexedBy("email_tag", normaliser="casefold")
PROTECTED = {
    "ssn": "078-05-1120",
    "email": "Ann@Example.org",
    "visits": 17_171_717,
    "seen": dt.datetime(2026, 2, 28, 23, 59, 59, 17, dt.UTC),
}
KEY = {"clinic": "north", "number": 7}
VALUES = {**KEY, **PROTECTED}
COLUMNS = (*PROTECTED, "email_tag")


class Base(DeclarativeBase):
    pass


keys = Encryptor()


@encrypted_rows(keys, row=("clinic", "number"), tenant="clinic")
class Row(Base):
    __tablename__ = "patients"
    clinic: Mapped[str] = mapped_column(String, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    ssn: Mapped[str] = mapped_column(Encrypted(String))
    email: Mapped[str] = mapped_column(Encrypted(String, index=INDEX))
    email_tag: Mapped[bytes | None] = blind_index()
    visits: Mapped[int] = mapped_column(Encrypted(Integer))
    seen: Mapped[dt.datetime] = mapped_column(Encrypted(DateTime(timezone=True)))


class InSql:
    """SQLAlchemy, on SQLite."""

    def __init__(self, dynamodb: DynamoDb) -> None:
        self._engine = create_engine("sqlite://")
        Base.metadata.create_all(self._engine)

    def write(self) -> dict[str, bytes]:
        with Session(self._engine) as session:
            session.add(Row(**VALUES))
            session.commit()
            columns = [type_coerce(Row.__table__.c[name], LargeBinary) for name in COLUMNS]
            found = session.query(*columns).one()
        return dict(zip(COLUMNS, found, strict=True))

    def read(self, data: dict[str, bytes]) -> dict[str, Any]:
        with Session(self._engine) as session:
            names = [*KEY, *data]
            places = ", ".join(f":{name}" for name in names)
            session.execute(text(f"INSERT INTO patients ({', '.join(names)}) VALUES ({places})"), {**KEY, **data})
            row = session.query(Row).filter(Row.email == "ANN@example.org").one()
            return {name: getattr(row, name) for name in VALUES}


class InModel:
    """PynamoDB."""

    def __init__(self, dynamodb: DynamoDb) -> None:
        class Patient(Model):
            Meta = dynamodb.meta("patients")
            clinic = UnicodeAttribute(hash_key=True)
            number = NumberAttribute(range_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute())
            email = EncryptedAttribute(UnicodeAttribute(), index=INDEX)
            email_tag = BlindIndexAttribute(null=True)
            visits = EncryptedAttribute(NumberAttribute())
            seen = EncryptedAttribute(UTCDateTimeAttribute())

        self._model: Any = encrypted_model(keys, tenant="clinic")(Patient)
        self._model.create_table(wait=True)
        self._client = dynamodb.client()

    def write(self) -> dict[str, bytes]:
        self._model(**VALUES).save()
        return stored(self._client)

    def read(self, data: dict[str, bytes]) -> dict[str, Any]:
        put(self._client, data)
        (item,) = self._model.scan(self._model.email == "ANN@example.org")
        return {name: getattr(item, name) for name in VALUES}


class InTable:
    """boto3."""

    def __init__(self, dynamodb: DynamoDb) -> None:
        self._client = dynamodb.client()
        self._client.create_table(
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
        described = ProtectedTable(
            "patients",
            keys,
            key=["clinic", "number"],
            tenant="clinic",
            attributes={"ssn": str, "email": Protected(str, index=INDEX), "visits": int, "seen": dt.datetime},
        )
        self._table = EncryptedTable(dynamodb.resource().Table("patients"), described)

    def write(self) -> dict[str, bytes]:
        self._table.put_item(Item=VALUES)
        return stored(self._client)

    def read(self, data: dict[str, bytes]) -> dict[str, Any]:
        put(self._client, data)
        condition = {"FilterExpression": "email = :e", "ExpressionAttributeValues": {":e": "ANN@example.org"}}
        (item,) = self._table.scan(**condition)["Items"]
        return {name: item[name] for name in VALUES}


def stored(client: Any) -> dict[str, bytes]:
    """The ciphertexts and the tag of the item."""
    item = client.get_item(TableName="patients", Key={"clinic": {"S": "north"}, "number": {"N": "7"}})["Item"]
    return {name: item[name]["B"] for name in COLUMNS}


def put(client: Any, data: dict[str, bytes]) -> None:
    """Have DynamoDB hold what was written elsewhere."""
    item = {"clinic": {"S": "north"}, "number": {"N": "7.0"}, **{name: {"B": value} for name, value in data.items()}}
    client.put_item(TableName="patients", Item=item)


PLACES: list[type[InSql | InModel | InTable]] = [InSql, InModel, InTable]


@pytest.mark.parametrize("reader", PLACES)
@pytest.mark.parametrize("writer", PLACES)
def test_each_reads_and_finds_what_each_writes(dynamodb: DynamoDb, writer: Any, reader: Any) -> None:
    """Under the same names, key and tenant."""
    keys.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    data = writer(dynamodb).write()
    client = dynamodb.client()
    for table in client.list_tables()["TableNames"]:
        client.delete_table(TableName=table)
    assert reader(dynamodb).read(data) == VALUES


def test_a_table_in_a_thread_does_not_hold_up_the_event_loop(moto: DynamoDb) -> None:
    """No tick is late, although KMS takes its time for every new key."""
    provider = SlowProvider(bytes(32))

    async def story(attempt: int) -> float:
        keys.configure(provider, MemoryKeyStore())
        calls = SlowProvider.calls
        item = {**VALUES, "number": attempt}
        _, lag = await lag_during(asyncio.to_thread(table._table.put_item, Item=item))
        assert SlowProvider.calls > calls
        return lag

    table = InTable(moto)
    assert any(asyncio.run(story(attempt)) < MAX_LAG for attempt in range(ATTEMPTS))
