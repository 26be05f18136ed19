"""What the indexes of a PynamoDB model tell, by its items."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fieldcrypt import Encryptor
from fieldcrypt.cli.search.model import find_model
from fieldcrypt.migration.leakage import leakage_by_part
from tests.pynamodb.people import people


def test_every_index_is_judged_by_the_items(meta: Any, keys: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values as the indexes have them: a time in UTC, a number as a number."""
    model = people(meta, keys)
    for number in range(40):
        born = dt.date(1980, 1, 1) + dt.timedelta(days=number * 90)
        values = {"ssn": f"{number:04}", "email": f"{number}@b.org", "weight": 50 + number, "born": born}
        model(str(number), surname=f"Meyer{number % 3}", seen=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), **values).save()
    monkeypatch.setattr("tests.pynamodb.people.Person", model, raising=False)
    ((leakage, unread),) = leakage_by_part(find_model("tests.pynamodb.people:Person", None)).values()
    found = {column.name: (column.tagged, column.terms) for column in leakage.columns}
    assert unread == 0
    assert found["ssn_tag"] == found["ssn_last4"] == found["who_tag"] == (40, 40)
    assert found["email_domain"] == found["where_tag"] == found["seen_tag"] == (40, 1)
    assert {each.companion for each in leakage.placed} == {"born_range", "weight_range"}
