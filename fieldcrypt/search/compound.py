"""Several members of a record as one term (SPEC section 14)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fieldcrypt.normalisers import NothingToTagError, canonical
from fieldcrypt.search.blind_index import found_normaliser
from fieldcrypt.search.kind import Cover, Level
from fieldcrypt.search.part import Part
from fieldcrypt.search.question import AllEqual, Question

__all__ = ["Compound"]


@dataclass(frozen=True, slots=True)
class Compound:
    """The kind of an index of several members.

    Attributes:
        of: for each member, in this order, None, a normaliser, or a `Part`.
        types: of the members' values.
    """

    of: Mapping[str, Any]
    types: Mapping[str, Any]

    needs_leakage: ClassVar[bool] = False
    parameters: ClassVar[str | None] = None

    def check(self, type: Any) -> None:
        for name, how in self.of.items():
            if isinstance(how, Part):
                how.check(self.types[name])
            else:
                found_normaliser(how, self.types[name])

    def levels(self) -> tuple[Level, ...]:
        return (Level("compound", ""),)

    def terms(self, value: Any) -> tuple[Any, ...]:
        return ([[name, self._form(name, value.get(name))] for name in self.of],)

    def _form(self, name: str, value: Any) -> Any:
        if value is None:
            raise NothingToTagError("a member is missing")
        if type(value) is not self.types[name]:
            raise TypeError(f"{name}: expected {self.types[name].__name__}, got {type(value).__name__}")
        how = self.of[name]
        if isinstance(how, Part):
            return how.terms(value)[0]
        normalise = found_normaliser(how, self.types[name])
        form = canonical(value if normalise is None else normalise(value))
        return form.name if isinstance(form, enum.Enum) else form

    def cover(self, question: Question) -> Cover | None:
        if not isinstance(question, AllEqual):
            return None
        if question.values.keys() != self.of.keys():
            raise ValueError(f"a search by this index names all of {', '.join(self.of)}")
        return Cover((self.terms(question.values),), True)

    def holds(self, value: Any, question: Any) -> bool:
        return self.terms(value) == self.terms(question.values)

    def advice(self) -> str:
        return f"CompoundIndex(…, of={{{', '.join(map(repr, self.of))}}})"
