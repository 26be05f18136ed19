"""The indexes of one field: which tags are stored, and which index answers a question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldcrypt.declaration.index_rules import check_together, unanswered_error
from fieldcrypt.declaration.indexed_by import IndexedBy
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.format.context import NoTenant
from fieldcrypt.normalisers import NothingToTagError
from fieldcrypt.search.kinds.part import Part
from fieldcrypt.search.question import PartIs, Question

__all__ = ["FieldIndexes", "Search", "StoredTags"]

Tags = bytes | str | list[bytes] | None
StoredTags = dict[str, Tags]  # by companion

_KEYS = 2  # index keys with which rows may be tagged while one replaces the other


class FieldIndexes:
    """The indexes of one field.

    Args:
        name: the field's, for messages.
        indexes: each declaration, with the index that it made: a `BlindIndex` or a `TermIndex`.

    Attributes:
        indexes: as given.
        declared: their declarations.
        companions: the names of all companions.
        needs_row: True if tags depend on the row.
        is_per_tenant: True if one of them has tags per tenant.

    Raises:
        ConfigurationError: they are in each other's way (docs/guides/blind-index.md).
    """

    def __init__(self, name: str, indexes: tuple[tuple[IndexedBy, Any], ...]) -> None:
        self.name = name
        self.declared = tuple(how for how, _ in indexes)
        check_together(name, self.declared)
        self.indexes = indexes
        self._made = tuple((how, index, how.companions) for how, index in indexes)
        self.companions = tuple(each for *_, companions in self._made for each in companions)
        self.needs_row = any(index.needs_row for _, index in indexes)
        self.is_per_tenant = any(how.per_tenant for how, _ in indexes)
        is_plain = len(indexes) == 1 and indexes[0][0].is_plain and indexes[0][0].prefix is None
        self._plain = indexes[0][1].tag if is_plain else None  # the usual index, which takes the shortest way

    @property
    def each(self) -> tuple[FieldIndexes, ...]:
        """Its indexes, each by itself, for where one that cannot tag a value must not keep the others from doing so."""
        return tuple(FieldIndexes(self.name, (one,)) for one in self.indexes)

    @property
    def of_whole(self) -> tuple[str, ...]:
        """The companions of all indexes for equality."""
        return tuple(how.companion for how in self.declared if how.of is None)

    def check_most(self, limit: int) -> None:
        """Refuse an index whose questions may need more tags than the database takes.

        Args:
            limit: how many tags a question may have under two index keys, as between a rotation and a retirement.

        Raises:
            ConfigurationError: the question of one index can have more.
        """
        for how, index in self.indexes:
            most = _KEYS * index.most_tags
            if most > limit:
                raise ConfigurationError(
                    f"{self.name}: a search by {how.companion} can need {most:,} tags, and at most {limit:,} fit here: "
                    "fewer partitions, or a Range with another radix or a coarser resolution, need fewer"
                )

    def tags(self, value: Any, *, tenant: str | None = None, row: Mapping[str, str] | None = None) -> StoredTags:
        """Return what to store in each companion next to a value; None for no value, or one with nothing to tag.

        A companion of all levels holds a list of tags, in the order of their bytes.

        Raises:
            TypeError, ValueError, KeyProviderError, KeyStoreError, ConfigurationError: as for `BlindIndex.tag`.
        """
        if self._plain is not None and value is not None:
            try:
                return {self.companions[0]: self._plain(value, tenant=tenant)}
            except NothingToTagError:
                return {self.companions[0]: None}
        stored: StoredTags = dict.fromkeys(self.companions)
        if value is None:
            return stored
        for how, index, companions in self._made:
            try:
                tags = index.stored_tags(value, tenant=tenant, row=row)
            except NothingToTagError:
                continue
            if how.one_companion:
                stored[how.companion] = sorted(tags)
            else:
                stored.update(zip(companions, tags if how.prefix is None else map(how.stored, tags), strict=True))
        return stored

    def unsettled_until(self, tenant: str | None) -> float | None:
        """Return until when rows may be tagged under an index key that another one follows, in seconds since 1970.

        None if they are not.

        Raises:
            KeyProviderError, KeyStoreError, ConfigurationError: as for `BlindIndex.tags`.
        """
        found = (index.unsettled_until(tenant) for _, index in self.indexes)
        return max((at for at in found if at is not None), default=None)

    def search(self, question: Question, index: str | None = None) -> Search:
        """Return how a question is answered. No key is needed for it.

        Args:
            question: with values of the field's type.
            index: the companion, or name, of the index that is to answer it, if there are several. Or the companion of
                a level that is to answer it alone, as each can: it has tags of all values that reach its level.

        Raises:
            ConfigurationError: none of the indexes answers it; the message says which declaration would.
            TypeError, ValueError: a value is of another type, or out of range.
        """
        if not isinstance(question, Question):
            raise TypeError(f"{self.name}: a search takes a question of fieldcrypt.search, such as Equal((value,))")
        best: Search | None = None
        nothing: NothingToTagError | None = None
        for how, each, companions in self._made:
            at = companions.index(index) if index in companions and len(companions) > 1 else None
            if index is not None and index not in how.names and at is None:
                continue
            asked = question
            if isinstance(question, PartIs) and isinstance(how.of, Part) and question.part in how.names:
                asked = PartIs(how.of.name, question.values)
            try:
                answer = each.ask(asked) if at is None else each.ask(asked, at)
            except NothingToTagError as error:
                nothing = error
                continue
            if answer is not None and (best is None or (answer.is_exact and not best.is_exact)):
                best = Search(how, answer)
        if best is None and nothing is not None:
            raise nothing
        if best is None:
            raise unanswered_error(self.name, question, self.declared)
        return best


class Search:
    """How an index answers a question.

    Attributes:
        how: the index's declaration.
        is_exact: True if each row that has one of the tags is what was looked for. Else values have to be compared
            after decryption, and nothing may be counted, changed or left out by the tags alone.
        is_per_tenant: True if the tenant has to be named.
        companions: those in which there are tags to look for; knowing that takes no key.
    """

    __slots__ = ("_answer", "companions", "how", "is_exact", "is_per_tenant")

    def __init__(self, how: IndexedBy, answer: Any) -> None:
        self.how, self._answer = how, answer
        self.is_exact: bool = answer.is_exact
        self.is_per_tenant = how.per_tenant
        self.companions = how.companions if how.one_companion else tuple(how.companions[at] for at in answer.levels)

    def tags(self, tenant: str | NoTenant | None, companion: str | None = None) -> dict[str, list[Any]]:
        """Return the tags to look for in each companion, as they are stored: a row with any of them may match.

        A companion of all levels has to have one of them among its own. Companions without tags to look for are left
        out; if all are, as where there is no index key yet, nothing can be found.

        Args:
            tenant: whose rows to search.
            companion: the only one whose tags are wanted.

        Raises:
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `BlindIndex.tags`.
        """
        level = None if companion is None or self.how.one_companion else self.how.companions.index(companion)
        found = self._answer.tags(tenant, level)
        if self.how.one_companion:
            tags = sorted(tag for level in found for tag in level)  # short ones twice, so that their number stays
            return {self.how.companion: tags} if tags else {}
        pairs = zip(self.how.companions, found, strict=True)
        return {companion: list(map(self.how.stored, tags)) for companion, tags in pairs if tags}

    def matches(self, value: Any) -> bool:
        """Return True if a decrypted value, as the field has it, is what was looked for; None is not."""
        return value is not None and bool(self._answer.matches(value))
