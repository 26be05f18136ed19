"""Parts of values: the last four digits, the domain, the year."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.normalisers import NothingToTagError
from fieldcrypt.search.blind_index import checked_type, found_normaliser
from fieldcrypt.search.kinds.kind import Cover, Level, count_of, form_of
from fieldcrypt.search.question import EndsWith, PartIs, Question, StartsWith

__all__ = ["Part", "domain", "first", "last", "month", "year"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a value, to be searched for by itself: `IndexedBy("ssn_last4", of=last(4))`.

    Attributes:
        name: what the part is called, in questions and in contexts: "last 4", "domain". Letters, digits and spaces.
        function: the part of a value, after the index's normaliser: a function of a module, if it is to be pickled. It
            raises `NothingToTagError` for a value that has none. What other errors say does not show: it may be
            plaintext. The same goes for a normaliser of your own.
        values: how many values the part can have, about. With fewer than 16 the frequencies of tags tell which is
            which, so such a part is refused unless the index says `accept_low_cardinality=True`.
        of: the type of the values that it takes, or several.
        gives: the type of the part.
        version: to be raised if the function changes, so that new tags have nothing to do with old ones.
        normaliser: what to do with the part, and with what is compared with it: as for `IndexedBy`.

    Raises:
        ConfigurationError: the name or the numbers are out of range, or the function is not one.
        TypeError, ValueError: as for `Encryptor.blind_index`, for `gives` and the normaliser.
    """

    name: str
    function: Callable[[Any], Any]
    values: int
    of: Any = str
    gives: Any = str
    version: int = 1
    normaliser: Any = None

    needs_leakage: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[\w -]{1,100}", self.name):
            raise ConfigurationError("the name of a part is letters, digits and spaces, at most 100")
        if re.search(r" version \d+$", self.name):  # in the parameters of a compound it would be that of another one
            raise ConfigurationError(f"the part {self.name} has its version in version=, not in its name")
        if not callable(self.function):
            raise ConfigurationError(f"the part {self.name} needs a function of a value")
        if not all(type(each) is int and each >= 1 for each in (self.values, self.version)):
            raise ConfigurationError(f"the part {self.name} has a number of values, and a version, of at least 1")
        checked_type(self.gives, accept_low_cardinality=True)
        found_normaliser(self.normaliser, self.gives)

    @property
    def parameters(self) -> str | None:
        return None if self.version == 1 else f"version {self.version}"

    @property
    def cut(self) -> tuple[type[Question], int] | None:
        """The questions about the end whose characters it is, and how many these are; None for other parts."""
        return (self.function.question, self.function.length) if isinstance(self.function, _Cut) else None

    @property
    def questions(self) -> tuple[type[Question], ...]:
        return (PartIs, self.cut[0]) if self.cut else (PartIs,)

    @property
    def answers(self) -> str:
        if self.cut is None:
            return f"the part {self.name}"
        question, length = self.cut
        verb = "startswith" if question is StartsWith else "endswith"
        return f"the part {self.name}, and {verb} of {length} characters or more"

    def check(self, type: Any) -> None:
        if type is not self.of and not (isinstance(self.of, tuple) and type in self.of):
            names = " or ".join(each.__name__ for each in (self.of if isinstance(self.of, tuple) else (self.of,)))
            raise ConfigurationError(f"the part {self.name} is one of {names}, and not of {type.__name__}")

    def levels(self) -> tuple[Level, ...]:
        return (Level(f"part {self.name}", "", values=min(self.values, count_of(self.gives) or self.values)),)

    def terms(self, value: Any) -> tuple[Any, ...]:
        return (self._form(self._called(self.function, value, "function")),)

    def _called(self, function: Callable[[Any], Any], value: Any, which: str) -> Any:
        try:
            return function(value)
        except NothingToTagError:
            refused: Exception = NothingToTagError(f"the value has no {self.name}")
        except Exception as error:  # noqa: BLE001  # whose message may show the value
            refused = ValueError(f"the {which} of the part {self.name} failed with {type(error).__name__}")
        raise refused

    def _form(self, part: Any) -> Any:
        self._check(part)
        normalise = found_normaliser(self.normaliser, self.gives)
        if normalise is not None:
            ours = isinstance(self.normaliser, str)
            part = normalise(part) if ours else self._called(normalise, part, "normaliser")
            self._check(part)
        return form_of(part)

    def _check(self, part: Any) -> None:
        if type(part) is not self.gives:
            raise TypeError(f"the part {self.name} is a {self.gives.__name__}, not a {type(part).__name__}")

    def cover(self, question: Any) -> Cover | None:
        if isinstance(question, PartIs):
            return Cover((tuple(map(self._form, question.values)),), True)
        _, length = self.cut or (None, 0)
        return (
            None if len(question.text) < length else Cover((self.terms(question.text),), len(question.text) == length)
        )

    def holds(self, value: Any, question: Any) -> bool:
        if isinstance(question, StartsWith):
            return bool(value.startswith(question.text))
        if isinstance(question, EndsWith):
            return bool(value.endswith(question.text))
        return self.terms(value)[0] in map(self._form, question.values)


def last(length: int) -> Part:
    """Return the part that is the last characters of a text, after normalising; for a shorter text, all of it."""
    return Part(f"last {length}", _Cut(length, EndsWith), 10**length)


def first(length: int) -> Part:
    """Return the part that is the first characters of a text, after normalising; for a shorter text, all of it."""
    return Part(f"first {length}", _Cut(length, StartsWith), 10**length)


def domain() -> Part:
    """Return the part of an e-mail address that follows the last @, without case. A text without @ has no tag."""
    return Part("domain", _domain, 10_000, normaliser="casefold")


def year() -> Part:
    """Return the year of a date, or of a date and time (in UTC, if it has an offset)."""
    return Part("year", _year, 100, of=(date, datetime), gives=int)


def month() -> Part:
    """Return the month of a date, 1 to 12: so few that the index has to say `accept_low_cardinality=True`."""
    return Part("month", _month, 12, of=(date, datetime), gives=int)


@dataclass(frozen=True, slots=True)
class _Cut:
    """The characters at one end of a text, which is the one that a question of this kind is about."""

    length: int
    question: type[Question]

    def __post_init__(self) -> None:
        if type(self.length) is not int or not 1 <= self.length <= 100:
            raise ConfigurationError("first(3), last(4): the number of characters is 1 to 100")

    def __call__(self, text: str) -> str:
        return text[-self.length :] if self.question is EndsWith else text[: self.length]


def _domain(text: str) -> str:
    _, at, found = text.rpartition("@")
    if not at or not found:
        raise NothingToTagError("a text without @ has no domain")
    return found


def _year(value: date) -> int:
    return value.year


def _month(value: date) -> int:
    return value.month
