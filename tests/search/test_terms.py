"""Terms of values and their tags: what they depend on, and what somebody who copies or plants tags gets."""

from __future__ import annotations

import base64
import enum
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import ConfigurationError, Encryptor, FileKeyStore, LocalKeyProvider
from fieldcrypt.normalisers import NothingToTagError
from fieldcrypt.search import (
    AllEqual,
    Between,
    Equal,
    Part,
    PartIs,
    Prefixes,
    Question,
    Range,
    StartsWith,
    TermIndex,
    domain,
    first,
    last,
    year,
)
from fieldcrypt.search.kinds.compound import Compound
from tests.support.encryptors import new_encryptor

ROW, OTHER_ROW = {"row": "1"}, {"row": "2"}
SECRET = "078-05-1120"
YEAR = Range(date(1900, 1, 1), date(2100, 1, 1), radix=4)


@pytest.fixture
def encryptor() -> Encryptor:
    """An Encryptor with a key store, without which there are no tags."""
    return new_encryptor()


def made(encryptor: Encryptor, of: Any = None, type: Any = str, name: str = "patients.ssn", **how: Any) -> TermIndex:
    return encryptor.search_index(
        name, type, **{"index": "by", "of": of, "accept_leakage": True, "accept_low_cardinality": True, **how}
    )


def all_tags(index: TermIndex, value: Any = "078051120", **where: Any) -> set[bytes]:
    return set(index.stored_tags(value, row=ROW, **where))


def fails(text: str) -> str:
    """A part whose error would show the value."""
    raise KeyError(text)


def initials(text: str) -> str:
    """A part of an application's own."""
    return "".join(word[0] for word in text.split())


class TestContexts:
    @pytest.mark.parametrize(
        "other",
        [
            {"index": "another"},
            {"name": "staff.ssn"},
            {"path": "ssn.old"},
            {"partitions": 2},
            {"of": last(3)},
            {"of": first(9)},
            {"of": replace(last(4), version=2)},
            {"of": Prefixes(4, 4)},
        ],
        ids=str,
    )
    def test_another_declaration_has_unrelated_tags(self, encryptor: Encryptor, other: dict[str, Any]) -> None:
        """Another name of the index, field, path, part, version, or number of partitions."""
        assert not all_tags(made(encryptor, last(4))) & all_tags(made(encryptor, **{"of": last(4), **other}))

    def test_levels_have_nothing_in_common(self, encryptor: Encryptor) -> None:
        """A text's first four characters have no tag in common with the first four of its first five."""
        index = made(encryptor, Prefixes(3, 8))
        assert len(all_tags(index)) == 6
        assert not set(index.stored_tags("0780", row=ROW)[2:]) & all_tags(index)

    def test_tenants_have_nothing_in_common(self, encryptor: Encryptor) -> None:
        """Each has an index key of its own, as for equality."""
        index = made(encryptor, last(4))
        assert not all_tags(index, tenant="a") & all_tags(index, tenant="b")

    @pytest.mark.parametrize("other", [replace(YEAR, radix=5), replace(YEAR, maximum=date(2099, 1, 1))], ids=str)
    def test_a_range_with_other_parameters_has_unrelated_tags(self, encryptor: Encryptor, other: Range) -> None:
        """Else nodes of one tree would be taken for those of the other."""
        day = date(1900, 1, 2)  # in the first node of each tree
        assert not all_tags(made(encryptor, YEAR, date), day) & all_tags(made(encryptor, other, date), day)

    def test_the_plain_index_is_another_one(self, encryptor: Encryptor) -> None:
        """Its tags are bound to the field alone, and stay what they were."""
        assert encryptor.blind_index("patients.ssn").tag(SECRET) not in all_tags(made(encryptor), SECRET)


class TestDummies:
    def test_every_value_has_a_tag_at_each_level(self, encryptor: Encryptor) -> None:
        """So that their number does not tell how long a text is."""
        index = made(encryptor, Prefixes(3, 8))
        assert {len(all_tags(index, text)) for text in ("", "ab", "abcd", "abcdefghijkl")} == {6}

    def test_a_dummy_is_unlike_those_of_other_rows_and_the_same_again(self, encryptor: Encryptor) -> None:
        """Equal ones would tell which texts are short; changing ones could not be verified."""
        index = made(encryptor, Prefixes(3, 8))
        one, other = (set(index.stored_tags("ab", row=row)) for row in (ROW, OTHER_ROW))
        assert not one & other
        assert one == set(index.stored_tags("xyz"[:1], row=ROW))

    def test_a_dummy_is_never_looked_for(self, encryptor: Encryptor) -> None:
        """A text that somebody chooses to be the row's context has a tag of another level."""
        index = made(encryptor, Prefixes(3, 8))
        dummies = all_tags(index, "")
        answer = index.ask(StartsWith("\x00\x03row\x00\x011"))
        assert answer is not None
        assert not dummies & {tag for tags in answer.tags(None) for tag in tags}

    @pytest.mark.parametrize("how", [{"of": Prefixes(3, 8)}, {"partitions": 2}], ids=str)
    @pytest.mark.parametrize("row", [None, {}])
    def test_without_the_row_they_are_refused(self, encryptor: Encryptor, how: dict[str, Any], row: Any) -> None:
        """And no key is made for it."""
        index = made(encryptor, **how)
        assert index.needs_row
        with pytest.raises(ConfigurationError, match="bound to their row"):
            index.stored_tags(SECRET, row=row)
        assert encryptor.data_keys.count() == 0


class TestPartitions:
    def test_equal_values_have_as_many_tags_as_there_are_partitions(self, encryptor: Encryptor) -> None:
        """Spread evenly by the row, which has the same one again; a question asks for all."""
        index = made(encryptor, partitions=4)
        rows = [{"row": str(number)} for number in range(400)]
        tags = [index.stored_tags("Meyer", row=row)[0] for row in rows]
        assert tags == [index.stored_tags("Meyer", row=row)[0] for row in rows]
        counts = [tags.count(tag) for tag in set(tags)]
        assert len(counts) == 4
        assert min(counts) > 60
        answer = index.ask(Equal(("Meyer",)))
        assert answer is not None
        assert not answer.is_exact
        assert answer.tags(None) == (tuple(sorted(set(tags))),)

    def test_the_partition_cannot_be_known_without_the_key(self, encryptor: Encryptor) -> None:
        """Rows that are in one partition for one tenant, or in one index, are in several for another."""
        rows = [{"row": str(number)} for number in range(64)]

        def parted(index: TermIndex, tenant: str) -> set[frozenset[int]]:
            tags = [index.stored_tags("Meyer", row=row, tenant=tenant)[0] for row in rows]
            return {frozenset(at for at, each in enumerate(tags) if each == tag) for tag in tags}

        one, other = made(encryptor, partitions=4), made(encryptor, partitions=4, index="other")
        assert not parted(one, "a") & parted(one, "b")
        assert not parted(one, "a") & parted(other, "a")


class TestPadding:
    @pytest.mark.parametrize("size", [1, 16])
    def test_every_question_about_a_range_has_as_many_tags(self, encryptor: Encryptor, size: int) -> None:
        """Whether it is wide or narrow, open at one end, or about nothing; though tags of one byte may be the same."""
        index = made(encryptor, YEAR, date, tag_size=size)
        index.stored_tags(date(2000, 1, 1))
        day = date(2000, 1, 1)
        asked = [
            (day, day),
            (date(1950, 3, 7), date(2011, 9, 2)),
            (None, day),
            (day, date(2500, 1, 1)),
            (day, date.min),
        ]
        answers = [index.ask(Between(*ends)) for ends in asked]
        assert {sum(map(len, answer.tags(None))) for answer in answers if answer} == {index.most_tags}

    def test_it_is_the_same_when_it_is_asked_again(self, encryptor: Encryptor) -> None:
        """Else the tags that two of them have in common would be those that are not padding."""
        index = made(encryptor, YEAR, date)
        index.stored_tags(date(2000, 1, 1))
        one, again = (index.ask(Between(date(2000, 1, 1), date(2000, 1, 9))) for _ in range(2))
        assert one is not None
        assert again is not None
        assert one.tags(None) == again.tags(None)

    @pytest.mark.parametrize("level", [None, 0])
    def test_it_is_the_same_for_all_questions_of_the_same_nodes(self, encryptor: Encryptor, level: int | None) -> None:
        """As for those of the last day, asked every minute; and what others share are nodes."""
        hours = Range(datetime(2020, 1, 1), datetime(2030, 1, 1), timedelta(hours=1), rows=10**9)
        index, noon = made(encryptor, hours, datetime), datetime(2026, 3, 1, 12)
        index.stored_tags(noon)

        def tags(low: datetime, high: datetime) -> set[bytes]:
            answer = index.ask(Between(low, high), level)
            assert answer is not None
            return {tag for tags in answer.tags(None, level) for tag in tags}

        minute, end = timedelta(minutes=1), noon + timedelta(hours=20)
        assert tags(noon, end) == tags(noon + minute, end + minute)
        nothing, first = tags(end, noon), tags(datetime(2020, 1, 1), datetime(2020, 1, 1))
        assert nothing == tags(datetime(2031, 1, 1), datetime(2032, 1, 1))
        assert not nothing & first
        assert len(tags(noon, end) & tags(noon, end + timedelta(hours=9))) <= 21


class TestQuestions:
    @pytest.mark.parametrize(
        "ask",
        [lambda: Equal(SECRET), lambda: PartIs("domain", SECRET), lambda: AllEqual(SECRET)],  # type: ignore[arg-type]
    )
    def test_one_value_is_not_taken_for_several(self, ask: Callable[[], Any]) -> None:
        """Of a text, the characters would be searched for, and nothing would be found."""
        with pytest.raises(TypeError) as caught:
            ask()
        assert SECRET not in str(caught.value)


class TestParts:
    @pytest.mark.parametrize(
        ("of", "type", "value", "part"),
        [
            (last(4), str, SECRET, "1120"),
            (last(4), str, "12", "12"),
            (first(2), str, "\U0001f600\u00e9x", "\U0001f600\u00e9"),
            (domain(), str, "a@b@EXAMPLE.org", "example.ORG"),
            (year(), date, date(1990, 2, 28), 1990),
            (year(), datetime, datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), 2025),
            (Part("initials", initials, 700, normaliser="casefold"), str, "Ann Meyer", "am"),
        ],
        ids=lambda it: getattr(it, "name", None),
    )
    def test_a_part_is_found(self, encryptor: Encryptor, of: Part, type: Any, value: Any, part: Any) -> None:
        """And what it is compared with goes through the part's normaliser as well."""
        index = made(encryptor, of, type)
        answer = index.ask(PartIs(of.name, (part,)))
        assert answer is not None
        assert index.stored_tags(value) == answer.tags(None)[0]
        assert answer.is_exact
        assert answer.matches(value)

    def test_equality_is_never_that_of_a_part(self, encryptor: Encryptor) -> None:
        """`== "078-05-1120"` would find everybody with these four digits."""
        assert made(encryptor, last(4)).ask(Equal((SECRET,))) is None

    @pytest.mark.parametrize(
        "of",
        [
            Part("own", fails, 99),
            Part("own", str.split, 99),
            Part("own", str, 99, normaliser=fails),
            Part("own", str, 99, normaliser=str.split),
        ],
    )
    def test_what_a_function_does_wrong_shows_no_value(self, encryptor: Encryptor, of: Part) -> None:
        """Neither its error, nor a result of another type, in the message or in a chained one."""
        with pytest.raises((ValueError, TypeError), match="own") as caught:
            made(encryptor, of).stored_tags(SECRET)
        assert SECRET not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"

    def test_an_own_part_survives_pickling(self, encryptor: Encryptor) -> None:
        """If its function is one of a module."""
        of = Part("initials", initials, 700, version=3, normaliser="casefold")
        assert pickle.loads(pickle.dumps(of)) == of
        assert pickle.loads(pickle.dumps(last(4))) == last(4)

    @pytest.mark.parametrize(
        "declared",
        [
            lambda: Part("", initials, 99),
            lambda: Part("a, b", initials, 99),
            lambda: Part("own", "initials", 99),  # type: ignore[arg-type]
            lambda: Part("own", initials, 0),
            lambda: Part("own", initials, 99, version=0),
            lambda: last(0),
            lambda: first(-1),
            lambda: Prefixes(0, 3),
            lambda: Prefixes(4, 3),
            lambda: Prefixes("3", 4),  # type: ignore[arg-type]
            lambda: Prefixes(1, 101),
        ],
    )
    def test_what_cannot_be_is_refused(self, declared: Callable[[], Any]) -> None:
        """Where it is declared."""
        with pytest.raises(ConfigurationError):
            declared()


WHO = Compound({"name": "casefold", "born": None}, {"name": str, "born": date})


class TestCompounds:
    def test_members_are_told_apart_by_type_and_place(self, encryptor: Encryptor) -> None:
        """An integer and a text of one spelling; texts that are one when joined; members that were exchanged."""
        texts, numbers = ({"a": kind, "b": kind} for kind in (str, int))
        index, of_numbers = (made(encryptor, Compound({"a": None, "b": None}, of), dict) for of in (texts, numbers))
        values: list[Any] = [("1", "2"), ("2", "1"), ("12", ""), ("", "12")]
        tags = [index.stored_tags({"a": one, "b": other}) for one, other in values]
        assert len({*tags, of_numbers.stored_tags({"a": 1, "b": 2})}) == 5

    @pytest.mark.parametrize(
        ("type", "value", "other"),
        [
            (enum.Enum("Colour", "RED GREEN"), 1, 2),
            (bool, True, False),
            (bytes, b"a", b"b"),
            (int, 1, -1),
            (Decimal, Decimal("1.0"), Decimal("1.1")),
            (date, date(2000, 1, 1), date(2000, 1, 2)),
            (datetime, datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 1)),
        ],
        ids=lambda it: getattr(it, "__name__", None),
    )
    def test_members_have_all_types_that_tags_have(
        self, encryptor: Encryptor, type: Any, value: Any, other: Any
    ) -> None:
        """An enumeration member is its name."""
        one, two = (type(each) if isinstance(type, enum.EnumMeta) else each for each in (value, other))
        index = made(encryptor, Compound({"name": None, "it": None}, {"name": str, "it": type}), dict)
        answer = index.ask(AllEqual({"name": "Meyer", "it": one}))
        assert answer is not None
        assert answer.tags(None) == ((),)  # there is no key yet
        assert index.stored_tags({"name": "Meyer", "it": one}) == answer.tags(None)[0]
        assert not answer.matches({"name": "Meyer", "it": two})

    @pytest.mark.parametrize("value", [{"name": "Meyer"}, {"name": "Meyer", "born": None}, {}], ids=str)
    def test_a_record_without_a_member_has_no_tag(self, encryptor: Encryptor, value: dict[str, Any]) -> None:
        """And does not match, whatever tag it has."""
        index = made(encryptor, WHO, dict)
        with pytest.raises(NothingToTagError):
            index.stored_tags(value)
        answer = index.ask(AllEqual({"name": "Meyer", "born": date(1990, 1, 1)}))
        assert answer is not None
        assert not answer.matches(value)

    @pytest.mark.parametrize(
        "values",
        [
            {"name": "Meyer"},
            {"name": "M", "born": date.min, "more": 1},
            {"name": "M", "born": None},
            {"name": 1, "born": 2},
        ],
        ids=str,
    )
    def test_a_question_names_all_members(self, encryptor: Encryptor, values: dict[str, Any]) -> None:
        """Each with a value of its type."""
        with pytest.raises((ValueError, TypeError)):
            made(encryptor, WHO, dict).ask(AllEqual(values))

    @pytest.mark.parametrize(
        ("values", "error"),
        [
            ({"mail": "example.org", "born": date(1990, 1, 1)}, "mail: .*given whole, and not by its domain"),
            ({"mail": "ann@example.org", "born": 1990}, "born: .*given whole, and not by its year"),
        ],
    )
    def test_a_question_has_whole_members_also_where_parts_are_indexed(
        self, encryptor: Encryptor, values: dict[str, Any], error: str
    ) -> None:
        """Of which the parts are compared; one that has only the part is told so."""
        index = made(encryptor, Compound({"mail": domain(), "born": year()}, {"mail": str, "born": date}), dict)
        with pytest.raises((TypeError, ValueError), match=error):
            index.ask(AllEqual(values))
        answer = index.ask(AllEqual({"mail": "bob@example.org", "born": date(1990, 12, 31)}))
        assert answer is not None
        assert answer.matches({"mail": "ann@example.org", "born": date(1990, 1, 1)})


class TestAttacks:
    """What somebody gets who can write tags: candidates, which the check after decryption drops."""

    @pytest.mark.parametrize("how", [{}, {"of": last(4)}, {"of": Prefixes(3, 8)}, {"partitions": 4}], ids=str)
    def test_a_tag_that_was_copied_from_another_row_does_not_match(
        self, encryptor: Encryptor, how: dict[str, Any]
    ) -> None:
        """The value of the row it was copied to is compared, and is another one."""
        index = made(encryptor, **how)
        question: Question = Equal(("Meyer",)) if "of" not in how else StartsWith("Mey")
        question = PartIs("last 4", ("eyer",)) if how.get("of") == last(4) else question
        answer = index.ask(question)
        assert answer is not None
        assert answer.matches("Meyer")
        assert not answer.matches("Miller")

    def test_a_tag_of_another_level_or_index_finds_nothing(self, encryptor: Encryptor) -> None:
        """However its tags are put into this one's companions."""
        index, other = made(encryptor, Prefixes(3, 8)), made(encryptor, Prefixes(3, 8), index="other")
        planted = all_tags(other, "Meyersohn")
        answer = index.ask(StartsWith("Meyer"))
        assert answer is not None
        looked_for = {tag for tags in answer.tags(None) for tag in tags}
        assert not looked_for & planted
        at_other_levels = {tag for at, tag in enumerate(index.stored_tags("Meyersohn", row=ROW)) if at != 2}
        assert not looked_for & at_other_levels

    def test_the_context_of_another_row_moves_a_row_to_another_partition_only(self, encryptor: Encryptor) -> None:
        """A search asks for all of them, so the row is found all the same."""
        index = made(encryptor, partitions=16)
        answer = index.ask(Equal(("Meyer",)))
        assert answer is not None
        index.stored_tags("Meyer", row=ROW)
        assert {index.stored_tags("Meyer", row={"row": str(at)})[0] for at in range(99)} <= set(answer.tags(None)[0])

    def test_questions_and_answers_show_no_value(self, encryptor: Encryptor) -> None:
        """In a log, or in the message of a test that failed."""
        index = made(encryptor)
        for question in (Equal((SECRET,)), StartsWith(SECRET), AllEqual({"ssn": SECRET}), PartIs("last 4", (SECRET,))):
            assert SECRET not in f"{question!r} {question} {index.ask(question)!r}"


class TestPickles:
    @pytest.mark.parametrize(
        "how",
        [{}, {"of": last(4)}, {"of": Prefixes(3, 8)}, {"partitions": 4}, {"tag_size": 3, "normaliser": "digits"}],
        ids=str,
    )
    def test_an_index_is_the_same_after_pickling(self, tmp_path: Path, how: dict[str, Any]) -> None:
        """In one process: of the same Encryptor, with the same tags."""
        (tmp_path / "key").write_bytes(base64.b64encode(os.urandom(32)))
        store = FileKeyStore.create(tmp_path / "keys.sqlite")
        index = made(Encryptor(LocalKeyProvider.from_file(tmp_path / "key"), store), **how)
        assert all_tags(pickle.loads(pickle.dumps(index))) == all_tags(index)
