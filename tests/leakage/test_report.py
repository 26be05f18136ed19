"""What `fieldcrypt search plan` computes of a sample."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from fieldcrypt import CompoundIndex, Encryptor, IndexedBy, Protection, plan_tags
from fieldcrypt.leakage.report import Leakage, leakage_of
from fieldcrypt.leakage.sample import SampledField
from fieldcrypt.search import Prefixes, Range, first, year

DICE = random.Random(4711)
NAMES = [f"name{min(int(DICE.paretovariate(0.7)), 900):05}" for _ in range(2_000)]
BORN = [date(1940, 1, 1) + timedelta(days=int(DICE.triangular(0, 20_000, 15_000))) for _ in range(2_000)]


def field(values: Sequence[Any], *index: IndexedBy, tenants: int = 1) -> SampledField:
    """A field of an Encryptor that has no keys, so that asking for one is an error."""
    indexes = Protection(type(values[0]), index=index).field_indexes(Encryptor(), "people.x", type(values[0]))
    rows = range(len(values))
    return SampledField("x", indexes, values, [{"id": str(row)} for row in rows], [str(row % tenants) for row in rows])


def leaks(*fields: SampledField, total: int | None = None) -> Leakage:
    return leakage_of(fields, total)


def test_no_key_of_the_program_is_asked_for() -> None:
    """The tags are made under a key of the moment, by an Encryptor that has none."""
    found = leaks(field(NAMES, IndexedBy("x_tag")))
    assert found.columns[0].tags == len(set(NAMES))


def test_nothing_of_it_shows_plaintext() -> None:
    """Neither the report nor what it is made of, in a log or a traceback that shows them."""
    sampled = field(NAMES, IndexedBy("x_tag"), IndexedBy("x_first", of=first(6)))
    shown = repr((sampled, leaks(sampled)))
    assert not any(name in shown for name in set(NAMES))


def test_each_level_is_a_column_of_its_own() -> None:
    """A longer prefix has more tags, and a larger entropy."""
    found = leaks(field(NAMES, IndexedBy("x_prefix", of=Prefixes(7, 9), accept_leakage=True)))
    assert [each.name for each in found.columns] == ["x_prefix_7", "x_prefix_8", "x_prefix_9"]
    assert sorted(each.entropy for each in found.columns) == [each.entropy for each in found.columns]


def test_partitions_lower_what_frequencies_tell() -> None:
    """The attacker knows of them, and still gets less right."""
    whole, four = leaks(field(NAMES, IndexedBy("a"))), leaks(field(NAMES, IndexedBy("a", partitions=4)))
    assert four.columns[0].right < whole.columns[0].right
    assert four.columns[0].terms == whole.columns[0].terms < four.columns[0].tags
    assert (whole.costs[0].tags, four.costs[0].tags) == (1, 4)


def test_tags_per_tenant_are_attacked_tenant_by_tenant() -> None:
    """A row names its tenant, so that the tags of others are no noise."""
    found = leaks(field(["a", "b", "a", "b"] * 50 + ["a", "c"], IndexedBy("a", per_tenant=True), tenants=2))
    assert found.columns[0].right == 1.0


def test_an_index_over_few_values_is_refused_unless_accepted() -> None:
    """As by the declaration, where it can know."""
    words = [DICE.choice("abcde") for _ in range(500)]
    assert leaks(field(words, IndexedBy("a"))).is_refused
    assert not leaks(field(words, IndexedBy("a", accept_low_cardinality=True))).is_refused
    assert not leaks(field(NAMES, IndexedBy("a"))).is_refused


def test_tenants_make_few_values_no_more() -> None:
    """Each tenant has tags of its own, and the same few values behind them."""
    words = [DICE.choice("abcde") for _ in range(500)]
    found = leaks(field(words, IndexedBy("a", per_tenant=True), tenants=50))
    assert (found.columns[0].terms, found.is_refused) == (5, True)


def test_false_positives_are_those_that_short_tags_are_planned_with() -> None:
    """For each other value one in 256, in a table of a hundred times as many rows."""
    numbers = [*range(3_000)]
    (cost,) = leaks(field(numbers, IndexedBy("a", tag_size=1)), total=300_000).costs
    assert cost.false == pytest.approx(plan_tags(300_000, 3_000).sizes[0].false_positives, rel=0.25)
    assert cost.matching == 100


def test_a_range_says_how_near_it_gives_values_away() -> None:
    """Nearly all of them within five years, where a guess without tags has a fifth."""
    index = IndexedBy("born", of=Range(date(1900, 1, 1), date(2100, 1, 1), rows=2_000), accept_leakage=True)
    one, five = leaks(field(BORN, index)).placed
    assert (one.distance, five.distance) == ("1 year", "5 years")
    assert five.share > 0.9
    assert five.by_guessing < 0.4
    assert one.share < five.share


def test_values_beyond_the_bounds_are_counted() -> None:
    """The index would refuse to write them."""
    index = IndexedBy("born", of=Range(date(1950, 1, 1), date(2100, 1, 1)), accept_leakage=True)
    (cost,) = leaks(field(BORN, index)).costs
    assert cost.refused == sum(day < date(1950, 1, 1) for day in BORN) > 0


def test_the_indexes_of_a_record_are_judged_together() -> None:
    """Name and year hide a row among others; both, and the compound of both, single it out."""
    who = CompoundIndex("who_tag", of={"name": None, "born": year()})
    indexes = who.indexes(Encryptor(), "people", {"name": str, "born": date})
    pairs = [{"name": name, "born": born} for name, born in zip(NAMES, BORN, strict=True)]
    names, years = field(NAMES, IndexedBy("a")), field(BORN, IndexedBy("b", of=year()))
    both = SampledField("who", indexes, pairs, names.contexts, names.tenants)
    assert max(leaks(names).alone, leaks(years).alone) < 0.1 < leaks(names, years).alone
    assert leaks(names, years, both).alone == leaks(names, years).alone
    assert leaks(both).entropy == pytest.approx(leaks(names, years).entropy)
