"""Ranges: the tree shows in which tags of one level occur with which of the next; its branches are matched by weight.

The attacker knows how many rows each branch should have, as in frequency matching; that a branch has the right branches
below it, over several levels, tells much more than its weight alone. The attack is greedy, so there are better ones.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from fieldcrypt.leakage.column import Column

__all__ = ["best_guess", "guesses_by_tree", "within"]

_AHEAD = 1  # levels below a branch that its likelihood is judged by
_WIDE = 64  # branches, up to which each is compared with each; beyond, those of nearly the same weight
_NEAR = 12
_EXCHANGES = 20  # rounds


@dataclass(slots=True)
class _Branch:
    label: Hashable
    weight: int = 0
    below: dict[Hashable, _Branch] = field(default_factory=dict)

    def sorted(self) -> list[_Branch]:
        return sorted(self.below.values(), key=lambda branch: (-branch.weight, repr(branch.label)))  # ties by chance


def guesses_by_tree(columns: Sequence[Column], known: Sequence[Sequence[Hashable]] | None = None) -> list[Hashable]:
    """Return for each row the guessed term at the finest level; None where there is no guess.

    Args:
        columns: the levels of a range, the coarsest first.
        known: the terms of rows whose distribution the attacker knows, for each level. Default: of the table.
    """
    seen = _grown([column.tags for column in columns])
    expected = _grown([column.terms for column in columns] if known is None else known)
    scale = seen.weight / max(1, expected.weight)
    found: dict[Hashable, Hashable] = {}
    _match(seen, expected, scale, len(columns), found)
    return [found.get(tag) for tag in columns[-1].tags]


def within(guessed: Sequence[float | None], truth: Sequence[float], distance: float) -> float:
    """Return the share of rows that are guessed within a distance."""
    pairs = zip(guessed, truth, strict=True)
    return sum(guess is not None and abs(guess - true) <= distance for guess, true in pairs) / max(1, len(truth))


def best_guess(truth: Sequence[float], distance: float) -> float:
    """Return the share of rows that lie within a distance of the best single guess, which needs no tags."""
    places, most, begin = sorted(truth), 0, 0
    for end, place in enumerate(places):
        while place - places[begin] > 2 * distance:
            begin += 1
        most = max(most, end - begin + 1)
    return most / max(1, len(places))


def _grown(levels: Sequence[Sequence[Hashable]]) -> _Branch:
    root = _Branch(None)
    for path in zip(*levels, strict=True):
        if None in path:
            continue
        at = root
        at.weight += 1
        for label in path:
            at = at.below.setdefault(label, _Branch(label))
            at.weight += 1
    return root


def _match(seen: _Branch, expected: _Branch, scale: float, levels: int, found: dict[Hashable, Hashable]) -> None:
    for one, other in _pairs(seen, expected, scale, _AHEAD):
        if levels == 1:
            found[one.label] = other.label
        else:
            _match(one, other, scale, levels - 1, found)


def _pairs(seen: _Branch, expected: _Branch, scale: float, ahead: int) -> list[tuple[_Branch, _Branch]]:
    """Return the branches below two, matched: the likeliest pair first, of those that are left."""
    ones, others = seen.sorted(), expected.sorted()
    if ahead == 0 or (len(ones) < 2 and len(others) < 2):
        return list(zip(ones, others, strict=False))
    scores: dict[tuple[int, int], float] = {}
    for at, one in enumerate(ones):
        near = range(len(others)) if len(others) <= _WIDE else range(max(0, at - _NEAR), min(len(others), at + _NEAR))
        scores |= {(at, there): _likelihood(one, others[there], scale, ahead - 1) for there in near}
    return [(ones[at], others[there]) for at, there in _assigned(scores).items()]


def _assigned(scores: Mapping[tuple[int, int], float]) -> dict[int, int]:
    """Return what is matched with what: greedily, then exchanged pairwise as long as that is likelier."""
    found: dict[int, int] = {}
    taken = set()
    for at, there in sorted(scores, key=lambda pair: -scores[pair]):
        if at not in found and there not in taken:
            found[at] = there
            taken.add(there)
    for _ in range(_EXCHANGES):
        is_done = True
        for one, other in combinations(found, 2):
            here, there = found[one], found[other]
            now = scores[one, here] + scores[other, there]
            if scores.get((one, there), -math.inf) + scores.get((other, here), -math.inf) > now + 1e-9:
                found[one], found[other] = there, here
                is_done = False
        if is_done:
            break
    return found


def _likelihood(one: _Branch, other: _Branch, scale: float, ahead: int) -> float:
    """Return how likely a branch has the weights of another one, as a logarithm."""
    score = _chance(one.weight, other.weight, scale)
    if ahead >= 0:
        pairs = _pairs(one, other, scale, ahead)
        score += sum(_likelihood(*pair, scale, ahead - 1) for pair in pairs)
        matched = [{id(branch) for branch in side} for side in zip(*pairs, strict=True)] or [set(), set()]
        score += sum(_chance(each.weight, 0, scale) for each in one.below.values() if id(each) not in matched[0])
        score += sum(_chance(0, each.weight, scale) for each in other.below.values() if id(each) not in matched[1])
    return score


def _chance(count: int, known: int, scale: float) -> float:
    """Return the chance of a count, as a logarithm, given how many there were in the rows that the attacker knows.

    Both are samples, each from Poisson's distribution, so this is the negative binomial one.
    """
    size = known + 0.5
    return (
        math.lgamma(count + size)
        - math.lgamma(size)
        - math.lgamma(count + 1)
        + count * math.log(scale)
        - (count + size) * math.log1p(scale)
    )
