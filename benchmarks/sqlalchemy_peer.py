"""The benchmark's table with the same columns encrypted by sqlalchemy-utils, under one key for all of them."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

from sqlalchemy import Date, Integer, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy_utils import StringEncryptedType
from sqlalchemy_utils.types.encrypted.encrypted_type import AesGcmEngine

from benchmarks.sqlalchemy_workload import Base

__all__ = ["PEER"]

_key = os.urandom(32).hex()


class SqlalchemyUtils(Base):
    __tablename__ = "sqlalchemy_utils"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    clinic_id: Mapped[str]
    name: Mapped[str] = mapped_column(StringEncryptedType(String, _key, AesGcmEngine))
    ssn: Mapped[str] = mapped_column(StringEncryptedType(String, _key, AesGcmEngine))
    born: Mapped[date] = mapped_column(StringEncryptedType(Date, _key, AesGcmEngine))
    balance: Mapped[Decimal] = mapped_column(StringEncryptedType(Numeric(12, 2), _key, AesGcmEngine))
    visits: Mapped[int] = mapped_column(StringEncryptedType(Integer, _key, AesGcmEngine))


PEER = ("sqlalchemy-utils", SqlalchemyUtils)
