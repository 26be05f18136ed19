"""What an attacker with statistics guesses right about real names and birthdays, by the tags of several indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from benchmarks.search.kinds import BOUNDS
from benchmarks.search.people import Person
from fieldcrypt import Encryptor, IndexedBy, Protection
from fieldcrypt.leakage.column import Column
from fieldcrypt.leakage.frequency import right
from fieldcrypt.leakage.sample import SampledField, SampledIndex, sampled_indexes
from fieldcrypt.leakage.tree import best_guess, guesses_by_tree, within
from fieldcrypt.search import Range, first, last, month, year

__all__ = ["PARTITIONS", "YEARS", "Guessed", "PlacedBy", "guessed", "placed"]

PARTITIONS = (1, 4, 16)
YEARS = (1, 5)
_YEAR = 365.25  # days
_SOME = 20_000  # rows: about as many as there are players


class Guessed(NamedTuple):
    """What frequency matching gets right of one index.

    Attributes:
        name: of the index, in words.
        terms: how many different values it has.
        partitions: tags per value.
        naive: share of rows, by the attack as it was published, which expects one tag per value.
        right: by one that knows the partitions.
        of_others: the same, with the statistics of other people: half of the players, to attack the other half.
    """

    name: str
    terms: int
    partitions: int
    naive: float
    right: float
    of_others: float


class PlacedBy(NamedTuple):
    """How near the tags of a range give birthdays away.

    Attributes:
        name: its declaration, in words.
        levels: nodes of each that is stored, the coarsest first.
        shares: of rows that are placed within each of YEARS.
        of_others: the same, with the statistics of other people.
        by_guessing: the same without tags: one guess for all.
    """

    name: str
    levels: tuple[int, ...]
    shares: tuple[float, ...]
    of_others: tuple[float, ...]
    by_guessing: tuple[float, ...]


_INDEXES: tuple[tuple[str, Callable[[Person], Any], Any], ...] = (
    ("surname", lambda person: person.surname, None),
    ("surname, first 3 letters", lambda person: person.surname, first(3)),
    ("surname, first letter", lambda person: person.surname, first(1)),
    ("first name", lambda person: person.first, None),
    ("number, last 4 digits", lambda person: person.ssn, last(4)),
    ("number, last 2 digits", lambda person: person.ssn, last(2)),
    ("birthday", lambda person: person.born, None),
    ("year of birth", lambda person: person.born, year()),
    ("month of birth", lambda person: person.born, month()),
)

_RANGES = (
    ("radix 4, for 20,000 rows", Range(*BOUNDS, rows=_SOME)),
    ("radix 4, for 1,000,000 rows", Range(*BOUNDS)),
    ("radix 16, for 20,000 rows", Range(*BOUNDS, radix=16, rows=_SOME)),
    ("radix 16, for 1,000,000 rows", Range(*BOUNDS, radix=16)),
    ("years, radix 4, for 20,000 rows", Range(*BOUNDS, resolution=timedelta(days=365), rows=_SOME)),
)


def guessed(known: Sequence[Person]) -> Iterator[Guessed]:
    """Attack equality and parts, with one tag per value and with several."""
    for name, member, of in _INDEXES:
        for partitions in PARTITIONS:
            normaliser = "casefold" if isinstance(member(known[0]), str) else None
            how = IndexedBy("tag", normaliser, of=of, partitions=partitions, accept_low_cardinality=True)
            (column,) = _sampled([member(person) for person in known], how).columns
            one, other = _halves(column)
            yield Guessed(
                name,
                len(set(column.terms)),
                partitions,
                right(column, knows_partitions=False),
                right(column),
                right(one, other.terms),
            )


def placed(known: Sequence[Person]) -> Iterator[PlacedBy]:
    """Attack ranges over birthdays."""
    days = [float(person.born.toordinal()) for person in known]
    for name, of in _RANGES:
        index = _sampled([person.born for person in known], IndexedBy("born", of=of, accept_leakage=True))
        levels = index.columns[::-1]
        halves = [_halves(column) for column in levels]
        by_half = guesses_by_tree([one for one, _ in halves], [other.terms for _, other in halves])
        middle = _middles(levels[-1], days)
        whole = [middle.get(term) for term in guesses_by_tree(levels)]
        half = [middle.get(term) for term in by_half]
        yield PlacedBy(
            name,
            tuple(len(set(column.terms)) for column in levels),
            tuple(within(whole, days, years * _YEAR) for years in YEARS),
            tuple(within(half, days[: len(half)], years * _YEAR) for years in YEARS),
            tuple(best_guess(days, years * _YEAR) for years in YEARS),
        )


def _sampled(values: Sequence[Any], how: IndexedBy) -> SampledIndex:
    type_: Any = date if isinstance(values[0], date) else str
    indexes = Protection(type_, index=how).field_indexes(Encryptor(), "people.x", type_)
    contexts = [{"id": str(number)} for number in range(len(values))]
    (index,) = sampled_indexes(SampledField("x", indexes, values, contexts, [None] * len(values)))
    return index


def _halves(column: Column) -> tuple[Column, Column]:
    middle = len(column.tags) // 2
    one, other = (slice(None, middle), slice(middle, None))
    made = [Column(column.name, column.tags[at], column.terms[at], column.partitions) for at in (one, other)]
    return made[0], made[1]


def _middles(column: Column, days: Sequence[float]) -> dict[Any, float]:
    found: dict[Any, list[float]] = {}
    for term, day in zip(column.terms, days, strict=True):
        found.setdefault(term, []).append(day)
    return {term: sorted(those)[len(those) // 2] for term, those in found.items()}
