"""All indexes of a row together: what is guessed of one says which value of another is likely.

The attacker knows how often each pair of values occurs. The attack takes, for the tags with most rows, the value that
goes best with the guesses of the other columns, and begins again with the better guesses. It is greedy, so there are
better attacks.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence

from fieldcrypt.leakage.column import Column
from fieldcrypt.leakage.frequency import by_frequency, guesses, right, right_of_guesses

__all__ = ["right_together"]

_ROUNDS = 2
_TAGS = 200  # of a column: those with most rows, if these are more than _ROWS
_ROWS = 5
_CANDIDATES = 30  # of a tag: values that occur nearly as often
_EVIDENCE = 4  # other columns
_TRUST = 0.5  # in the guesses of other columns

Guesses = Mapping[Hashable, Hashable]


def right_together(columns: Sequence[Column]) -> list[float]:
    """Return for each column for what share of the rows that have a term the attacker guesses it right."""
    if len(columns) < 2:
        return [right(column) for column in columns]  # the expectation, because guesses can be lucky with ties
    guessed = [guesses(column) for column in columns]
    best = [right_of_guesses(*each) for each in zip(columns, guessed, strict=True)]
    for _ in range(_ROUNDS):
        for at, column in enumerate(columns):
            evidence = [(other, guessed[by]) for by, other in enumerate(columns) if by != at]
            guessed[at] = {**guessed[at], **_better(column, evidence)}
            best[at] = max(best[at], right_of_guesses(column, guessed[at]))
    return best


def _better(column: Column, evidence: Sequence[tuple[Column, Guesses]]) -> Guesses:
    """Return values for those tags of a column that most rows have, by what is guessed of other columns there."""
    rows_with, weights = _counts(column.tags), _counts(column.terms)
    tags = [tag for tag in by_frequency(column.tags)[:_TAGS] if rows_with[tag] > _ROWS]
    terms = by_frequency(column.terms)[::-1]
    sizes = [weights[term] / column.partitions for term in terms]
    rows_of = _rows_of(column.tags, set(tags))
    coarse = sorted(evidence, key=lambda each: len(set(each[0].tags)))[:_EVIDENCE]  # which are guessed best
    tables = [_Table(column, other, guess) for other, guess in coarse]
    scored = []
    for tag in tags:
        rows = rows_of[tag]
        near = bisect_left(sizes, len(rows))
        seen = [(table, Counter(map(table.guessed, rows))) for table in tables]
        for term in terms[max(0, near - _CANDIDATES // 2) : near + _CANDIDATES // 2]:
            weight = weights[term] / column.partitions
            score = len(rows) * math.log(weight) - weight - math.lgamma(len(rows) + 1)
            score += sum(table.likelihood(term, counts) for table, counts in seen)
            scored.append((score, tag, term))
    return _assigned(scored, column.partitions)


def _assigned(scored: list[tuple[float, Hashable, Hashable]], shares: int) -> Guesses:
    best: defaultdict[Hashable, list[float]] = defaultdict(list)
    for score, tag, _ in scored:
        best[tag].append(score)
    margin = {tag: _margin(scores) for tag, scores in best.items()}
    found: dict[Hashable, Hashable] = {}
    taken: Counter[Hashable] = Counter()
    for _, tag, term in sorted(scored, key=lambda each: (-margin[each[1]], -each[0])):
        if tag not in found and taken[term] < shares:
            found[tag] = term
            taken[term] += 1
    return found


def _margin(scores: list[float]) -> float:
    """Return how much likelier the best candidate is than the next best."""
    first, second = sorted([*scores, -math.inf])[:-3:-1]
    return first - second


class _Table:
    """How often each pair of values occurs in two columns, and what is guessed of the other one."""

    def __init__(self, column: Column, other: Column, guesses: Guesses) -> None:
        self._tags, self._guesses = other.tags, guesses
        pairs = [pair for pair in zip(column.terms, other.terms, strict=True) if None not in pair]
        self._pairs, self._total = Counter(pairs), len(pairs)
        self._ones, self._others = (
            (Counter(side) for side in zip(*pairs, strict=True)) if pairs else (Counter(), Counter())
        )
        self._known: dict[Hashable, float] = {}

    def guessed(self, row: int) -> Hashable:
        return self._guesses.get(self._tags[row])

    def likelihood(self, term: Hashable, counts: Mapping[Hashable, int]) -> float:
        """Return how much likelier a term is for guesses that occur so often in its rows, as a logarithm."""
        known, score = self._known, 0.0
        for value, times in counts.items():
            pair = term, value
            if pair not in known:
                usual = self._ones[term] * self._others[value]
                known[pair] = math.log(_TRUST * self._pairs[pair] * self._total / usual + 1 - _TRUST) if usual else 0.0
            score += times * known[pair]
        return score


def _counts(labels: Sequence[Hashable]) -> Counter[Hashable]:
    return Counter(label for label in labels if label is not None)


def _rows_of(tags: Sequence[Hashable], wanted: set[Hashable]) -> defaultdict[Hashable, list[int]]:
    found: defaultdict[Hashable, list[int]] = defaultdict(list)
    for row, tag in enumerate(tags):
        if tag in wanted:
            found[tag].append(row)
    return found
