"""Several members of a record as one term (SPEC section 14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.normalisers import NothingToTagError, canonical
from fieldcrypt.search.blind_index import checked_type, found_normaliser
from fieldcrypt.search.kinds.kind import Cover, Level, count_of, form_of
from fieldcrypt.search.kinds.part import Part
from fieldcrypt.search.question import AllEqual, Question

__all__ = ["Compound"]


@dataclass(frozen=True, slots=True)
class Compound:
    """The kind of an index of several members, whose values are mappings of these.

    Attributes:
        of: for each member, in this order, None, a normaliser, or a `Part`.
        types: of the members' values; `object` for any that can have tags.
    """

    of: Mapping[str, Any]
    types: Mapping[str, Any]

    needs_leakage: ClassVar[bool] = False

    @property
    def questions(self) -> tuple[type[Question], ...]:
        return (AllEqual,)

    @property
    def answers(self) -> str:
        return f"equality of all of {', '.join(self.of)}"

    @property
    def parameters(self) -> str | None:
        """What its parts are, each by the place of its member."""
        parts = [(at, how) for at, how in enumerate(self.of.values()) if isinstance(how, Part)]
        texts = (f"{at} {how.name}" + (f" {how.parameters}" if how.parameters else "") for at, how in parts)
        return ", ".join(texts) or None

    def check(self, type: Any) -> None:
        if type is not dict or len(self.of) < 2:
            raise ConfigurationError("a compound is of two or more members: declare it by CompoundIndex")
        for name, how in self.of.items():
            try:
                if self.types[name] is not object:
                    _check_member(how, self.types[name])
                elif not isinstance(how, Part):
                    found_normaliser(how, str)
            except (ConfigurationError, TypeError, ValueError) as error:
                refused = error.__class__(f"{name}: {error}")
            else:
                continue
            raise refused

    def levels(self) -> tuple[Level, ...]:
        counts = [self._count(name) for name in self.of]
        return (Level("compound", "", values=None if None in counts else prod(each for each in counts if each)),)

    def _count(self, name: str) -> int | None:
        """Return how many values a member can have, if that is known."""
        how, of = self.of[name], self.types[name]
        if isinstance(how, Part):
            return how.levels()[0].values
        return count_of(of)

    def terms(self, value: Any) -> tuple[Any, ...]:
        return ([[name, self._form(name, value.get(name))] for name in self.of],)

    def _form(self, name: str, value: Any) -> Any:
        if value is None:
            raise NothingToTagError(f"{name} is missing")
        how, expected = self.of[name], self.types[name]
        if expected is object:
            expected = type(value)
            _check_member(how, expected)
        whole = f"; it is given whole, and not by its {how.name}" if isinstance(how, Part) else ""
        if type(value) is not expected:
            raise TypeError(f"{name}: expected {expected.__name__}, got {type(value).__name__}{whole}")
        if isinstance(how, Part):
            try:
                return how.terms(canonical(value))[0]
            except NothingToTagError as error:
                refused = NothingToTagError(f"{name}: {error}{whole}")
            raise refused
        normalise = found_normaliser(how, expected)
        form = value if normalise is None else normalise(value)
        if type(form) is not expected:
            raise TypeError(f"the normaliser of {name} returned a {type(form).__name__}")
        return form_of(form)

    def cover(self, question: Any) -> Cover:
        if question.values.keys() != self.of.keys():
            raise ValueError(f"a search by this index names all of {', '.join(self.of)}")
        return Cover((self.terms(question.values),), True)

    def holds(self, value: Any, question: Any) -> bool:
        try:
            terms = self.terms(value)
        except (TypeError, ValueError, ConfigurationError):  # a member that can have no tag, so this one was copied
            return False
        return terms == self.terms(question.values)


def _check_member(how: Any, type: Any) -> None:
    if isinstance(how, Part):
        how.check(type)
    elif hasattr(how, "questions"):
        raise ConfigurationError(
            "a member of a CompoundIndex is taken whole, or as a Part: not by its beginnings or a Range"
        )
    else:
        checked_type(type, accept_low_cardinality=True)  # see `levels`
        found_normaliser(how, type)
