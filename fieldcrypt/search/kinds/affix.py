"""The beginnings, and the ends, of texts, up to a length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.search.kinds.kind import Cover, Level
from fieldcrypt.search.question import EndsWith, Question, StartsWith

__all__ = ["Prefixes", "Suffixes"]

_MOST = 100  # characters


@dataclass(frozen=True, slots=True)
class _Affixes:
    shortest: int
    longest: int

    needs_leakage: ClassVar[bool] = True
    _question: ClassVar[type[Question]] = StartsWith
    _word: ClassVar[str] = "prefix"
    _verb: ClassVar[str] = "startswith"

    def __post_init__(self) -> None:
        lengths = self.shortest, self.longest
        if not all(type(each) is int for each in lengths) or not 1 <= self.shortest <= self.longest <= _MOST:
            raise ConfigurationError(
                f"{type(self).__name__}(3, 8): the shortest and the longest, 1 to {_MOST} characters"
            )

    @property
    def questions(self) -> tuple[type[Question], ...]:
        return (self._question,)

    @property
    def answers(self) -> str:
        return f"{self._verb} of {self.shortest} characters or more"

    @property
    def parameters(self) -> str | None:
        return None

    def check(self, type: Any) -> None:
        if type is not str:
            raise ConfigurationError(f"{self._word}es are of texts, str, and not of {type.__name__}")

    def levels(self) -> tuple[Level, ...]:
        return tuple(
            Level(f"{self._word} {length}", str(length), may_lack=True, values=10**length)  # as for `first` and `last`
            for length in self._lengths
        )

    @property
    def _lengths(self) -> range:
        return range(self.shortest, self.longest + 1)

    def _cut(self, text: str, length: int) -> str:
        return text[:length]

    def terms(self, value: Any) -> tuple[Any, ...]:
        return tuple(self._cut(value, length) if len(value) >= length else None for length in self._lengths)

    def cover(self, question: Any) -> Cover | None:
        if len(question.text) < self.shortest:
            return None
        return self.cover_at(question, min(len(question.text), self.longest) - self.shortest)

    def cover_at(self, question: Any, level: int) -> Cover | None:
        rung = self._lengths[level]
        if len(question.text) < rung:
            return None
        return Cover(
            tuple((self._cut(question.text, rung),) if length == rung else () for length in self._lengths),
            len(question.text) == rung,
        )

    def holds(self, value: Any, question: Any) -> bool:
        return bool(value.startswith(question.text))


class Prefixes(_Affixes):
    """The beginnings of a text, of each length from the shortest to the longest: `startswith`."""

    __slots__ = ()


class Suffixes(_Affixes):
    """The ends of a text: `endswith`."""

    __slots__ = ()
    _word, _verb, _question = "suffix", "endswith", EndsWith

    def _cut(self, text: str, length: int) -> str:
        return text[-length:]

    def holds(self, value: Any, question: Any) -> bool:
        return bool(value.endswith(question.text))
