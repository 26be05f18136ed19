"""What has to happen to the protected attributes of a decorated model."""

from __future__ import annotations

from typing import Any, NamedTuple

from pynamodb.models import Model

from fieldcrypt import ConfigurationError, DecryptionError, FieldcryptError
from fieldcrypt.spi import check_compounds, count_of, declare_table
from fieldcrypt_dynamodb.item.unreadable import Unreadable, unread
from fieldcrypt_dynamodb.request.warm_keys import warm_keys
from fieldcrypt_pynamodb.attribute.companion import Companion
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.attribute.tables import table_of
from fieldcrypt_pynamodb.attribute.unreadable import MARK
from fieldcrypt_pynamodb.binding.compound import CompoundTagger
from fieldcrypt_pynamodb.binding.declaration import check_attributes, check_shared
from fieldcrypt_pynamodb.binding.item_class import ItemClass
from fieldcrypt_pynamodb.binding.item_key import Item, ItemKey
from fieldcrypt_pynamodb.binding.nested import NestedAttributes, nested_attributes
from fieldcrypt_pynamodb.binding.planned import PlannedAttribute, Spec
from fieldcrypt_pynamodb.binding.tagger import Tagger
from fieldcrypt_pynamodb.binding.top_attributes import TopAttributes
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["Plan"]


class _Table(NamedTuple):
    """A table, for messages."""

    name: str
    key: list[str]


class Plan:
    """The protected attributes of a decorated model, and what they are bound to.

    Attributes:
        model, table: the model, and its table's name.
        item_key: tells what an item's values are bound to.
        item_class: tells items from those of other classes in the table, or None.
        protected: the attributes, by their names in items.
        nested: those inside of maps, or None.
        compounds: make the tags of several attributes together.
        taggers: the compounds, and what makes the tags of one attribute.
        companions: the types of all attributes that hold tags, by their names in items.
        previous_names: likewise, of those that values were bound to by previous declarations.
    """

    def __init__(self, model: type[Model], spec: Spec) -> None:
        self.model, self.table = model, _table_of(model, spec)
        name = spec.fields or self.table
        self.item_key = ItemKey(model, spec.tenant)
        self.item_class = ItemClass.of(model)
        self._of_table = _Table(self.table, [part.attr_name for part in self.item_key.parts])
        attributes = model.get_attributes()
        check_attributes(model)
        own = [
            PlannedAttribute(model, key, attribute, spec, fields=name)
            for key, attribute in attributes.items()
            if isinstance(attribute, EncryptedAttribute)
        ]
        self.protected = {each.attr_name: each for each in own}
        indexes = {each.key: each.attribute.protection.indexes for each in own}
        counts = {each.key: count_of(each.attribute._conversion.type) for each in own}
        check_compounds(model.__name__, indexes, counts, spec.indexes)
        self.compounds = [CompoundTagger(model, each, spec.encryptor, name, spec.tenant) for each in spec.indexes]
        self.companions = {
            attribute.attr_name: attribute.attr_type
            for attribute in attributes.values()
            if isinstance(attribute, Companion)
        }
        check_shared(model, "field", [each.field_name for each in own])
        self.taggers = [*(each.tagger for each in own if each.tagger is not None), *self.compounds]
        check_shared(model, "companion", [key for each in self.taggers for key in each.companions])
        inside = [
            (path, PlannedAttribute(model, path.text, attribute, spec, fields=name, path=path))
            for path, attribute in nested_attributes(model)
        ]
        self.nested = NestedAttributes(inside) if inside else None
        found = own + [planned for _, planned in inside]
        self._of_encryptors = {id(each.encryptor): each for each in found}.values()
        how: Any = {"has_tenants": spec.tenant is not None, "same_place": spec.same_place, "chosen": bool(spec.fields)}
        owner = model if spec.fields is None else spec.model  # of the name; the table may be another next month
        for each in self._of_encryptors:
            declare_table(each.encryptor, name, owner, table=self.table, **how)
        accepted = [each.attribute.protection.accepted for each in found]
        self.previous_names = {
            name for each in accepted if each is not None for field in each.previous_fields for name in field.names
        }
        self._names = tuple(self.protected)
        self._at_top = TopAttributes(own, self.item_key, self._unread)

    def warm_keys(self, instance: Any) -> None:
        """Fetch the keys that the values of an instance's item may need, if its tenant is known."""
        part, tenant = self.item_key.tenant, None
        if part is not None:
            value = getattr(instance, part.key)
            if value is None:
                return
            tenant = self.item_key.tenant_text(value)
        for each in self._of_encryptors:
            warm_keys(each, tenant)

    def seal(self, item: dict[str, dict[str, Any]], values: dict[str, Any]) -> None:
        """Encrypt, in place, the values of an item that PynamoDB has serialized.

        Args:
            item: in DynamoDB's form.
            values: the instance's, which gets the tags.
        """
        if self.item_class is not None:
            for message in self.item_class.wrong_parts(item, self.protected).values():
                raise ProtectedAttributeError(message)
        binding, plains = self._at_top.seal(item, values)
        for compound in self.compounds:
            together = compound.of_item(item, plains)
            if together is None:
                compound.remove(item, values)
            else:
                binding = binding or self.item_key.binding(item)
                compound.put(together, binding, item, values)
        if self.nested is not None:
            self.nested.seal(item, binding, self.item_key)

    def unprotected(self, item: Item) -> tuple[Any, dict[str, Unreadable]]:
        """Return the part of an item that PynamoDB deserializes, with what is inside maps decrypted.

        With it, return what stands for attributes of the model that cannot be read.

        Raises:
            DecryptionError: a part that is plain has the form of an encrypted value.
            As `open`.
        """
        rest: dict[str, Any] = dict(item)
        marked: dict[str, Unreadable] = {}
        for name in self._names:
            rest.pop(name, None)
        for name in self.companions.keys() & rest.keys():
            if self.companions[name] not in rest[name]:  # it is no tag, and with it PynamoDB could not read the item
                del rest[name]
        if self.item_class is not None:
            for name, message in self.item_class.wrong_parts(item, self.protected).items():
                marked[name] = self._unread(DecryptionError(message), name, item)
        if self.nested is not None:
            marked |= self.nested.open(rest, item, self.item_key, self._unread)
        if not marked:
            return rest, marked
        rest = {name: rest[name] for name in rest.keys() - marked}
        return rest, {self.model._dynamo_to_python_attr(name): marked[name] for name in marked}

    def open(self, item: Item, instance: Any) -> None:
        """Decrypt the values of an item into an instance.

        Raises:
            ProtectedAttributeError: the item lacks what they are bound to.
            DecryptionError, KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        self._at_top.open(item, instance)

    def _unread(self, error: FieldcryptError, name: str, item: Item) -> Unreadable:
        """Return what stands for a value that cannot be read, or raise the error, which then says where it is."""
        mark = MARK.get()
        if mark and isinstance(error, ProtectedAttributeError):  # the item lacks what its values are bound to
            error = DecryptionError(str(error))
        return unread(error, self._of_table, name, item, mark=mark)

    def tagger_of(self, attribute: Any) -> Tagger | None:
        """Return what makes the tags of an attribute, or of the attributes whose companion it is."""
        for planned in self.protected.values():
            if planned.attribute is attribute:
                return planned.tagger
        of = (each for each in self.compounds if any(attribute is own for own in each.companions.values()))
        return next(of, None)


def _table_of(model: type[Model], spec: Spec) -> str:
    table = table_of(model)
    if table is None:
        raise ConfigurationError(f"{model.__name__} has no table: its Meta names none")
    if spec.fields is not None and spec.model is not None and table != table_of(spec.model):
        raise ConfigurationError(f"{model.__name__} is of another table than {spec.model.__name__}: decorate both")
    return table
