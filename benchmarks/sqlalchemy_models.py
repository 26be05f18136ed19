"""One table three times: unprotected, with column-bound fields, and with fields that are bound to their row."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Date, Integer, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import Encryptor
from fieldcrypt_sqlalchemy import Encrypted, encrypted

__all__ = ["PROTECTED", "TENANTS", "Base", "ColumnBound", "Plain", "RowBound", "encryptor", "made_rows"]

TENANTS = 20
PROTECTED = ("name", "ssn", "born", "balance", "visits")
_CENTURY = 36_525  # days
_FIRST_NAMES = ("Ann", "José", "Siân", "Björn", "Mei", "Olga", "Tariq", "Łucja")
_LAST_NAMES = ("Smith", "Núñez", "O'Hara", "Müller", "Tanaka", "Kowalska", "Iyer", "Featherstonehaugh")

encryptor = Encryptor()  # configured by the run


class Base(DeclarativeBase):
    pass


# The application makes the key, an int, which is what costs an unprotected table least.


class Plain(Base):
    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    clinic_id: Mapped[str]
    name: Mapped[str] = mapped_column(String)
    ssn: Mapped[str] = mapped_column(String)
    born: Mapped[date] = mapped_column(Date)
    balance: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    visits: Mapped[int] = mapped_column(Integer)


class ColumnBound(Base):
    __tablename__ = "column_bound"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    clinic_id: Mapped[str]
    name: Mapped[str] = mapped_column(Encrypted(String, encryptor))
    ssn: Mapped[str] = mapped_column(Encrypted(String, encryptor))
    born: Mapped[date] = mapped_column(Encrypted(Date, encryptor))
    balance: Mapped[Decimal] = mapped_column(Encrypted(Numeric(12, 2), encryptor))
    visits: Mapped[int] = mapped_column(Encrypted(Integer, encryptor))


@encrypted(encryptor, row="id", tenant="clinic_id")
class RowBound(Base):
    __tablename__ = "row_bound"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    clinic_id: Mapped[str]
    name: Mapped[str] = mapped_column(Encrypted(String))
    ssn: Mapped[str] = mapped_column(Encrypted(String))
    born: Mapped[date] = mapped_column(Encrypted(Date))
    balance: Mapped[Decimal] = mapped_column(Encrypted(Numeric(12, 2)))
    visits: Mapped[int] = mapped_column(Encrypted(Integer))


def made_rows(count: int) -> Iterator[dict[str, Any]]:
    """Make rows, always the same ones; every tenant has some of the first TENANTS rows and of all that follow."""
    rng = random.Random(4)
    for number in range(1, count + 1):
        digits = rng.randrange(10**9)
        yield {
            "id": number,
            "clinic_id": f"clinic-{number % TENANTS}",
            "name": f"{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}",
            "ssn": f"{digits // 10**6:03}-{digits // 10**4 % 100:02}-{digits % 10**4:04}",
            "born": date(1924, 1, 1) + timedelta(days=rng.randrange(_CENTURY)),
            "balance": Decimal(rng.randrange(-(10**5), 10**6)) / 100,
            "visits": rng.randrange(200),
        }
