"""What typical searches find: how many rows, and how many of them are only discarded after decryption."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from fieldcrypt.leakage.sample import SampledIndex
from fieldcrypt.search.kinds.affix import Prefixes, Suffixes
from fieldcrypt.search.kinds.compound import Compound
from fieldcrypt.search.kinds.part import Part
from fieldcrypt.search.kinds.range import Range
from fieldcrypt.search.question import AllEqual, Between, EndsWith, Equal, PartIs, Question, StartsWith

__all__ = ["Found", "found_by"]

_QUESTIONS = 30


class Found(NamedTuple):
    """What a search finds on average, in the rows of the sample.

    Attributes:
        tags: how many it asks for, under one index key.
        matching: rows that are what was looked for.
        false: rows besides them, which are decrypted and discarded.
    """

    tags: float
    matching: float
    false: float


def found_by(sampled: SampledIndex) -> Found:
    """Ask for values of the sample, as often as they occur in it: whole values, their parts, or ranges between two."""
    rows_of: defaultdict[Any, set[int]] = defaultdict(set)
    for column in sampled.columns:
        for row, tag in enumerate(column.tags):
            if tag is not None:
                rows_of[tag if sampled.how.one_companion else sampled.how.stored(tag)].add(row)  # type: ignore[arg-type]
    values, tenants = sampled.of.values, sampled.of.tenants
    tags = matching = false = asked = 0
    for question, row in _questions(sampled):
        search = sampled.index.search(question)
        made = [tag for tags_of in search.tags(tenants[row]).values() for tag in tags_of]
        found: set[int] = set().union(*(rows_of[tag] for tag in made if tag in rows_of))
        held = sum(search.matches(values[each]) for each in found)
        tags, matching, false, asked = tags + len(made), matching + held, false + len(found) - held, asked + 1
    return Found(*(each / max(1, asked) for each in (tags, matching, false)))


def _questions(sampled: SampledIndex) -> Iterator[tuple[Question, int]]:
    """Yield questions, each with the row that it comes from."""
    rows = [row for row, tag in enumerate(sampled.columns[0].tags) if tag is not None]
    chosen = random.Random(len(rows))  # noqa: S311 (the same questions every time)
    for row in chosen.sample(rows, min(_QUESTIONS, len(rows))):
        question = _question(sampled, sampled.of.values[row], sampled.of.values[chosen.choice(rows)])
        if question is not None:
            yield question, row


def _question(sampled: SampledIndex, value: Any, other: Any) -> Question | None:
    kind = sampled.how.of
    ((_, index),) = sampled.index.indexes
    normal = index.normalise(value)
    match kind:
        case None:
            return Equal((value,))
        case Compound():
            return AllEqual(value)
        case Part():
            return PartIs(kind.name, (kind.function(normal),))
        case Range():
            return Between(min(value, other), max(value, other))
        case Prefixes() | Suffixes() if len(normal) >= kind.shortest:
            return (StartsWith if isinstance(kind, Prefixes) else EndsWith)(value)
    return None
