"""The models of SQLAlchemy whose rows were frozen, and the rows. Their encryptor is configured for each database."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Text,
    Time,
    Uuid,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import Encryptor, IndexedBy
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted
from tests.frozen.values import Colour

__all__ = ["KEYED", "ROWS", "Base", "Everything", "Patient", "Searched", "Visit", "encryptor"]

encryptor = Encryptor()  # configured by whoever opens a database


class Base(DeclarativeBase):
    """Of all tables that hold kept rows."""


class Everything(Base):
    """Columns of every kind that are bound to nothing but their names."""

    __tablename__ = "everything"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    string: Mapped[str | None] = mapped_column(Encrypted(String, encryptor))
    text: Mapped[str | None] = mapped_column(Encrypted(Text, encryptor))
    integer: Mapped[int | None] = mapped_column(Encrypted(BigInteger, encryptor))
    float: Mapped[Any] = mapped_column(Encrypted(Float, encryptor), nullable=True)
    numeric: Mapped[Decimal | None] = mapped_column(Encrypted(Numeric, encryptor))
    boolean: Mapped[bool | None] = mapped_column(Encrypted(Boolean, encryptor))
    date: Mapped[Any] = mapped_column(Encrypted(Date, encryptor), nullable=True)
    datetime: Mapped[Any] = mapped_column(Encrypted(DateTime, encryptor), nullable=True)
    moment: Mapped[Any] = mapped_column(Encrypted(DateTime(timezone=True), encryptor), nullable=True)
    time: Mapped[Any] = mapped_column(Encrypted(Time, encryptor), nullable=True)
    interval: Mapped[dt.timedelta | None] = mapped_column(Encrypted(Interval, encryptor))
    uuid: Mapped[UUID | None] = mapped_column(Encrypted(Uuid, encryptor))
    binary: Mapped[bytes | None] = mapped_column(Encrypted(LargeBinary, encryptor))
    document: Mapped[Any] = mapped_column(Encrypted(JSON(none_as_null=True), encryptor), nullable=True)
    colour: Mapped[Colour | None] = mapped_column(Encrypted(Enum(Colour), encryptor))
    padded: Mapped[str | None] = mapped_column(Encrypted(String, encryptor, pad=32))
    named: Mapped[str | None] = mapped_column(Encrypted(String, encryptor, name="people.nickname"))


class Searched(Base):
    """Columns with blind indexes of each kind."""

    __tablename__ = "searched"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    exact: Mapped[str | None] = mapped_column(Encrypted(String, encryptor, index="exact_tag"))
    exact_tag: Mapped[bytes | None] = blind_index(unique=True)
    number: Mapped[int | None] = mapped_column(Encrypted(BigInteger, encryptor, index="number_tag"))
    number_tag: Mapped[bytes | None] = blind_index()
    nfkc: Mapped[str | None] = mapped_column(
        Encrypted(String, encryptor, index=IndexedBy("nfkc_tag", normaliser="nfkc"))
    )
    nfkc_tag: Mapped[bytes | None] = blind_index()
    email: Mapped[str | None] = mapped_column(
        Encrypted(String, encryptor, index=IndexedBy("email_tag", normaliser="casefold"))
    )
    email_tag: Mapped[bytes | None] = blind_index()
    phone: Mapped[str | None] = mapped_column(
        Encrypted(String, encryptor, index=IndexedBy("phone_tag", normaliser="digits", tag_size=2))
    )
    phone_tag: Mapped[bytes | None] = blind_index()


@encrypted(encryptor, row="id", tenant="clinic")
class Patient(Base):
    """Bound to its row, under the keys of its tenant."""

    __tablename__ = "patients"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    clinic: Mapped[str] = mapped_column(String(50))
    ssn: Mapped[str | None] = mapped_column(Encrypted(String, index=IndexedBy("ssn_tag", per_tenant=True)))
    ssn_tag: Mapped[bytes | None] = blind_index()
    born: Mapped[Any] = mapped_column(Encrypted(Date), nullable=True)
    document: Mapped[Any] = mapped_column(Encrypted(JSON(none_as_null=True)), nullable=True)


@encrypted(encryptor, row=("patient_id", "number"))
class Visit(Base):
    """Bound to a row whose key has two parts."""

    __tablename__ = "visits"
    patient_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[str | None] = mapped_column(Encrypted(String, pad=16))


def _keyed(name: str, type_: Any) -> Any:
    """Make a model that is bound to a key of some type."""

    columns = {
        "id": mapped_column(type_, primary_key=True, autoincrement=False),
        "secret": mapped_column(Encrypted(String)),
    }
    model = type(f"Keyed{name.title()}", (Base,), {"__tablename__": f"keyed_{name}", **columns})
    return encrypted(encryptor, row="id")(model)


KEYED: dict[str, tuple[Any, Any]] = {
    "text": (_keyed("text", String(50)), "Ann Müller"),
    "integer": (_keyed("integer", BigInteger), -7),
    "uuid": (_keyed("uuid", Uuid), UUID("00112233-4455-6677-8899-aabbccddeeff")),
    "bytes": (_keyed("bytes", LargeBinary(20)), b"\x00\xff"),
    "date": (_keyed("date", Date), dt.date(2026, 11, 23)),
    "enum": (_keyed("enum", Enum(Colour)), Colour.GREEN),
}

BERLIN = dt.timezone(dt.timedelta(hours=1))
ANN, BOB, EVE = UUID(int=1), UUID(int=2), UUID(int=3)
_EVERYTHING = [
    {
        "string": "Ann Müller",
        "text": "long " * 100,
        "integer": 2**62,
        "float": 1.1,
        "numeric": Decimal("2000.000"),
        "boolean": True,
        "date": dt.date(1970, 1, 31),
        "datetime": dt.datetime(2026, 11, 23, 14, 49, 0, 123),
        "moment": dt.datetime(2026, 11, 23, 14, 49, tzinfo=BERLIN),
        "time": dt.time(14, 49, 0, 5),
        "interval": dt.timedelta(days=-1, microseconds=1),
        "uuid": UUID("00112233-4455-6677-8899-aabbccddeeff"),
        "binary": b"\x00\x01\xff",
        "document": {"z": [1, None, {"a": "b"}], "a": True},
        "colour": Colour.RED,
        "padded": "short",
        "named": "Annie",
    },
    {"string": "", "text": "", "integer": 0, "float": -0.0, "numeric": Decimal("-0.50"), "boolean": False},
    {},
]
_EVERY_NAME = [each for each in Everything.__mapper__.columns.keys() if each != "id"]  # noqa: SIM118 (no dict)

# What the rows have to say: the model, and by their keys the values of attributes.
ROWS: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    *(
        (Everything, {"id": number}, {name: values.get(name) for name in _EVERY_NAME})
        for number, values in enumerate(_EVERYTHING, 1)
    ),
    (
        Searched,
        {"id": 1},
        {"exact": "a", "number": 7, "nfkc": "ﬁancé", "email": "Ann@Example.org", "phone": "+49 30 1"},
    ),
    (Searched, {"id": 2}, {"exact": "b", "number": 7, "nfkc": "x", "email": "bob@example.org", "phone": None}),
    (Searched, {"id": 3}, dict.fromkeys(("exact", "number", "nfkc", "email", "phone"))),
    (
        Patient,
        {"id": ANN},
        {"clinic": "north", "ssn": "078-05-1120", "born": dt.date(1970, 1, 1), "document": {"a": [1]}},
    ),
    (Patient, {"id": BOB}, {"clinic": "south", "ssn": "078-05-1120", "born": None, "document": None}),
    (Patient, {"id": UUID(int=4)}, {"clinic": "south", "ssn": None, "born": None, "document": [None]}),
    (Visit, {"patient_id": ANN, "number": 1}, {"note": "migraine"}),
    (Visit, {"patient_id": ANN, "number": 2}, {"note": None}),
    *((model, {"id": key}, {"secret": f"of {name}"}) for name, (model, key) in KEYED.items()),
]
SHREDDED: tuple[Any, dict[str, Any], dict[str, Any]] = (
    Patient,
    {"id": EVE},
    {"clinic": "leaving", "ssn": "219-09-9999"},
)
