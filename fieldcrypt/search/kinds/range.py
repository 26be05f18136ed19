"""Ranges of dates and numbers, as nodes of a tree (SPEC section 14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.normalisers import NothingToTagError
from fieldcrypt.search.kinds.kind import Cover, Level
from fieldcrypt.search.question import Between

__all__ = ["Range"]

MIN_NODES = 16  # of a level; with fewer, the frequencies of its tags tell which node is which
MIN_ROWS = 64  # expected for each node of the finest level


@dataclass(frozen=True, slots=True)
class Range:
    """A range of dates, times or numbers: `IndexedBy("born_range", of=Range(date(1900, 1, 1), date(2100, 1, 1)), …)`.

    Attributes:
        minimum, maximum: the least and the greatest value there can be.
        resolution: the width of a leaf of the tree: a number, or a timedelta. Default: 1, a day, or a second.
        radix: into how many nodes each node divides, 2 to 256.
        rows: how many rows there will be. Levels with fewer than 64 of them for each node are not stored.
    """

    minimum: Any
    maximum: Any
    resolution: Any = None
    radix: int = 4
    rows: int = 1_000_000

    needs_leakage: ClassVar[bool] = True
    questions: ClassVar[Any] = (Between,)

    def __post_init__(self) -> None:
        if type(self.minimum) is not type(self.maximum) or type(self.minimum) not in _UNITS:
            raise ConfigurationError("Range(minimum, maximum): both of one type: int, float, Decimal, date or datetime")
        if not isinstance(self.radix, int) or not 2 <= self.radix <= 256:
            raise ConfigurationError("the radix of a range is 2 to 256")
        if not self._leaves > 0 or not self._stored:
            raise ConfigurationError("the range is too narrow, or has too few rows: no level could be stored")

    @property
    def _step(self) -> Fraction:
        if self.resolution is None:
            return Fraction(1)
        if isinstance(self.resolution, timedelta):
            seconds = Fraction(self.resolution // timedelta(microseconds=1), 1_000_000)
            return seconds / 86_400 if type(self.minimum) is date else seconds
        return Fraction(self.resolution)

    @property
    def _leaves(self) -> int:
        return (position(self.maximum) - position(self.minimum)) // self._step + 1

    @property
    def _stored(self) -> tuple[int, ...]:
        """The levels that are stored, counted from the leaves."""
        level, stored = 0, []
        while (nodes := -(-self._leaves // self.radix**level)) >= MIN_NODES:
            if nodes * MIN_ROWS <= self.rows:
                stored.append(level)
            level += 1
        return tuple(stored)

    @property
    def parameters(self) -> str:
        return f"{position(self.minimum)} {position(self.maximum)} {self._step} {self.radix}"

    def check(self, type_: Any) -> None:
        if type_ is not type(self.minimum):
            raise ConfigurationError(f"a range of {type(self.minimum).__name__} is none of {type_.__name__}")

    def levels(self) -> tuple[Level, ...]:
        top = self._stored[-1]
        return tuple(
            Level(
                f"range {level}",
                str(level),
                -(-self._leaves // self.radix**level) if level == top else 2 * (self.radix - 1),
            )
            for level in self._stored
        )

    def _leaf(self, value: Any) -> int:
        at = position(value)
        if not position(self.minimum) <= at <= position(self.maximum):
            raise ValueError("the value is beyond the bounds that its range index declares")
        return (at - position(self.minimum)) // self._step

    def terms(self, value: Any) -> tuple[Any, ...]:
        leaf = self._leaf(value)
        return tuple([level, leaf // self.radix**level] for level in self._stored)

    def cover(self, question: Any) -> Cover | None:
        finest = self._stored[0]
        low = 0 if question.low is None else self._leaf(question.low) // self.radix**finest
        high = (self._leaves - 1 if question.high is None else self._leaf(question.high)) // self.radix**finest
        terms: list[tuple[Any, ...]] = []
        for level in self._stored:
            found: list[Any] = []
            if level == self._stored[-1]:
                found = [[level, node] for node in range(low, high + 1)]
            elif low <= high:
                while low <= high and low % self.radix:
                    found.append([level, low])
                    low += 1
                while low <= high and (high + 1) % self.radix:
                    found.append([level, high])
                    high -= 1
                low, high = low // self.radix, (high + 1) // self.radix - 1
            terms.append(tuple(found))
        return Cover(tuple(terms), finest == 0 and self.resolution is None and type(self.minimum) in (int, date))

    def holds(self, value: Any, question: Any) -> bool:
        at = position(value)
        above = question.low is None or at > position(question.low) or (question.with_low and value == question.low)
        below = question.high is None or at < position(question.high) or (question.with_high and value == question.high)
        return above and below


def position(value: Any) -> Fraction:
    """Return where a value lies on the line of numbers: dates in days, times in seconds."""
    if isinstance(value, datetime):
        zone = value.tzinfo
        return Fraction((value - datetime(1970, 1, 1, tzinfo=zone)) // timedelta(microseconds=1), 1_000_000)
    if isinstance(value, date):
        return Fraction(value.toordinal())
    try:
        return Fraction(value)
    except (ValueError, OverflowError):
        raise NothingToTagError("a number that is none, or infinite, has no place in a range") from None


_UNITS = {int, float, Decimal, date, datetime}
