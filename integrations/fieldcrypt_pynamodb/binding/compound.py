"""Indexes of several attributes of a model together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pynamodb.attributes import Attribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Value
from pynamodb.models import Model

from fieldcrypt import CompoundIndex, ConfigurationError, Encryptor
from fieldcrypt.spi import AllEqual, Question, Search
from fieldcrypt_dynamodb.item.tags.indexes import MOST_TAGS
from fieldcrypt_dynamodb.item.unreadable import Unreadable
from fieldcrypt_pynamodb.attribute.companion import Companion
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.attribute.indexed import indexed_as, plain_as
from fieldcrypt_pynamodb.attribute.pending import Asked, PendingOperand
from fieldcrypt_pynamodb.binding.declaration import companions_of
from fieldcrypt_pynamodb.binding.tagger import Matches, Tagger
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["CompoundTagger", "Member"]


class Member(NamedTuple):
    """An attribute of a model that is a member of a compound.

    Attributes:
        key: its name in the model.
        attribute: the attribute itself, protected or not.
        type: of the values that are indexed.
        convert: makes them from those of the Field, or from what DynamoDB has.
    """

    key: str
    attribute: Attribute[Any]
    type: Any
    convert: Callable[[Any], Any]

    def of_value(self, value: Any) -> Any:
        """Return what is indexed of a value of the model's; None for None."""
        if value is None:
            return None
        if isinstance(self.attribute, EncryptedAttribute):
            return self.of_plain(self.attribute._to_field(value))
        return self.of_plain(self.attribute.serialize(value))

    def of_plain(self, plain: Any) -> Any:
        """Return what is indexed of a value as the Field takes it, or of a plain attribute's as DynamoDB has it."""
        return None if plain is None else self.convert(plain)

    def of_operand(self, operand: Any) -> Any:
        """Return what is indexed of a value that an update sets; None for what DynamoDB computes."""
        if isinstance(self.attribute, EncryptedAttribute):
            return self.of_plain(operand.pending.plain) if isinstance(operand, PendingOperand) else None
        return self.of_plain(operand.value.get(self.attribute.attr_type)) if isinstance(operand, Value) else None


class CompoundTagger(Tagger):
    """Makes the tags of several attributes of a model together.

    Args:
        model: the model that has them.
        index: the declaration.
        encryptor: where keys come from.
        name: the logical name of the model.
        tenant: see `companions_of`.

    Attributes:
        members, indexes: its members, and what makes its tags.

    Raises:
        ConfigurationError: a member is no attribute of the model, or cannot be searched; or as for `companions_of`.
        TypeError, ValueError: as for `Encryptor.search_index`.
    """

    def __init__(
        self, model: type[Model], index: CompoundIndex, encryptor: Encryptor | None, name: str, tenant: str | None
    ) -> None:
        if encryptor is None:
            raise ConfigurationError(f"{model.__name__}: an index of several attributes needs @encrypted(encryptor)")
        self.members = [_member(model, key) for key in index.of]
        types = {each.key: each.type for each in self.members}
        how = index.indexed_by(types)
        how.check_plain_tags()
        companions = companions_of(model, " and ".join(index.of), (how,), tenant)
        indexes = index.indexes(encryptor, name, types)
        indexes.check_most(MOST_TAGS)
        super().__init__(companions, [how], [(dict, indexes)])
        self.indexes = indexes
        self.names = [each.attribute.attr_name for each in self.members]
        self.label, self.field_name = f"the index {index.companion!r} of {' and '.join(index.of)}", name

    def of_item(self, item: Mapping[str, Any], plains: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what is indexed of an item that is written; None if a member is missing.

        Args:
            item: in DynamoDB's form.
            plains: the values of protected attributes as fields take them, by their names in the model.
        """
        found = {}
        for each in self.members:
            if isinstance(each.attribute, EncryptedAttribute):
                found[each.key] = each.of_plain(plains.get(each.key))
            else:
                found[each.key] = each.of_plain(item.get(each.attribute.attr_name, {}).get(each.attribute.attr_type))
            if found[each.key] is None:
                return None
        return found

    def search(self, question: Question, companion: str | None = None) -> tuple[Search, Matches]:
        """Return how a question with the model's values is answered, as `Tagger.search` does."""
        if isinstance(question, AllEqual):
            values = dict(question.values)
            values.update((each.key, each.of_value(values[each.key])) for each in self.members if each.key in values)
            question = AllEqual(values)
        return super().search(question, companion)

    def asked_by(self, value: Any, companion: str) -> Condition:
        """Return the condition that all members have the values of a mapping."""
        if not isinstance(value, Mapping):
            raise ProtectedAttributeError(
                f"{self.label} is queried by a dictionary of these, and not by a {type(value).__name__}",
                field=self.field_name,
            )
        return Asked(self.companions[companion], AllEqual(value))

    def plain_of(self, instance: Any) -> Any:
        """Return what is indexed of an instance, an `Unreadable` if a member is one, or None if one is missing."""
        found = {}
        for each in self.members:
            value = instance.attribute_values.get(each.key)
            if value is None or instance.get_attributes().get(each.key) is not each.attribute:
                return None
            if value.__class__ is Unreadable:
                return value
            found[each.key] = each.of_value(value)
        return found


def _member(model: type[Model], key: str) -> Member:
    attribute = model.get_attributes().get(key)
    if attribute is None:
        raise ConfigurationError(f"{model.__name__} has no attribute {key!r} to be indexed together with others")
    if isinstance(attribute, Companion):
        raise ConfigurationError(f"{model.__name__}.{key} holds tags, and cannot be indexed together with others")
    if isinstance(attribute, EncryptedAttribute):
        return Member(key, attribute, *indexed_as(attribute._conversion))
    return Member(key, attribute, *plain_as(attribute))
