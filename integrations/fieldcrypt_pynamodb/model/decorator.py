"""Models whose protected values are bound to their item and tenant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pynamodb.models import Model

from fieldcrypt import CompoundIndex, ConfigurationError, Encryptor
from fieldcrypt.spi import checked_compounds
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.attribute.encrypted_model import with_base
from fieldcrypt_pynamodb.attribute.tables import table_of
from fieldcrypt_pynamodb.binding.item_key import check_tenant
from fieldcrypt_pynamodb.binding.plan import Plan
from fieldcrypt_pynamodb.binding.planned import Spec
from fieldcrypt_pynamodb.model.protected_model import ProtectedModel

__all__ = ["encrypted"]

M = TypeVar("M", bound=type[Model])


def encrypted(
    encryptor: Encryptor | None = None,
    *,
    tenant: str | None = None,
    fields: str | None = None,
    same_place: bool = False,
    indexes: Sequence[CompoundIndex] = (),
) -> Callable[[M], M]:
    """Decorate a model: bind its encrypted attributes to their item, and use the data keys of the item's tenant.

        @encrypted(encryptor, tenant="clinic_id")
        class Patient(Model): ...

    A value that is copied to another item, attribute or tenant does not decrypt. Goes on models and on abstract bases,
    and holds for what derives from them.

    Args:
        encryptor: where keys come from, for attributes whose `EncryptedAttribute` names no other.
        tenant: the attribute, by its name in the model, whose value is the tenant: a text or a number in DynamoDB.
        fields: the logical name from which fields take theirs, `fields.attribute`, if not the table's: the table may be
            called something else then, as restored, copied and prefixed tables are, and those of one month.
        same_place: True if another table of the same logical name is in the Encryptor on purpose: values of items with
            the same key can then be moved between them.
        indexes: of several attributes together, protected or not, by their names in the model; the companion of each is
            a `BlindIndexAttribute`.

    Raises:
        ConfigurationError: the model has no key, or no such attribute. Its protected attributes are declared so that
            they could not be bound to items. Or the logical name is that of another table, and not both have tenants.
    """
    if encryptor is not None and not isinstance(encryptor, Encryptor):
        raise ConfigurationError(f"encrypted(encryptor, …): a {type(encryptor).__name__} is not an Encryptor")
    if fields is not None and not (isinstance(fields, str) and fields):
        raise ConfigurationError('encrypted(…, fields="patients"): the logical name from which fields have theirs')
    compounds = checked_compounds(indexes)

    def decorate(model: M) -> M:
        if not (isinstance(model, type) and issubclass(model, Model)):
            raise ConfigurationError("@encrypted goes on models of PynamoDB")
        spec = Spec(encryptor, tenant, fields, model, same_place, compounds)
        _refuse_bases(model)
        if table_of(model) is not None:
            Plan(model, spec)
        elif fields is not None:
            raise ConfigurationError(f"@encrypted(…, fields={fields!r}) goes on a model with a table")
        elif tenant is not None and tenant in model.get_attributes():
            check_tenant(model, tenant)
        protected: Any = model
        if not issubclass(model, ProtectedModel):
            with_base(model, ProtectedModel)
        protected._fieldcrypt_spec, protected._fieldcrypt_cached_plan = spec, None
        protected._fieldcrypt_bind()
        return model

    return decorate


def _refuse_bases(model: type[Model]) -> None:
    """Refuse a model that shares protected attributes, or items, with a base that would not know what to do."""
    polymorphic = model._get_discriminator_attribute() is not None
    for base in model.__mro__[1:]:
        if not issubclass(base, Model) or table_of(base) is None or issubclass(base, ProtectedModel):
            continue
        if polymorphic or any(isinstance(kind, EncryptedAttribute) for kind in base.get_attributes().values()):
            raise ConfigurationError(f"{base.__name__} reads and writes what {model.__name__} does: decorate that")
