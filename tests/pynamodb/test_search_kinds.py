"""Searching models by parts, beginnings, ends, ranges and several attributes together."""

from __future__ import annotations

import datetime as dt
import pickle
from typing import Any

import pytest
from pynamodb.exceptions import PutError, UpdateError

from fieldcrypt import Encryptor
from fieldcrypt_pynamodb import (
    ProtectedAttributeError,
    of_tenant,
    on_unreadable,
)
from tests.pynamodb.people import people
from tests.support.dynamodb import DynamoDb, OnMoto, put_raw, raw
from tests.support.wiretap import Secrets

LEAP_DAY, NEW_YEARS_EVE = dt.date(1980, 2, 29), dt.date(1999, 12, 31)
MEYER: dict[str, Any] = {
    "ssn": "078-05-1120",
    "email": "ann@example.org",
    "surname": "Meyer",
    "born": LEAP_DAY,
    "weight": 71.5,
    "seen": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
}
MEIER: dict[str, Any] = {
    "ssn": "219-09-1120",
    "email": "bob@example.com",
    "surname": "MEIER",
    "born": NEW_YEARS_EVE,
    "weight": 90,
    "seen": dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
}
WU: dict[str, Any] = {"surname": "Wu", "email": "none", "ssn": "n/a"}
TAGS = {"email_domain", "where_tag", "who_tag"}


@pytest.fixture
def person(meta: Any, keys: Encryptor, secrets: Secrets) -> Any:
    secrets.add("meyer", "1120", "example.org")
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
    (lambda m: m.email.part("domain") != "example.org", ["2", "3"]),
    (lambda m: m.surname.startswith("me"), ["1", "2"]),
    (lambda m: m.surname.startswith("Meyer"), ["1"]),
    (lambda m: m.surname.startswith("wu"), ["3"]),
    (lambda m: m.surname.endswith("ER"), ["1", "2"]),
    (lambda m: ~m.surname.endswith("ER"), ["3"]),
    (lambda m: m.born.between(LEAP_DAY, NEW_YEARS_EVE), ["1", "2"]),
    (lambda m: m.born < NEW_YEARS_EVE, ["1"]),
    (lambda m: m.born <= NEW_YEARS_EVE, ["1", "2"]),
    (lambda m: m.born > LEAP_DAY, ["2"]),
    (lambda m: m.weight >= 71.5, ["1", "2"]),
    (lambda m: m.weight > 71.5, ["2"]),
    (lambda m: m.seen == dt.datetime(2026, 1, 1), ["1"]),
    (lambda m: m.who_tag.equals(surname="meyer", born=LEAP_DAY), ["1"]),
    (lambda m: m.who_tag.equals(surname="meyer", born=NEW_YEARS_EVE), []),
    (lambda m: m.where_tag.equals(clinic="clinic-7", email="x@example.com"), ["2"]),
    (lambda m: (m.born > LEAP_DAY) & m.surname.startswith("me"), ["2"]),
]


class TestQuestions:
    def test_a_scan_finds_what_it_asks_for(self, person: Any) -> None:
        """By each kind of index, and nothing else."""
        assert [ids(person.scan(ask(person))) for ask, _ in ASKED] == [expected for _, expected in ASKED]

    def test_an_index_is_queried_by_what_it_is_one_of(self, person: Any) -> None:
        """A plain value asks for a part, and a dictionary for several attributes; all else is a condition."""
        who = {"surname": "MEYER", "born": LEAP_DAY}
        for found in (
            person.by_domain.query("example.org"),
            person.by_domain.query(person.email.part("domain") == "example.org"),
            person.by_prefix_3.query(person.surname.startswith("mey")),
            person.by_who.query(who),
            person.by_who.query(person.who_tag.equals(**who)),
            person.by_born_5.query(person.born < NEW_YEARS_EVE),
            person.by_domain.query("example.org", filter_condition=person.surname.endswith("er")),
        ):
            assert ids(found) == ["1"]
        assert person.by_domain.count("example.org") == 1

    def test_a_query_asks_the_indexes_of_all_levels_that_have_tags(self, person: Any) -> None:
        """Which the model has, whichever is named."""
        assert ids(person.by_prefix_3.query(person.surname.startswith("meyer"))) == ["1"]
        everybody = person.born.between(dt.date(1900, 1, 1), dt.date(2099, 12, 31))
        assert ids(person.by_born_5.query(everybody)) == ids(person.by_born_6.query(everybody)) == ["1", "2"]

    @pytest.mark.parametrize("limit", [1, 2, 3])
    def test_a_search_of_several_levels_can_be_continued(self, person: Any, limit: int) -> None:
        """From `last_evaluated_key`, and without an item twice."""
        for number in range(4, 9):
            person(str(number), born=dt.date(1900 + 20 * number, 1, 1)).save()
        found, last, pages = [], None, 0
        while pages == 0 or last is not None:
            results = person.by_born_6.query(person.born > dt.date(1980, 1, 1), limit=limit, last_evaluated_key=last)
            found += [item.id for item in results]
            last, pages = results.last_evaluated_key, pages + 1
            assert pages < 60
        assert sorted(found) == ["1", "2", "5", "6", "7", "8"]


class TestWrites:
    def test_a_value_without_a_part_has_no_tag_of_it(self, person: Any, dynamodb: DynamoDb) -> None:
        """It is stored, and has the other tags."""
        item = raw(dynamodb, "patients", {"id": {"S": "3"}})
        assert person.get("3").email == "none"
        assert TAGS.isdisjoint(item)
        assert {"ssn_tag", "name_prefix_4", "name_ends"} <= item.keys()
        assert len(item["name_ends"]["BS"]) == 2  # that of a length which "Wu" has not as well

    def test_every_write_keeps_all_tags_in_step(self, person: Any) -> None:
        """Save, batch and update, with another value and with none."""
        item = person.get("1")
        item.surname = "Schmidt"
        item.save()
        assert ids(person.scan(person.surname.startswith("schm"))) == ["1"]
        assert ids(person.by_who.query({"surname": "schmidt", "born": LEAP_DAY})) == ["1"]
        item.update(actions=[person.email.set("x@example.com"), person.ssn.set("no number")])
        assert ids(person.by_domain.query("example.com")) == ["1", "2"]
        item.update(actions=[person.surname.remove(), person.weight.set(12)])
        assert ids(person.scan(person.surname.endswith("dt"))) == []
        assert ids(person.by_who.query({"surname": "schmidt", "born": LEAP_DAY})) == []
        assert ids(person.scan(person.weight < 20)) == ["1"]
        with person.batch_write() as batch:
            batch.save(person("1", **WU))
        assert ids(person.scan(person.surname.startswith("wu"))) == ["1", "3"]

    def test_an_update_of_some_of_several_attributes_is_refused(self, person: Any) -> None:
        """For their common tag would be that of others; save() and a whole update know all."""
        item = person.get("1")
        with pytest.raises(ProtectedAttributeError, match=r"do not say what born will be: set each .* save"):
            item.update(actions=[person.surname.set("Li")])
        item.update(actions=[person.surname.set("Li"), person.born.set(NEW_YEARS_EVE)])
        assert ids(person.by_who.query({"surname": "li", "born": NEW_YEARS_EVE})) == ["1"]
        item.update(actions=[person.email.set("ann@example.com")])  # the other member is the tenant, which it knows
        assert ids(person.scan(person.where_tag.equals(clinic="clinic-7", email="a@example.com"))) == ["1", "2"]

    def test_conditions_of_writes_take_exact_questions(self, person: Any) -> None:
        """DynamoDB decides by the tags alone, so that others are refused, as they are for counts."""
        item = person.get("1")
        with pytest.raises(PutError):
            item.save(condition=person.email.part("domain") == "example.com")
        with pytest.raises(UpdateError):
            item.update(actions=[person.note.set("x")], condition=person.weight >= 80)
        assert person.count("1", filter_condition=~person.surname.startswith("meie")) == 1
        for inexact in (
            person.surname.startswith("meyer"),
            person.born < NEW_YEARS_EVE,
            person.seen == dt.datetime(2026, 1, 1),
        ):
            for ask in (
                lambda: item.delete(condition=inexact),  # noqa: B023
                lambda: person.count("1", filter_condition=inexact),  # noqa: B023
                lambda: person.scan(~inexact),  # noqa: B023
            ):
                with pytest.raises(ProtectedAttributeError, match="compared after decryption"):
                    ask()
        with pytest.raises(ProtectedAttributeError, match="count what a query finds"):
            person.by_prefix_3.count(person.surname.startswith("meyer"))

    def test_an_item_goes_through_dictionaries(self, person: Any) -> None:
        """And through pickles, with the tags of all levels."""
        item = person.get("1")
        again, once_more = person(), person()
        again.from_simple_dict(item.to_simple_dict())
        once_more.from_dynamodb_dict(item.to_dynamodb_dict())
        pickled = pickle.loads(pickle.dumps(item.attribute_values))
        assert again.attribute_values == once_more.attribute_values == pickled == item.attribute_values


class TestAttacks(OnMoto):
    """By somebody who can write to the table."""

    def test_an_item_that_only_has_the_tags_is_not_found(self, person: Any, dynamodb: DynamoDb) -> None:
        """Whichever kind's they are."""
        ann, wu = (raw(dynamodb, "patients", {"id": {"S": each}}) for each in ("1", "3"))
        tags = {
            name: ann[name] for name in ann if name.endswith(("tag", "domain", "last4", "ends")) or "_range" in name
        }
        tags |= {name: ann[name] for name in ann if name.startswith("name_prefix")}
        put_raw(dynamodb, "patients", {**wu, **tags})
        for ask, expected in ASKED:
            if expected == ["1"]:
                assert ids(person.scan(ask(person))) == ["1"]
        assert ids(person.by_who.query({"surname": "MEYER", "born": LEAP_DAY})) == ["1"]

    def test_a_tag_copied_to_another_level_finds_an_item_no_second_time(self, person: Any, dynamodb: DynamoDb) -> None:
        """A limit or a sum would be wrong."""
        question = person.born.between(dt.date(1980, 2, 1), dt.date(1999, 12, 31))
        first, second = (person.get(each) for each in ("1", "2"))
        item = raw(dynamodb, "patients", {"id": {"S": "1"}})
        put_raw(dynamodb, "patients", {**item, "born_range_6": {"B": bytes(second.born_range_6)}})
        assert first.born_range_6 != second.born_range_6
        assert ids(person.by_born_5.query(question)) == ["1", "2"]

    def test_companions_of_another_type_keep_nothing_from_being_read(self, person: Any, dynamodb: DynamoDb) -> None:
        """They are no tags."""
        item = raw(dynamodb, "patients", {"id": {"S": "1"}})
        wrong = {"name_ends": {"S": "x"}, "email_domain": {"BS": [b"x"]}, "who_tag": {"N": "1"}}
        put_raw(dynamodb, "patients", {**item, **wrong})
        found = person.get("1")
        assert (found.surname, found.name_ends, found.email_domain) == ("Meyer", None, None)

    def test_an_unreadable_member_may_be_what_was_looked_for(self, person: Any, dynamodb: DynamoDb) -> None:
        """So that what was damaged is not passed over where it is marked."""
        item = raw(dynamodb, "patients", {"id": {"S": "1"}})
        put_raw(dynamodb, "patients", {**item, "born": {"B": b"damaged"}})
        with on_unreadable("mark"):
            assert ids(person.scan(person.who_tag.equals(surname="Meyer", born=LEAP_DAY))) == ["1"]


class TestRefusals(OnMoto):
    @pytest.mark.parametrize(
        ("ask", "message"),
        [
            (lambda m: m.scan(m.email == "ann@example.org"), r'has no index that answers ==: IndexedBy\("…"\) would'),
            (lambda m: m.scan(m.surname.startswith("m")), "no index that answers startswith"),
            (lambda m: m.scan(m.weight.part("year") == 1), r"the part year: IndexedBy\(\"…\", of=year"),
            (lambda m: m.scan(m.ssn.between("a", "b")), "no index that answers between"),
            (lambda m: m.by_prefix_3.query("mey"), "query its index by a condition"),
            (lambda m: m.by_prefix_3.query(m.surname.endswith("er")), "no index that answers endswith"),
            (lambda m: m.by_prefix_3.query(m.surname.startswith("me")), "tags in 'name_prefix_2' as well"),
            (lambda m: m.by_prefix_3.query(m.born < LEAP_DAY), "is queried by the attribute that it indexes"),
            (lambda m: m.by_who.query("Meyer"), "queried by a dictionary"),
            (lambda m: m.scan(m.name_ends == {b"x"}), "holds tags, which fieldcrypt makes"),
            (lambda m: m.scan(m.name_prefix_2 == b"x"), "holds tags, which fieldcrypt makes"),
            (lambda m: m.scan(m.email_domain.equals(email="x")), "holds tags, which fieldcrypt makes"),
            (lambda m: m.scan(of_tenant(m.who_tag, "clinic-7").equals(surname="x", born=LEAP_DAY)), "tags of all"),
            (lambda m: m("9", name_ends={b"x"}).save(), "holds tags, which fieldcrypt makes"),
        ],
    )
    def test_what_no_index_answers_is_refused_with_what_would(self, person: Any, ask: Any, message: str) -> None:
        """Before anything is sent."""
        with pytest.raises(ProtectedAttributeError, match=message):
            ask(person)

    @pytest.mark.parametrize(
        ("ask", "error"),
        [
            (lambda m: m.scan(m.surname.startswith(5)), TypeError),
            (lambda m: m.scan(m.weight > "x"), TypeError),
            (lambda m: m.scan(m.who_tag.equals(surname="x")), ValueError),
            (lambda m: m.scan(m.who_tag.equals(surname="x", born=None)), ValueError),
            (lambda m: m.scan(m.who_tag.equals(surname=5, born=LEAP_DAY)), TypeError),
            (lambda m: m("9", weight=-1).save(), ValueError),
        ],
    )
    def test_values_that_cannot_be_are_refused(self, person: Any, ask: Any, error: Any) -> None:
        """Of another type, beyond the bounds, or not of all members."""
        with pytest.raises(error):
            ask(person)

    def test_a_condition_too_long_for_dynamodb_is_refused(self, person: Any) -> None:
        """Emulators would take it."""
        with pytest.raises(ProtectedAttributeError, match="ask for fewer values"):
            person.scan(person.ssn.is_in(*(f"{each:03}-45-6789" for each in range(900))))

    def test_a_question_does_not_show_what_it_asks(self, person: Any) -> None:
        """In a repr, in text or in a pickle."""
        question = person.surname.startswith("Meyer")
        assert "meyer" not in f"{question!r} {question} {question & question}".casefold()
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(question)
