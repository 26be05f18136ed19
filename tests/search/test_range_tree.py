"""The tree of a range: its levels, and how its nodes cover leaves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from fieldcrypt.search.kinds.tree import MIN_NODES, MIN_ROWS, Tree

PLENTY = 10**9  # rows, so that all levels are stored
SMALL = [(leaves, radix) for radix in (2, 3, 4, 16) for leaves in (16, 17, 31, 32, 33, 48, 50, 64, 65, 81)]


def leaves_of(tree: Tree, count: int, covers: tuple[tuple[int, ...], ...]) -> list[int]:
    """The leaves that the nodes of a cover have, as often as they have them."""
    found: list[int] = []
    for (_, width, _), nodes in zip(tree.levels, covers, strict=True):
        for node in nodes:
            found += range(node * width, min((node + 1) * width, count))
    return sorted(found)


def fewest(tree: Tree, count: int, first: int, last: int) -> int:
    """The number of nodes that have exactly these leaves, found by trying all."""

    @cache
    def best(at: int) -> int:
        if at > last:
            return 0
        ends = [min(at + width, count) for _, width, _ in tree.levels if at % width == 0]
        return min(1 + best(end) for end in ends if end <= last + 1)

    return best(first)


def questions(leaves: int) -> Iterator[tuple[int, int]]:
    return ((first, last) for first in range(leaves) for last in range(first, leaves))


@pytest.mark.parametrize(("leaves", "radix"), SMALL)
def test_a_cover_has_exactly_the_leaves_in_the_fewest_nodes(leaves: int, radix: int) -> None:
    """Each of them once, for each first and last leaf there can be."""
    tree = Tree(leaves, radix, PLENTY)
    for first, last in questions(leaves):
        covers = tree.cover(first, last)
        assert leaves_of(tree, leaves, covers) == list(range(first, last + 1))
        assert sum(map(len, covers)) == fewest(tree, leaves, first, last)


@pytest.mark.parametrize(("leaves", "radix"), SMALL)
def test_the_most_nodes_of_a_level_are_reached_and_not_exceeded(leaves: int, radix: int) -> None:
    """So a question is padded to no more than it could need."""
    tree = Tree(leaves, radix, PLENTY)
    sizes = [tuple(map(len, tree.cover(*question))) for question in questions(leaves)]
    assert tree.most() == tuple(max(of_level) for of_level in zip(*sizes, strict=True))


@pytest.mark.parametrize(("leaves", "radix"), SMALL)
def test_a_cover_of_cut_levels_has_no_more_than_the_nodes_of_its_ends(leaves: int, radix: int) -> None:
    """It goes beyond the question by less than a node of the finest stored level at each end."""
    rows = MIN_NODES * MIN_ROWS * radix
    tree = Tree(leaves, radix, rows)
    for first, last in questions(leaves):
        found = leaves_of(tree, leaves, tree.cover(first, last))
        start, end = first // tree.width * tree.width, (last // tree.width + 1) * tree.width
        assert found == list(range(start, min(end, leaves)))


def test_no_leaf_is_covered_if_the_last_is_before_the_first() -> None:
    """Also where both are in one node."""
    tree = Tree(1_000, 4, 20_000)
    assert tree.width > 1
    assert sum(map(len, tree.cover(1, 0))) == 0


@pytest.mark.parametrize("radix", [2, 4, 16, 256])
@pytest.mark.parametrize("leaves", [16, 1_000, 73_050, 10**12])
@pytest.mark.parametrize("rows", [1_024, 1_000_000, 10**10])
def test_levels_of_few_nodes_or_of_few_rows_per_node_are_not_stored(leaves: int, radix: int, rows: int) -> None:
    """The tags of the former would tell which node is which, those of the latter nearly which row has which value."""
    levels = Tree(leaves, radix, rows).levels
    assert all(nodes == -(-leaves // width) and width == radix**level for level, width, nodes in levels)
    assert all(nodes >= MIN_NODES and nodes * MIN_ROWS <= rows for _, _, nodes in levels)
    if levels:  # and all others are
        finest, coarsest = levels[0], levels[-1]
        assert [level for level, _, _ in levels] == list(range(finest[0], coarsest[0] + 1))
        assert -(-coarsest[2] // radix) < MIN_NODES
        assert finest[0] == 0 or -(-leaves // (finest[1] // radix)) * MIN_ROWS > rows
