"""The encrypted attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import date
from typing import Any, TypeVar, overload
from weakref import WeakSet

from pynamodb.attributes import Attribute, MapAttribute
from pynamodb.constants import BINARY
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, Encryptor, Field, IndexedBy, Protection
from fieldcrypt.schemes import LegacyReader
from fieldcrypt.spi import MixedField, discreet, located
from fieldcrypt_dynamodb.item.plaintext import stored
from fieldcrypt_dynamodb.item.unreadable import Unreadable
from fieldcrypt_pynamodb.attribute.conversion import conversion
from fieldcrypt_pynamodb.attribute.encrypted_model import EncryptedMap, EncryptedModel, with_base
from fieldcrypt_pynamodb.attribute.expressions import EncryptedExpressions
from fieldcrypt_pynamodb.attribute.indexed import index_groups
from fieldcrypt_pynamodb.attribute.own_field import OwnField, own_field
from fieldcrypt_pynamodb.attribute.pending import PendingValue
from fieldcrypt_pynamodb.attribute.protected import of_map
from fieldcrypt_pynamodb.attribute.tables import logical_names_of
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["EncryptedAttribute"]

T = TypeVar("T")
A = TypeVar("A", bound="EncryptedAttribute[Any]")


class EncryptedAttribute(EncryptedExpressions[T]):
    """An attribute whose values are encrypted in the client and stored as binary.

        ssn = EncryptedAttribute(UnicodeAttribute(null=True))

    Whether it may be null, its default and its name in the item are those of the attribute inside. An absent value
    stays absent.

    In a model that is decorated with `@encrypted`, values are bound to their item and to the field's name. By default
    that is `table.attribute`, with the names that DynamoDB knows. `@encrypted(…, fields=…)` gives the table a permanent
    name. In any other model they are bound to the field's name alone, which follows that of the table.

    Args:
        inner: the attribute as it would be without encryption, of any kind but keys, versions, times to live and
            discriminators, which DynamoDB and PynamoDB have to read.
        encryptor: where keys come from, if not from the model's decorator. It may be configured after the models are
            declared.
        name: the field's name, if not `table.attribute`.
        index: for decorated models; each companion is an attribute of theirs, a `BlindIndexAttribute` (for an index
            with `one_companion`, a `BlindIndexSetAttribute`).
        accept_plaintext: plaintext is as the attribute inside has it.
        context, pad, accept, accept_until, accept_public_key, accept_foreign_keys: see `Protection`.

    Raises:
        ConfigurationError: the attribute cannot be encrypted, or not searched; or something is to be accepted for ever.
        TypeError, ValueError: as for `Encryptor.blind_index`.
    """

    attr_type = BINARY

    def __init__(
        self,
        inner: Attribute[T],
        encryptor: Encryptor | None = None,
        *,
        name: str | None = None,
        context: Mapping[str, str] | None = None,
        pad: int | None = None,
        index: str | IndexedBy | Sequence[str | IndexedBy] | None = None,
        accept_plaintext: date | None = None,
        accept: Sequence[LegacyReader[Any]] = (),
        accept_until: date | None = None,
        accept_public_key: bool = False,
        accept_foreign_keys: bool = False,
    ) -> None:
        self._conversion = conversion(inner)
        if encryptor is not None and not isinstance(encryptor, Encryptor):
            raise ConfigurationError(
                f"EncryptedAttribute(attribute, encryptor): a {type(encryptor).__name__} is not an Encryptor"
            )
        super().__init__()
        self.inner = inner
        if isinstance(inner, MapAttribute):  # which is not an attribute before it belongs to a class
            kind: Any = type(self)
            self.__class__ = of_map(kind)
        else:
            self._be_like_inner()
        self._convert, self._from_field = self._conversion.to_field, self._conversion.from_field
        self.encryptor = encryptor
        self.protection = Protection(
            self._conversion.type,
            name=name,
            context=context,
            pad=pad,
            index=index,
            accept_public_key=accept_public_key,
            accept_foreign_keys=accept_foreign_keys,
            accept_plaintext=accept_plaintext,
            accept=accept,
            accept_until=accept_until,
        )
        index_groups(self.protection, self._conversion, Encryptor(), "an attribute")  # to raise what is wrong with them
        self.warm_until: dict[str | None, float] = {}
        self._owners: list[type[Any]] = []
        self._seen: WeakSet[type[Any]] = WeakSet()  # owners, and the classes that inherit from them
        self._cached_own: OwnField | None = None
        self._key: str | None = None  # its name in models, if it has the same in all of them
        self._bound_to_items = False
        self.origin = self  # still the original in the copies that maps have
        self._unconverted: PendingValue | None = None  # for values that are encrypted as the instance has them

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.inner.__set_name__(owner, name)
        self._be_like_inner()
        self._key = name if not self._owners or self._key == name else None
        self._owners.append(owner)

    @overload
    def __get__(self: A, instance: None, owner: Any) -> A: ...

    @overload
    def __get__(self, instance: Any, owner: Any) -> T: ...

    def __get__(self, instance: Any, owner: Any) -> Any:
        if isinstance(instance, Model) and self._key is not None:
            # What PynamoDB does as well, which looks for the name each time.
            return instance.attribute_values.get(self._key)
        if instance is None and owner not in self._seen:
            self._be_seen(owner)
        return super().__get__(instance, owner)

    def _be_seen(self, owner: type[Any]) -> None:
        """Note a class that has the attribute, its own or inherited: PynamoDB looks at the attributes of each."""
        self._seen.add(owner)
        self._cached_own = None
        for kind, base in ((Model, EncryptedModel), (MapAttribute, EncryptedMap)):
            if issubclass(owner, kind) and not issubclass(owner, base):
                with_base(owner, base)

    def _be_like_inner(self) -> None:
        self.null = self.inner.null
        self.default = self.inner.default
        self.default_for_new = self.inner.default_for_new
        self.attr_path = list(self.inner.attr_path)

    def _bind_to_items(self, *, nested: bool = False) -> None:
        """Leave encryption to the decorated model that the attribute belongs to, which knows the item."""
        self._bound_to_items = True  # for one inside a map, the instance does not have the value
        self._unconverted = None if nested else PendingValue(self, None)

    @discreet
    def __set__(self, instance: Any, value: Any) -> None:
        if isinstance(self.inner, MapAttribute) and isinstance(value, Mapping):
            value = type(self.inner)(**value)  # as a MapAttribute does when it is assigned to
        super().__set__(instance, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> EncryptedAttribute[T]:
        """PynamoDB copies the attributes of maps to note in each copy where the map is; keys are not copied."""
        duplicate = copy(self)
        duplicate.attr_path = list(self.attr_path)
        return duplicate

    @property
    def field(self) -> Field[Any]:
        """The field that encrypts the values of an attribute that is not bound to items."""
        return self._own().field

    def _own(self) -> OwnField:
        own = self._cached_own
        if own is not None:
            for model in own.models:
                if model.Meta.table_name != own.table:
                    break
            else:
                return own
        self._cached_own = own = own_field(self, self._owners)
        return own

    @property
    def field_name(self) -> str:
        """The name of the field, for messages; of an attribute of several tables, or of none, its own."""
        names = {name for owner in self._owners for name in logical_names_of(owner)}
        return self.protection.name or (f"{names.pop()}.{self.attr_name}" if len(names) == 1 else self.attr_name)

    def _mixed(self, encryptor: Encryptor, field: Field[Any]) -> MixedField | None:
        """Return what reads the values of a field, and what else the attribute accepts; None if that is nothing."""
        return self.protection.mixed(encryptor, field, self._conversion.of_plaintext, self._to_field)

    @discreet
    def serialize(self, value: Any) -> Any:
        """Encrypt a value, or leave that to the model that knows the item. PynamoDB takes None for an absent one."""
        if self._convert is None:
            if self._unconverted is not None:
                return self._unconverted
            return PendingValue(self, value) if self._bound_to_items else self._own().field.encrypt(value)
        plain = self._to_field(value)
        if plain is None:
            return None
        return PendingValue(self, plain) if self._bound_to_items else self._own().field.encrypt(plain)

    def get_value(self, value: dict[str, Any]) -> Any:
        """Return what `deserialize` takes: with mixed reading any type of DynamoDB's."""
        data = value.get(BINARY)
        if self.protection.accepted is not None and data.__class__ is not PendingValue:
            return stored(value)
        return super().get_value(value) if data is None else data

    @discreet
    def deserialize(self, value: Any) -> Any:
        """Decrypt a value that is not bound to an item."""
        if self._bound_to_items:
            if value.__class__ is PendingValue:  # which the model has decrypted
                return value.plain
            raise ProtectedAttributeError(
                f"{self._label} is bound to its item: read it through its decorated model", field=self.field_name
            )
        return self._own().read(value, self._from_field)

    def _to_field(self, value: Any) -> Any:
        """Return a value as the field takes it."""
        try:
            return value if self._convert is None else self._convert(value)
        except (TypeError, ValueError) as error:
            if value.__class__ is Unreadable:
                raise ProtectedAttributeError(f"{self._label} could not be read: {value.error}") from None
            raise located(error, field=self.field_name) from None

    __hash__ = object.__hash__
