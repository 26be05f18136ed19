"""What has to happen to the protected attributes of a decorated model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pynamodb.attributes import MapAttribute
from pynamodb.constants import BINARY, NULL
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor
from fieldcrypt.spi import declare_table, encrypt_fields
from fieldcrypt_dynamodb.item.items import MIN_BATCH
from fieldcrypt_dynamodb.item.plaintext import part_of, stored
from fieldcrypt_dynamodb.request.warm_keys import warm_keys
from fieldcrypt_pynamodb.attribute.companion import BlindIndexAttribute
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.attribute.tables import table_of
from fieldcrypt_pynamodb.binding.declaration import check_attributes, check_shared, companion_of
from fieldcrypt_pynamodb.binding.item_class import ItemClass
from fieldcrypt_pynamodb.binding.item_key import Binding, Item, ItemKey
from fieldcrypt_pynamodb.binding.tagger import Tagger

__all__ = ["Plan", "PlannedAttribute", "Spec"]


@dataclass(frozen=True, slots=True)
class Spec:
    """The arguments of `encrypted`.

    Attributes:
        encryptor: for attributes that have none of their own.
        tenant: the attribute that says whose data keys to use, or None.
        fields: the name from which fields take theirs, or None for the table's.
        model: the model that was decorated.
        same_place: True if another table may have the same name for its fields.
    """

    encryptor: Encryptor | None = None
    tenant: str | None = None
    fields: str | None = None
    model: type[Model] | None = None
    same_place: bool = False


class PlannedAttribute:
    """A protected attribute of one model.

    Attributes:
        key, attr_name: its name in the model, and in the item.
        tagger: makes its tags, or None if it is not searchable.
        warm_until: see `KeptWarm`.
    """

    __slots__ = ("attr_name", "attribute", "decrypt", "encrypt", "encryptor", "field", "key", "tagger", "warm_until")

    def __init__(self, model: type[Model], table: str, key: str, attribute: EncryptedAttribute[Any], spec: Spec):
        encryptor = attribute.encryptor or spec.encryptor
        if encryptor is None:
            raise ConfigurationError(
                f"{model.__name__}.{key} has no encryptor: @encrypted(encryptor), or EncryptedAttribute(…, encryptor)"
            )
        field = attribute.protection.field(encryptor, f"{spec.fields or table}.{attribute.attr_name}")
        self.key, self.attr_name, self.attribute = key, attribute.attr_name, attribute
        self.encryptor, self.field = encryptor, field
        mixed = attribute._mixed(encryptor, field)
        self.encrypt, self.decrypt = field.encrypt, field.decrypt if mixed is None else mixed.decrypt
        self.warm_until: dict[str | None, float] = {}
        self.tagger = None
        if attribute.index is not None:
            self.tagger = Tagger(attribute, companion_of(model, key, attribute, spec.tenant), encryptor, field.name)

    @property
    def field_name(self) -> str:
        """The field's name."""
        return self.field.name


class Plan:
    """The protected attributes of a decorated model, and what they are bound to.

    Attributes:
        model, table: the model, and its table's name.
        item_key: tells what an item's values are bound to.
        item_class: tells items from those of other classes in the table, or None.
        protected: the attributes, by their names in items.
        companions: the names of all attributes in items that hold tags.
        previous_names: likewise, of those that values were bound to by previous declarations.
    """

    def __init__(self, model: type[Model], spec: Spec) -> None:
        table = table_of(model)
        if table is None:
            raise ConfigurationError(f"{model.__name__} has no table: its Meta names none")
        if spec.fields is not None and spec.model is not None and table != table_of(spec.model):
            raise ConfigurationError(f"{model.__name__} is of another table than {spec.model.__name__}: decorate both")
        self.model, self.table = model, table
        self.item_key = ItemKey(model, spec.tenant)
        self.item_class = ItemClass.of(model)
        attributes = model.get_attributes()
        check_attributes(model)
        found = [
            PlannedAttribute(model, table, key, attribute, spec)
            for key, attribute in attributes.items()
            if isinstance(attribute, EncryptedAttribute)
        ]
        self.protected = {each.attr_name: each for each in found}
        self.companions = {
            attribute.attr_name for attribute in attributes.values() if isinstance(attribute, BlindIndexAttribute)
        }
        check_shared(model, "field", [each.field_name for each in found])
        check_shared(model, "companion", [each.tagger.key for each in found if each.tagger is not None])
        name = spec.fields or table
        how: Any = {"has_tenants": spec.tenant is not None, "same_place": spec.same_place, "chosen": bool(spec.fields)}
        owner = model if spec.fields is None else spec.model  # of the name, whose table may be another one next month
        self._of_encryptors = {id(each.encryptor): each for each in found}.values()
        for each in self._of_encryptors:
            declare_table(each.encryptor, name, owner, table=table, **how)
        accepted = [each.attribute.protection.accepted for each in found]
        self.previous_names = {
            name for each in accepted if each is not None for field in each.previous_fields for name in field.names
        }
        # The hot path unpacks tuples, which costs less than to look attributes up.
        self._names = tuple(self.protected)
        self._reads = [
            (
                each.attr_name,
                each.key,
                each.decrypt,
                each.attribute._conversion.from_field,
                isinstance(each.attribute.inner, MapAttribute),
                each.attribute.protection.accepted is not None,
            )
            for each in found
        ]
        self._has_batches = len(found) >= MIN_BATCH and len({id(each.encryptor) for each in found}) == 1
        self._writes = [
            (
                each.attr_name,
                each.key,
                each.field,
                each.attribute._conversion.to_field is not None,
                each.tagger,
                None if each.tagger is None else each.tagger.companion.attr_name,
            )
            for each in found
        ]

    def warm_keys(self, instance: Any) -> None:
        """Have the keys at hand that the values of an instance's item may need, if its tenant is known."""
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
            self.item_class.check_plain(item, self.protected, written=True)
        binding: Binding | None = None
        batch: list[tuple[Any, Any]] | None = [] if self._has_batches else None
        for name, key, field, converts, tagger, companion in self._writes:
            content = item.get(name)
            if content is None:
                if tagger is not None:
                    item.pop(companion, None)  # type: ignore[arg-type]
                    values.pop(tagger.key, None)
                continue
            if binding is None:
                binding = self.item_key.binding(item)
            context, tenant = binding
            plain = content[BINARY].plain if converts else values[key]
            if tagger is not None:
                tag = values[tagger.key] = tagger.tag(plain, tenant)
                item[companion] = {BINARY: bytes(tag)}  # type: ignore[index]
            if batch is not None:
                batch.append((content, (field, plain, context)))
            else:
                content[BINARY] = field.encrypt(plain, tenant=tenant, context=context)
        if batch and binding is not None:
            sealed = encrypt_fields([part for _, part in batch], tenant=binding[1])
            for (content, _), data in zip(batch, sealed, strict=True):
                content[BINARY] = data

    def unprotected(self, item: Item) -> Any:
        """Return the part of an item that PynamoDB deserializes.

        Raises:
            DecryptionError: a part that is plain has the form of an encrypted value.
        """
        if self.item_class is not None:
            self.item_class.check_plain(item, self.protected, written=False)
        rest = dict(item)
        for name in self._names:
            rest.pop(name, None)
        return rest

    def open(self, item: Item, instance: Any) -> None:
        """Decrypt the values of an item into an instance.

        Raises:
            ProtectedAttributeError: the item lacks what they are bound to.
            DecryptionError, KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        binding: Binding | None = None
        values = instance.attribute_values
        for name, key, decrypt, from_field, is_map, mixed in self._reads:
            content = item.get(name)
            if not content or NULL in content:
                continue
            data = stored(content) if mixed else content.get(BINARY)
            if data is None:
                each = self.protected[name]
                plain = DecryptionError(f"{each.attribute._label} holds a value that is not encrypted")
                raise each.field.reported_error(plain, tenant=None if binding is None else binding[1])
            if binding is None:
                binding = self.item_key.binding(item)
            context, tenant = binding
            previous = {"part": part_of(item)} if mixed else {}
            value = decrypt(data, tenant=tenant, context=context, **previous)
            if from_field is not None:
                try:
                    value = from_field(value)
                except DecryptionError as error:
                    raise self.protected[name].field.reported_error(error, data, tenant) from None
            if is_map:
                setattr(instance, key, value)
            else:
                values[key] = value

    def planned(self, attribute: Any) -> PlannedAttribute | None:
        """Return the protected attribute that an attribute of the model is."""
        for protected in self.protected.values():
            if protected.attribute is attribute:
                return protected
        return None
