"""The kinds of indexes, each over a million people: how it is declared, what it is asked, and what plain SQL asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, NamedTuple

from benchmarks.search.people import Person
from fieldcrypt import CompoundIndex, Encryptor, Field, IndexedBy
from fieldcrypt.search import Prefixes, Range, Suffixes, last
from fieldcrypt.spi import AllEqual, Between, EndsWith, Equal, FieldIndexes, PartIs, Question, StartsWith

__all__ = ["KINDS", "PLAIN_INDEXES", "Kind", "Plain"]

BOUNDS = date(1800, 1, 1), date(2100, 1, 1)
MONTH = timedelta(days=30)

Plain = tuple[str, tuple[Any, ...]]  # a condition of SQL, and its parameters


class Kind(NamedTuple):
    """One kind of index.

    Attributes:
        name: as it is shown.
        table: for its tags.
        member: of a person, that is encrypted and read.
        how: the index's declaration; of a compound, made of it.
        ask: the question about somebody.
        plain: the same question about an unprotected table.
    """

    name: str
    table: str
    member: str
    how: IndexedBy | CompoundIndex
    ask: Callable[[Person], Question]
    plain: Callable[[Person], Plain]

    def field(self, encryptor: Encryptor) -> Field[Any]:
        return encryptor.field(f"people.{self.member}", date if self.member == "born" else str)

    def indexes(self, encryptor: Encryptor) -> FieldIndexes:
        if isinstance(self.how, CompoundIndex):
            return self.how.indexes(encryptor, "people", {"surname": str, "born": date})
        type_ = date if self.member == "born" else str
        made = self.how.search_index(encryptor, f"people.{self.member}", type_)
        return FieldIndexes(self.member, ((self.how, made),))

    def indexed(self, person: Person) -> Any:
        """Return what the index takes of a person."""
        if isinstance(self.how, CompoundIndex):
            return {"surname": person.surname, "born": person.born}
        return getattr(person, self.member)

    @property
    def one_companion(self) -> bool:
        return isinstance(self.how, IndexedBy) and self.how.one_companion


def _surname(person: Person) -> Question:
    return Equal((person.surname,))


def _plain_surname(person: Person) -> Plain:
    return "lower(surname) = lower(%s)", (person.surname,)


def _prefix(person: Person) -> Question:
    return StartsWith(person.surname[:4])


def _plain_prefix(person: Person) -> Plain:
    return "lower(surname) LIKE lower(%s) || '%%'", (person.surname[:4],)


def _month(person: Person) -> Question:
    return Between(person.born, min(person.born + MONTH, BOUNDS[1]), True, False)


def _plain_month(person: Person) -> Plain:
    return "born >= %s AND born < %s", (person.born, min(person.born + MONTH, BOUNDS[1]))


def _equality(name: str, partitions: int) -> Kind:
    how = IndexedBy(f"tag_{partitions}", normaliser="casefold", partitions=partitions)
    return Kind(name, f"equality_{partitions}", "surname", how, _surname, _plain_surname)


def _prefixes(name: str, one: bool) -> Kind:
    of = Prefixes(3, 6)
    how = IndexedBy("prefix", normaliser="casefold", of=of, accept_leakage=True, one_companion=one)
    return Kind(name, f"prefix_{one}".lower(), "surname", how, _prefix, _plain_prefix)


def _suffix(person: Person) -> Question:
    return EndsWith(person.surname[-4:])


def _plain_suffix(person: Person) -> Plain:
    return "reverse(lower(surname)) LIKE reverse(lower(%s)) || '%%'", (person.surname[-4:],)


def _suffixes(name: str, one: bool) -> Kind:
    how = IndexedBy("suffix", normaliser="casefold", of=Suffixes(3, 6), accept_leakage=True, one_companion=one)
    return Kind(name, f"suffix_{one}".lower(), "surname", how, _suffix, _plain_suffix)


def _range(name: str, one: bool) -> Kind:
    how = IndexedBy("born", of=Range(*BOUNDS), accept_leakage=True, one_companion=one)
    return Kind(name, f"range_{one}".lower(), "born", how, _month, _plain_month)


KINDS = (
    _equality("equality", 1),
    Kind(
        "part: last 4 digits",
        "part",
        "ssn",
        IndexedBy("last4", of=last(4)),
        lambda person: PartIs("last 4", (person.ssn[-4:],)),
        lambda person: ("right(ssn, 4) = %s", (person.ssn[-4:],)),
    ),
    Kind(
        "compound: surname and birthday",
        "compound",
        "surname",
        CompoundIndex("who_tag", of={"surname": "casefold", "born": None}),
        lambda person: AllEqual({"surname": person.surname, "born": person.born}),
        lambda person: ("lower(surname) = lower(%s) AND born = %s", (person.surname, person.born)),
    ),
    _prefixes("prefix of 4 letters, in columns", False),
    _prefixes("prefix of 4 letters, in an array", True),
    _suffixes("suffix of 4 letters, in columns", False),
    _suffixes("suffix of 4 letters, in an array", True),
    _range("range of 30 days, in columns", False),
    _range("range of 30 days, in an array", True),
    _equality("equality, 4 partitions", 4),
    _equality("equality, 16 partitions", 16),
)

PLAIN_INDEXES = (
    "lower(surname) text_pattern_ops",
    "reverse(lower(surname)) text_pattern_ops",
    "right(ssn, 4)",
    "lower(surname), born",
    "born",
)
