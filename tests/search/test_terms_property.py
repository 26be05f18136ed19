"""Indexes of all kinds, beside the same values without protection: nothing is missed, and what is found matches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.normalisers import NothingToTagError, casefold, digits
from fieldcrypt.search import (
    AllEqual,
    Between,
    EndsWith,
    Equal,
    PartIs,
    Prefixes,
    Range,
    StartsWith,
    Suffixes,
    TermIndex,
    domain,
    first,
    last,
    year,
)
from fieldcrypt.search.kinds.compound import Compound
from tests.support.strategies import relaxed

FIRST, LAST = date(1990, 1, 1), date(1990, 12, 31)
WORDS = st.text("aAbB\u00e9", max_size=5)
NUMBERS = st.text("01- ", max_size=6)
MAILS = st.builds("{}@{}".format, st.sampled_from("ab"), st.sampled_from(["x.example", "X.Example", "y.example"]))
DAYS = st.dates(FIRST, LAST)
PEOPLE = st.fixed_dictionaries({"surname": WORDS, "mail": MAILS, "born": st.none() | DAYS})
TENANT = "clinic-7"


@dataclass
class Case:
    """A kind of index, its values, what is asked of them, and when that is true of a value that is not protected."""

    values: st.SearchStrategy[Any]
    questions: st.SearchStrategy[Any]
    is_true: Callable[[Any, Any], bool]
    of: Any = None
    type: Any = str
    how: dict[str, Any] = field(default_factory=dict)
    is_exact: bool | None = True  # None if it depends on the question


def same(value: Any, question: Any) -> bool:
    return value in question.values


def folded(value: str, question: Any) -> bool:
    return casefold(value) in map(casefold, question.values)


def ends(value: str, question: Any) -> bool:
    return digits(value).endswith(digits(question.text))


def starts(value: str, question: Any) -> bool:
    return casefold(value).startswith(casefold(question.text))


def between(value: date, question: Any) -> bool:
    above = question.low is None or (value >= question.low if question.with_low else value > question.low)
    return above and (
        question.high is None or (value <= question.high if question.with_high else value < question.high)
    )


def all_equal(value: Any, question: Any) -> bool:
    wanted = question.values
    same_domain = value["mail"].split("@")[1].lower() == wanted["mail"].split("@")[1].lower()
    return same_domain and folded(value["surname"], Equal((wanted["surname"],))) and value["born"] == wanted["born"]


EQUAL = st.builds(Equal, st.tuples(WORDS) | st.tuples(WORDS, WORDS))
ENDS = DAYS | st.none() | st.dates(FIRST - timedelta(days=9), LAST + timedelta(days=9))
WHO = Compound({"surname": "casefold", "mail": domain(), "born": None}, {"surname": str, "mail": str, "born": date})
CASES: dict[str, Case] = {
    "equality": Case(WORDS, EQUAL, folded, how={"normaliser": "casefold"}),
    "partitions": Case(WORDS, EQUAL, same, how={"partitions": 3}, is_exact=False),
    "short tags": Case(WORDS, EQUAL, same, how={"tag_size": 1}, is_exact=False),
    "last": Case(NUMBERS, st.builds(EndsWith, NUMBERS), ends, of=last(2), how={"normaliser": "digits"}, is_exact=None),
    "last, asked as a part": Case(
        NUMBERS,
        st.builds(PartIs, st.just("last 2"), st.tuples(NUMBERS)),
        lambda value, question: digits(value)[-2:] == digits(question.values[0]),
        of=last(2),
        how={"normaliser": "digits"},
    ),
    "first": Case(
        WORDS, st.builds(StartsWith, WORDS), starts, of=first(2), how={"normaliser": "casefold"}, is_exact=None
    ),
    "domain": Case(
        MAILS,
        st.builds(PartIs, st.just("domain"), st.tuples(st.sampled_from(["X.EXAMPLE", "y.example", "z"]))),
        lambda value, question: value.split("@")[1].lower() == question.values[0].lower(),
        of=domain(),
    ),
    "year": Case(
        st.dates(),
        st.builds(PartIs, st.just("year"), st.tuples(st.integers(1, 9999))),
        lambda value, question: value.year in question.values,
        of=year(),
        type=date,
    ),
    "partitions of a part": Case(
        MAILS,
        st.builds(PartIs, st.just("domain"), st.tuples(st.sampled_from(["x.example", "z"]))),
        lambda value, question: value.split("@")[1].lower() in question.values,
        of=domain(),
        how={"partitions": 4},
        is_exact=False,
    ),
    "prefixes": Case(
        WORDS, st.builds(StartsWith, WORDS), starts, of=Prefixes(1, 3), how={"normaliser": "casefold"}, is_exact=None
    ),
    "suffixes": Case(
        NUMBERS, st.builds(EndsWith, NUMBERS), ends, of=Suffixes(1, 3), how={"normaliser": "digits"}, is_exact=None
    ),
    "ranges": Case(
        DAYS,
        st.builds(Between, ENDS, ENDS, st.booleans(), st.booleans()),
        between,
        of=Range(FIRST, LAST, radix=3, rows=10**6),
        type=date,
    ),
    "ranges without leaves": Case(
        DAYS,
        st.builds(Between, ENDS, ENDS, st.booleans(), st.booleans()),
        between,
        of=Range(FIRST, LAST, radix=3, rows=64 * 50),
        type=date,
        is_exact=None,
    ),
    "compounds": Case(PEOPLE, st.builds(AllEqual, PEOPLE), all_equal, of=WHO, type=dict),
    "partitions of compounds": Case(
        PEOPLE, st.builds(AllEqual, PEOPLE), all_equal, of=WHO, type=dict, how={"partitions": 2}, is_exact=False
    ),
}


def indexes(case: Case) -> tuple[TermIndex, TermIndex, TermIndex]:
    """Two that tag, each under a key of its own, and one that knows both keys."""
    provider, stores = LocalKeyProvider.generate(), [MemoryKeyStore() for _ in range(3)]
    how = {"index": "by", "of": case.of, "accept_leakage": True, "accept_low_cardinality": True, **case.how}
    one, other, both = (Encryptor(provider, store).search_index("p.x", case.type, **how) for store in stores)
    for store in stores[:2]:
        Encryptor(provider, store).blind_index("p.y").tag("", tenant=TENANT)
        for record in store.list(TENANT):
            stores[2].add(record)
    return one, other, both


@pytest.mark.parametrize("name", CASES)
def test_a_search_finds_what_the_plain_value_says(name: str, request: pytest.FixtureRequest) -> None:
    """Under two index keys: no row is missed; `matches` drops the others; an exact answer has no others."""
    case = CASES[name]
    one, other, both = indexes(case)

    @settings(relaxed, max_examples=3_000 if request.config.getoption("--long") else 60)
    @given(st.lists(case.values, max_size=12), case.questions)
    def search(values: list[Any], question: Any) -> None:
        try:
            answer = both.ask(question)
        except NothingToTagError:  # as for a text without digits
            return
        if answer is None:
            assert len(both.normalise(question.text)) < 2
            return
        assert case.is_exact in (None, answer.is_exact)
        wanted = [set(tags) for tags in answer.tags(TENANT)]
        if isinstance(question, Between):
            assert sum(map(len, wanted)) == 2 * both.most_tags
        elif isinstance(question, (StartsWith, EndsWith)):
            assert sum(map(len, wanted)) == 2
        for number, value in enumerate(values):
            try:
                index = other if number % 2 else one
                tags = index.stored_tags(value, tenant=TENANT, row={"row": str(number)})
            except NothingToTagError:
                assert not answer.matches(value)
                continue
            assert len(tags) == len(both.levels)
            is_found = any(tag in tags_of for tag, tags_of in zip(tags, wanted, strict=True))
            is_true = case.is_true(value, question)
            assert answer.matches(value) == is_true
            assert is_found >= is_true
            if answer.is_exact:
                assert is_found == is_true

    search()
