"""The tables, as Flask-SQLAlchemy has them."""

from __future__ import annotations

from uuid import UUID, uuid4

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import Encryptor
from fieldcrypt.search import last
from fieldcrypt_sqlalchemy import Encrypted, IndexedBy, SqlKeyStore, blind_index, encrypted


class Base(DeclarativeBase):
    """What Flask-SQLAlchemy makes `db.Model` of."""


db = SQLAlchemy(model_class=Base)
encryptor = Encryptor()


class Merchant(db.Model):  # type: ignore[name-defined,misc]
    """A tenant."""

    __tablename__ = "merchants"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)


@encrypted(encryptor, row="id", tenant="merchant_id", fields="customers")
class Customer(db.Model):  # type: ignore[name-defined,misc]
    """A customer of one merchant. Merchants find them by the last digits of the telephone."""

    __tablename__ = "customers"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    merchant_id: Mapped[str] = mapped_column(String(40), ForeignKey("merchants.id"))
    name: Mapped[str] = mapped_column(Encrypted(String))
    address: Mapped[str] = mapped_column(Encrypted(String, pad=64))
    phone: Mapped[str] = mapped_column(Encrypted(String, index=IndexedBy("phone_last4", of=last(4), per_tenant=True)))
    phone_last4: Mapped[bytes | None] = blind_index()


SqlKeyStore.define(db.metadata)
