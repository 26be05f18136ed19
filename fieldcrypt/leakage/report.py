"""What the indexes of a record tell an attacker with statistics, and what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from fieldcrypt.leakage.column import Column, alone, entropy, joint
from fieldcrypt.leakage.frequency import right
from fieldcrypt.leakage.questions import found_by
from fieldcrypt.leakage.sample import SampledField, SampledIndex, sampled_indexes
from fieldcrypt.leakage.together import right_together
from fieldcrypt.leakage.tree import best_guess, guesses_by_tree, within
from fieldcrypt.search.blind_index import MIN_MEMBERS
from fieldcrypt.search.kinds.range import Range

__all__ = ["ColumnLeak", "IndexCost", "Leakage", "Placed", "leakage_of"]

TOLD = 0.1  # the share of rows guessed right from which on there is a warning
_LARGEST = 3
_ENTRY = 20  # bytes of a B-tree's entry besides the tag: its header, pointer and padding, and the pages' free space
_DAY, _YEAR = 86_400.0, 365.25


class ColumnLeak(NamedTuple):
    """What one companion tells.

    Attributes:
        name: of the companion.
        tagged: rows of the sample that have a tag.
        tags, terms: how many different ones there are.
        largest: rows of the most frequent tags.
        entropy: of the tags, in bits.
        right: the share of tagged rows that frequency matching guesses right.
        together: the same, if the other indexes of the row are used as well.
        is_refused: there are too few terms, and the declaration does not accept that.
    """

    name: str
    tagged: int
    tags: int
    terms: int
    largest: tuple[int, ...]
    entropy: float
    right: float
    together: float
    is_refused: bool


class Placed(NamedTuple):
    """How well values are placed by the tags of a range.

    Attributes:
        companion: of the index.
        distance: in words: "5 years".
        share: of rows whose value is guessed within that distance.
        by_guessing: the same without tags, with one guess for all.
    """

    companion: str
    distance: str
    share: float
    by_guessing: float


class IndexCost(NamedTuple):
    """What one index costs.

    Attributes:
        companion: of the index.
        tags: how many a search asks for under one index key, on average.
        matching, false: rows that a search returns, and those that it finds besides them and discards after decryption,
            in the whole table.
        bytes: about how many per row, for tags and a B-tree for each level. PostgreSQL takes half where many rows have
            one tag.
        microseconds: to make the tags of a row.
        refused: values of the sample that are beyond its bounds.
    """

    companion: str
    tags: float
    matching: float
    false: float
    bytes: int
    microseconds: float
    refused: int


class Leakage(NamedTuple):
    """What the indexes of a record tell: what some known attacks find, so an attacker may find more.

    Attributes:
        rows: of the sample.
        total: of the table, about.
        columns, costs, placed: of each companion, index and range.
        entropy: of the combination of all tags of a row, in bits; at most the logarithm of the rows.
        alone: the share of rows whose combination no other row has.
    """

    rows: int
    total: int
    columns: tuple[ColumnLeak, ...]
    costs: tuple[IndexCost, ...]
    placed: tuple[Placed, ...]
    entropy: float
    alone: float

    @property
    def is_refused(self) -> bool:
        """Return True if an index is over too few values."""
        return any(column.is_refused for column in self.columns)


def leakage_of(fields: Sequence[SampledField], total: int | None = None) -> Leakage:
    """Attack the indexes of a record, with all that is stored of a sample.

    Args:
        fields: of the same rows.
        total: how many rows the table has, about. Default: those of the sample.
    """
    indexes = [index for field in fields for index in sampled_indexes(field)]
    columns = [column for index in indexes for column in index.columns]
    rows = len(columns[0].tags) if columns else 0
    together = right_together(columns)
    shares = iter(together)
    leaks = tuple(_leak(index, column, next(shares)) for index in indexes for column in index.columns)
    combined = joint(columns) if columns else []
    return Leakage(
        rows,
        total or rows,
        leaks,
        tuple(_cost(index, (total or rows) / max(1, rows)) for index in indexes),
        tuple(each for index in indexes if isinstance(index.how.of, Range) for each in _placed(index)),
        entropy(combined),
        alone(combined),
    )


def _leak(index: SampledIndex, column: Column, together: float) -> ColumnLeak:
    tags = Counter(tag for tag in column.tags if tag is not None)
    terms = {term[1] for term in column.terms if isinstance(term, tuple)}  # of all tenants: one has no more
    by_frequency, how = _by_tenant(index, column), index.how
    return ColumnLeak(
        column.name,
        tags.total(),
        len(tags),
        len(terms),
        tuple(count for _, count in tags.most_common(_LARGEST)),
        entropy(tag for tag in column.tags if tag is not None),
        by_frequency,
        max(by_frequency, together),
        0 < len(terms) < min(MIN_MEMBERS, tags.total()) and not (how.accept_low_cardinality or how.accept_leakage),
    )


def _by_tenant(index: SampledIndex, column: Column) -> float:
    """Return what frequency matching gets right: by the tenants that rows name, if each has tags of its own."""
    if not index.how.per_tenant:
        return right(column)
    rows: dict[Hashable, list[int]] = {}
    for row, tenant in enumerate(index.of.tenants):
        if column.tags[row] is not None:
            rows.setdefault(tenant, []).append(row)
    expected = sum(
        len(those)
        * right(
            Column("", [column.tags[row] for row in those], [column.terms[row] for row in those], column.partitions)
        )
        for those in rows.values()
    )
    return expected / max(1, sum(map(len, rows.values())))


def _cost(index: SampledIndex, scale: float) -> IndexCost:
    found, size = found_by(index), index.how.tag_size
    return IndexCost(
        index.how.companion,
        found.tags,
        found.matching * scale,
        found.false * scale,
        len(index.columns) * (2 * size + 1 + _ENTRY),
        index.seconds * 1e6,
        index.refused,
    )


def _placed(index: SampledIndex) -> list[Placed]:
    finest, *_ = index.columns
    rows = [row for row, term in enumerate(finest.terms) if term is not None]
    truth = [_place(index.of.values[row]) for row in rows]
    if len(rows) < 2:
        return []
    levels = [
        Column(each.name, [each.tags[row] for row in rows], [each.terms[row] for row in rows])
        for each in reversed(index.columns)
    ]
    places: dict[Hashable, list[float]] = {}
    for term, place in zip(levels[-1].terms, truth, strict=True):
        places.setdefault(term, []).append(place)
    middle = {term: sorted(those)[len(those) // 2] for term, those in places.items()}
    guessed = [None if term is None else middle[term] for term in guesses_by_tree(levels)]
    return [
        Placed(index.how.companion, words, within(guessed, truth, far), best_guess(truth, far))
        for words, far in _distances(index.of.values[rows[0]], truth)
    ]


def _place(value: Any) -> float:
    """Return where a value lies: dates in days, times in seconds."""
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp()
    return float(value.toordinal()) if isinstance(value, date) else float(value)


def _distances(value: Any, truth: Sequence[float]) -> list[tuple[str, float]]:
    if isinstance(value, date):
        year = _YEAR * _DAY if isinstance(value, datetime) else _YEAR
        return [("1 year", year), ("5 years", 5 * year)]
    span = max(truth) - min(truth)
    return [("1 % of the span", span / 100), ("5 % of the span", span / 20)]
