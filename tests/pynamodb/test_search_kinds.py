"""Searching models by parts, beginnings, ends, ranges and several attributes together."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fieldcrypt import Encryptor
from tests.pynamodb.people import people

UTC = dt.UTC
MEYER: dict[str, Any] = {
    "ssn": "078-05-1120",
    "email": "ann@example.org",
    "surname": "Meyer",
    "born": dt.date(1980, 2, 29),
    "weight": 71.5,
    "seen": dt.datetime(2026, 1, 1, tzinfo=UTC),
}
MEIER: dict[str, Any] = {
    "ssn": "219-09-1120",
    "email": "bob@example.com",
    "surname": "MEIER",
    "born": dt.date(1999, 12, 31),
    "weight": 90,
    "seen": dt.datetime(2025, 1, 1, tzinfo=UTC),
}
WU: dict[str, Any] = {"surname": "Wu", "email": "none", "ssn": "n/a"}


@pytest.fixture
def person(meta: Any, keys: Encryptor) -> Any:
    model = people(meta, keys)
    for number, values in enumerate((MEYER, MEIER, WU), 1):
        model(str(number), **values).save()
    return model


def ids(found: Any) -> list[str]:
    return sorted(item.id for item in found)


ASKED: list[tuple[Any, list[str]]] = [
    (lambda m: m.ssn == "078-05-1120", ["1"]),
    (lambda m: m.ssn.part("ssn_last4") == "1120", ["1", "2"]),
    (lambda m: m.ssn.part("last 4").is_in("0000", "1120"), ["1", "2"]),
    (lambda m: m.ssn.endswith("05-1120"), ["1"]),
    (lambda m: m.email.part("domain") == "EXAMPLE.org", ["1"]),
    (lambda m: ~(m.email.part("domain") == "example.org"), ["2", "3"]),
    (lambda m: m.surname.startswith("me"), ["1", "2"]),
    (lambda m: m.surname.startswith("Meyer"), ["1"]),
    (lambda m: m.surname.startswith("wu"), ["3"]),
    (lambda m: m.surname.endswith("ER"), ["1", "2"]),
    (lambda m: m.born.between(dt.date(1980, 2, 29), dt.date(1999, 12, 31)), ["1", "2"]),
    (lambda m: m.born < dt.date(1999, 12, 31), ["1"]),
    (lambda m: m.born <= dt.date(1999, 12, 31), ["1", "2"]),
    (lambda m: m.born > dt.date(1980, 2, 29), ["2"]),
    (lambda m: m.weight >= 71.5, ["1", "2"]),
    (lambda m: m.weight > 71.5, ["2"]),
    (lambda m: m.seen == dt.datetime(2026, 1, 1), ["1"]),
    (lambda m: m.who_tag.equals(surname="meyer", born=dt.date(1980, 2, 29)), ["1"]),
    (lambda m: m.who_tag.equals(surname="meyer", born=dt.date(1999, 12, 31)), []),
    (lambda m: m.where_tag.equals(clinic="clinic-7", email="x@example.com"), ["2"]),
]


class TestFilters:
    def test_a_scan_finds_what_it_asks_for(self, person: Any) -> None:
        """By each kind of index."""
        assert [ids(person.scan(ask(person))) for ask, _ in ASKED] == [expected for _, expected in ASKED]
