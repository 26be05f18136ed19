"""A kind of index: what its terms are, and how a question becomes terms."""

from __future__ import annotations

import enum
from typing import Any, ClassVar, NamedTuple, Protocol

from fieldcrypt.normalisers import canonical
from fieldcrypt.search.question import Question

__all__ = ["Cover", "Kind", "KindOfLevels", "Level", "count_of", "form_of"]


class Level(NamedTuple):
    """One of the terms that every value has.

    Attributes:
        name: the entry `fieldcrypt:level` of its context (SPEC section 14): "prefix 3", "range 2".
        suffix: what the companion of this level is called, after the name of the index: "3".
        most: how many terms a question has at this level. A question with fewer is padded to it.
        may_lack: True if a value may not reach this level; it then has a dummy term, made of its row.
        values: how many values the term can have, about, if that is known.
    """

    name: str
    suffix: str
    most: int = 1
    may_lack: bool = False
    values: int | None = None


class Cover(NamedTuple):
    """The terms that a question becomes.

    Attributes:
        terms: for each level, the forms to look for. A row that has any of them at any level may be what is looked for.
        exact: True if every such row is.
        most: to how many terms a level is padded, if not to as many as a question can have there at most.
        padding: numbers that padding is made of, which only questions for these terms have; None if there is no
                padding.
    """

    terms: tuple[tuple[Any, ...], ...]
    exact: bool
    most: int | None = None
    padding: tuple[int, ...] | None = None

    def __repr__(self) -> str:
        return f"Cover(…, exact={self.exact})"  # the terms are plaintext


class Kind(Protocol):
    """A kind of index. Values are normalised before they get here.

    Attributes:
        parameters: the entry `fieldcrypt:parameters`, which separates new tags from old ones when it changes; or None.
        needs_leakage: True if the declaration has to say `accept_leakage=True`.
        questions: those that an index of this kind may answer.
        answers: these in words, for messages.
    """

    needs_leakage: ClassVar[bool]

    @property
    def parameters(self) -> str | None: ...

    @property
    def questions(self) -> tuple[type[Question], ...]: ...

    @property
    def answers(self) -> str: ...

    def check(self, type: Any) -> None:
        """Refuse a field's type that the kind does not fit.

        Raises:
            TypeError, ConfigurationError: it does not.
        """

    def levels(self) -> tuple[Level, ...]:
        """Return its levels; each value has one term at each."""
        ...

    def terms(self, value: Any) -> tuple[Any, ...]:
        """Return the form at each level; None where the value does not reach it.

        Raises:
            NothingToTagError: the value has no terms.
            ValueError: the value is beyond the declared bounds.
        """
        ...

    def cover(self, question: Question) -> Cover | None:
        """Return the terms of one of `questions`, with normalised values; None if this index does not answer it.

        Raises:
            TypeError, ValueError: it is out of range, or of another type.
        """

    def holds(self, value: Any, question: Question) -> bool:
        """Return True if a decrypted, normalised value is what a question asks for."""
        ...


class KindOfLevels(Kind, Protocol):
    """A kind with several levels."""

    def cover_at(self, question: Any, level: int) -> Cover | None:
        """Return the terms of a question at one level alone, as an index of this level's companion needs them.

        Args:
            question: as for `cover`.
            level: its number among `levels`.

        Raises:
            TypeError, ValueError: as for `cover`; or it would take too many terms.
        """


def count_of(type: Any) -> int | None:
    """Return how many values a type has, if it says so."""
    return 2 if type is bool else len(type) if isinstance(type, enum.EnumMeta) else None


def form_of(value: Any) -> Any:
    """Return the one form of all values that are equal to this one; for a member of an enumeration, its name.

    Raises:
        TypeError, ValueError: it has none.
    """
    form = canonical(value)
    if not isinstance(form, enum.Enum):
        return form
    if form.name not in type(form).__members__:
        raise TypeError(f"a combination of flags of {type(form).__name__} has no name")
    return form.name
