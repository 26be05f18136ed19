"""The encrypted attribute."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property
from typing import Any, NoReturn, TypeVar

from pynamodb.attributes import Attribute, MapAttribute
from pynamodb.constants import BINARY

from fieldcrypt import ConfigurationError, Encryptor, Field
from fieldcrypt_pynamodb.conversion import conversion

__all__ = ["EncryptedAttribute"]

T = TypeVar("T")


class EncryptedAttribute(Attribute[T]):
    """An attribute whose values are encrypted in the client and stored as binary.

        ssn = EncryptedAttribute(UnicodeAttribute(null=True), encryptor)

    Whether it may be null, its default and its name in the item are those of the attribute inside. An absent value
    stays absent.

    Values are bound to the field's name, which by default is `table.attribute`, with the names that DynamoDB knows.
    A table that is restored from a backup gets another name: give the field one of its own if that is in your plans.

    Args:
        inner: the attribute as it would be without encryption, of any kind but keys, versions, times to live and
            discriminators, which DynamoDB and PynamoDB have to read.
        encryptor: where keys come from. It may be configured after the models are declared.
        name: the field's name, if not `table.attribute`.
        pad: hide the exact length of values by padding them to a multiple of so many bytes (2 to 65,535).

    Raises:
        ConfigurationError: the attribute cannot be encrypted.
    """

    attr_type = BINARY

    def __init__(
        self, inner: Attribute[T], encryptor: Encryptor, *, name: str | None = None, pad: int | None = None
    ) -> None:
        if not isinstance(inner, Attribute):
            raise ConfigurationError(
                f"EncryptedAttribute(attribute, encryptor): a {type(inner).__name__} is no attribute"
            )
        if isinstance(inner, EncryptedAttribute):
            raise ConfigurationError("an attribute cannot be encrypted twice")
        if not isinstance(encryptor, Encryptor):
            raise ConfigurationError(
                f"EncryptedAttribute(attribute, encryptor): a {type(encryptor).__name__} is no Encryptor"
            )
        super().__init__()
        self.inner = inner
        if not isinstance(inner, MapAttribute):  # which is no attribute before it belongs to a class
            self._be_like_inner()
        self._type, self._to_field, self._from_field = conversion(inner)
        self._encryptor = encryptor
        self._name = name
        self._pad = pad
        self._owners: list[type[Any]] = []

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.inner.__set_name__(owner, name)
        self._be_like_inner()
        self._owners.append(owner)

    def _be_like_inner(self) -> None:
        self.null = self.inner.null
        self.default = self.inner.default
        self.default_for_new = self.inner.default_for_new
        self.attr_path = list(self.inner.attr_path)

    def __set__(self, instance: Any, value: Any) -> None:
        if isinstance(self.inner, MapAttribute) and isinstance(value, Mapping):
            value = type(self.inner)(**value)  # as a MapAttribute does when it is assigned to
        super().__set__(instance, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> EncryptedAttribute[T]:
        """PynamoDB copies the attributes of maps to note in each copy where the map is; keys are not copied."""
        duplicate = copy(self)
        duplicate.attr_path = list(self.attr_path)
        return duplicate

    @cached_property
    def field(self) -> Field[Any]:
        """The field that encrypts the values."""
        return self._encryptor.field(self._name or self._default_name(), self._type, pad=self._pad)

    def _default_name(self) -> str:
        tables = {table for owner in self._owners for table in _tables(owner)}
        if len(tables) > 1:
            raise ConfigurationError(
                f"the encrypted attribute {self.attr_name!r} belongs to several tables ({', '.join(sorted(tables))}): "
                "declare it in each model, or give it a name, EncryptedAttribute(…, name=…), if their values may be "
                "exchanged"
            )
        if not tables:
            raise ConfigurationError(
                f"the encrypted attribute {self.attr_name!r} belongs to no table, so its field has no name: give it "
                "one, EncryptedAttribute(…, name=…)"
            )
        return f"{tables.pop()}.{self.attr_name}"

    def serialize(self, value: Any) -> bytes | None:
        """Encrypt a value. PynamoDB takes None for an absent one."""
        plain = self._to_field(value)
        return None if plain is None else self.field.encrypt(plain)

    def deserialize(self, value: bytes) -> Any:
        """Decrypt a value."""
        return self._from_field(self.field.decrypt(value))

    # Conditions and updates that DynamoDB would have to compute on ciphertext. `exists`, `does_not_exist`, `set` and
    # `remove` work as ever.

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(
            f"DynamoDB cannot compare or change the encrypted attribute {self.attr_name!r}: it holds ciphertext, which "
            "differs each time that a value is encrypted. exists(), does_not_exist(), set() and remove() work"
        )

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __getitem__ = _refuse
    is_in = add = delete = _refuse
    between = startswith = contains = append = prepend = _refuse  # type: ignore[assignment]  # it never returns

    __hash__ = object.__hash__


def _tables(owner: type[Any]) -> set[str]:
    """Return the tables of a model and of those that inherit from it."""
    own = getattr(getattr(owner, "Meta", None), "table_name", None)
    below = {table for model in owner.__subclasses__() for table in _tables(model)}
    return below | ({own} if own else set())
