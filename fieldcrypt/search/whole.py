"""The whole value as a term: equality, under a name or with partitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fieldcrypt.normalisers import canonical
from fieldcrypt.search.kind import Cover, Level
from fieldcrypt.search.question import Equal, Question

__all__ = ["Whole"]


@dataclass(frozen=True, slots=True)
class Whole:
    """The kind of an index for equality."""

    needs_leakage: ClassVar[bool] = False
    parameters: ClassVar[str | None] = None

    def check(self, type: Any) -> None:
        pass

    def levels(self) -> tuple[Level, ...]:
        return (Level("equal", ""),)

    def terms(self, value: Any) -> tuple[Any, ...]:
        return (canonical(value),)

    def cover(self, question: Question) -> Cover | None:
        return Cover((tuple(map(canonical, question.values)),), True) if isinstance(question, Equal) else None

    def holds(self, value: Any, question: Any) -> bool:
        return canonical(value) in map(canonical, question.values)

    def advice(self) -> str:
        return "IndexedBy(…)"
