"""`Range`, which declares an index by the range of values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.search.kinds.kind import Cover, Level
from fieldcrypt.search.kinds.parameter import parameter_text
from fieldcrypt.search.kinds.scale import Scale, scale_of
from fieldcrypt.search.kinds.tree import MIN_NODES, MIN_ROWS, Tree
from fieldcrypt.search.question import Between, Question

__all__ = ["Range"]

_MOST_AT_ONE_LEVEL = (1, 2, 4, 8, 16, 32, 50)  # nodes; a question is padded to the next of these


@dataclass(frozen=True, slots=True)
class Range:
    """A range of dates, times or numbers: `IndexedBy("born_range", of=Range(date(1900, 1, 1), date(2100, 1, 1)), …)`.

    Its values are the leaves of a tree, and each has one term per level that is stored. Levels of fewer than 16 nodes
    are not.

    Attributes:
        minimum, maximum: the least and the greatest possible value, both included, of one type: int, float,
            Decimal, date or datetime. Times have an offset, and are compared as instants, or none of them has one.
        resolution: the width of a leaf: a number of the type of the bounds, or a whole one; for dates in days and for
            times in seconds, or a timedelta. Default: 1. Values of one leaf cannot be told apart by their tags.
        radix: how many nodes of a level have one parent, 2 to 256.
        rows: how many rows there will be, of one tenant where tags are per tenant. Levels with fewer than 64 of them
            per node are not stored. If you declare more rows than there will be, finer levels are stored, which tell
                more.

    Raises:
        ConfigurationError: the bounds or the resolution cannot be, or no level would be stored.
    """

    minimum: Any
    maximum: Any
    resolution: Any = None
    radix: int = 4
    rows: int = 1_000_000
    _scale: Scale = field(init=False, repr=False, compare=False)
    _tree: Tree = field(init=False, repr=False, compare=False)
    _keys: tuple[Any, Any] = field(init=False, repr=False, compare=False)
    _first: int = field(init=False, repr=False, compare=False)  # unit of the first leaf

    needs_leakage: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if type(self.radix) is not int or not 2 <= self.radix <= 256:
            raise ConfigurationError("the radix of a range is 2 to 256")
        if type(self.rows) is not int:
            raise ConfigurationError("the rows of a range are a whole number")
        scale = scale_of(self.minimum, self.maximum, self.resolution)
        keys = scale.key(self.minimum), scale.key(self.maximum)
        if keys[0] > keys[1]:
            raise ConfigurationError("the minimum of a range must not be beyond its maximum")
        first, last = (scale.floor(key)[0] for key in keys)
        tree = Tree((last - first) // scale.step + 1, self.radix, self.rows)
        if not tree.levels:
            raise ConfigurationError(
                f"no level of this range can be stored, because each would have fewer than {MIN_NODES} nodes, or than "
                f"{MIN_ROWS} rows per node, so that tags would nearly tell the values: search by something else, or if "
                "that is acceptable declare another resolution=, radix= or rows="
            )
        for name, made in (("_scale", scale), ("_tree", tree), ("_keys", keys), ("_first", first)):
            object.__setattr__(self, name, made)

    def __reduce__(self) -> tuple[Any, ...]:
        return Range, (self.minimum, self.maximum, self.resolution, self.radix, self.rows)

    @property
    def questions(self) -> tuple[type[Question], ...]:
        return (Between,)

    @property
    def answers(self) -> str:
        return "between, < and >"

    @property
    def parameters(self) -> str:
        width = self._scale.width / (1_000_000 if isinstance(self.minimum, datetime) else 1)
        return " ".join(map(parameter_text, (self.minimum, self.maximum, width, self.radix)))

    def check(self, type_: Any) -> None:
        if type_ is not type(self.minimum):
            raise ConfigurationError(
                f"a Range of {type(self.minimum).__name__} is for values of this type, and not of {type_.__name__}"
            )

    def levels(self) -> tuple[Level, ...]:
        levels = zip(self._tree.levels, self._tree.most(), strict=True)
        return tuple(Level(f"range {level}", str(level), most) for (level, _, _), most in levels)

    def terms(self, value: Any) -> tuple[Any, ...]:
        key = self._scale.key(value)
        if not self._keys[0] <= key <= self._keys[1]:
            raise ValueError(f"the value is beyond the bounds of its Range, {self.minimum} to {self.maximum}")
        leaf = (self._scale.floor(key)[0] - self._first) // self._scale.step
        return tuple([level, leaf // width] for level, width, _ in self._tree.levels)

    def cover(self, question: Any) -> Cover:
        width = self._tree.width
        first, last, is_exact = self._leaves(question, width)
        covers = zip(self._tree.levels, self._tree.cover(first, last), strict=True)
        terms = tuple(tuple([level, node] for node in nodes) for (level, _, _), nodes in covers)
        return Cover(terms, is_exact, padding=_ends(_nodes(first, last, width)))

    def cover_at(self, question: Any, level: int) -> Cover:
        number, leaves, _ = self._tree.levels[level]
        first, last, is_exact = self._leaves(question, leaves)
        nodes = _nodes(first, last, leaves)
        most = next((most for most in _MOST_AT_ONE_LEVEL if most >= len(nodes)), None)
        if most is None:
            raise ValueError(
                f"the question would have more than {_MOST_AT_ONE_LEVEL[-1]} terms at this level: ask for a narrower "
                "range, or at a coarser level"
            )
        terms = tuple([number, node] for node in nodes)
        levels = range(len(self._tree.levels))
        return Cover(tuple(terms if at == level else () for at in levels), is_exact, most, (number, *_ends(nodes)))

    def _leaves(self, question: Between, leaves: int) -> tuple[int, int, bool]:
        """Return the first and the last leaf of a question, and True if their nodes have nothing else in them.

        Args:
            leaves: how many one node has.
        """
        low, high = self._ends(question)
        (minimum, maximum), with_low, with_high = self._keys, question.with_low, question.with_high
        if low is None or low < minimum:
            low, with_low = minimum, True
        if high is None or high > maximum:
            high, with_high = maximum, True
        if low > high or (low == high and not (with_low and with_high)):
            return 1, 0, True
        first, is_first = self._scale.floor(low)
        beyond, is_beyond = self._scale.floor(high)
        if not with_low:
            first, is_first = (first + 1, True) if self._scale.is_discrete else (first, False)
        if with_high or not is_beyond:
            beyond, is_beyond = beyond + 1, self._scale.is_discrete
        step, width = self._scale.step, self._scale.step * leaves
        first, beyond = first - self._first, beyond - self._first
        is_exact = is_first and first % width == 0
        is_exact &= (high == maximum and with_high) or (is_beyond and beyond % width == 0)
        return first // step, (beyond - 1) // step, is_exact

    def _ends(self, question: Between) -> tuple[Any, Any]:
        low, high = (None if end is None else self._scale.key(end) for end in (question.low, question.high))
        return low, high

    def holds(self, value: Any, question: Any) -> bool:
        try:
            key = self._scale.key(value)
        except ValueError:
            return False
        low, high = self._ends(question)
        above = low is None or key > low or (key == low and question.with_low)
        return above and (high is None or key < high or (key == high and question.with_high))


def _nodes(first: int, last: int, leaves: int) -> range:
    """Return the nodes, of so many leaves each, that have the leaves from the first to the last, if there are any."""
    return range(first // leaves, last // leaves + 1) if first <= last else range(0)


def _ends(nodes: range) -> tuple[int, int]:
    return nodes.start, nodes.stop


Range.__module__ = "fieldcrypt.search"  # what pickles call it, wherever it is defined
