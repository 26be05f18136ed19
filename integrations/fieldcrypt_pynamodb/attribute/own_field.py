"""The field of an attribute that is not bound to items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fieldcrypt import ConfigurationError, DecryptionError, Field, FieldcryptError
from fieldcrypt.spi import declare_table
from fieldcrypt_dynamodb.item.unreadable import Unreadable, is_unreadable
from fieldcrypt_pynamodb.attribute.tables import models_of, only_table
from fieldcrypt_pynamodb.attribute.unreadable import MARK

__all__ = ["OwnField", "own_field"]


class OwnField(NamedTuple):
    """What encrypts and decrypts the values of an attribute that is not bound to items.

    Attributes:
        models, table: the field is named after the table of these models; none if it has a name of its own.
        field: the field.
        decrypt: reads the field's values, and what else the attribute accepts.
    """

    models: Sequence[Any]
    table: str | None
    field: Field[Any]
    decrypt: Any

    def read(self, data: Any, from_field: Any) -> Any:
        """Decrypt a value, and convert it; if it cannot be read, return what stands for it if that is asked for.

        Raises:
            DecryptionError, KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        try:
            plain = self.decrypt(data)
            try:
                return plain if from_field is None else from_field(plain)
            except DecryptionError as error:
                raise self.field.reported_error(error, data) from None
        except FieldcryptError as error:
            if MARK.get() and is_unreadable(error):
                return Unreadable(error)  # the model says where it is
            raise


def own_field(attribute: Any, owners: Sequence[type[Any]]) -> OwnField:
    """Return the field of an attribute, for the present name of its table.

    Args:
        attribute: an EncryptedAttribute.
        owners: the classes that declare it.

    Raises:
        ConfigurationError: only a decorated model could encrypt it, or it belongs to no table, or to several.
    """
    encryptor, protection = attribute.encryptor, attribute.protection
    if encryptor is None or attribute.indexes:
        what = "has no encryptor" if encryptor is None else "is searchable"
        raise ConfigurationError(f"{attribute._label} {what}, so its model has to be decorated: @encrypted(encryptor)")
    models: list[Any] = []
    table, name = None, protection.name
    if name is None:
        models = [model for owner in owners for model in models_of(owner)]
        table = only_table({model.Meta.table_name for model in models}, attribute._label)
        name = f"{table}.{attribute.attr_name}"
        declare_table(encryptor, table, models[0], table=table, has_tenants=False)  # for what errors say
    field = protection.field(encryptor, name)
    mixed = attribute._mixed(encryptor, field)
    return OwnField(models, table, field, field.decrypt if mixed is None else mixed.decrypt)
