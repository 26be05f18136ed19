"""The demo's databases: customers in SQLite through SQLAlchemy, and in DynamoDB through PynamoDB."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pynamodb.attributes import Attribute, NumberAttribute, UnicodeAttribute
from pynamodb.models import Model
from sqlalchemy import Engine, LargeBinary, String, create_engine, select, type_coerce
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor, KeyProvider
from fieldcrypt.cli.demo.customers import PROTECTED, Customer
from fieldcrypt.testing import LocalAws
from fieldcrypt_dynamodb import DynamoKeyStore
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_sqlalchemy import Encrypted, SqlKeyStore

__all__ = ["DynamoCustomers", "SqlCustomers"]

_META = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "billing_mode": "PAY_PER_REQUEST"}


class SqlCustomers:
    """A table in an SQLite file, with the data keys in the same file."""

    title = "SQLAlchemy, SQLite"

    def __init__(self, path: Path, provider: KeyProvider) -> None:
        self._path = path
        self._engine: Engine = create_engine(f"sqlite:///{path}")
        encryptor = Encryptor()
        self._row = _sql_model(encryptor)
        self._keys = SqlKeyStore(create_engine(f"sqlite:///{path}"))
        encryptor.configure(provider, self._keys)

    def create(self) -> None:
        self._row.metadata.create_all(self._engine)
        self._keys.create_table()

    def write(self, customers: Iterable[Customer]) -> None:
        with Session(self._engine) as session:
            session.add_all(self._row(**_values(customer)) for customer in customers)
            session.commit()

    def read(self) -> list[Customer]:
        with Session(self._engine) as session:
            return [_customer(row) for row in session.scalars(select(self._row).order_by(self._row.id))]

    def at_rest(self) -> bytes:
        """Return everything that is on the disk."""
        return b"".join(file.read_bytes() for file in self._path.parent.glob(self._path.name + "*"))

    def ciphertext(self, field: str) -> bytes:
        """Return the first value of a field as the database has it."""
        column = self._row.__table__.c[field]
        query = select(type_coerce(column, LargeBinary)).where(column.is_not(None)).order_by(self._row.id).limit(1)
        with self._engine.connect() as connection:
            value: bytes = connection.scalars(query).one()
            return value

    def replicate(self, path: Path) -> None:
        """Copy the file, as a database copies its storage to another region."""
        shutil.copy(self._path, path)


def _sql_model(encryptor: Encryptor) -> Any:
    class Base(DeclarativeBase):
        pass

    class Row(Base):
        __tablename__ = "customers"
        id: Mapped[int] = mapped_column(primary_key=True)
        country: Mapped[str | None]
        name: Mapped[str | None] = mapped_column(Encrypted(String, encryptor))
        address: Mapped[str | None] = mapped_column(Encrypted(String, encryptor))
        phone: Mapped[str | None] = mapped_column(Encrypted(String, encryptor))
        email: Mapped[str | None] = mapped_column(Encrypted(String, encryptor))

    return Row


class DynamoCustomers:
    """A DynamoDB table in one region, with the data keys in a table next to it."""

    title = "PynamoDB, DynamoDB"

    def __init__(self, aws: LocalAws, region: str, provider: KeyProvider) -> None:
        self._client = aws.client("dynamodb", region)
        self._keys = DynamoKeyStore("data-keys", lambda _: self._client)
        self._item = _dynamo_model(aws.endpoint(region), region, Encryptor(provider, self._keys))

    def create(self) -> None:
        self._item.create_table(wait=True)
        self._keys.create_table()

    def write(self, customers: Iterable[Customer]) -> None:
        with self._item.batch_write() as batch:
            for customer in customers:
                batch.save(self._item(**_values(customer)))

    def read(self) -> list[Customer]:
        return sorted((_customer(item) for item in self._item.scan()), key=lambda customer: customer.id)

    def at_rest(self) -> bytes:
        """Return everything that is in the tables."""
        items = [item for table in self._tables() for item in self._items(table)]
        return b"\n".join(
            content if isinstance(content, bytes) else str(content).encode()
            for item in items
            for value in item.values()
            for content in value.values()
        )

    def replicate(self, other: DynamoCustomers) -> None:
        """Copy all items as they are, as a global table does."""
        for table in self._tables():
            for item in self._items(table):
                other._client.put_item(TableName=table, Item=item)

    def _tables(self) -> tuple[str, str]:
        return self._item.Meta.table_name, self._keys.table

    def _items(self, table: str) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("scan").paginate(TableName=table)
        return [item for page in pages for item in page["Items"]]


def _dynamo_model(endpoint: str, region: str, encryptor: Encryptor) -> Any:
    def encrypted() -> Attribute[str]:
        return EncryptedAttribute(UnicodeAttribute(null=True), encryptor)

    class Item(Model):
        Meta: Any = type("Meta", (), {"table_name": "customers", "region": region, "host": endpoint, **_META})
        id = NumberAttribute(hash_key=True)
        country = UnicodeAttribute(null=True)
        name = encrypted()
        address = encrypted()
        phone = encrypted()
        email = encrypted()

    return Item


def _values(customer: Customer) -> dict[str, Any]:
    return {field: getattr(customer, field) for field in ("id", "country", *PROTECTED)}


def _customer(row: Any) -> Customer:
    return Customer(**_values(row))
