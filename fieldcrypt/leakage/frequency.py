"""Frequency matching: the most frequent tag is the most frequent value, and so on.

Naveed, Kamara and Wright, "Inference Attacks on Property-Preserving Encrypted Databases", CCS 2015. Against partitions,
whose number the attacker knows, each value counts as that many values with equal shares of its frequency. If counts are
spread at random, matching in order of size is the most likely assignment. Ties are broken by chance, and the result is
what is to be expected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from fieldcrypt.leakage.column import Column

__all__ = ["by_frequency", "guesses", "right", "right_of_guesses"]


class _Tie(NamedTuple):
    """The places that labels of one frequency share: from `begin` to before `end`."""

    begin: int
    end: int


def right(column: Column, known: Sequence[Hashable] | None = None, *, knows_partitions: bool = True) -> float:
    """Return for what share of the rows that have a term the attacker guesses it right.

    Args:
        column: what the attacker sees, and the truth.
        known: terms of rows whose distribution the attacker knows. Default: exactly that of the table.
        knows_partitions: False for the attack of the paper, which expects one tag per value.
    """
    shares = column.partitions if knows_partitions else 1
    tags, slots = _ties(_counts(column.tags), 1), _ties(_counts(column.terms if known is None else known), shares)
    expected, rows = 0.0, 0
    for (tag, term), count in Counter(zip(column.tags, column.terms, strict=True)).items():
        if tag is None or term is None:
            continue
        rows += count
        if (slot := slots.get(term)) is not None:
            tie = tags[tag]
            overlap = max(0, min(tie.end, slot.end) - max(tie.begin, slot.begin))
            expected += count * overlap / (tie.end - tie.begin) * shares / (slot.end - slot.begin)
    return expected / rows if rows else 0.0


def guesses(column: Column) -> dict[Hashable, Hashable]:
    """Return a term for each tag, in the order of frequency."""
    terms = [term for term in by_frequency(column.terms) for _ in range(column.partitions)]
    return dict(zip(by_frequency(column.tags), terms, strict=False))


def by_frequency(labels: Iterable[Hashable]) -> list[Hashable]:
    """Return labels, the most frequent first; the order of ties has nothing to do with the rows they are in."""
    counts = _counts(labels)
    return sorted(counts, key=lambda label: (-counts[label], repr(label)))


def right_of_guesses(column: Column, guessed: Mapping[Hashable, Hashable]) -> float:
    """Return for what share of the rows that have a term it is the one that is guessed for their tag."""
    pairs = [pair for pair in zip(column.tags, column.terms, strict=True) if None not in pair]
    return sum(guessed.get(tag) == term for tag, term in pairs) / max(1, len(pairs))


def _counts(labels: Iterable[Hashable]) -> Counter[Hashable]:
    return Counter(label for label in labels if label is not None)


def _ties(counts: Counter[Hashable], shares: int) -> dict[Hashable, _Tie]:
    found: dict[Hashable, _Tie] = {}
    begin = 0
    for _, group in groupby(counts.most_common(), key=lambda each: each[1]):
        labels = [label for label, _ in group]
        end = begin + len(labels) * shares
        found |= dict.fromkeys(labels, _Tie(begin, end))
        begin = end
    return found
