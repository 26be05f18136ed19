"""What has to happen to one protected attribute of a decorated model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pynamodb.constants import BINARY
from pynamodb.models import Model

from fieldcrypt import CompoundIndex, ConfigurationError, DecryptionError, Encryptor
from fieldcrypt.spi import Path
from fieldcrypt_dynamodb.item.nested.declared import with_path
from fieldcrypt_dynamodb.item.plaintext import part_of, stored
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.binding.declaration import companions_of
from fieldcrypt_pynamodb.binding.item_key import Binding, Item
from fieldcrypt_pynamodb.binding.tagger import AttributeTagger

__all__ = ["PlannedAttribute", "Spec"]


@dataclass(frozen=True, slots=True)
class Spec:
    """The arguments of `encrypted`.

    Attributes:
        encryptor: for attributes that have none of their own.
        tenant: the attribute that says whose data keys to use, or None.
        fields: the name from which fields take theirs, or None for the table's.
        model: the model that was decorated.
        same_place: True if another table may have the same name for its fields.
        indexes: of several attributes together.
    """

    encryptor: Encryptor | None = None
    tenant: str | None = None
    fields: str | None = None
    model: type[Model] | None = None
    same_place: bool = False
    indexes: tuple[CompoundIndex, ...] = ()


class PlannedAttribute:
    """A protected attribute of one model.

    Args:
        model, spec: the model, and how it was decorated.
        key, attribute: see below.
        fields: the name from which its field takes its own.
        path: where it stands in items, if not at the top.

    Attributes:
        key, attr_name: its name in the model, and in the item; of one inside of a map, its path.
        context: the field's own, without that of the item.
        tagger: makes its tags, or None if it is not searchable.
        warm_until: see `KeptWarm`.
    """

    __slots__ = (
        "attr_name",
        "attribute",
        "context",
        "decrypt",
        "encrypt",
        "encryptor",
        "field",
        "key",
        "tagger",
        "warm_until",
    )

    def __init__(
        self,
        model: type[Model],
        key: str,
        attribute: EncryptedAttribute[Any],
        spec: Spec,
        *,
        fields: str,
        path: Path | None = None,
    ) -> None:
        if path is not None and attribute.indexes:
            raise ConfigurationError(
                f"{model.__name__}.{key} is inside of a map, where it has no tags to be searched by"
            )
        encryptor = attribute.encryptor or spec.encryptor
        if encryptor is None:
            raise ConfigurationError(
                f"{model.__name__}.{key} has no encryptor: @encrypted(encryptor), or EncryptedAttribute(…, encryptor)"
            )
        protection, first = attribute.protection, attribute.attr_name
        if path is not None:
            protection, first = with_path(f"{model.__name__}.{key}", path, protection), path.first
        field = protection.field(encryptor, f"{fields}.{first}")
        self.key, self.attribute = key, attribute
        self.attr_name = attribute.attr_name if path is None else path.text
        self.encryptor, self.field, self.context = encryptor, field, protection.context
        mixed = attribute._mixed(encryptor, field)
        self.encrypt, self.decrypt = field.encrypt, field.decrypt if mixed is None else mixed.decrypt
        self.warm_until: dict[str | None, float] = {}
        self.tagger = None
        if attribute.indexes:
            companions = companions_of(model, key, attribute.indexes, spec.tenant)
            self.tagger = AttributeTagger(key, attribute, companions, encryptor, field.name)

    @property
    def field_name(self) -> str:
        """The field's name."""
        return self.field.name

    def read(self, content: Any, item: Item, binding: Binding) -> Any:
        """Decrypt what an item has.

        Raises:
            DecryptionError, KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        context, tenant = binding
        is_mixed, from_field = self.attribute.protection.accepted is not None, self.attribute._from_field
        data = stored(content) if is_mixed else content.get(BINARY)
        if data is None:
            plain = DecryptionError(f"{self.attribute._label} holds a value that is not encrypted")
            raise self.field.reported_error(plain, tenant=tenant)
        previous = {"part": part_of(item)} if is_mixed else {}
        value = self.decrypt(data, tenant=tenant, context=context, **previous)
        try:
            return value if from_field is None else from_field(value)
        except DecryptionError as error:
            raise self.field.reported_error(error, data, tenant) from None
