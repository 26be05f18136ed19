"""Searching records: by all kinds of indexes, and by several members together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import (
    CompoundIndex,
    ConfigurationError,
    DecryptionError,
    IndexedBy,
    PlaintextRefusedError,
    ProtectedRecord,
    Protection,
    RecordSeal,
    RecordSearch,
)
from fieldcrypt.normalisers import NothingToTagError
from fieldcrypt.search import (
    AllEqual,
    Between,
    EndsWith,
    Equal,
    PartIs,
    Prefixes,
    Question,
    Range,
    StartsWith,
    Suffixes,
    domain,
    first,
    last,
)
from tests.support.encryptors import new_encryptor
from tests.support.strategies import relaxed

Record = Mapping[str, Any]

BORN = Range(date(1990, 1, 1), date(2000, 1, 1), rows=100_000_000)
ALL: dict[str, Any] = {"accept_leakage": True, "accept_low_cardinality": True}
NAME = [
    IndexedBy("name_tag", normaliser="casefold"),
    IndexedBy("name_prefix", normaliser="casefold", of=Prefixes(1, 3), **ALL),
    IndexedBy("name_ends", normaliser="casefold", of=Suffixes(1, 2), **ALL, one_companion=True),
]
FIELDS: dict[str, Any] = {
    "name": Protection(str, index=NAME),
    "ssn": Protection(
        str, index=[IndexedBy("ssn_last4", normaliser="digits", of=last(4)), IndexedBy("ssn_parts", partitions=3)]
    ),
    "born": Protection(date, index=IndexedBy("born_range", of=BORN, accept_leakage=True)),
    "address.street": Protection(str, index="tag"),
}
INDEXES = [
    CompoundIndex("who_tag", of={"name": "casefold", "born": None}),
    CompoundIndex("ward_tag", of={"ward": None, "address.street": None}, per_tenant=True),
]
ANN = {
    "id": 1,
    "clinic": "north",
    "ward": 7,
    "name": "Ann Meyer",
    "ssn": "078-05-1120",
    "born": date(1994, 5, 6),
    "address": {"street": "12 Elm Street", "city": "Bern"},
}


def patients(**how: Any) -> ProtectedRecord:
    """Records with all kinds of indexes."""
    how = {"fields": FIELDS, "indexes": INDEXES, "key": "id", "tenant": "clinic", **how}
    return ProtectedRecord("patients", new_encryptor(), **how)


def is_found(stored: Record, tags: Mapping[str, Iterable[Any]]) -> bool:
    """True if a stored record has one of the tags, as a store that knows nothing else finds it."""
    for companion, wanted in tags.items():
        inner = stored["address"] if companion == "tag" else stored
        has = inner.get(companion)
        if not set(has if isinstance(has, list) else [has]).isdisjoint(wanted):
            return True
    return False


NAMES = st.text("aAbBß", max_size=5)
DATES = st.dates(date(1990, 1, 1), date(1990, 3, 1)) | st.dates(BORN.minimum, BORN.maximum)
RECORDS = st.builds(
    lambda name, ssn, born: {**ANN, "name": name, "ssn": ssn, "born": born},
    st.none() | NAMES,
    st.none() | st.text("12-", max_size=6),
    st.none() | DATES,
)


def folded(text: Any) -> str:
    return str(text).casefold()


def digits_of(text: Any) -> str:
    return "".join(filter(str.isdigit, text))


# What is asked of which field, about a value, and what a plain record would say.
QUESTIONS: dict[str, tuple[str, st.SearchStrategy[Any], Callable[[Any], Question], Callable[[Any, Any], bool]]] = {
    "equal": ("name", NAMES, lambda a: Equal((a,)), lambda has, a: folded(has) == folded(a)),
    "one of": ("name", NAMES, lambda a: Equal((a, "b")), lambda has, a: folded(has) in (folded(a), "b")),
    "starts": ("name", NAMES.filter(bool), StartsWith, lambda has, a: folded(has).startswith(folded(a))),
    "ends": ("name", NAMES.filter(bool), EndsWith, lambda has, a: folded(has).endswith(folded(a))),
    "part": (
        "ssn",
        st.text("12", min_size=1, max_size=4),
        lambda a: PartIs("last 4", (a,)),
        lambda has, a: bool(digits_of(has)) and digits_of(has)[-4:] == a,
    ),
    "partitioned": ("ssn", st.text("12-", max_size=6), lambda a: Equal((a,)), lambda has, a: bool(has == a)),
    "from": ("born", DATES, lambda a: Between(a, None), lambda has, a: bool(has >= a)),
    "before": ("born", DATES, lambda a: Between(None, a, with_high=False), lambda has, a: bool(has < a)),
    "a month": (
        "born",
        DATES,
        lambda a: Between(a, a + timedelta(days=31)),
        lambda has, a: bool(a <= has <= a + timedelta(days=31)),
    ),
}


@given(st.data(), st.lists(RECORDS, min_size=1, max_size=4), st.sampled_from(sorted(QUESTIONS)))
@relaxed
def test_a_search_finds_what_plain_records_would_have_found(
    data: st.DataObject, records: list[dict[str, Any]], case: str
) -> None:
    """With the check after decryption; without it too, if the search says that it is exact."""
    field, values, question, says = QUESTIONS[case]
    asked = data.draw(values | st.sampled_from([each[field] for each in records if each[field]] or [ANN[field]]))
    if case == "part":
        asked = digits_of(asked)[-4:] or "1"
    found = RANDOM.search(field, question(asked))
    for number, record in enumerate(records):
        stored = RANDOM.encrypt({**record, "id": number})
        expected = record[field] is not None and says(record[field], asked)
        plain = RANDOM.decrypt(stored)
        assert (is_found(stored, found.tags) and found.matches(plain)) is expected
        assert is_found(stored, found.tags) is expected or not found.is_exact


RANDOM = patients()


def test_the_tags_of_each_level_have_a_companion_of_their_own() -> None:
    """Or all are in one, as a list."""
    stored = patients().encrypt(ANN)
    assert {name for name in stored if "_" in name} == {
        *("name_tag", "name_prefix_1", "name_prefix_2", "name_prefix_3", "name_ends"),
        *("ssn_last4", "ssn_parts", "who_tag", "ward_tag"),
        *(f"born_range_{level}" for level in range(4)),
    }
    assert all(len(tag) == 16 for tag in stored["name_ends"])
    assert stored["name_ends"] == sorted(stored["name_ends"])


def test_what_was_encrypted_is_decrypted_without_tags() -> None:
    """Those of several members among them."""
    records = patients()
    assert records.decrypt(records.encrypt(ANN)) == ANN
    assert copy(records).encrypt(ANN)["who_tag"] == records.encrypt(ANN)["who_tag"]  # as pickling would


def test_all_of_it_can_be_text() -> None:
    """In JSON: values, tags, lists of tags, and tags of several members."""
    fields = {path: Protection(how.type, index=how.index, storage="text") for path, how in FIELDS.items()}
    records = patients(fields=fields)
    stored = json.loads(json.dumps(records.encrypt(ANN)))
    for field, question in {
        "name": EndsWith("MEYER"),
        "born": Between(date(1994, 5, 6), date(1994, 5, 6)),
        "who_tag": AllEqual({"name": "ann meyer", "born": ANN["born"]}),
    }.items():
        found = records.search(field, question)
        assert is_found(stored, found.tags)
        assert found.matches(records.decrypt(stored))


def test_elements_of_a_list_are_found_by_any_of_them() -> None:
    """Each has tags beside it."""
    phone = Protection(str, index=IndexedBy("ends", of=Suffixes(2, 3), accept_leakage=True))
    people = ProtectedRecord("people", new_encryptor(), key="id", fields={"phones[].number": phone})
    stored = people.encrypt({"id": 1, "phones": [{"number": "0301234"}, {"number": "0309"}, {"number": None}]})
    found = people.search("phones[].number", EndsWith("0309"))
    assert [each["ends_3"] in found.tags["ends_3"] for each in stored["phones"]] == [False, True, False]
    assert found.matches(people.decrypt(stored))
    assert not people.search("phones[].number", EndsWith("7309")).matches(people.decrypt(stored))


def test_dummies_are_of_the_element_where_one_is_told_apart() -> None:
    """Else they are the same within a record, and tell which of its texts are short."""
    number = Protection(str, index=IndexedBy("ends", of=Suffixes(4, 4), accept_leakage=True))
    encryptor = new_encryptor()
    fields = {"phones[].number": number, "kin[of].number": number}
    people = ProtectedRecord("people", encryptor, key="id", fields=fields)
    phones, kin = (
        [{"number": "110"}, {"number": "112"}],
        [{"of": "mother", "number": "110"}, {"of": "me", "number": "110"}],
    )
    stored = people.encrypt({"id": 1, "phones": phones, "kin": kin})
    one, other = ([each["ends_4"] for each in stored[name]] for name in ("phones", "kin"))
    assert (len(set(one)), len(set(other))) == (1, 2)

    of: dict[str, Any] = {"index": "ends", "of": Suffixes(4, 4), "accept_leakage": True, "path": "kin[of].number"}
    index = encryptor.search_index("people.kin", str, **of)
    assert index.stored_tags("110", row={"row": "1", "element": "mother"}) == (other[0],)


class TestSeveralMembers:
    """One tag of several members, protected ones and others."""

    def test_it_finds_records_that_have_them_all(self) -> None:
        """And no others."""
        records = patients()
        stored = records.encrypt(ANN)
        for who, expected in {
            ("ANN MEYER", date(1994, 5, 6)): True,
            ("Ann Meyer", date(1994, 5, 7)): False,
            ("Ann", date(1994, 5, 6)): False,
        }.items():
            found = records.search("who_tag", AllEqual(dict(zip(("name", "born"), who, strict=True))))
            assert (is_found(stored, found.tags), found.matches(records.decrypt(stored))) == (expected, expected)
            assert found.is_exact

    def test_members_may_be_nested_or_not_protected(self) -> None:
        """And the tag one per tenant."""
        records = patients()
        stored = records.encrypt(ANN)
        asked = AllEqual({"ward": 7, "address.street": "12 Elm Street"})
        found = records.search("ward_tag", asked, tenant="north")
        assert is_found(stored, found.tags)
        assert found.matches(records.decrypt(stored))
        with pytest.raises(ConfigurationError, match="name the tenant"):
            records.search("ward_tag", asked)

    def test_a_part_may_be_a_member(self) -> None:
        """Asked by what it is, not by the whole value."""
        index = CompoundIndex("at_tag", of={"clinic": None, "email": domain()})
        people = ProtectedRecord("people", new_encryptor(), key="id", fields={"email": str}, indexes=[index])
        stored = people.encrypt({"id": 1, "clinic": "north", "email": "ann@Example.org"})
        found = people.search("at_tag", AllEqual({"clinic": "north", "email": "bob@example.org"}))
        assert is_found(stored, found.tags)

    def test_a_record_with_none_of_them_has_no_tag_of_them(self) -> None:
        """It is a part of a record, and the store keeps the tag that it has."""
        assert "who_tag" not in patients().encrypt({"id": 1, "clinic": "north", "ssn": "1"})

    @pytest.mark.parametrize("missing", ["name", "born"])
    def test_a_record_with_some_of_them_is_refused(self, missing: str) -> None:
        """Else the tag in the store would stay that of former values, or be lost."""
        record = {name: value for name, value in ANN.items() if name != missing}
        with pytest.raises(
            PlaintextRefusedError, match=f"who_tag is of name, born: the record lacks {missing}"
        ) as caught:
            patients().encrypt(record)
        assert "Meyer" not in str(caught.value)

    @pytest.mark.parametrize("missing", ["name", "born"])
    def test_a_record_in_which_one_is_none_has_no_tag(self, missing: str) -> None:
        """And says so, so that none of former values stays; no search finds it."""
        records = patients()
        stored = records.encrypt({**ANN, missing: None})
        assert stored["who_tag"] is None
        asked = AllEqual({"name": ANN["name"], "born": ANN["born"]})
        assert not records.search("who_tag", asked).matches(records.decrypt(stored))

    def test_a_question_names_them_all(self) -> None:
        """By values, not by None."""
        for values, error in (({"name": "Ann"}, ValueError), ({"name": "Ann", "born": None}, NothingToTagError)):
            with pytest.raises(error):
                patients().search("who_tag", AllEqual(values))


class TestAttacks:
    """What someone who writes to the store, or to the program, gains by tags."""

    @pytest.mark.parametrize(
        "companion", ["name_tag", "name_prefix_2", "name_ends", "ssn_parts", "born_range_3", "who_tag", "ward_tag"]
    )
    def test_a_companion_cannot_be_planted_by_the_caller(self, companion: str) -> None:
        """A web form that takes all members cannot make a record be found as another one."""
        with pytest.raises(PlaintextRefusedError, match=f"{companion} is filled by fieldcrypt"):
            patients().encrypt({**ANN, companion: b"0" * 16})

    def test_a_copied_tag_is_found_and_does_not_match(self) -> None:
        """Equal tags are the same in every record, so whoever writes to the store can copy them."""
        records = patients()
        stored, other = records.encrypt(ANN), records.encrypt({**ANN, "id": 2, "name": "Bob", "born": date(1999, 1, 1)})
        for field, question in {
            "name": StartsWith("Ann"),
            "born": Between(None, date(1994, 12, 31)),
            "who_tag": AllEqual({"name": "Ann Meyer", "born": ANN["born"]}),
        }.items():
            found = records.search(field, question)
            forged = {**other, **{name: tag for name, tag in stored.items() if name in found.tags}}
            assert is_found(forged, found.tags)
            assert not found.matches(records.decrypt(forged))

    @pytest.mark.parametrize("planted", [["7"], 7.0, Decimal("NaN"), None, {"a": 7}], ids=str)
    def test_a_plain_member_of_any_type_matches_nothing_and_ends_no_search(self, planted: Any) -> None:
        """Whoever writes to the store can put anything there, beside a tag that finds it."""
        parted = CompoundIndex("part_tag", of={"name": None, "ward": first(2)})
        who = CompoundIndex("ward_tag", of={"name": None, "ward": None})
        records = ProtectedRecord("wards", new_encryptor(), key="id", fields={"name": str}, indexes=[parted, who])
        stored = records.encrypt({"id": 1, "name": "Ann", "ward": "north"})
        for index in ("part_tag", "ward_tag"):
            found = records.search(index, AllEqual({"name": "Ann", "ward": "north"}))
            assert found.matches(records.decrypt(stored))
            assert not found.matches(records.decrypt({**stored, "ward": planted}))

    def test_another_tenant_s_record_does_not_match(self) -> None:
        """Whose tags are none, under other index keys; with copied ones it is refused twice."""
        records = patients()
        asked = AllEqual({"ward": 7, "address.street": "12 Elm Street"})
        found = records.search("ward_tag", asked, tenant="south")
        assert found.tags == {}  # it has no index key yet
        stored = records.encrypt({**ANN, "clinic": "south"})
        found = records.search("ward_tag", asked, tenant="south")
        forged = {**records.encrypt(ANN), "ward_tag": stored["ward_tag"]}
        assert is_found(forged, found.tags)
        assert not found.matches(records.decrypt(forged))
        with pytest.raises(DecryptionError):
            records.decrypt(forged, tenant="south")

    def test_a_record_that_does_not_name_its_tenant_is_of_the_one_that_was_named(self) -> None:
        """As where a store has the records of one tenant alone."""
        records = patients()
        record = {name: value for name, value in ANN.items() if name != "clinic"}
        stored = records.encrypt(record, tenant="north")
        found = records.search("ward_tag", AllEqual({"ward": 7, "address.street": "12 Elm Street"}), tenant="north")
        assert is_found(stored, found.tags)
        assert found.matches(records.decrypt(stored, tenant="north"))

    def test_a_companion_in_a_list_cannot_be_planted_either(self) -> None:
        """In an element, beside the value."""
        phone = Protection(str, index=IndexedBy("ends", of=Suffixes(2, 3), accept_leakage=True))
        people = ProtectedRecord("people", new_encryptor(), key="id", fields={"phones[].number": phone})
        with pytest.raises(PlaintextRefusedError, match="ends_2 is filled by fieldcrypt"):
            people.encrypt({"id": 1, "phones": [{"number": "0301234", "ends_2": b"0" * 16}]})

    def test_tags_of_one_index_are_none_of_another(self) -> None:
        """Nor of the same index of another field, or of a compound with the same members in another order."""
        stored = patients().encrypt({**ANN, "ssn": "Ann Meyer"})
        tags = [
            tag
            for name in stored
            if "_" in name
            for tag in (stored[name] if isinstance(stored[name], list) else [stored[name]])
        ]
        assert len(set(tags)) == len(tags)

    def test_texts_too_short_for_a_level_do_not_show_which_are(self) -> None:
        """Each has a tag on each level, unlike any other record's."""
        records = patients()
        stored = [records.encrypt({**ANN, "id": number, "name": "A"}) for number in range(4)]
        assert len({each["name_prefix_1"] for each in stored}) == 1
        assert len({each["name_prefix_3"] for each in stored} | {each["name_prefix_2"] for each in stored}) == 8
        assert stored[0]["name_prefix_3"] == records.encrypt({**ANN, "id": 0, "name": "A"})["name_prefix_3"]

    def test_no_question_is_in_a_repr(self) -> None:
        """Nor in that of its answer."""
        found = patients().search("name", StartsWith("Meyer"))
        assert isinstance(found, RecordSearch)
        assert "Meyer" not in f"{found!r} {StartsWith('Meyer')!r}"


def test_a_value_with_nothing_to_tag_is_stored_without_tags_and_not_searched_for() -> None:
    """By all indexes of it; what others have of it stays."""
    records = patients()
    stored = records.encrypt({**ANN, "ssn": "n/a", "name": "Ann \U0001fae8"})
    assert [stored[name] for name in ("ssn_last4", "name_tag", "name_prefix_1", "name_ends", "who_tag")] == [None] * 5
    assert stored["ssn_parts"] is not None
    assert records.decrypt(stored)["ssn"] == "n/a"
    questions = {"name": StartsWith("\U0001fae8"), "who_tag": AllEqual({"name": "\U0001fae8", "born": ANN["born"]})}
    for field, question in questions.items():
        with pytest.raises(NothingToTagError):
            records.search(field, question)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "tags of a record without a key": ({"key": ()}, "no key="),
    "tags per tenant without tenants": ({"tenant": None}, "no tenant="),
    "one companion twice": ({"indexes": [INDEXES[0], INDEXES[0]]}, "one companion"),
    "one name twice": (
        {"indexes": [INDEXES[0], CompoundIndex("b_tag", of={"name": None, "ward": None}, name="who_tag")]},
        "one name",
    ),
    "a companion of a field": (
        {"indexes": [CompoundIndex("name_prefix_2", of={"name": None, "born": None})]},
        "cannot hold the tags of two",
    ),
    "a protected member": ({"indexes": [CompoundIndex("born", of={"name": None, "ward": None})]}, "something else"),
    "of plain members": ({"indexes": [CompoundIndex("a_tag", of={"ward": None, "id": None})]}, "has to be protected"),
    "of tags": ({"indexes": [CompoundIndex("a_tag", of={"name_tag": None, "born": None})]}, "is of tags"),
    "of a seal": (
        {"indexes": [CompoundIndex("a_tag", of={"seal": None, "born": None})], "seal": RecordSeal("seal", ("ward",))},
        "or of a seal",
    ),
    "of elements": (
        {"fields": {"phones[].number": str}, "indexes": [CompoundIndex("a", of={"phones[].number": None, "id": None})]},
        "is in a list",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_indexes_that_cannot_be_are_refused_where_they_are_declared(case: str) -> None:
    """Not when the first record comes."""
    how, message = REFUSED[case]
    with pytest.raises(ConfigurationError, match=message):
        patients(**how)


def test_a_question_that_no_index_answers_names_the_declaration_that_would() -> None:
    """Without its value."""
    for field, question, message in (
        ("ssn", StartsWith("078"), "of=Prefixes"),
        ("ssn", Between("0", "1"), "of=Range"),
        ("born", PartIs("year", (1994,)), r"of=year\(\)"),
        ("name", AllEqual({"name": "Ann"}), "CompoundIndex"),
    ):
        with pytest.raises(ConfigurationError, match=message) as caught:
            patients().search(field, question)
        assert "078" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="no protected field ward"):
        patients().search("ward", Equal((7,)))


@pytest.mark.parametrize("question", ["078-05-1120", None, Equal])
def test_what_is_no_question_is_refused_without_being_shown(question: Any) -> None:
    """A value alone does not say what about it is asked."""
    with pytest.raises(TypeError, match="takes a question") as caught:
        patients().search("ssn", question)
    assert "078" not in str(caught.value)


def test_equality_never_asks_a_part() -> None:
    """`tags` has those of the one index for equality, though others are of the same field."""
    records = patients()
    stored = records.encrypt(ANN)
    assert records.tags("name", "ANN MEYER") == [stored["name_tag"]]
    assert stored["ssn_parts"] in records.tags("ssn", ANN["ssn"])
    assert len(records.tags("ssn", ANN["ssn"])) == 3
    with pytest.raises(ConfigurationError, match="has no blind index"):
        records.tags("born", ANN["born"])
