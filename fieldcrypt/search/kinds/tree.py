"""The tree of a range: which of its levels are stored, and the fewest nodes that cover some of its leaves."""

from __future__ import annotations

__all__ = ["MIN_NODES", "MIN_ROWS", "Tree"]

MIN_NODES = 16  # of a level; with fewer, the frequencies of its tags tell which node is which
MIN_ROWS = 64  # expected per node of the finest level; with fewer, its tags are nearly those of single values


class Tree:
    """A tree whose leaves are numbered from 0, and its nodes on each level as well; level 0 is that of the leaves.

    Args:
        leaves: how many there are.
        radix: how many nodes of a level have one parent.
        rows: how many values it will have.

    Attributes:
        levels: each level that is stored, with the number of leaves of one of its nodes and the number of its nodes,
            the finest first. Empty if none would be stored.
    """

    __slots__ = ("_radix", "levels")

    def __init__(self, leaves: int, radix: int, rows: int) -> None:
        self._radix = radix
        levels, level, width = [], 0, 1
        while (nodes := -(-leaves // width)) >= MIN_NODES:
            if nodes * MIN_ROWS <= rows:
                levels.append((level, width, nodes))
            level, width = level + 1, width * radix
        self.levels = tuple(levels)

    @property
    def width(self) -> int:
        """The number of leaves of a node of the finest level that is stored."""
        return self.levels[0][1]

    def most(self) -> tuple[int, ...]:
        """Return how many nodes a cover has at most on each level."""
        return (*(2 * (self._radix - 1) for _ in self.levels[:-1]), self.levels[-1][2])

    def cover(self, first: int, last: int) -> tuple[tuple[int, ...], ...]:
        """Return the fewest nodes, on each level, that have all leaves from the first to the last, if any."""
        first, last = (first // self.width, last // self.width) if first <= last else (1, 0)
        covers: list[tuple[int, ...]] = []
        for _, _, nodes in self.levels[:-1]:
            found = []
            while first <= last and first % self._radix:
                found.append(first)
                first += 1
            while first <= last and (last + 1) % self._radix and last + 1 < nodes:
                found.append(last)
                last -= 1
            covers.append(tuple(found))
            first, last = (first // self._radix, last // self._radix) if first <= last else (1, 0)
        return (*covers, tuple(range(first, last + 1)))
