"""What a condition asks of protected attributes, and which index answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fieldcrypt import ConfigurationError
from fieldcrypt.spi import (
    MAX_TAG_SIZE,
    AllEqual,
    Between,
    EndsWith,
    Equal,
    FieldIndexes,
    PartIs,
    Question,
    Search,
    StartsWith,
)
from fieldcrypt_dynamodb.errors import ProtectedAttributeError, named_error
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.syntax import Node
from fieldcrypt_dynamodb.expression.tokens import Path
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.forms import WIRE, Form
from fieldcrypt_dynamodb.item.nested.met import Meaning, Met
from fieldcrypt_dynamodb.item.nested.shape import Shape
from fieldcrypt_dynamodb.item.tags.indexes import wire_tag

__all__ = ["KINDS", "NO_TAG", "Asked", "Questions", "example"]

NO_TAG = bytes(MAX_TAG_SIZE + 1)  # no value has it: to search for where there is nothing to find

_PLAIN = frozenset({Meaning.PLAIN, Meaning.UNKNOWN})
_EQUAL = frozenset({"=", "<>", "in"})
_QUESTIONS: Mapping[str, Callable[..., Question]] = {
    **dict.fromkeys(_EQUAL, lambda *values: Equal(values)),
    "<": lambda value: Between(None, value, with_high=False),
    "<=": lambda value: Between(None, value),
    ">": lambda value: Between(value, None, with_low=False),
    ">=": lambda value: Between(value, None),
    "between": Between,
    "begins_with": StartsWith,
    "ends_with": EndsWith,
}
KINDS = _QUESTIONS.keys()  # of conditions that an index may answer
_TURNED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def example(leaf: Node) -> Question:
    """Return a question of the kind that a condition asks, about nothing, for messages."""
    return _QUESTIONS[leaf.kind](*("…" for _ in leaf.parts[1:]))


class Asked(NamedTuple):
    """What a condition asks.

    Attributes:
        attribute: what it asks about: an attribute, or a compound.
        members: the attribute, or those that the compound is made of.
        search: how it is answered.
        is_negated: True if it asks for all items but those.
    """

    attribute: str
    members: tuple[str, ...]
    search: Search
    is_negated: bool


class Questions:
    """The questions in the conditions of one request.

    Args:
        table: what is protected.
        placeholders: the request's placeholders.
        form: that of its values.
        tenant: whose tags are meant, if they are per tenant.
    """

    def __init__(self, table: TableDescription, placeholders: Placeholders, form: Form, tenant: str | None) -> None:
        self._table, self._placeholders, self._form, self._tenant = table, placeholders, form, tenant

    def met(self, path: Path) -> Met[Shape]:
        """Return what a path of a condition meets.

        Raises:
            ProtectedAttributeError: it is a level that the index lacks; its value would be sent as it is.
        """
        table = self._table
        if path.root in table.own:
            return Met(Meaning.OWN, path.root)
        met = table.shape.met(path.steps)
        found = table.named_like(path.root) if met.meaning in _PLAIN else None
        if found is not None:
            attribute, how = found
            named = "; name the entity that is meant, of_entity(table, …)" if table.is_any else ""
            raise ProtectedAttributeError(
                f"{table.name}.{path.root} is no attribute with tags of {attribute!r}: filters ask for "
                f"{attribute!r}, and key conditions for {' or '.join(how.companions)}{named}",
                field=table.field_name(attribute),
            )
        return met

    def asked(self, leaf: Node) -> Asked | None:
        """Return what a condition asks; None if it cannot be asked of a protected attribute.

        Raises:
            ProtectedAttributeError: no index of the attribute answers it.
            TypeError, ValueError: a value is not one of the attribute's.
        """
        kind, parts = leaf.kind, leaf.parts
        if kind in _TURNED and parts[0].value is not None:
            kind, parts = _TURNED[kind], parts[::-1]
        path = parts[0].path if kind in _QUESTIONS and parts else None
        given = [part.value for part in parts[1:] if part.value is not None]
        if path is None or len(given) < len(parts) - 1:
            return None
        met, indexes, take = self.met(path), self._table.indexes, self._placeholders.take
        if met.meaning is Meaning.PROTECTED and met.attribute in indexes.of:
            type = self._table.attributes[met.attribute].type
            values = [self._value(met.attribute, type, take(each)) for each in given]
            found = self._search(met.attribute, _QUESTIONS[kind], values)
        elif met.meaning is Meaning.OWN and path.whole and path.root in indexes.asked and kind in _EQUAL:
            attribute, how = indexes.asked[path.root]
            values = [self._value(path.root, how.of.gives, take(each)) for each in given]
            found = self._search(attribute, lambda *values: PartIs(how.companion, values), values, how.companion)
        elif met.meaning is Meaning.OWN and path.whole and indexes.is_level(path.root) and kind not in _EQUAL:
            attribute = indexes.companions[path.root].attribute
            values = [self._value(path.root, self._table.attributes[attribute].type, take(each)) for each in given]
            found = self._search(attribute, _QUESTIONS[kind], values, path.root)
        elif met.meaning is Meaning.OWN and path.whole and path.root in indexes.members and kind in ("=", "<>"):
            found = self._search(path.root, AllEqual, [self._values(path.root, take(given[0]))])
        else:
            return None
        attribute, search = found
        return Asked(attribute, indexes.members.get(attribute, (attribute,)), search, kind == "<>")

    def _values(self, compound: str, given: Any) -> dict[str, Any]:
        """Return the values of the members of a compound, as its index takes them."""
        table = self._table
        values = given.get("M") if self._form is WIRE and isinstance(given, Mapping) else given
        if not isinstance(values, Mapping) or values.keys() != set(table.indexes.members[compound]):
            raise ProtectedAttributeError(
                f"{table.name}.{compound} is compared with a map of {' and '.join(table.indexes.members[compound])}"
            )
        types = {name: each.type for name, each in table.attributes.items()}
        return {name: self._value(name, types.get(name, str), value) for name, value in values.items()}

    def _value(self, name: str, type: Any, given: Any) -> Any:
        """Return a value as the index takes it."""
        table = self._table
        if self._form.is_null(given):
            raise ProtectedAttributeError(
                f"{table.name}.{name} cannot be compared with NULL: use attribute_exists and attribute_not_exists",
                field=table.field_name(name),
            )
        try:
            to_field = self._form.conversion(type).to_field
            return given if to_field is None else to_field(given)
        except (TypeError, ValueError) as error:
            raise named_error(error, f"{table.name}.{name}") from None

    def _search(
        self, attribute: str, question: Callable[..., Question], values: Sequence[Any], index: str | None = None
    ) -> tuple[str, Search]:
        table = self._table
        indexes: FieldIndexes = table.indexes.of[attribute]
        try:
            return attribute, indexes.search(question(*values), index)
        except ConfigurationError as error:
            refused = ProtectedAttributeError(f"{table.name}.{attribute}: {error}", field=table.field_name(attribute))
        except (TypeError, ValueError) as error:
            raise named_error(error, f"{table.name}.{attribute}") from None
        raise refused

    def tags(self, asked: Asked) -> dict[str, list[Any]]:
        """Return the tags that items can have, by companion and in DynamoDB's form; at least one.

        Raises:
            ProtectedAttributeError: they are per tenant, and none is named.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `Search.tags`.
        """
        attribute, search, table = asked.attribute, asked.search, self._table
        if search.is_per_tenant and self._tenant is None:
            raise ProtectedAttributeError(
                f"{table.name}.{attribute} has tags per tenant: search with of_tenant(table, …), which names it",
                field=table.field_name(attribute),
            )
        try:
            found = search.tags(self._tenant if search.is_per_tenant else None)
        except (TypeError, ValueError) as error:
            raise named_error(error, f"{table.name}.{attribute}") from None
        nothing = {search.companions[0]: [search.how.stored(NO_TAG)]}
        return {companion: list(map(wire_tag, tags)) for companion, tags in (found or nothing).items()}
