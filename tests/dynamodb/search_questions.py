"""Random people, and random questions about them: as conditions, and as what Python says of an item in plaintext."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from boto3.dynamodb.conditions import Attr, Key

from fieldcrypt.normalisers import NothingToTagError, casefold, digits
from fieldcrypt_dynamodb import ends_with

__all__ = ["Asked", "Questions"]

Item = dict[str, Any]
_FIRST = dt.date(1990, 1, 1)
_OPERATORS = {"lt": "lt", "lte": "le", "gt": "gt", "gte": "ge"}


class Asked(NamedTuple):
    """A condition.

    Attributes:
        condition: boto3's.
        holds: what it says of an item.
        spelt: for messages.
    """

    condition: Any
    holds: Callable[[Item], bool]
    spelt: str


class Questions:
    """Makes people and questions.

    Args:
        random: which ones.
        paths: where attributes are, if not at the top under their own names.
        compounds: False if the table has none.
    """

    def __init__(self, random: Random, paths: dict[str, str], *, compounds: bool) -> None:
        self._random, self._paths = random, paths
        self._exact = [self._ssn, self._last4, self._email, self._domain, self._beginning, self._ending]
        self._exact += [self._born, self._height, self._there, self._ward]
        self._inexact = [self._blood, self._long_beginning, self._long_ending, self._long_ssn]
        self._by_key = [self._key_domain, self._key_last4, self._key_beginning, self._key_blood, self._key_born]
        if compounds:
            self._exact += [self._who, self._place]
            self._by_key.append(self._key_who)

    # People

    def person(self, number: int) -> Item:
        """Return a person; some attributes are missing, and some NULL."""
        values = {
            "ssn": self.one("111-22-1212", "212-12-1212", "1212", "12", "n/a"),
            "email": self.mail(),
            "name": self.name(0, 5),
            "born": self.day(),
            "height": self._random.choice([0, 1, 15, 16, 17, 150, 298, 299]),
            "blood": self.one("A", "B", "AB", "O"),
            "ward": self.one("North", "South"),
        }
        some = {name: self._random.choice([value] * 6 + [None]) for name, value in values.items()}
        return {"id": str(number), **{name: value for name, value in some.items() if self._random.random() < 0.9}}

    def one(self, *texts: str) -> str:
        return self._random.choice(texts)

    def mail(self) -> str:
        return self.one("a", "A", "b") + self.one("@x.org", "@X.org", "@y.org", "")

    def name(self, shortest: int, longest: int) -> str:
        return "".join(self._random.choices("aAbß", k=self._random.randint(shortest, longest)))

    def day(self) -> dt.date:
        return _FIRST + dt.timedelta(self._random.choice([0, 1, 15, 16, 17, 31, 32, 364, 365, 366, 400, 728, 729]))

    # Questions

    def exact(self, depth: int = 2) -> Asked:
        """Return a condition that may stand anywhere."""
        kind = self._random.choice(["leaf", "leaf", "and", "or", "not"]) if depth else "leaf"
        if kind == "leaf":
            return self._random.choice(self._exact)()
        one = self.exact(depth - 1)
        if kind == "not":
            return Asked(~one.condition, lambda item: not one.holds(item), f"NOT ({one.spelt})")
        other = self.exact(depth - 1)
        spelt = f"({one.spelt} {kind} {other.spelt})"
        if kind == "and":
            return _both(one, other)
        return Asked(one.condition | other.condition, lambda item: one.holds(item) or other.holds(item), spelt)

    def of_filter(self) -> Asked:
        """Return a condition that may stand in a filter."""
        asked = self._random.choice([self.exact, self._random.choice(self._inexact)])()
        return _both(asked, self.exact()) if self._random.random() < 0.3 else asked

    def of_key(self) -> tuple[str, Asked]:
        """Return the name of an index, and a condition on its key."""
        return self._random.choice(self._by_key)()

    def _attr(self, name: str, of: Any = Attr) -> Any:
        return of(self._paths.get(name, name))

    def _equal(self, name: str, value: Callable[[], Any], same: Callable[[Any], Any], of: str = "") -> Asked:
        """Return a condition for equality of an attribute, or of a part.

        Args:
            name: the attribute's.
            value: makes one to compare with.
            same: makes of both what is compared.
            of: the part's companion.
        """
        given, one = [value() for _ in range(self._random.randint(1, 3))], value()
        attr = Attr(of) if of else self._attr(name)
        way = self._random.choice(["eq", "ne", "in"])
        wanted = [each if of else same(each) for each in (given if way == "in" else [one])]

        def is_it(item: Item) -> bool:
            found = None if item.get(name) is None else _or_none(same, item[name])
            return found is not None and found in wanted

        if way == "in":
            return Asked(attr.is_in(given), is_it, f"{of or name} in {given!r}")
        if way == "ne":
            return Asked(attr.ne(one), lambda item: not is_it(item), f"{of or name} <> {one!r}")
        return Asked(attr.eq(one), is_it, f"{of or name} = {one!r}")

    def _ssn(self) -> Asked:
        return self._equal("ssn", lambda: self.one("111-22-1212", "1212", "12", "n/a"), str)

    def _last4(self) -> Asked:
        return self._equal("ssn", lambda: self.one("1212", "12", "9"), lambda text: digits(text)[-4:], "ssn_last4")

    def _email(self) -> Asked:
        return self._equal("email", self.mail, casefold)

    def _domain(self) -> Asked:
        return self._equal("email", lambda: self.one("x.org", "y.org", "z.org"), _domain, "email_domain")

    def _begins(self, shortest: int, longest: int) -> Asked:
        text = self.name(1, longest)
        while not shortest <= len(casefold(text)) <= longest:
            text = self.name(1, longest)
        begins = lambda item: casefold(item.get("name") or "").startswith(casefold(text))  # noqa: E731
        return Asked(self._attr("name").begins_with(text), begins, f"begins_with(name, {text!r})")

    def _beginning(self) -> Asked:
        return self._begins(2, 4)

    def _long_beginning(self) -> Asked:
        return self._begins(5, 7)

    def _ends(self, name: str, text: str, same: Callable[[str], str]) -> Asked:
        ends = lambda item: (_or_none(same, item.get(name) or "") or "").endswith(same(text))  # noqa: E731
        return Asked(ends_with(self._attr(name), text), ends, f"ends_with({name}, {text!r})")

    def _ending(self) -> Asked:
        return self._ends("name", self.name(2, 3), str)

    def _long_ending(self) -> Asked:
        return self._ends("name", self.name(4, 5), str)

    def _long_ssn(self) -> Asked:
        return self._ends("ssn", self.one("2-1212", "12-1212", "9-1212"), digits)

    def _ranged(self, name: str, value: Callable[[], Any]) -> Asked:
        low, high, attr = value(), value(), self._attr(name)
        way = self._random.choice(["between", "lt", "lte", "gt", "gte"])
        if way == "between":
            low, high = min(low, high), max(low, high)
            condition = attr.between(low, high)
        else:
            condition = getattr(attr, way)(low)

        def is_it(item: Item) -> bool:
            found = item.get(name)
            if found is None:
                return False
            return bool(low <= found <= high if way == "between" else getattr(operator, _OPERATORS[way])(found, low))

        return Asked(condition, is_it, f"{name} {way} {low} {high}")

    def _born(self) -> Asked:
        return self._ranged("born", self.day)

    def _height(self) -> Asked:
        return self._ranged("height", lambda: self._random.choice([0, 1, 16, 17, 100, 150, 151, 299]))

    def _blood(self) -> Asked:
        blood = self.one("A", "AB", "O")
        return Asked(self._attr("blood").eq(blood), lambda item: item.get("blood") == blood, f"blood = {blood}")

    def _there(self) -> Asked:
        name = self.one("ssn", "email", "name", "born")
        return Asked(self._attr(name).exists(), lambda item: name in item, f"{name} is there")

    def _ward(self) -> Asked:
        ward = self.one("North", "South")
        return Asked(self._attr("ward").eq(ward), lambda item: item.get("ward") == ward, f"ward = {ward}")

    def _who(self) -> Asked:
        name, born = self.name(0, 3), self.day()
        who = {"name": name, "born": born}
        wanted = casefold(name), born
        return Asked(Attr("who_tag").eq(who), lambda item: _who_of(item) == wanted, f"who_tag = {who}")

    def _place(self) -> Asked:
        ward, mail = self.one("North", "South"), self.one("c@x.org", "c@y.org")
        is_it = lambda item: item.get("ward") == ward and _domain_of(item) == _domain(mail)  # noqa: E731
        return Asked(Attr("place_tag").eq({"ward": ward, "email": mail}), is_it, f"place_tag = {ward} {mail}")

    # Key conditions

    def _key_domain(self) -> tuple[str, Asked]:
        found = self.one("x.org", "y.org")
        of_key = Asked(Key("email_domain").eq(found), lambda item: _domain_of(item) == found, f"domain = {found}")
        return "by_email_domain", of_key

    def _key_last4(self) -> tuple[str, Asked]:
        is_it = lambda item: (_or_none(digits, item.get("ssn") or "") or "")[-4:] == "1212"  # noqa: E731
        return "by_ssn_last4", Asked(Key("ssn_last4").eq("1212"), is_it, "last4 = 1212")

    def _key_beginning(self) -> tuple[str, Asked]:
        """By the longest rung, or by one that is named."""
        shortest = self._random.choice([2, 4])
        asked = self._begins(shortest, 7)
        text = asked.condition.get_expression()["values"][1]
        key = self._attr("name", Key) if len(casefold(text)) == shortest else Key(f"name_prefix_{shortest}")
        return f"by_name_prefix_{shortest}", asked._replace(condition=key.begins_with(text))

    def _key_born(self) -> tuple[str, Asked]:
        """By one level, whose nodes have 16 days."""
        asked = self._born()
        of_attribute = asked.condition.get_expression()
        values = Key("born_range_4"), *of_attribute["values"][1:]
        return "by_born_range_4", asked._replace(condition=type(asked.condition)(*values))

    def _key_blood(self) -> tuple[str, Asked]:
        asked = self._blood()
        blood = asked.condition.get_expression()["values"][1]
        return "by_blood_tag", asked._replace(condition=self._attr("blood", Key).eq(blood))

    def _key_who(self) -> tuple[str, Asked]:
        asked = self._who()
        who = asked.condition.get_expression()["values"][1]
        return "by_who_tag", asked._replace(condition=Key("who_tag").eq(who))


def _both(one: Asked, other: Asked) -> Asked:
    holds = lambda item: one.holds(item) and other.holds(item)  # noqa: E731
    return Asked(one.condition & other.condition, holds, f"({one.spelt} and {other.spelt})")


def _or_none(same: Callable[[Any], Any], value: Any) -> Any:
    try:
        return same(value)
    except NothingToTagError:
        return None


def _domain(text: str) -> str:
    if "@" not in text:
        raise NothingToTagError
    return casefold(text.rpartition("@")[2])


def _domain_of(item: Item) -> str | None:
    found: str | None = _or_none(_domain, item.get("email") or "")
    return found


def _who_of(item: Item) -> Any:
    return None if item.get("name") is None or item.get("born") is None else (casefold(item["name"]), item["born"])
