"""A kind of primary key that a table may have, and keys of it at random."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Dialect, Integer
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["Key", "Kind", "Level", "Numbered", "Wrapped", "bits", "days", "decimals", "hours", "integers", "letters"]

Key = tuple[Any, ...]
Part = Callable[[Random], Any]

# What collations tell apart, or do not: case, accents, blanks at the end, what sorts before a blank, one that stands
# for two, a sign that is skipped, and what is beyond the first 65,536. With them, what has to be escaped.
LETTERS = "aAbBäÄßéz0_-~%'\\ \tｚ😀"


@dataclass(frozen=True)
class Kind:
    """A kind of primary key.

    Attributes:
        parts: type and keys at random of each of its columns.
        refused: whether a migration refuses to begin.
        options: of the table.
    """

    parts: tuple[tuple[TypeEngine[Any] | type[TypeEngine[Any]], Part], ...]
    refused: bool = False
    options: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, *parts: Any, refused: bool = False, **options: Any) -> Kind:
        """Return a kind of types and keys, by turns."""
        return cls(tuple(zip(parts[::2], parts[1::2], strict=True)), refused, tuple(options.items()))

    def key(self, chance: Random) -> Key:
        """Return a key."""
        return tuple(part(chance) for _, part in self.parts)


def integers(least: int, most: int) -> Part:
    """Numbers about zero, and at both ends."""
    near = [each for each in range(-40, 41) if least <= each <= most]
    return lambda chance: chance.choice([least, least + 1, most - 1, most, *near])


def letters(longest: int = 4, of: str = LETTERS) -> Part:
    """Texts, many of which are alike to one collation or another."""
    return lambda chance: "".join(chance.choice(of) for _ in range(chance.randint(0, longest)))


def bits(longest: int, shortest: int = 0) -> Part:
    """Bytes, of which zeros at the end may not count."""
    return lambda chance: bytes(chance.choice(b"\0\x01 A\xff") for _ in range(chance.randint(shortest, longest)))


def decimals(places: int) -> Part:
    """Numbers with so many places."""
    return lambda chance: Decimal(chance.randint(-5000, 5000)).scaleb(-places)


def days(chance: Random) -> date:
    """A day of a few months, or of long ago."""
    return chance.choice([date(1000, 1, 1), date(9999, 12, 31), date(2020, 1, 1) + timedelta(chance.randint(0, 90))])


def hours(*, micro: int = 1_000_000, zone: bool = False) -> Part:
    """Moments of a few days.

    Args:
        micro: how many microseconds there are between two of them that follow each other.
        zone: whether they are in UTC.
    """
    first = datetime(2020, 3, 27, tzinfo=UTC if zone else None)
    return lambda chance: first + timedelta(hours=chance.randint(0, 90), microseconds=micro * chance.randint(0, 3))


def clock(chance: Random) -> time:
    """A time of day."""
    return chance.choice([time.min, time(23, 59, 59), time(chance.randint(0, 23), chance.randint(0, 3))])


def uuids(chance: Random) -> UUID:
    """A UUID, of version 1 or of none."""
    found = UUID(int=chance.getrandbits(128))
    return found if chance.random() < 0.5 else UUID(bytes=found.bytes, version=1)


def either(chance: Random) -> bool:
    """True or false."""
    return chance.random() < 0.5


def one_of(*choices: Any) -> Part:
    """One of a few."""
    return lambda chance: chance.choice(choices)


class Level(enum.Enum):
    """An application's, whose names are sorted otherwise than its members."""

    LOW = 1
    HIGH = 2
    MIDDLE = 3


class Numbered(TypeDecorator[str]):
    """A text in the application, P-7, and a number in the database."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else int(value.removeprefix("P-"))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else f"P-{value}"


class Wrapping(NamedTuple):
    """Something of an application's own."""

    number: int


class Wrapped(TypeDecorator[Wrapping]):
    """A type whose values nothing can be said of but by the application."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else value.number

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else Wrapping(value)
