"""Parts of values: the last four digits, the domain, the year."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.normalisers import NothingToTagError, canonical, casefold
from fieldcrypt.search.kind import Cover, Level
from fieldcrypt.search.question import EndsWith, PartIs, Question, StartsWith

__all__ = ["Part", "domain", "first", "last", "month", "year"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a value, to be searched for by itself: `IndexedBy("ssn_last4", of=last(4))`.

    Attributes:
        name: what the part is called, in questions and in contexts: "last 4", "domain".
        function: the part of a value, after the normaliser: a function of a module, if it is to be pickled.
        values: how many values the part can have, about. With fewer than 16 the frequencies of tags tell which is
            which, so such a part is refused unless the index says `accept_low_cardinality=True`.
        of: the type of the values that it takes.
        gives: the type of the part.
        version: to be raised if the function changes, so that new tags have nothing to do with old ones.
    """

    name: str
    function: Callable[[Any], Any]
    values: int
    of: Any = str
    gives: Any = str
    version: int = 1

    needs_leakage: ClassVar[bool] = False

    @property
    def parameters(self) -> str | None:
        return None if self.version == 1 else f"version {self.version}"

    def check(self, type: Any) -> None:
        if type is not self.of and not (isinstance(self.of, tuple) and type in self.of):
            raise ConfigurationError(f"the part {self.name} is one of another type than {type.__name__}")

    def levels(self) -> tuple[Level, ...]:
        return (Level(f"part {self.name}", ""),)

    def terms(self, value: Any) -> tuple[Any, ...]:
        return (canonical(self.function(value)),)

    def cover(self, question: Question) -> Cover | None:
        if isinstance(question, PartIs) and question.part == self.name:
            return Cover((tuple(map(canonical, question.values)),), True)
        side = {"first": StartsWith, "last": EndsWith}.get(self.name.partition(" ")[0])
        if side is None or not isinstance(question, side):
            return None
        length, text = int(self.name.partition(" ")[2]), question.text  # type: ignore[attr-defined]
        if len(text) < length:
            return None
        return Cover(((self.function(text),),), len(text) == length)

    def holds(self, value: Any, question: Question) -> bool:
        if isinstance(question, StartsWith):
            return bool(value.startswith(question.text))
        if isinstance(question, EndsWith):
            return bool(value.endswith(question.text))
        if not isinstance(question, PartIs):
            return False
        try:
            return canonical(self.function(value)) in map(canonical, question.values)
        except NothingToTagError:
            return False

    def advice(self) -> str:
        return f"of={self.name.replace(' ', '(', 1)}{')' if ' ' in self.name else '()'}"


def last(length: int) -> Part:
    """Return the part that is the last characters of a text, after normalising; of a shorter text, all of it."""
    return Part(f"last {length}", _Cut(length, at_end=True), 10**length)


def first(length: int) -> Part:
    """Return the part that is the first characters of a text, after normalising; of a shorter text, all of it."""
    return Part(f"first {length}", _Cut(length, at_end=False), 10**length)


def domain() -> Part:
    """Return the part of an e-mail address that follows the last @, without case. A text without @ has no tag."""
    return Part("domain", _domain, 10_000)


def year() -> Part:
    """Return the year of a date, or of a date and time (in UTC, if it has an offset)."""
    return Part("year", _year, 100, of=(date, datetime), gives=int)


def month() -> Part:
    """Return the month of a date, 1 to 12: so few that the index has to say `accept_low_cardinality=True`."""
    return Part("month", _month, 12, of=(date, datetime), gives=int)


@dataclass(frozen=True, slots=True)
class _Cut:
    length: int
    at_end: bool

    def __call__(self, text: str) -> str:
        return text[-self.length :] if self.at_end else text[: self.length]


def _domain(text: str) -> str:
    _, at, found = text.rpartition("@")
    if not at or not found:
        raise NothingToTagError("a text without @ has no domain")
    return casefold(found)


def _year(value: date) -> int:
    return canonical(value).year


def _month(value: date) -> int:
    return canonical(value).month
