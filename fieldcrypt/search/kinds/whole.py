"""The whole value as a term: equality, under a name or with partitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fieldcrypt.search.blind_index import checked_type
from fieldcrypt.search.kinds.kind import Cover, Level, form_of
from fieldcrypt.search.question import Equal, Question

__all__ = ["Whole"]


@dataclass(frozen=True, slots=True)
class Whole:
    """The kind of an index for equality.

    Attributes:
        accept_low_cardinality: see `Encryptor.blind_index`.
    """

    accept_low_cardinality: bool = False

    needs_leakage: ClassVar[bool] = False

    @property
    def questions(self) -> tuple[type[Question], ...]:
        return (Equal,)

    @property
    def answers(self) -> str:
        return "=="

    @property
    def parameters(self) -> str | None:
        return None

    def check(self, type: Any) -> None:
        checked_type(type, self.accept_low_cardinality)

    def levels(self) -> tuple[Level, ...]:
        return (Level("equal", ""),)

    def terms(self, value: Any) -> tuple[Any, ...]:
        return (form_of(value),)

    def cover(self, question: Any) -> Cover:
        return Cover((tuple(map(form_of, question.values)),), True)

    def holds(self, value: Any, question: Any) -> bool:
        return value in question.values
