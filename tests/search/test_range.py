"""Ranges of dates, times and numbers: what is found is what lies between."""

from __future__ import annotations

import copy
import pickle
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldcrypt import ConfigurationError
from fieldcrypt.normalisers import NothingToTagError
from fieldcrypt.search import Between, Range
from tests.support.encryptors import new_encryptor
from tests.support.strategies import OFFSETS, relaxed

PLENTY = 10**9  # rows, so that all levels are stored
FEW = 4_096
NOON = datetime(2026, 3, 1, 12)
EAST, BERLIN = timezone(timedelta(hours=5, minutes=30)), ZoneInfo("Europe/Berlin")


def instants(low: datetime, high: datetime) -> st.SearchStrategy[datetime]:
    """Times in many zones, which are these in UTC."""
    return st.builds(lambda at, zone: at.replace(tzinfo=UTC).astimezone(zone), st.datetimes(low, high), OFFSETS)


# Bounds, resolution, and values near to them and to each other.
CASES: dict[str, tuple[Any, Any, Any, st.SearchStrategy[Any]]] = {
    "int": (-50, 249, None, st.integers(-50, 249)),
    "int by sevens": (-50, 249, 7, st.integers(-50, 249)),
    "huge int": (0, 10**60, 10**57, st.integers(0, 10**60)),
    "date": (date(1999, 12, 1), date(2000, 12, 1), None, st.dates(date(1999, 12, 1), date(2000, 12, 1))),
    "first and last date": (date.min, date.max, timedelta(days=9_999), st.dates()),
    "Decimal": (Decimal("-1"), Decimal("1.5"), Decimal("0.01"), st.decimals(Decimal("-1"), Decimal("1.5"))),
    "money": (Decimal(0), Decimal("3.00"), Decimal("0.01"), st.decimals(0, 3, places=2)),
    "Decimal from a fraction": (
        Decimal("0.05"),
        Decimal(30),
        Decimal("0.1"),
        st.decimals(Decimal("0.05"), 30, places=3),
    ),
    "float": (-0.1, 2.5, 0.1, st.floats(-0.1, 2.5)),
    "float by thirds": (0.0, 100.0, 1 / 3, st.floats(0.0, 100.0) | st.integers(0, 300).map(lambda third: third / 3)),
    "time": (NOON, NOON + timedelta(hours=1), timedelta(seconds=40), st.datetimes(NOON, NOON + timedelta(hours=1))),
    "first and last time": (datetime.min, datetime.max, timedelta(days=9_999), st.datetimes()),
    "instant": (
        NOON.replace(tzinfo=EAST),
        (NOON + timedelta(hours=1)).replace(tzinfo=EAST),
        60,
        instants(NOON - timedelta(hours=5, minutes=30), NOON - timedelta(hours=4, minutes=30)),
    ),
}
CASE = st.sampled_from(sorted(CASES))


def finds(of: Range, value: Any, question: Between) -> bool:
    """True if one of the terms of a value is one of the question's, on its level."""
    cover = of.cover(question)
    return any(form in forms for form, forms in zip(of.terms(value), cover.terms, strict=True))


def lies(value: Any, question: Between) -> bool:
    """What a plain column would say."""
    low, high = question.low, question.high
    above = low is None or (value >= low if question.with_low else value > low)
    return above and (high is None or (value <= high if question.with_high else value < high))


TREES = st.sampled_from([(2, PLENTY), (3, PLENTY), (16, PLENTY), (2, FEW), (4, FEW)])


@given(st.data(), CASE, TREES, st.booleans(), st.booleans())
@settings(relaxed, max_examples=250)
def test_all_that_lies_between_is_found_and_nothing_else_if_it_is_exact(
    data: st.DataObject, case: str, tree: tuple[int, int], with_low: bool, with_high: bool
) -> None:
    """What else is found, the check after decryption drops."""
    minimum, maximum, resolution, values = CASES[case]
    of = Range(minimum, maximum, resolution, *tree)
    value = data.draw(values, "value")
    ends = st.none() | values | st.just(value) | st.sampled_from([minimum, maximum])
    question = Between(data.draw(ends, "low"), data.draw(ends, "high"), with_low, with_high)
    between = lies(value, question)
    assert of.holds(value, question) is between
    assert finds(of, value, question) or not between
    cover = of.cover(question)
    if cover.exact:
        assert finds(of, value, question) is between


EXACT = {
    "each int": (Range(0, 999, rows=PLENTY), Between(17, 200, with_low=False), True),
    "each date": (Range(date(1990, 1, 1), date(2000, 1, 1), rows=PLENTY), Between(None, date(1995, 5, 5)), True),
    "a node's beginning": (Range(0, 999, 10, rows=PLENTY), Between(20, 50, with_high=False), True),
    "a node's last value": (Range(0, 999, 10, rows=PLENTY), Between(20, 49), True),
    "within a node": (Range(0, 999, 10, rows=PLENTY), Between(20, 50), False),
    "cut levels": (Range(0, 9_999, rows=FEW), Between(17, 200), False),
    "cut levels, open ends": (Range(0, 9_999, rows=FEW), Between(None, None), True),
    "all of it": (Range(Decimal(0), Decimal("99.5"), rows=PLENTY), Between(Decimal(0), Decimal("99.5")), True),
    "more than it": (Range(Decimal(0), Decimal("99.5"), rows=PLENTY), Between(Decimal(-7), Decimal("Infinity")), True),
    "from a Decimal on": (Range(Decimal(0), Decimal(99), rows=PLENTY), Between(Decimal(7), None), True),
    "up to a Decimal": (Range(Decimal(0), Decimal(99), rows=PLENTY), Between(None, Decimal(7)), False),
    "below a Decimal": (Range(Decimal(0), Decimal(99), rows=PLENTY), Between(None, Decimal(7), with_high=False), True),
    "nothing": (Range(0, 999, 10, rows=PLENTY), Between(55, 44), True),
}


@pytest.mark.parametrize("case", EXACT)
def test_a_question_is_exact_if_its_nodes_have_nothing_else(case: str) -> None:
    """So it can be counted, negated and deleted by."""
    of, question, expected = EXACT[case]
    cover = of.cover(question)
    assert cover.exact is expected


@pytest.mark.parametrize(
    "question",
    [Between(9, 3), Between(5, 5, with_low=False), Between(2_000, None), Between(None, -1), Between(999, None, False)],
    ids=str,
)
def test_a_question_that_nothing_answers_has_no_nodes(question: Between) -> None:
    """And is padded like any other."""
    cover = Range(0, 999, rows=PLENTY).cover(question)
    assert set(cover.terms) == {()}


@given(st.integers(0, 9_999), st.integers(0, 9_999))
@relaxed
def test_each_question_asks_for_the_same_number_of_tags(low: int, high: int) -> None:
    """How wide it is does not show, nor that it finds nothing."""
    answer = INDEX.ask(Between(low, high))
    assert answer is not None
    assert tuple(map(len, answer.tags(None))) == tuple(level.most for level in INDEX.levels)
    assert answer.tags(None) == INDEX.ask(Between(low, high)).tags(None)  # type: ignore[union-attr]


@pytest.mark.parametrize("case", CASES)
def test_a_value_of_each_type_has_tags_that_its_questions_ask_for(case: str) -> None:
    """Of two values, those of the one and not of the other; what pads questions takes each type too."""
    minimum, maximum, resolution, _ = CASES[case]
    of = Range(minimum, maximum, resolution, rows=PLENTY)
    index = new_encryptor().search_index("people.it", type(minimum), index="it", of=of, accept_leakage=True)
    low, high = index.stored_tags(minimum), index.stored_tags(maximum)
    for question, expected in (
        (Between(None, minimum), (True, False)),
        (Between(maximum, None), (False, True)),
        (Between(minimum, maximum), (True, True)),
        (Between(maximum, minimum), (False, False)),
    ):
        answer = index.ask(question)
        assert answer is not None
        asked = answer.tags(None)
        found = (any(tag in level for tag, level in zip(tags, asked, strict=True)) for tags in (low, high))
        assert tuple(found) == expected
        assert (answer.matches(minimum), answer.matches(maximum)) == expected


INDEX = new_encryptor().search_index(
    "people.size", int, index="size_range", of=Range(0, 9_999), accept_leakage=True, per_tenant=False
)
INDEX.stored_tags(1)  # makes the index key


@pytest.mark.parametrize("case", CASES)
def test_the_bounds_themselves_have_tags_and_nothing_beyond_them(case: str) -> None:
    """A value that the declaration forgot is refused when it is written, and its error does not show it."""
    minimum, maximum, resolution, _ = CASES[case]
    of = Range(minimum, maximum, resolution, rows=PLENTY)
    assert len(of.terms(minimum)) == len(of.terms(maximum)) == len(of.levels())
    inner = Range(0, 99, rows=PLENTY)
    for beyond in (-1, 100, 10**400):
        with pytest.raises(ValueError, match="beyond the bounds") as caught:
            inner.terms(beyond)
        assert not isinstance(caught.value, NothingToTagError)
        assert str(caught.value).endswith("bounds of its Range, 0 to 99")


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("-NaN7"), Decimal("sNaN"), float("nan")], ids=str)
def test_what_is_not_a_number_has_no_tags_and_is_no_question(number: Any) -> None:
    """It is stored without, as it is by an index for equality, and no question finds it."""
    of = Range(type(number)(0), type(number)(99), rows=PLENTY)
    with pytest.raises(NothingToTagError):
        of.terms(number)
    with pytest.raises(NothingToTagError):
        of.cover(Between(number, None))


@pytest.mark.parametrize("number", [Decimal("Infinity"), float("-inf")], ids=str)
def test_what_is_infinite_is_beyond_the_bounds(number: Any) -> None:
    """As a value; as the end of a question it is an open one."""
    of = Range(type(number)(0), type(number)(99), rows=PLENTY)
    with pytest.raises(ValueError, match="beyond the bounds"):
        of.terms(number)
    assert of.cover(Between(-abs(number), abs(number))) == of.cover(Between(None, None))


def test_both_zeros_are_one() -> None:
    """-0.0 equals 0.0, also with exponents."""
    assert Range(-1.0, 99.0, rows=PLENTY).terms(-0.0) == Range(-1.0, 99.0, rows=PLENTY).terms(0.0)
    of = Range(Decimal(-1), Decimal(99), rows=PLENTY)
    assert of.terms(Decimal("-0E+999999999")) == of.terms(Decimal("0E-999999999")) == of.terms(Decimal(0))


BOMBS = ["1E+999999", "-1E+999999999999999999", "1E-999999999999999999", "9.99E+999999999999", "0E+999999999999999999"]


@pytest.mark.parametrize("text", BOMBS)
def test_an_exponent_is_no_bomb(text: str) -> None:
    """Neither in a value nor in a declaration: nothing computes a number of that many digits."""
    started, bomb = time.perf_counter(), Decimal(text)
    of = Range(Decimal(0), Decimal(1_000), Decimal("0.01"))
    with suppress(ValueError):  # it is beyond the bounds, or near to zero
        assert of.terms(bomb)[-1] == of.terms(Decimal(0))[-1]
    of.cover(Between(bomb, None))
    for declared in ((bomb, Decimal(999)), (Decimal(-999), bomb), (Decimal(0), Decimal(999), bomb)):
        with suppress(ConfigurationError):  # zero is a bound like others
            assert Range(*declared).parameters
    assert time.perf_counter() - started < 1


def test_instants_are_found_whatever_their_zone() -> None:
    """02:30 comes twice on the night when clocks are set back, and `==` of Python does not tell these two apart."""
    of = Range(datetime(2026, 1, 1, tzinfo=BERLIN), datetime(2027, 1, 1, tzinfo=BERLIN), rows=PLENTY)
    early = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    late = early.replace(fold=1)
    assert of.terms(early) == of.terms(early.astimezone(UTC)) != of.terms(late) == of.terms(late.astimezone(UTC))
    question = Between(late.astimezone(UTC), None)
    assert [of.holds(each, question) for each in (early, late)] == [False, True]
    assert [finds(of, each, question) for each in (early, late)] == [False, True]


AWARE, NAIVE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1)


def test_times_with_and_without_an_offset_do_not_mix() -> None:
    """They cannot be compared; one that was stored before the declaration is no match, and no error for others."""
    for kind, other in ((NAIVE, AWARE), (AWARE, NAIVE)):
        of = Range(kind, kind + timedelta(days=1), rows=PLENTY)
        with pytest.raises(ValueError, match="offset"):
            of.terms(other)
        with pytest.raises(ValueError, match="offset"):
            of.cover(Between(other, None))
        assert of.holds(other, Between(kind, None)) is False
        with pytest.raises(ConfigurationError, match="offset"):
            Range(kind, other + timedelta(days=1))


REFUSED: dict[str, tuple[Any, ...]] = {
    "two types": (0, 9.0),
    "a type without order": ("a", "z"),
    "bool": (False, True),
    "NaN": (float("nan"), 1.0),
    "infinite": (0.0, float("inf")),
    "Decimal NaN": (Decimal("sNaN"), Decimal(1)),
    "upside down": (100, 0),
    "no width": (0, 99, 0),
    "negative width": (0, 99, -1),
    "width of another type": (Decimal(0), Decimal(99), 0.5),
    "width of half a day": (date(1900, 1, 1), date(2000, 1, 1), timedelta(hours=12)),
    "width of a bool": (0, 99, True),
    "infinite width": (0.0, 99.0, float("inf")),
    "radix of 1": (0, 99, None, 1),
    "radix of 257": (0, 10**9, None, 257),
    "few leaves": (0, 14),
    "few rows": (0, 99, None, 4, 1_023),
    "huge": (0, 10**5_000),
    "tiny": (Decimal(0), Decimal(1), Decimal("1E-201")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_range_that_cannot_be_is_refused_where_it_is_declared(case: str) -> None:
    """Not when the first value comes."""
    with pytest.raises(ConfigurationError):
        Range(*REFUSED[case])


def test_bounds_upside_down_are_said_to_be_so() -> None:
    """They are not the same as too few values."""
    with pytest.raises(ConfigurationError, match="not be beyond its maximum"):
        Range(*REFUSED["upside down"])


def test_parameters_tell_ranges_apart_and_nothing_else_does() -> None:
    """A range with other bounds has unrelated tags; one for more rows has the same on the levels of both."""
    assert Range(Decimal("0.5"), Decimal("100.0"), Decimal("0.10")).parameters == "0.5 100 0.1 4"
    assert Range(date(1970, 1, 2), date(2000, 1, 1), radix=2).parameters == "1970-01-02 2000-01-01 1 2"
    assert Range(AWARE, AWARE + timedelta(days=9)).parameters.startswith("2026-01-01T00:00:00+00:00 ")
    assert Range(NAIVE, NAIVE + timedelta(days=9)).parameters.startswith("2026-01-01T00:00:00 ")
    few, many = Range(0, 99_999, rows=FEW), Range(0, 99_999, rows=PLENTY)
    assert few.parameters == many.parameters
    assert set(few.levels()) < set(many.levels())


@pytest.mark.parametrize("case", CASES)
def test_a_range_is_the_same_after_pickling(case: str) -> None:
    """And equal, and as good a key of a dictionary."""
    of = Range(*CASES[case][:3])
    for same in (pickle.loads(pickle.dumps(of)), copy.deepcopy(of)):
        assert (same, hash(same), same.levels(), same.terms(of.minimum)) == (
            of,
            hash(of),
            of.levels(),
            of.terms(of.minimum),
        )
