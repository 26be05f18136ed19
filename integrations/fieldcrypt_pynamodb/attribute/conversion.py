"""From the values of a PynamoDB attribute to the values that a Field takes, and back.

Wherever an attribute has a plain Python value (text, a number, a date) that is what is encrypted, so that the same
field reads the same in SQLAlchemy. All others are taken from, and given back in, DynamoDB's own form (`{"S": "text"}`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from pynamodb import constants
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

__all__ = ["CONTAINERS", "Conversion", "Convert", "conversion", "indexed_as", "of_form", "to_form"]

Convert = Callable[[Any], Any]

CONTAINERS = (ListAttribute, MapAttribute)

# DynamoDB, or PynamoDB's own conditions, have to read these.
_REFUSED: tuple[tuple[type[Attribute[Any]], str], ...] = (
    (VersionAttribute, "DynamoDB compares versions in conditions"),
    (TTLAttribute, "DynamoDB reads the time when an item expires"),
    (DiscriminatorAttribute, "PynamoDB reads it to choose the class of an item"),
    (NullAttribute, "it has nothing to protect"),
)


class Conversion(NamedTuple):
    """How values of an attribute travel.

    Attributes:
        type: the type of the Field.
        to_field: applied before encryption, or None if values are encrypted as they are.
        from_field: applied after decryption, or None.
    """

    type: Any
    to_field: Convert | None = None
    from_field: Convert | None = None


def conversion(inner: Attribute[Any]) -> Conversion:
    """Return the conversion of an attribute.

    Raises:
        ConfigurationError: the attribute cannot be encrypted.
    """
    for kind, reason in _REFUSED:
        if isinstance(inner, kind):
            raise ConfigurationError(f"a {type(inner).__name__} cannot be encrypted: {reason}")
    if not isinstance(inner, MapAttribute) and (inner.is_hash_key or inner.is_range_key):
        raise ConfigurationError("a hash or range key cannot be encrypted: DynamoDB has to compare it")

    def there_and_back(value: Any) -> Any:
        return inner.deserialize(inner.serialize(value))

    plain = _PLAIN.get(type(inner))
    if plain is not None:
        return Conversion(plain)
    if type(inner) is NumberAttribute:
        return Conversion(object, _int_or_float)
    if type(inner) is UTCDateTimeAttribute:
        return Conversion(datetime, lambda value: _utc(value) or there_and_back(value))
    if type(inner) is JSONAttribute:
        return Conversion(object, there_and_back)
    return _by_dynamodb_form(inner)


def indexed_as(inner: Attribute[Any]) -> tuple[Any, Convert]:
    """Return the type of the values that an attribute is searched by, and what makes them of those of the Field.

    Raises:
        ConfigurationError: the attribute cannot be searched.
    """
    kind = conversion(inner).type
    if kind is not object:
        return kind, _itself
    if inner.attr_type == constants.NUMBER:
        return Decimal, lambda number: Decimal(str(number))
    if inner.attr_type in _TEXT_OR_BYTES and not isinstance(inner, JSONAttribute):
        return _TEXT_OR_BYTES[inner.attr_type], _itself
    raise ConfigurationError(
        f"a {type(inner).__name__} cannot be searched: only text, numbers, binary, booleans and dates can"
    )


def of_form(inner: Attribute[Any], form: dict[str, Any]) -> Any:
    """Return what DynamoDB has of a list or a map as the field takes it, whatever the class of a map asks of writes.

    It may be older than the class: without members that are required now, and with members that are gone.
    """
    return _to_python(inner.attr_type, form[inner.attr_type])


def to_form(value: Any) -> dict[str, Any]:
    """Return a list or a map of the field's as DynamoDB has it."""
    return dict([_to_dynamodb(value)])


_TEXT_OR_BYTES: dict[str, type] = {constants.STRING: str, constants.BINARY: bytes}

# Exactly these classes: a subclass may convert in its own way, which DynamoDB's form respects.
_PLAIN: dict[type[Attribute[Any]], Any] = {
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


def _itself(value: Any) -> Any:
    return value


def _by_dynamodb_form(inner: Attribute[Any]) -> Conversion:
    kind = inner.attr_type

    def to_field(value: Any) -> Any:
        if isinstance(inner, CONTAINERS):
            return _to_python(kind, inner.serialize(value, null_check=True))
        return _to_python(kind, inner.serialize(value))

    def from_field(value: Any) -> Any:
        found, content = _to_dynamodb(value)
        if found != kind:
            raise DecryptionError(f"the value is authentic, but of DynamoDB type {found} where {kind} is declared")
        return inner.deserialize(content)

    return Conversion(object, to_field, from_field)


def _to_python(kind: str, content: Any) -> Any:
    if content is None:  # an empty set, which DynamoDB cannot store
        return None
    if kind == constants.MAP:
        return {key: _to_python(*_only(item)) for key, item in content.items()}
    if kind == constants.LIST:
        return [_to_python(*_only(item)) for item in content]
    if kind == constants.NUMBER:
        return _number(content)
    if kind == constants.NUMBER_SET:
        return {_number(number) for number in content}
    if kind in (constants.STRING_SET, constants.BINARY_SET):
        return set(content)
    return None if kind == constants.NULL else content


def _only(item: dict[str, Any]) -> tuple[str, Any]:
    ((kind, content),) = item.items()
    return kind, content


def _number(text: str) -> int | Decimal:
    return int(text) if text.lstrip("-").isdigit() else Decimal(text)


def _to_dynamodb(value: Any) -> tuple[str, Any]:
    kind = _KINDS.get(type(value))
    if kind is None:
        raise DecryptionError(f"the value is authentic, but a {type(value).__name__} has no form in DynamoDB")
    if kind == constants.MAP:
        return kind, {key: dict([_to_dynamodb(item)]) for key, item in value.items()}
    if kind == constants.LIST:
        return kind, [dict([_to_dynamodb(item)]) for item in value]
    if kind == constants.NUMBER:
        return kind, str(value)
    if kind == _SET:
        kinds = {_KINDS[type(element)] for element in value}
        if kinds == {constants.NUMBER}:
            return constants.NUMBER_SET, [str(element) for element in value]
        if kinds == {constants.BINARY}:
            return constants.BINARY_SET, list(value)
        return constants.STRING_SET, list(value)
    return kind, True if kind == constants.NULL else value


_SET = "set"

_KINDS: dict[type, str] = {
    str: constants.STRING,
    bytes: constants.BINARY,
    bool: constants.BOOLEAN,
    int: constants.NUMBER,
    float: constants.NUMBER,
    Decimal: constants.NUMBER,
    list: constants.LIST,
    dict: constants.MAP,
    set: _SET,
    type(None): constants.NULL,
}
