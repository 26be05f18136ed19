"""The kinds of primary keys, by database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Text,
    Time,
    Uuid,
)
from sqlalchemy.dialects import mysql, postgresql

from tests.migration.story.kind import (
    Kind,
    Level,
    Numbered,
    Wrapped,
    Wrapping,
    bits,
    clock,
    days,
    decimals,
    either,
    hours,
    integers,
    letters,
    one_of,
    uuids,
)

__all__ = ["COLLATIONS_OF_ICU", "KINDS", "SETUP"]

_LEVELS = ("low", "high", "middle", "none", "all")
_FLOATS = one_of(*(number / 3 for number in range(30)))

_EVERYWHERE: Mapping[str, Kind] = {
    "integer": Kind.of(Integer(), integers(-(2**31), 2**31 - 1)),
    "big integer": Kind.of(BigInteger(), integers(-(2**63), 2**63 - 1)),
    "small integer": Kind.of(SmallInteger(), integers(-(2**15), 2**15 - 1)),
    "text": Kind.of(String(9), letters()),
    "uuid": Kind.of(Uuid(), uuids),
    "uuid as text": Kind.of(Uuid(native_uuid=False), uuids),
    "decimal": Kind.of(Numeric(9, 2), decimals(2)),
    "date": Kind.of(Date(), days),
    "time": Kind.of(Time(), clock),
    "moment": Kind.of(DateTime(), hours()),
    "enumeration as text": Kind.of(Enum(*_LEVELS, native_enum=False), one_of(*_LEVELS), Integer(), integers(-9, 9)),
    "application's own": Kind.of(Numbered(), lambda chance: f"P-{chance.randint(-50, 50)}"),
    "application's own that nobody can write down": Kind.of(
        Wrapped(), lambda chance: Wrapping(chance.randint(-50, 50)), refused=True
    ),
    "application's enumeration": Kind.of(
        Enum(Level, native_enum=False, length=9), one_of(*Level), Integer(), integers(-9, 9), refused=True
    ),
    "floating point": Kind.of(Float(), _FLOATS, refused=True),
    "double precision": Kind.of(Integer(), integers(-20, 20), Double(), _FLOATS, refused=True),
}


def _several(text: Any) -> Mapping[str, Kind]:
    """Keys of several columns, with a text that is compared in a way of its own."""
    return {
        "several": Kind.of(text, letters(2), Boolean(), either, Integer(), integers(-3, 3)),
        "several, text last": Kind.of(Boolean(), either, Date(), days, text, letters(3)),
    }


_SQLITE: Mapping[str, Kind] = {
    "interval": Kind.of(Interval(), lambda chance: timedelta(hours=chance.randint(0, 90))),
    "text without case": Kind.of(String(9, collation="NOCASE"), letters()),
    "text without blanks": Kind.of(String(9, collation="RTRIM"), letters()),
    "binary": Kind.of(LargeBinary(), bits(3)),
    "without a rowid": Kind.of(String(9, collation="NOCASE"), letters(), sqlite_with_rowid=False),
    "moment to the microsecond": Kind.of(DateTime(), hours(micro=1)),
    **_several(String(9, collation="NOCASE")),
}

_POSTGRESQL: Mapping[str, Kind] = {
    "interval": Kind.of(Interval(), lambda chance: timedelta(hours=chance.randint(0, 90))),
    "text in C": Kind.of(Text(collation="C"), letters()),
    "text in C with code points": Kind.of(Text(collation="pg_c_utf8"), letters()),
    "text in Unicode": Kind.of(Text(collation="pg_unicode_fast"), letters()),
    "characters": Kind.of(CHAR(6), letters()),
    "characters in C": Kind.of(CHAR(6, collation="C"), letters()),
    "domain": Kind.of(postgresql.DOMAIN("words", Text(), create_type=False), letters()),
    "binary": Kind.of(LargeBinary(), bits(3)),
    "number without places": Kind.of(
        Numeric(), lambda chance: decimals(chance.randint(0, 3))(chance) * 10 ** chance.randint(0, 20)
    ),
    "number or none": Kind.of(Numeric(), one_of(Decimal("NaN"), *map(Decimal, range(30)))),
    "moment to the microsecond": Kind.of(DateTime(), hours(micro=1)),
    "moment with a zone": Kind.of(DateTime(timezone=True), hours(zone=True)),
    "time with a zone": Kind.of(Time(timezone=True), lambda chance: hours(zone=True)(chance).timetz()),
    "enumeration": Kind.of(Enum(*_LEVELS, name="levels"), one_of(*_LEVELS), Integer(), integers(-9, 9)),
    "address": Kind.of(
        postgresql.INET(),
        lambda chance: ip_address(f"10.0.{chance.randint(0, 9)}.{chance.randint(0, 9)}"),
        refused=True,
    ),
    "array": Kind.of(postgresql.ARRAY(Integer), lambda chance: [chance.randint(0, 90)], refused=True),
    "JSON": Kind.of(postgresql.JSONB(), lambda chance: chance.randint(0, 90), refused=True),
    "several numbers": Kind.of(Numeric(9, 2), decimals(2), LargeBinary(), bits(1), CHAR(3), letters(1)),
    **_several(Text(collation="pg_c_utf8")),
}
COLLATIONS_OF_ICU = {
    "folding": "und-u-ks-level2",
    "plain": "und-u-ks-level1",
    "unpunctuated": "und-u-ka-shifted-ks-level3",
    "counting": "en-u-kn",
}
_ICU: Mapping[str, Kind] = {
    **{f"text in ICU, {name}": Kind.of(Text(collation=name), letters()) for name in COLLATIONS_OF_ICU},
    "text in ICU, German": Kind.of(String(9, collation="de-x-icu"), letters()),
    "characters in ICU": Kind.of(CHAR(6, collation="folding"), letters()),
    "citext": Kind.of(postgresql.CITEXT(), letters()),
    **{f"{name}, in ICU": kind for name, kind in _several(Text(collation="folding")).items()},
}


def _unsigned(type_: Any, size: int) -> Kind:
    return Kind.of(type_(unsigned=True), integers(0, 2**size - 1))


def _collated(name: str) -> Kind:
    return Kind.of(String(9, collation=name), letters())


_MARIADB: Mapping[str, Kind] = {
    "interval": Kind.of(Interval(), lambda chance: timedelta(hours=chance.randint(0, 90))),
    "tiny integer": Kind.of(mysql.TINYINT(), integers(-128, 127)),
    "medium integer": Kind.of(mysql.MEDIUMINT(), integers(-(2**23), 2**23 - 1)),
    "tiny unsigned integer": _unsigned(mysql.TINYINT, 8),
    "unsigned integer": _unsigned(mysql.INTEGER, 32),
    "big unsigned integer": _unsigned(mysql.BIGINT, 64),
    "text by its code points": _collated("utf8mb4_bin"),
    "text by its code points, with blanks": _collated("utf8mb4_nopad_bin"),
    "text in Unicode": _collated("utf8mb4_unicode_ci"),
    "text in Unicode, with blanks": _collated("utf8mb4_unicode_520_nopad_ci"),
    "text without case, with blanks": _collated("utf8mb4_general_nopad_ci"),
    "text with accents and case": _collated("utf8mb4_uca1400_as_cs"),
    "German text": _collated("utf8mb4_german2_ci"),
    "Swedish text": _collated("utf8mb4_swedish_ci"),
    "Latin text": Kind.of(mysql.VARCHAR(9, charset="latin1"), letters(of="aAbBäÄßé -~\t")),
    "characters": Kind.of(CHAR(6), letters()),
    "characters by their code points": Kind.of(CHAR(6, collation="utf8mb4_bin"), letters()),
    "characters with blanks": Kind.of(CHAR(6, collation="utf8mb4_nopad_bin"), letters(), refused=True),
    "binary": Kind.of(mysql.VARBINARY(4), bits(3)),
    "binary of one length": Kind.of(mysql.BINARY(3), bits(3)),
    "moment to the microsecond": Kind.of(mysql.DATETIME(fsp=6), hours(micro=1)),
    "timestamp": Kind.of(mysql.TIMESTAMP(fsp=3), hours(micro=1000)),
    "time to the microsecond": Kind.of(mysql.TIME(fsp=6), lambda chance: hours(micro=1)(chance).time()),
    "year": Kind.of(mysql.YEAR(), integers(1901, 1980), Integer(), integers(-9, 9)),
    "unsigned decimal": Kind.of(mysql.DECIMAL(9, 3, unsigned=True), lambda chance: abs(decimals(3)(chance))),
    "bits": Kind.of(mysql.BIT(12), integers(0, 2**12 - 1)),
    "enumeration": Kind.of(mysql.ENUM(*_LEVELS), one_of(*_LEVELS), Integer(), integers(-9, 9), refused=True),
    "enumeration, as text": Kind.of(Enum(*_LEVELS), one_of(*_LEVELS), Integer(), integers(-9, 9), refused=True),
    "several numbers": Kind.of(Numeric(9, 2), decimals(2), mysql.BINARY(1), bits(1), CHAR(3), letters(1)),
    **_several(String(9)),
    **{f"{name}, by code points": kind for name, kind in _several(String(9, collation="utf8mb4_bin")).items()},
}

KINDS: Mapping[str, Mapping[str, Kind]] = {
    "sqlite": {**_EVERYWHERE, **_SQLITE},
    "postgresql": {**_EVERYWHERE, **_POSTGRESQL},
    "postgresql with ICU": _ICU,
    "mariadb": {**_EVERYWHERE, **_MARIADB},
}

# What there has to be in the database before the tables.
SETUP: Mapping[str, tuple[str, ...]] = {
    "sqlite": (),
    "postgresql": ("CREATE DOMAIN words AS text",),
    "postgresql with ICU": (
        "CREATE EXTENSION citext",
        *(
            f"CREATE COLLATION {name} (provider = icu, locale = '{locale}', deterministic = false)"
            for name, locale in COLLATIONS_OF_ICU.items()
        ),
    ),
    "mariadb": (),
}
