"""What attributes are indexed as: the type of the values that tags are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pynamodb.attributes import Attribute, JSONAttribute, UTCDateTimeAttribute, VersionAttribute
from pynamodb.constants import BINARY, NUMBER, STRING

from fieldcrypt import ConfigurationError, Encryptor, IndexedBy, Protection
from fieldcrypt.search import Range
from fieldcrypt.spi import FieldIndexes, check_together
from fieldcrypt_dynamodb.item.tags.indexes import MOST_TAGS
from fieldcrypt_pynamodb.attribute.conversion import PLAIN, Conversion

__all__ = ["Group", "index_groups", "indexed_as", "plain_as"]

Convert = Callable[[Any], Any]
Group = tuple[Convert, FieldIndexes]  # what turns values of the field into indexed ones, and the indexes

_TYPES = {STRING: str, NUMBER: Decimal, BINARY: bytes}
_PYTHON_TYPES = (date, datetime, int, Decimal)  # the values of users' own attributes, whatever DynamoDB stores


def index_groups(protection: Protection, how: Conversion, encryptor: Encryptor, name: str) -> list[Group]:
    """Make the indexes of an attribute, grouped by the type of their values.

    Args:
        protection: the attribute's.
        how: how its values travel.
        encryptor, name: the field's.

    Raises:
        ConfigurationError: the attribute cannot be searched, or not like this; or a question could need too many tags.
        TypeError, ValueError: as for `Encryptor.blind_index`.
    """
    check_together(name, protection.indexes)  # of whatever type: they are in the same items
    groups: dict[tuple[Any, Convert], list[IndexedBy]] = {}
    for each in protection.indexes:
        each.check_plain_tags()
        fitted, kind, convert = _fitted(each, how)
        groups.setdefault((kind, convert), []).append(fitted)
    made = [
        (convert, replace(protection, index=tuple(each)).field_indexes(encryptor, name, kind))
        for (kind, convert), each in groups.items()
    ]
    for _, indexes in made:
        indexes.check_most(MOST_TAGS)
    return made


def indexed_as(how: Conversion) -> tuple[Any, Convert]:
    """Return the type of the values that an attribute is searched by, and what makes them from those of the Field.

    Raises:
        ConfigurationError: the attribute cannot be searched.
    """
    if how.type is not object:
        return how.type, _itself
    if how.inner.attr_type in _TYPES and not isinstance(how.inner, JSONAttribute):
        return _TYPES[how.inner.attr_type], _number if how.inner.attr_type == NUMBER else _itself
    raise _unsearchable_error(how.inner)


def plain_as(attribute: Attribute[Any]) -> tuple[Any, Convert]:
    """Return the same for an attribute that is not protected; values are made from its content in DynamoDB.

    Raises:
        ConfigurationError: the attribute cannot be searched.
    """
    if type(attribute) in PLAIN or type(attribute) is UTCDateTimeAttribute:
        return PLAIN.get(type(attribute), datetime), attribute.deserialize
    if attribute.attr_type in _TYPES and not isinstance(attribute, (JSONAttribute, VersionAttribute)):
        return _TYPES[attribute.attr_type], _number if attribute.attr_type == NUMBER else _itself
    raise _unsearchable_error(attribute)


def _fitted(index: IndexedBy, how: Conversion) -> tuple[IndexedBy, Any, Convert]:
    """Return a declaration with bounds of the indexed type, that type, and what makes its values from the Field's.

    A kind that finds nothing in the form that DynamoDB has, as the year in a text, takes the model's value.
    """
    kind, convert = indexed_as(how)
    of = index.of
    if of is None:
        return index, kind, convert
    if isinstance(of, Range) and kind is Decimal and type(of.minimum) in (int, float):
        of = replace(of, minimum=_number(of.minimum), maximum=_number(of.maximum))
        index = replace(index, of=of)
    is_naive = isinstance(of, Range) and isinstance(of.minimum, datetime) and of.minimum.utcoffset() is None
    if is_naive and type(how.inner) is UTCDateTimeAttribute:
        raise ConfigurationError(f"{index.companion}: the bounds of a Range of UTCDateTimeAttribute have tzinfo=UTC")
    if how.type is object and how.from_field is not None and not _takes(of, kind):
        for other in _PYTHON_TYPES:
            if _takes(of, other):
                return index, other, how.from_field
    return index, kind, convert


def _takes(of: Any, kind: Any) -> bool:
    try:
        of.check(kind)
    except (ConfigurationError, TypeError):
        return False
    return True


def _unsearchable_error(attribute: Attribute[Any]) -> ConfigurationError:
    return ConfigurationError(
        f"a {type(attribute).__name__} cannot be searched: only text, numbers, binary, booleans and dates can"
    )


def _number(number: Any) -> Decimal:
    return Decimal(str(number))


def _itself(value: Any) -> Any:
    return value
