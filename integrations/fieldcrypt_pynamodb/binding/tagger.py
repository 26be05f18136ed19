"""How values become tags, and questions become searches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pynamodb.expressions.condition import Condition

from fieldcrypt import ConfigurationError, Encryptor, IndexedBy
from fieldcrypt.search import Part
from fieldcrypt.spi import Between, Equal, FieldIndexes, PartIs, Question, Search, StoredTags, unanswered_error
from fieldcrypt_dynamodb.item.tags.indexes import wire_tag
from fieldcrypt_dynamodb.item.unreadable import Unreadable
from fieldcrypt_pynamodb.attribute.companion import Companion
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.attribute.indexed import Group, index_groups
from fieldcrypt_pynamodb.attribute.pending import Asked
from fieldcrypt_pynamodb.binding.item_key import Binding
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["AttributeTagger", "Tagger"]

Matches = Callable[[Any], bool]


class Index(NamedTuple):
    """One index, for values as the field takes them."""

    indexes: FieldIndexes
    convert: Callable[[Any], Any]

    @property
    def companions(self) -> tuple[str, ...]:
        """As those of `FieldIndexes`."""
        return self.indexes.companions

    def tags(self, plain: Any, *, tenant: str | None, row: Mapping[str, str] | None) -> StoredTags:
        """Return what `FieldIndexes.tags` does."""
        return self.indexes.tags(None if plain is None else self.convert(plain), tenant=tenant, row=row)


class Tagger:
    """Makes the tags of a searchable attribute, or of several together; safe to use from many threads.

    Args:
        companions: the attributes that hold the tags, by their names in the model.
        declared: the declarations of the indexes.
        groups: the indexes, each with what turns the field's values into its own.

    Attributes:
        companions, declared, groups: as given.
        names: the attributes of items by which found ones are compared.
        label, field_name: what is searched, for messages.
    """

    names: Sequence[str]
    label: str
    field_name: str

    def __init__(
        self, companions: Mapping[str, Companion[Any]], declared: Sequence[IndexedBy], groups: Sequence[Group]
    ) -> None:
        self.companions = dict(companions)
        self.declared, self.groups = declared, groups
        # The hot path unpacks tuples, which costs less than to look attributes up.
        self._makers = [(convert, indexes.tags) for convert, indexes in groups]
        self._places = {key: (each.attr_name, each.made_of) for key, each in self.companions.items()}

    @property
    def stored_as(self) -> dict[str, str]:
        """The names of companions in items, by those in the model."""
        return {key: companion.attr_name for key, companion in self.companions.items()}

    @property
    def each(self) -> list[Any]:
        """The indexes, one at a time."""
        return [Index(one, convert) for convert, indexes in self.groups for one in indexes.each]

    def wire_tags(self, plain: Any, binding: Binding) -> Iterator[tuple[str, Any]]:
        """Yield the companions, by their names in items, with their tags in DynamoDB's form; None if there are none.

        Args:
            plain: as the field takes it.
            binding: of the item.

        Raises:
            As `FieldIndexes.tags`.
        """
        context, tenant = binding
        for convert, make in self._makers:
            for key, tags in make(convert(plain), tenant=tenant, row=context).items():
                yield self._places[key][0], None if tags is None else wire_tag(tags)

    def put(self, plain: Any, binding: Binding, item: dict[str, Any], values: dict[str, Any]) -> None:
        """Put the tags of a value into its item, in DynamoDB's form, and into the instance's values."""
        context, tenant = binding
        for convert, make in self._makers:
            for key, tags in make(convert(plain), tenant=tenant, row=context).items():
                name, made_of = self._places[key]
                if tags is None:
                    item.pop(name, None)
                    values.pop(key, None)
                else:
                    item[name], values[key] = wire_tag(tags), made_of(tags)

    def remove(self, item: dict[str, Any], values: dict[str, Any]) -> None:
        """Remove the tags of an absent value."""
        for key, (name, _) in self._places.items():
            item.pop(name, None)
            values.pop(key, None)

    def search(self, question: Question, companion: str | None = None) -> tuple[Search, Matches]:
        """Return how a question is answered, and what tells whether a value is what was looked for.

        Args:
            question: its values are those that the field takes.
            companion: of the index that has to answer it, if not any may.

        Raises:
            ProtectedAttributeError: no index answers it.
            TypeError, ValueError: as for `FieldIndexes.search`.
        """
        best = None
        for convert, indexes in self.groups:
            if companion is not None and companion not in indexes.companions:
                continue
            try:
                index = None if companion is None else self.declaration(companion).companion
                found = indexes.search(_converted(question, convert), index)
            except ConfigurationError:
                continue
            if best is None or found.is_exact > best[0].is_exact:
                best = found, lambda plain, found=found, convert=convert: found.matches(convert(plain))
        if best is None:
            refused = unanswered_error(self.field_name, question, self.declared)
            raise ProtectedAttributeError(str(refused), field=self.field_name)
        return best

    def declaration(self, companion: str) -> IndexedBy:
        """Return the declaration of the index that has a companion."""
        return next(each for each in self.declared if companion in each.companions)

    def asked_by(self, value: Any, companion: str) -> Condition:
        """Return the condition that stands for a plain value by which an index with a companion as its key is queried.

        Raises:
            ProtectedAttributeError: none does.
            TypeError, ValueError: it is not a value of the attribute's.
        """
        raise NotImplementedError

    def plain_of(self, instance: Any) -> Any:
        """Return an instance's value as the field takes it, an `Unreadable`, or None."""
        raise NotImplementedError


class AttributeTagger(Tagger):
    """Makes the tags of one searchable attribute of one model.

    Args:
        key, attribute: the attribute, and its name in the model.
        companions: see `Tagger`.
        encryptor, name: the field's.
    """

    def __init__(
        self,
        key: str,
        attribute: EncryptedAttribute[Any],
        companions: Mapping[str, Companion[Any]],
        encryptor: Encryptor,
        name: str,
    ) -> None:
        groups = index_groups(attribute.protection, attribute._conversion, encryptor, name)
        super().__init__(companions, attribute.indexes, groups)
        self._key, self._attribute = key, attribute
        self.names = (attribute.attr_name,)
        self.label, self.field_name = attribute._label, name

    def asked_by(self, value: Any, companion: str) -> Condition:
        """Return the condition that the value, or the part, that the index is of equals another."""
        index = self.declaration(companion)
        if index.of is None:
            return Asked(self._attribute, Equal((self._attribute._sought(value),)))
        if isinstance(index.of, Part):
            return Asked(self._attribute, PartIs(index.index_name, (value,)))
        raise ProtectedAttributeError(
            f"{companion!r} has tags of no whole value of {self.label}: query its index by a condition, such as "
            "startswith(…), endswith(…) or between(…, …) of the attribute",
            field=self.field_name,
        )

    def plain_of(self, instance: Any) -> Any:
        """Return an instance's value as the field takes it, an `Unreadable`, or None."""
        stored = instance.attribute_values.get(self._key)
        if stored is None or instance.get_attributes().get(self._key) is not self._attribute:
            return None
        return stored if stored.__class__ is Unreadable else self._attribute._to_field(stored)


def _converted(question: Question, convert: Callable[[Any], Any]) -> Question:
    match question:
        case Equal(values):
            return Equal(tuple(map(convert, values)))
        case Between(low, high, with_low, with_high):
            low, high = (None if end is None else convert(end) for end in (low, high))
            return Between(low, high, with_low, with_high)
    return question
