"""What an attacker sees of one level of an index: which rows have which tag."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Column", "alone", "entropy", "joint"]


@dataclass(frozen=True, slots=True, repr=False)
class Column:
    """One companion, row by row.

    Attributes:
        name: of the companion.
        tags: which tag each row has; None where it has none.
        terms: what the tags stand for, which the attacker wants to know; None where a tag stands for nothing.
        partitions: how many tags a term can have.
    """

    name: str
    tags: Sequence[Hashable]
    terms: Sequence[Hashable]
    partitions: int = 1

    def __repr__(self) -> str:  # without the terms, which are plaintext
        return f"Column({self.name!r}, {len(self.tags)} rows)"


def entropy(labels: Iterable[Hashable]) -> float:
    """Return the Shannon entropy of labels, in bits: how much one of them says about which row it is."""
    counts = Counter(labels).values()
    total = sum(counts)
    return math.log2(total) - sum(count * math.log2(count) for count in counts) / total if total else 0.0


def alone(labels: Iterable[Hashable]) -> float:
    """Return the share of rows whose label no other row has."""
    counts = Counter(labels).values()
    return sum(1 for count in counts if count == 1) / max(1, sum(counts))


def joint(columns: Sequence[Column]) -> list[Hashable]:
    """Return each row's combination of tags in all columns."""
    return list(zip(*(column.tags for column in columns), strict=True))
