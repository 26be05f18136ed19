"""Values of every type, and the plaintext that they have to open to."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

__all__ = ["CASES", "KEYS", "TAGGED", "Case", "Colour", "Tagged"]

BERLIN = dt.timezone(dt.timedelta(hours=1))
LOCAL_MEAN_TIME = dt.timezone(dt.timedelta(minutes=19, seconds=32))


class Colour(enum.Enum):
    """Travels as its name."""

    RED = "r"
    GREEN = "g"


@dataclass(frozen=True)
class Case:
    """A value, and how it was encrypted.

    Attributes:
        value: what it opens to.
        type: of its field; None: that of the value.
        tenant, context, pad: as `Field.encrypt` and `Encryptor.field` take them.
    """

    value: Any
    type: Any = None
    tenant: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    pad: int | None = None

    @property
    def field_type(self) -> Any:
        """The type of the field."""
        return self.type or type(self.value)


CASES: Mapping[str, Case] = {
    "bytes": Case(b"\x00\x01\xfe\xff"),
    "bytes-empty": Case(b""),
    "text": Case("Ann Müller 李 \U0001f512"),
    "text-empty": Case(""),
    "text-long": Case("long " * 1000),
    "text-tenant": Case("of a tenant", tenant="north"),
    "text-context": Case("of a row", context={"row": "ann", "table": "patients"}),
    "text-tenant-context": Case("of a row of a tenant", tenant="south", context={"row.1": "7", "row.2": "x"}),
    "text-padded": Case("padded", pad=64),
    "text-padded-full": Case("x" * 16, pad=16),
    "bytes-padded": Case(b"\x80\x00\x00", pad=8),
    "int-zero": Case(0),
    "int-negative": Case(-1),
    "int-64-bits": Case(2**64 - 1),
    "int-beyond": Case(-(2**100)),
    "float": Case(1.1),
    "float-negative-zero": Case(-0.0),
    "float-infinity": Case(float("-inf")),
    "bool-true": Case(True),
    "bool-false": Case(False),
    "decimal-zeros": Case(Decimal("2000.000")),
    "decimal-exponent": Case(Decimal("1E+3")),
    "decimal-negative-zero": Case(Decimal("-0.00")),
    "date": Case(dt.date(1970, 1, 31)),
    "datetime": Case(dt.datetime(2026, 11, 23, 14, 49, 0, 123)),
    "datetime-offset": Case(dt.datetime(2026, 11, 23, 14, 49, tzinfo=BERLIN)),
    "datetime-utc": Case(dt.datetime(1, 1, 1, tzinfo=dt.UTC)),
    "datetime-seconds": Case(dt.datetime(1890, 1, 1, tzinfo=LOCAL_MEAN_TIME)),
    "time": Case(dt.time(14, 49, 0, 5)),
    "time-offset": Case(dt.time(14, 49, tzinfo=BERLIN)),
    "timedelta": Case(dt.timedelta(days=-1, microseconds=1)),
    "uuid": Case(UUID("00112233-4455-6677-8899-aabbccddeeff")),
    "list": Case([1, "two", None, [3.0, Decimal("4.50")], b"five"]),
    "list-padded": Case(["short"], pad=100),
    "dict": Case({"z": 1, "a": {"born": dt.date(1970, 1, 1)}, "list": [None, True]}),
    "set": Case({1, "two", b"three"}),
    "enum": Case(Colour.RED),
    "object-text": Case("any", object),
    "object-decimal": Case(Decimal("1.10"), object),
    "object-nested": Case({"a": [{1, 2}, dt.timedelta(seconds=1)]}, object),
}


@dataclass(frozen=True)
class Tagged:
    """A value that was tagged.

    Attributes:
        value: that was tagged.
        equal: another one that has to have the same tag.
        other: one that must not.
        how: as `Encryptor.blind_index` takes it.
        tenant: whose.
    """

    value: Any
    equal: Any
    other: Any
    how: Mapping[str, Any] = field(default_factory=dict)
    tenant: str | None = None


TAGGED: Mapping[str, Tagged] = {
    "text": Tagged("Ann", "Ann", "ann"),
    "text-tenant": Tagged("Ann", "Ann", "ann", tenant="south"),
    "text-nfkc": Tagged("ﬁancé ①", "fiance\u0301 1", "Fiancé 1", {"normaliser": "nfkc"}),
    "text-casefold": Tagged(
        "Straße@Example.org", "STRASSE@example.ORG", "strase@example.org", {"normaliser": "casefold"}
    ),
    "text-digits": Tagged("+49 (30) 901820", "4930901820", "4930901821", {"normaliser": "digits"}),
    "text-2-bytes": Tagged("Meyer", "Meyer", "Møller", {"tag_size": 2}),
    "text-32-bytes": Tagged("Meyer", "Meyer", "Møller", {"tag_size": 32}),
    "bytes": Tagged(b"\x00\xff", b"\x00\xff", b"\x00"),
    "int": Tagged(2**70, 2**70, 2**70 + 1),
    "bool": Tagged(True, True, False, {"accept_low_cardinality": True}),
    "enum": Tagged(Colour.RED, Colour.RED, Colour.GREEN, {"accept_low_cardinality": True}),
    "decimal": Tagged(Decimal("2000.0"), Decimal("2E+3"), Decimal("2000.1")),
    "date": Tagged(dt.date(1970, 1, 31), dt.date(1970, 1, 31), dt.date(1970, 2, 1)),
    "datetime": Tagged(
        dt.datetime(2026, 11, 23, 14, 49, tzinfo=BERLIN),
        dt.datetime(2026, 11, 23, 13, 49, tzinfo=dt.UTC),
        dt.datetime(2026, 11, 23, 14, 49, tzinfo=dt.UTC),
    ),
    "time": Tagged(dt.time(14, 49), dt.time(14, 49), dt.time(14, 48)),
    "timedelta": Tagged(dt.timedelta(hours=1), dt.timedelta(minutes=60), dt.timedelta(minutes=61)),
    "uuid": Tagged(UUID(int=7), UUID(int=7), UUID(int=8)),
}

# Parts of row keys; what their texts are stands in data/values.json.
KEYS: Mapping[str, Any] = {
    "text": " Ann Müller ",
    "int": -7,
    "decimal-whole": Decimal("1200.00"),
    "decimal": Decimal("-0.50"),
    "uuid": UUID("00112233-4455-6677-8899-aabbccddeeff"),
    "bytes": b"\x00\xff",
    "date": dt.date(2026, 11, 23),
    "enum": Colour.GREEN,
}
