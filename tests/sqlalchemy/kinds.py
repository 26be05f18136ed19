"""People whose columns have indexes of all kinds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, Date, Integer, Numeric, String
from sqlalchemy.orm import DeclarativeBase

from fieldcrypt import Encryptor
from fieldcrypt.search import Prefixes, Range, Suffixes, domain, last
from fieldcrypt_sqlalchemy import BlindIndexTag, CompoundIndex, Encrypted, IndexedBy, encrypted

INDEXES: dict[str, list[IndexedBy]] = {  # of each column; of each kind one that is exact, and of most one that is not
    "surname": [
        IndexedBy("surname_tag", normaliser="casefold"),
        IndexedBy("surname_start", normaliser="casefold", of=Prefixes(2, 4), accept_leakage=True),
        IndexedBy("surname_end", normaliser="casefold", of=Suffixes(2, 3), accept_leakage=True),
    ],
    "ssn": [IndexedBy("ssn_tag", per_tenant=True), IndexedBy("ssn_last4", of=last(4))],
    "email": [
        IndexedBy("email_tag", partitions=3, accept_leakage=True),
        IndexedBy("email_domain", of=domain(), tag_size=1, accept_leakage=True),
    ],
    "born": [
        IndexedBy(
            "born_range", of=Range(date(1900, 1, 1), date(1999, 12, 31), radix=16, rows=10**7), accept_leakage=True
        )
    ],
    "owed": [
        IndexedBy(
            "owed_range",
            of=Range(Decimal(-100), Decimal(1000), Decimal(1), radix=8, rows=9000),
            per_tenant=True,
            accept_leakage=True,
        )
    ],
}
COMPOUNDS = [
    CompoundIndex("who_tag", of={"surname": "casefold", "born": None}),
    CompoundIndex(
        "place_tag", of={"clinic": None, "email": domain()}, per_tenant=True, tag_size=1, accept_leakage=True
    ),
]
TYPES: dict[str, Any] = {"surname": String, "ssn": String, "email": String, "born": Date, "owed": Numeric}


def people(encryptor: Encryptor, *, arrays: bool = False) -> Any:
    """A decorated model with these columns.

    Args:
        encryptor: of all columns.
        arrays: True for one companion of the levels of beginnings and dates, an array of PostgreSQL.
    """

    class Base(DeclarativeBase):
        pass

    columns: dict[str, Any] = {
        "__tablename__": "people",
        "id": Column(Integer, primary_key=True, autoincrement=False),
        "clinic": Column(String(20), default="north"),
        "ward": Column(Integer, default=0),
    }
    for name, indexes in INDEXES.items():
        own = [_arrayed(each) if arrays else each for each in indexes]
        columns[name] = Column(Encrypted(TYPES[name], index=own), nullable=True)
        for index in own:
            for companion in index.companions:
                columns[companion] = Column(BlindIndexTag(array=index.one_companion), index=True)
    for compound in COMPOUNDS:
        columns[compound.companion] = Column(BlindIndexTag(), index=True)
    return encrypted(encryptor, row="id", tenant="clinic", indexes=COMPOUNDS)(type("Person", (Base,), columns))


def _arrayed(index: IndexedBy) -> IndexedBy:
    if len(index.companions) == 1:
        return index
    return IndexedBy(
        index.companion,
        normaliser=index.normaliser,
        per_tenant=index.per_tenant,
        of=index.of,
        accept_leakage=True,
        one_companion=True,
    )
