"""The planner: what short tags cost and what they hide."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore, plan_tags


@pytest.mark.parametrize(("rows", "distinct"), [(20_000, 20_000), (20_000, 3000)])
def test_it_foretells_what_happens(rows: int, distinct: int) -> None:
    """Tags of one byte over a made-up table: false positives and values with a tag in common are as expected."""
    index = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()).blind_index("a.b", int, tag_size=1)
    dice = random.Random(4711)
    values = [*range(distinct), *(dice.randrange(distinct) for _ in range(rows - distinct))]
    by_value = Counter(values)
    tags = {value: index.tag(value) for value in by_value}
    by_tag = Counter(tags[value] for value in values)
    values_by_tag = Counter(tags.values())
    found = sum(by_tag[tags[value]] - count for value, count in by_value.items()) / distinct
    shared = sum(values_by_tag[tag] - 1 for tag in tags.values()) / distinct
    expected = plan_tags(rows, distinct).sizes[0]
    # How evenly a key spreads the values over 256 tags is a matter of chance; this far off it is once in many lives.
    assert found == pytest.approx(expected.false_positives, rel=0.25)
    assert shared == pytest.approx(expected.hidden_among, rel=0.25)


def test_it_recommends_the_longest_tag_that_hides_enough() -> None:
    """A million values: with two bytes some fifteen share a tag, with three nearly none."""
    assert plan_tags(1_000_000, hide_among=10).recommended == 2
    assert plan_tags(1_000_000, hide_among=1000).recommended == 1
    assert plan_tags(1_000_000).recommended == 16


def test_it_says_if_nothing_hides_them() -> None:
    """Of a hundred values each has a tag of its own, more or less."""
    assert plan_tags(1_000_000, 100, hide_among=1).recommended is None


def test_it_makes_a_table() -> None:
    """A line for each size, and a mark at the recommended one."""
    lines = str(plan_tags(1_000_000, 800_000, hide_among=10)).splitlines()
    assert len(lines) == 2 + 16
    assert [line.split()[:3] for line in lines if "recommended" in line] == [["2", "15.26", "12.21"]]


@pytest.mark.parametrize(("rows", "distinct", "hide_among"), [(0, None, 0), (10, 0, 0), (10, 11, 0), (10, 10, -1)])
def test_impossible_tables_are_refused(rows: int, distinct: int | None, hide_among: float) -> None:
    """No rows, no values, more values than rows."""
    with pytest.raises(ValueError, match=r"at least one row|negative"):
        plan_tags(rows, distinct, hide_among=hide_among)
