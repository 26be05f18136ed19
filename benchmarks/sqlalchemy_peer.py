"""The benchmark's table with the same columns encrypted by sqlalchemy-utils, under one key for all of them."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Date, Dialect, Integer, String, TypeDecorator
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy_utils import StringEncryptedType
from sqlalchemy_utils.types.encrypted.encrypted_type import AesGcmEngine

from benchmarks.sqlalchemy_workload import Base

__all__ = ["PEER"]

_key = os.urandom(32).hex()


class _Decimal(TypeDecorator[Decimal]):
    """A Decimal as text: sqlalchemy-utils would encrypt the repr of one, and not read it back."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return Decimal(value)


class SqlalchemyUtils(Base):
    __tablename__ = "sqlalchemy_utils"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    clinic_id: Mapped[str]
    name: Mapped[str] = mapped_column(StringEncryptedType(String, _key, AesGcmEngine))
    ssn: Mapped[str] = mapped_column(StringEncryptedType(String, _key, AesGcmEngine))
    born: Mapped[date] = mapped_column(StringEncryptedType(Date, _key, AesGcmEngine))
    balance: Mapped[Decimal] = mapped_column(StringEncryptedType(_Decimal, _key, AesGcmEngine))
    visits: Mapped[int] = mapped_column(StringEncryptedType(Integer, _key, AesGcmEngine))


PEER = ("sqlalchemy-utils", SqlalchemyUtils)
