"""People whose columns have indexes of all kinds, beside the same people without protection."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Date, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import Encryptor
from fieldcrypt.search import Prefixes, Range, Suffixes, domain, last
from fieldcrypt_sqlalchemy import Encrypted, IndexedBy, blind_index, encrypted

BINARY = {"postgresql": "C", "mysql": "utf8mb4_nopad_bin", "mariadb": "utf8mb4_nopad_bin", "sqlite": "BINARY"}


def people(encryptor: Encryptor) -> Any:
    """A decorated model: of each kind an index that is exact, and of most one that is not."""

    class Base(DeclarativeBase):
        pass

    def leaky(companion: str, **how: Any) -> IndexedBy:
        return IndexedBy(companion, accept_leakage=True, **how)

    @encrypted(encryptor, row="id", tenant="clinic")
    class Person(Base):
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        clinic: Mapped[str] = mapped_column(String(20), default="north")
        ward: Mapped[int] = mapped_column(default=0)
        surname: Mapped[str | None] = mapped_column(
            Encrypted(
                String,
                index=[
                    IndexedBy("surname_tag", normaliser="casefold"),
                    leaky("surname_start", normaliser="casefold", of=Prefixes(2, 4)),
                    leaky("surname_end", normaliser="casefold", of=Suffixes(2, 3)),
                ],
            )
        )
        surname_tag: Mapped[bytes | None] = blind_index()
        surname_start_2: Mapped[bytes | None] = blind_index()
        surname_start_3: Mapped[bytes | None] = blind_index()
        surname_start_4: Mapped[bytes | None] = blind_index()
        surname_end_2: Mapped[bytes | None] = blind_index()
        surname_end_3: Mapped[bytes | None] = blind_index()
        ssn: Mapped[str | None] = mapped_column(
            Encrypted(String, index=[IndexedBy("ssn_tag", per_tenant=True), IndexedBy("ssn_last4", of=last(4))])
        )
        ssn_tag: Mapped[bytes | None] = blind_index()
        ssn_last4: Mapped[bytes | None] = blind_index()
        email: Mapped[str | None] = mapped_column(
            Encrypted(String, index=[leaky("email_tag", partitions=3), leaky("email_domain", of=domain(), tag_size=1)])
        )
        email_tag: Mapped[bytes | None] = blind_index()
        email_domain: Mapped[bytes | None] = blind_index()
        born: Mapped[date | None] = mapped_column(
            Encrypted(Date, index=leaky("born_range", of=Range(date(1900, 1, 1), date(1999, 12, 31), rows=10**7)))
        )
        born_range_0: Mapped[bytes | None] = blind_index()
        born_range_1: Mapped[bytes | None] = blind_index()
        born_range_2: Mapped[bytes | None] = blind_index()
        born_range_3: Mapped[bytes | None] = blind_index()
        born_range_4: Mapped[bytes | None] = blind_index()
        born_range_5: Mapped[bytes | None] = blind_index()
        owed: Mapped[Decimal | None] = mapped_column(
            Encrypted(
                Numeric,
                index=leaky("owed_range", of=Range(Decimal(-100), Decimal(1000), Decimal(1), radix=8, rows=9000)),
            )
        )
        owed_range_1: Mapped[bytes | None] = blind_index()
        owed_range_2: Mapped[bytes | None] = blind_index()

    return Person
