"""From the values of a PynamoDB attribute to the values that a Field takes, and back.

Wherever an attribute has a plain Python value (text, a number, a date) that is what is encrypted, so that the same
field reads the same in SQLAlchemy. All others are taken from, and given back in, DynamoDB's own form (`{"S": "text"}`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NullAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)

from fieldcrypt import ConfigurationError, DecryptionError
from fieldcrypt_dynamodb.item.plaintext import wire
from fieldcrypt_dynamodb.item.values import to_python, to_wire
from fieldcrypt_pynamodb.attribute.pending import refuse_pending
from fieldcrypt_pynamodb.attribute.protected import ProtectedAttribute

__all__ = ["NULL_CHECK", "PLAIN", "Conversion", "conversion"]

Convert = Callable[[Any], Any]

# Whether required members of maps have to be there: PynamoDB tells only its own containers.
NULL_CHECK: ContextVar[bool] = ContextVar("fieldcrypt_null_check", default=True)

_CONTAINERS = (ListAttribute, MapAttribute)

# DynamoDB, or PynamoDB's own conditions, have to read these.
_REFUSED: tuple[tuple[type[Attribute[Any]], str], ...] = (
    (VersionAttribute, "DynamoDB compares versions in conditions"),
    (TTLAttribute, "DynamoDB reads the time when an item expires"),
    (DiscriminatorAttribute, "PynamoDB reads it to choose the class of an item"),
    (NullAttribute, "it has nothing to protect"),
    (ProtectedAttribute, "not twice, nor are tags"),
)


class Conversion(NamedTuple):
    """How values of an attribute travel.

    Attributes:
        inner: the attribute.
        type: the type of the Field.
        to_field: applied before encryption, or None if values are encrypted as they are.
        from_field: applied after decryption, or None.
    """

    inner: Attribute[Any]
    type: Any
    to_field: Convert | None = None
    from_field: Convert | None = None

    def of_plaintext(self, data: Any) -> Any:
        """Return the field's value of plaintext, given as `fieldcrypt_dynamodb.item.plaintext.stored` returns it.

        A list or a map may be older than its class: without members that are required now, and with members that are
        gone. It stays as it is.

        Raises:
            TypeError, ValueError: PynamoDB does not read it with the attribute.
        """
        form = dict(wire(data))
        value = self.inner.deserialize(self.inner.get_value(form))
        if isinstance(self.inner, _CONTAINERS) and self.inner.attr_type in form:
            return to_python({self.inner.attr_type: form[self.inner.attr_type]})
        return value if value is None or self.to_field is None else self.to_field(value)  # None: the null of JSON

    def as_plaintext(self, value: Any) -> dict[str, Any]:
        """Return a value of the field's as it was before it was protected, in DynamoDB's form."""
        if isinstance(self.inner, _CONTAINERS):
            return to_wire(value)
        plain = value if self.from_field is None else self.from_field(value)
        return {self.inner.attr_type: self.inner.serialize(plain)}


def conversion(inner: Attribute[Any]) -> Conversion:
    """Return the conversion of an attribute.

    Raises:
        ConfigurationError: the attribute cannot be encrypted.
    """
    if not isinstance(inner, Attribute):
        raise ConfigurationError(
            f"EncryptedAttribute(attribute, encryptor): a {type(inner).__name__} is not an attribute"
        )
    for kind, reason in _REFUSED:
        if isinstance(inner, kind):
            raise ConfigurationError(f"a {type(inner).__name__} cannot be encrypted: {reason}")
    if not isinstance(inner, MapAttribute) and (inner.is_hash_key or inner.is_range_key):
        raise ConfigurationError("a hash or range key cannot be encrypted: DynamoDB has to compare it")

    def there_and_back(value: Any) -> Any:
        return inner.deserialize(inner.serialize(value))

    plain = PLAIN.get(type(inner))
    if plain is not None:
        return Conversion(inner, plain)
    if type(inner) is NumberAttribute:
        return Conversion(inner, object, _int_or_float)
    if type(inner) is UTCDateTimeAttribute:
        return Conversion(inner, datetime, lambda value: _utc(value) or there_and_back(value))
    if type(inner) is JSONAttribute:
        return Conversion(inner, object, there_and_back)
    return _by_dynamodb_form(inner)


# Exactly these classes: a subclass may convert in its own way, which DynamoDB's form respects.
PLAIN: dict[type[Attribute[Any]], Any] = {
    UnicodeAttribute: str,
    BinaryAttribute: bytes,
    BooleanAttribute: bool,
}


def _int_or_float(value: Any) -> Any:
    if type(value) not in (int, float):
        raise TypeError(f"expected int or float, got {type(value).__name__}")
    return value


def _utc(value: Any) -> datetime | None:
    """Return a time as UTCDateTimeAttribute would give it back, without the detour through text.

    None if it is of a subclass, of which PynamoDB makes a datetime.
    """
    if value.__class__ is not datetime:
        if isinstance(value, datetime):
            return None
        raise TypeError(f"expected datetime, got {type(value).__name__}")
    return value.replace(tzinfo=UTC, fold=0) if value.tzinfo is None else value.astimezone(UTC)


def _by_dynamodb_form(inner: Attribute[Any]) -> Conversion:
    kind = inner.attr_type

    def to_field(value: Any) -> Any:
        options = {"null_check": NULL_CHECK.get()} if isinstance(inner, _CONTAINERS) else {}
        content = inner.serialize(value, **options)
        try:
            return None if content is None else to_python({kind: content})  # None: an empty set, not for DynamoDB
        except TypeError:
            refuse_pending(content)
            raise

    def from_field(value: Any) -> Any:
        ((found, content),) = to_wire(value).items()
        if found != kind:
            raise DecryptionError(f"the value is authentic, but of DynamoDB type {found} where {kind} is declared")
        return inner.deserialize(content)

    return Conversion(inner, object, to_field, from_field)
