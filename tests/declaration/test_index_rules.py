"""The indexes of a field together: what is refused when they are declared, and which of them answers."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from fieldcrypt import CompoundIndex, ConfigurationError, IndexedBy, ProtectedRecord, Protection
from fieldcrypt.normalisers import NothingToTagError
from fieldcrypt.search import (
    AllEqual,
    Between,
    EndsWith,
    Equal,
    Part,
    PartIs,
    Prefixes,
    Question,
    Range,
    StartsWith,
    Suffixes,
    domain,
    first,
    last,
    month,
    year,
)
from fieldcrypt.spi import FieldIndexes
from tests.support.encryptors import new_encryptor
from tests.support.strategies import Colour

SSN, ROW = "078-05-1120", {"row": "1"}
YEARS = Range(date(1900, 1, 1), date(2100, 1, 1))
SHORT: dict[str, Any] = {"tag_size": 2}
PARTED: dict[str, Any] = {"partitions": 4}
LEAKS: dict[str, Any] = {"accept_leakage": True}


def made(*indexes: IndexedBy, type: Any = str) -> FieldIndexes:
    return Protection(type, index=indexes).field_indexes(new_encryptor(), "patients.ssn", type)


def word(text: str) -> str:
    """A part of an application's own."""
    return text.split()[0]


@pytest.mark.parametrize(
    ("of", "how"),
    [
        (month(), "accept_low_cardinality"),
        (first(1), "accept_low_cardinality"),
        (last(1), "accept_low_cardinality"),
        (Part("word", word, 15), "accept_low_cardinality"),
        (Part("word", bool, 99, gives=bool), "accept_low_cardinality"),
        (Part("word", Colour, 99, gives=Colour), "accept_low_cardinality"),
        (Prefixes(3, 8), "accept_leakage"),
        (Suffixes(3, 8), "accept_leakage"),
        (YEARS, "accept_leakage"),
    ],
    ids=str,
)
def test_what_tells_much_has_to_be_accepted(of: Any, how: str) -> None:
    """Where the index is declared, and in the core as well."""
    with pytest.raises(ConfigurationError, match=f"{how}=True"):
        IndexedBy("tag", of=of)
    with pytest.raises(ConfigurationError, match=f"{how}=True"):
        new_encryptor().search_index("patients.ssn", date, index="tag", of=of)
    accepted: dict[str, Any] = {how: True}
    assert IndexedBy("tag", of=of, **accepted).of is of


@pytest.mark.parametrize("of", [Prefixes(1, 8), Suffixes(1, 1)], ids=str)
def test_one_character_is_refused_as_a_prefix_too(of: Any) -> None:
    """Its tags are those that `first(1)` or `last(1)` would have."""
    with pytest.raises(ConfigurationError, match="accept_low_cardinality=True"):
        IndexedBy("tag", of=of, **LEAKS)
    IndexedBy("tag", of=of, accept_low_cardinality=True, **LEAKS)


@pytest.mark.parametrize("declared", [{"name": "named"}, PARTED], ids=str)
@pytest.mark.parametrize("type", [bool, Colour])
def test_few_values_are_refused_by_any_index_for_equality(declared: dict[str, Any], type: Any) -> None:
    """A name, or partitions, do not change what frequencies tell."""
    with pytest.raises(ConfigurationError, match="accept_low_cardinality=True"):
        made(IndexedBy("tag", **declared), type=type)
    made(IndexedBy("tag", accept_low_cardinality=True, **declared), type=type)


def test_a_compound_of_few_values_is_refused() -> None:
    """Two booleans have four of them together; a text may have any number."""

    def declared(of: dict[str, Any], **how: Any) -> FieldIndexes:
        return CompoundIndex("tag", dict.fromkeys(of), **how).indexes(new_encryptor(), "patients", of)

    with pytest.raises(ConfigurationError, match="accept_low_cardinality=True"):
        declared({"smokes": bool, "drinks": bool})
    declared({"smokes": bool, "drinks": bool}, accept_low_cardinality=True)
    declared({"smokes": bool, "surname": str})
    declared({"a": enum.Enum("Four", "A B C D"), "b": enum.Enum("Four", "A B C D")})


@pytest.mark.parametrize(("type", "how"), [(bool, None), (date, month()), (str, last(1))], ids=str)
def test_plain_members_do_not_make_few_values_more(type: Any, how: Any) -> None:
    """For whoever reads the table sees them, and compares rows that have them in common."""

    def declare(**accepted: Any) -> None:
        index = CompoundIndex("tag", {"clinic": None, "of": how}, **accepted)
        fields = {"of": Protection(type)}
        ProtectedRecord("patients", new_encryptor(), fields=fields, key="id", indexes=[index])

    with pytest.raises(ConfigurationError, match=r"its protected members have (2|10|12) values together"):
        declare()
    declare(accept_low_cardinality=True)


@pytest.mark.parametrize(
    "declared",
    [
        lambda: IndexedBy("tag", partitions=0),
        lambda: IndexedBy("tag", partitions=257),
        lambda: IndexedBy("tag", partitions=True),
        lambda: IndexedBy("tag", of="last 4"),
        lambda: Part("word version 2", word, 99),
        lambda: IndexedBy("tag", name=""),
        lambda: IndexedBy("tag", name="x" * 256),
        lambda: IndexedBy("tag", of=Prefixes(3, 8), accept_leakage=True, partitions=2),
        lambda: IndexedBy("tag", of=YEARS, accept_leakage=True, partitions=2),
        lambda: IndexedBy("tag", one_companion=True),
        lambda: IndexedBy("tag", of=last(4), one_companion=True),
        lambda: IndexedBy("tag", of=Prefixes(3, 8), accept_leakage=True, one_companion=True, prefix="NAME#"),
        lambda: CompoundIndex("tag", {"surname": None}),
        lambda: CompoundIndex("tag", ["surname", "born"]),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_is_refused_where_it_is_declared(declared: Callable[[], Any]) -> None:
    """Not when the first value comes."""
    with pytest.raises(ConfigurationError):
        declared()


@pytest.mark.parametrize(
    ("of", "type"), [(Prefixes(3, 8), bytes), (last(4), int), (year(), str), (YEARS, int), (domain(), bytes)], ids=str
)
def test_a_kind_that_does_not_fit_the_type_is_refused(of: Any, type: Any) -> None:
    """When the indexes are made, as the types of values are known then."""
    with pytest.raises(ConfigurationError):
        made(IndexedBy("tag", of=of, accept_leakage=True), type=type)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (IndexedBy("tag"), IndexedBy("tag", of=last(4))),
        (IndexedBy("a", of=last(4), name="by"), IndexedBy("b", of=first(2), name="by")),
        (IndexedBy("tag", of=Prefixes(3, 8), **LEAKS), IndexedBy("tag_3")),
    ],
    ids=str,
)
def test_two_indexes_of_one_name_are_refused(one: IndexedBy, other: IndexedBy) -> None:
    """Neither a companion nor the name that tags are bound to can be two things."""
    with pytest.raises(ConfigurationError, match="two of its indexes are called"):
        made(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (IndexedBy("domain", of=last(4)), IndexedBy("email_domain", of=domain())),
        (IndexedBy("a", name="last 4", of=first(2)), IndexedBy("b", of=last(4))),
        (IndexedBy("a", name="b", of=first(2)), IndexedBy("b", name="a", of=last(4))),
    ],
    ids=str,
)
def test_no_name_means_two_indexes(one: IndexedBy, other: IndexedBy) -> None:
    """A question about the one would be asked of the other, and find nothing."""
    for both in ((one, other), (other, one)):
        with pytest.raises(ConfigurationError, match="would both be asked by"):
            made(*both)
    made(IndexedBy("year", of=year()), IndexedBy("first_year", of=year()), type=date)


@pytest.mark.parametrize(
    ("hiding", "telling"),
    [
        (IndexedBy("hiding", **SHORT), IndexedBy("telling")),
        (IndexedBy("hiding", **PARTED), IndexedBy("telling", normaliser="casefold")),
        (IndexedBy("hiding", of=last(4), **PARTED), IndexedBy("telling")),
        (IndexedBy("hiding", of=last(4), **SHORT), IndexedBy("telling", of=last(6))),
        (IndexedBy("hiding", of=last(4), **SHORT), IndexedBy("telling", of=last(4), name="another")),
        (IndexedBy("hiding", of=last(4), **SHORT), IndexedBy("telling", of=Suffixes(2, 3), **LEAKS)),
        (IndexedBy("hiding", **PARTED), IndexedBy("telling", of=Prefixes(2, 3), **LEAKS)),
        (IndexedBy("hiding", of=Part("word", word, 99), **SHORT), IndexedBy("telling")),
        (IndexedBy("hiding", of=last(4), **PARTED), IndexedBy("telling", **PARTED)),
        (IndexedBy("hiding", **SHORT), IndexedBy("telling", **PARTED)),
    ],
    ids=str,
)
def test_tags_that_hide_nothing_are_refused(hiding: IndexedBy, telling: IndexedBy) -> None:
    """Whole tags of the same value, or of more of it, tell which rows are equal, in whatever order."""
    for both in ((hiding, telling), (telling, hiding)):
        with pytest.raises(ConfigurationError, match="the tags of hiding hide nothing, because telling"):
            made(*both)


@pytest.mark.parametrize(
    ("hiding", "telling"),
    [
        (IndexedBy("hiding", **SHORT), IndexedBy("telling", of=last(4))),
        (IndexedBy("hiding", of=last(4), **SHORT), IndexedBy("telling", of=last(3))),
        (IndexedBy("hiding", of=last(4), **PARTED), IndexedBy("telling", of=first(9))),
        (IndexedBy("hiding", of=first(2), **PARTED), IndexedBy("telling", of=Suffixes(2, 3), **LEAKS)),
        (IndexedBy("hiding", **SHORT), IndexedBy("other", of=last(4), **SHORT)),
        (IndexedBy("hiding", **SHORT, **LEAKS), IndexedBy("telling")),
    ],
    ids=str,
)
def test_tags_that_hide_something_are_not_refused(hiding: IndexedBy, telling: IndexedBy) -> None:
    """Beside tags of less of the value, or of something else of it; or if it is accepted."""
    made(hiding, telling)


def test_partitions_of_two_indexes_of_a_value_undo_each_other() -> None:
    """Rows that share a tag of the one are equal, whatever their tags of the other, so all of them are linked."""
    both = [IndexedBy(name, accept_leakage=True, **PARTED) for name in ("one", "other")]
    indexes = made(*both)
    linked: dict[Any, set[Any]] = {}
    for number in range(200):
        tags = indexes.tags(SSN, row={"row": str(number)})
        group = set(tags.values()).union(*(linked.get(tag, ()) for tag in tags.values()))
        linked.update(dict.fromkeys(group, group))
    assert {len(group) for group in linked.values()} == {8}
    with pytest.raises(ConfigurationError, match="hide nothing"):
        made(*(replace(each, accept_leakage=False) for each in both))


def test_a_range_beside_hiding_tags_is_refused() -> None:
    """Its leaves are nearly the values."""
    with pytest.raises(ConfigurationError, match="hide nothing"):
        made(IndexedBy("hiding", of=year(), **PARTED), IndexedBy("telling", of=YEARS, **LEAKS), type=date)


WHO = {"surname": "casefold", "born": None}


@pytest.mark.parametrize(
    ("surname", "born", "compounds"),
    [
        (IndexedBy("surname_tag", **PARTED), None, [CompoundIndex("who", WHO)]),
        (IndexedBy("surname_tag"), IndexedBy("born_tag"), [CompoundIndex("who", WHO, partitions=4)]),
        (None, None, [CompoundIndex("who", WHO, tag_size=2), CompoundIndex("more", {**WHO, "clinic": None})]),
        (IndexedBy("surname_tag"), None, [CompoundIndex("who", {"surname": None, "clinic": None}, partitions=4)]),
        (None, None, [CompoundIndex("who", WHO, partitions=4), CompoundIndex("again", WHO, partitions=8)]),
        (IndexedBy("a", **PARTED), IndexedBy("b", **PARTED), [CompoundIndex("who", WHO, partitions=4)]),
        (None, None, [CompoundIndex("who", {**WHO, "clinic": None}, tag_size=2), CompoundIndex("less", WHO)]),
        (
            None,
            IndexedBy("b"),
            [CompoundIndex("who", WHO, tag_size=2), CompoundIndex("x", {"surname": None, "y": None})],
        ),
        (IndexedBy("a", tag_size=2), None, [CompoundIndex("who", WHO, partitions=4)]),
    ],
    ids=[
        "a member",
        "by its members",
        "by another compound",
        "by a member and a plain one",
        "by its own values in other partitions",
        "by partitions of its members",
        "by another compound of all but a plain member",
        "by a member and another compound",
        "a member, by partitions",
    ],
)
def test_compounds_and_their_members_are_judged_together(surname: Any, born: Any, compounds: Any) -> None:
    """Short or partitioned tags hide nothing beside whole ones of all that they are of."""
    indexes = {"surname": Protection(str, index=surname), "born": Protection(date, index=born)}
    with pytest.raises(ConfigurationError, match="hide nothing"):
        ProtectedRecord("patients", new_encryptor(), fields=indexes, key="id", indexes=compounds)
    accepted = {name: Protection(each.type, index=list(map(accepting, each.indexes))) for name, each in indexes.items()}
    ProtectedRecord("patients", new_encryptor(), fields=accepted, key="id", indexes=list(map(accepting, compounds)))


def accepting(declared: Any) -> Any:
    return replace(declared, accept_leakage=True)


EVERYTHING = (
    IndexedBy("ssn_tag"),
    IndexedBy("ssn_last4", normaliser="digits", of=last(4)),
    IndexedBy("ssn_prefix", of=Prefixes(3, 5), accept_leakage=True),
)


@pytest.mark.parametrize(
    ("question", "companion", "is_exact"),
    [
        (Equal((SSN,)), "ssn_tag", True),
        (PartIs("ssn_last4", ("1120",)), "ssn_last4", True),
        (PartIs("last 4", ("11-20",)), "ssn_last4", True),
        (EndsWith("1120"), "ssn_last4", True),
        (EndsWith("05-1120"), "ssn_last4", False),
        (StartsWith("078"), "ssn_prefix_3", True),
        (StartsWith("078-05-"), "ssn_prefix_5", False),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Question) else str(it),
)
def test_the_index_that_answers_is_found(question: Question, companion: str, is_exact: bool) -> None:
    """By what is asked, with no need of its name."""
    indexes = made(*EVERYTHING)
    stored, search = indexes.tags(SSN, row=ROW), indexes.search(question)
    assert (search.companions, search.is_exact) == ((companion,), is_exact)
    assert search.tags(None) == {companion: [stored[companion]]}
    assert search.matches(SSN)
    assert not search.matches(None)


@pytest.mark.parametrize(
    ("question", "advice"),
    [
        (Equal((SSN,)), 'IndexedBy("…") would'),
        (StartsWith("078"), 'IndexedBy("…", of=Prefixes(shortest, longest), accept_leakage=True) would'),
        (EndsWith("x"), 'IndexedBy("…", of=Suffixes(shortest, longest), accept_leakage=True) would'),
        (Between("a", SSN), 'IndexedBy("…", of=Range(minimum, maximum), accept_leakage=True) would'),
        (PartIs("last 3", (SSN,)), 'IndexedBy("…", of=last(3)) would'),
        (PartIs("domain", (SSN,)), 'IndexedBy("…", of=domain()) would'),
        (PartIs("surname", (SSN,)), 'IndexedBy("…", of=Part(…)) would'),
        (AllEqual({"ssn": SSN}), 'CompoundIndex("…", of={…}) would'),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Question) else None,
)
def test_a_question_that_no_index_answers_says_which_would(question: Question, advice: str) -> None:
    """And not what was asked."""
    with pytest.raises(ConfigurationError) as caught:
        made(IndexedBy("ssn_last4", of=last(4))).search(question)
    assert advice in str(caught.value)
    assert "patients.ssn" in str(caught.value)
    assert SSN not in str(caught.value)


@pytest.mark.parametrize(
    "question", [EndsWith("120"), PartIs("last4", ("1120",)), Equal((SSN,))], ids=lambda it: type(it).__name__
)
def test_a_question_that_no_index_answers_says_what_there_is(question: Question) -> None:
    """For a text that is too short, or a part that is called otherwise, there is nothing to declare."""
    prefix = IndexedBy("ssn_prefix", of=Prefixes(3, 5), accept_leakage=True)
    with pytest.raises(ConfigurationError) as caught:
        made(IndexedBy("ssn_last4", of=last(4)), prefix).search(question)
    last_4 = "; ssn_last4 answers the part last 4, and endswith of 4 characters or more"
    assert str(caught.value).endswith(f"{last_4}; ssn_prefix answers startswith of 3 characters or more")


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (lambda: made(IndexedBy("end", of=last)), r"end: of= takes what fieldcrypt\.search declares: last\(4\), "),
        (lambda: made(IndexedBy("born", of=YEARS, accept_leakage=True)), "patients.ssn: a Range of date is for values"),
        (lambda: made(IndexedBy("born", of=year())), "patients.ssn: the part year is one of date or datetime"),
        (lambda: made(IndexedBy("t", normaliser="lower")), "patients.ssn: unknown normaliser 'lower'"),
        (lambda: Range(date(2100, 1, 1), date(1900, 1, 1)), "the minimum of a range must not be beyond its maximum"),
        (lambda: IndexedBy(""), "begins with the name of the companion"),
        (lambda: CompoundIndex("tag", {"surname": None}), "two or more members"),
        (lambda: together({"surname": Prefixes(3, 4), "born": None}), "guests: surname: .* taken whole, or as a Part"),
        (lambda: together({"surname": "lower", "born": None}), "guests: surname: unknown normaliser"),
        (lambda: together({"surname": None, "height": None}), "guests: height: a blind index has one of the types"),
        (lambda: guests(CompoundIndex("who", WHO)), "is a list of indexes of several members each"),
        (lambda: guests([IndexedBy("who")]), "is a list of indexes of several members each"),
    ],
)
def test_what_cannot_be_declared_says_where_and_why(declare: Callable[[], Any], why: str) -> None:
    """In the words of the declaration."""
    with pytest.raises((ConfigurationError, TypeError, ValueError), match=why):
        declare()


def together(of: Any) -> ProtectedRecord:
    return guests([CompoundIndex("who", of)])


def guests(indexes: Any) -> ProtectedRecord:
    fields: dict[str, Any] = {"surname": str, "born": date, "height": float}
    return ProtectedRecord("guests", new_encryptor(), key="id", fields=fields, indexes=indexes)


def test_a_value_with_nothing_to_tag_is_asked_of_the_other_indexes() -> None:
    """And refused if none of them has a tag for it."""
    indexes = made(IndexedBy("number", normaliser="digits"), IndexedBy("text"))
    assert indexes.search(Equal(("n/a",))).companions == ("text",)
    assert indexes.tags("n/a") == {"number": None, "text": indexes.tags("n/a")["text"]}
    with pytest.raises(NothingToTagError):
        made(IndexedBy("number", normaliser="digits")).search(Equal(("n/a",)))


def test_more_tags_than_the_database_takes_are_refused() -> None:
    """Under two index keys: those of a rotation."""
    made(IndexedBy("tag", partitions=50)).check_most(100)
    with pytest.raises(ConfigurationError, match="by tag2 can need 102 tags"):
        made(IndexedBy("tag"), IndexedBy("tag2", partitions=51, accept_leakage=True)).check_most(100)
    with pytest.raises(ConfigurationError, match="a search by born can need"):
        made(IndexedBy("born", of=YEARS, accept_leakage=True), type=date).check_most(80)


def test_a_value_beyond_the_bounds_is_refused_by_name() -> None:
    """The message names the field and shows no value; a question beyond them finds all that there can be."""
    indexes = made(IndexedBy("born", of=YEARS, accept_leakage=True), type=date)
    with pytest.raises(ValueError, match=r"patients\.ssn") as caught:
        indexes.tags(date(1899, 12, 31))
    assert "1899" not in str(caught.value)
    everybody = indexes.search(Between(None, date(2200, 1, 1), with_high=False))
    assert everybody.is_exact
    assert everybody.matches(date(2100, 1, 1))


def test_one_companion_holds_the_tags_of_all_levels() -> None:
    """In the order of their bytes, which does not tell which level is which."""
    how: dict[str, Any] = {"of": Prefixes(3, 5), "accept_leakage": True}
    encryptor = new_encryptor()
    several, one = (
        Protection(str, index=IndexedBy("tag", one_companion=joined, **how)).field_indexes(encryptor, "a.b", str)
        for joined in (False, True)
    )
    assert several.companions == ("tag_3", "tag_4", "tag_5")
    tags: dict[str, Any] = dict(several.tags("abcd", row=ROW))
    assert one.tags("abcd", row=ROW) == {"tag": sorted(tags.values())}
    assert one.search(StartsWith("abcd")).tags(None) == {"tag": [tags["tag_4"]]}
