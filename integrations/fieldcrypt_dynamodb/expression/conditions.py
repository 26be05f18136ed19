"""Conditions and filters: equality with a searchable attribute becomes one with its tags, the rest is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fieldcrypt.spi import MAX_TAG_SIZE
from fieldcrypt_dynamodb.errors import ProtectedAttributeError, named_error
from fieldcrypt_dynamodb.expression.guarded import check_compared, unknown_entity_error
from fieldcrypt_dynamodb.expression.limits import lists_of
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.syntax import Node, conditions
from fieldcrypt_dynamodb.expression.tokens import Path
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.forms import Form
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_dynamodb.item.nested.met import Meaning, Met
from fieldcrypt_dynamodb.item.nested.shape import Shape
from fieldcrypt_dynamodb.item.unreadable import Unreadable

__all__ = ["NO_TAG", "Comparison", "Condition", "KeySearch", "meets", "rewrite", "rewrite_key"]

_PRESENCE = frozenset({"attribute_exists", "attribute_not_exists"})
_FREE = frozenset({Meaning.PLAIN, Meaning.TELLING})
_ASKED_FOR = frozenset({Meaning.PROTECTED, Meaning.AROUND, Meaning.UNKNOWN, Meaning.PLAIN})
NO_TAG = bytes(MAX_TAG_SIZE + 1)  # which no value has: for searching where there is nothing to find


class Comparison(NamedTuple):
    """What an attribute has to be equal to, compared after decryption.

    Attributes:
        attribute: a searchable one.
        values: what it may be.
    """

    attribute: str
    values: tuple[Any, ...]


def meets(item: Mapping[str, Any], comparisons: Iterable[Comparison], items: Items) -> bool:
    """Return True if an item that `items` decrypted has the values searched for, as far as they could be read."""
    for name, values in comparisons:
        found = items.nested.value_of(item, name)
        if found is None:
            return False
        if found.__class__ is Unreadable:
            continue
        to_field, index = items.to_field[name], items.table.indexes[name]
        found = found if to_field is None else to_field(found)
        if not any(index.matches(found, value) for value in values):
            return False
    return True


class Condition(NamedTuple):
    """A condition as it is sent.

    Attributes:
        text: the expression.
        comparisons: what all items that it finds have to meet after decryption.
        attributes: all that it looks at.
    """

    text: str
    comparisons: list[Comparison]
    attributes: set[str]


class KeySearch(NamedTuple):
    """A key condition on the tags of an attribute, which asks for one of them at a time.

    Attributes:
        placeholder: stands for the tag.
        tags: all of them, in DynamoDB's form.
        companion: the key attribute.
    """

    placeholder: str
    tags: list[Any]
    companion: str


class _Rewriting:
    def __init__(
        self, text: str, table: TableDescription, placeholders: Placeholders, form: Form, tenant: str | None
    ) -> None:
        self._text, self._table, self._placeholders, self._form, self._tenant = text, table, placeholders, form, tenant
        self.tree = conditions(text, placeholders.names)
        self._edits: list[tuple[int, int, str]] = []

    def leaves(self) -> Iterator[tuple[Node, bool]]:
        """Yield the conditions that are not made of others, each with whether it has to hold for all that is found."""
        yield from _leaves(self.tree, True)

    def touches(self, leaf: Node) -> list[Met[Shape]]:
        """Return what a condition meets that is protected, filled by fieldcrypt, or not declared."""
        met = [self._met(path) for path in _paths(leaf)]
        return [each for each in met if each.meaning not in _FREE or each.shape is not None]

    def _met(self, path: Path) -> Met[Shape]:
        if path.root in self._table.own:
            return Met(Meaning.OWN, path.root)
        return self._table.shape.met(path.steps)

    def asks_for_presence(self, leaf: Node) -> bool:
        """Return True if all that is asked is whether an attribute is there."""
        path = leaf.parts[0].path if leaf.kind in _PRESENCE and len(leaf.parts) == 1 else None
        meaning = Meaning.INSIDE if path is None else self._met(path).meaning
        return meaning in _ASKED_FOR or (meaning is Meaning.OWN and path is not None and path.whole)

    def searched(self, leaf: Node) -> tuple[str, tuple[str, ...]] | None:
        """Return the attribute that a condition compares with values, and their placeholders, if there are tags."""
        parts = leaf.parts
        if leaf.kind == "=" and parts[0].kind == "value":
            parts = parts[::-1]
        path = parts[0].path if leaf.kind in ("=", "in") and parts else None
        met = self._met(path) if path is not None else None
        attribute = met.attribute if met is not None and met.meaning is Meaning.PROTECTED else None
        if attribute not in self._table.companions or any(part.value is None for part in parts[1:]):
            return None
        return attribute, tuple(part.value for part in parts[1:] if part.value is not None)

    def comparison(self, attribute: str, placeholders: tuple[str, ...]) -> Comparison:
        """Return what is searched for, in the field's own type."""
        values = tuple(self._value(attribute, self._placeholders.take(each)) for each in placeholders)
        return Comparison(attribute, values)

    def _value(self, attribute: str, given: Any) -> Any:
        table = self._table
        if self._form.is_null(given):
            raise ProtectedAttributeError(
                f"{table.name}.{attribute} cannot be compared with NULL: use attribute_exists and attribute_not_exists",
                field=table.field_name(attribute),
            )
        try:
            to_field = self._form.conversion(table.attributes[attribute].type).to_field
            return given if to_field is None else to_field(given)
        except (TypeError, ValueError) as error:
            raise named_error(error, f"{table.name}.{attribute}") from None

    def tags(self, comparison: Comparison) -> list[Any]:
        """Return all tags that items meeting a comparison can have, in DynamoDB's form; at least one."""
        table, attribute = self._table, comparison.attribute
        tenant = None
        if table.has_tags_per_tenant(attribute):
            tenant = self._tenant
            if tenant is None:
                raise ProtectedAttributeError(
                    f"{table.name}.{attribute} has tags per tenant: search with of_tenant(table, …), which names it",
                    field=table.field_name(attribute),
                )
        index = table.indexes[attribute]
        tags = [tag for value in comparison.values for tag in index.tags(value, tenant=tenant)]
        return [table.wire_tag(attribute, tag) for tag in dict.fromkeys(tags) or [NO_TAG]]

    def replace(self, leaf: Node, *conditions: str) -> None:
        """Replace a condition by others joined by OR, in parentheses if it had some: a word may follow directly."""
        text = " OR ".join(conditions)
        if len(conditions) > 1 or self._text[leaf.start] == "(":
            text = f"({text})"
        self._edits.append((leaf.start, leaf.end, text))

    def text(self) -> str:
        """Return the expression with all replacements."""
        text = self._text
        for start, end, new in sorted(self._edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _asked_instead(self, own: str) -> str:
        """Return what a condition asks for in place of what fieldcrypt fills."""
        searched = [name for name, companion in self._table.companions.items() if companion == own]
        return f"conditions ask for {searched[0]!r}, by its value" if searched else "conditions cannot ask for it"

    def refusal_error(self, leaf: Node, met: Met[Shape]) -> ProtectedAttributeError:
        """Return why a condition is refused."""
        name = met.attribute
        what = f"{self._table.name}.{name}"
        if met.meaning is Meaning.MISSPELLED:
            return ProtectedAttributeError(
                f"{what} is a path, but a name in this expression: write it as a path, with a placeholder for each of "
                "its names"
            )
        if met.meaning is Meaning.SPLIT:
            return ProtectedAttributeError(
                f"{what} is one name, but a path in this expression, as in Attr: write text with a placeholder for it"
            )
        if met.meaning in (Meaning.UNKNOWN, Meaning.PLAIN):
            return ProtectedAttributeError(f"{what} is not declared, neither protected nor plain={{…}}")
        if met.meaning is Meaning.OWN:
            return ProtectedAttributeError(f"{what} is filled by fieldcrypt: {self._asked_instead(name)}")
        if self._table.is_any:
            return unknown_entity_error(what)
        works = "attribute_exists and attribute_not_exists work"
        works += ", = and IN too, with plain values" if name in self._table.companions else ", and = with an index=…"
        return ProtectedAttributeError(
            f"DynamoDB cannot compare the protected attribute {what}: it holds ciphertext ({leaf.kind}). {works}",
            field=self._table.field_name(name),
        )


def rewrite(
    text: str, table: TableDescription, placeholders: Placeholders, form: Form, tenant: str | None, *, compares: bool
) -> Condition:
    """Rewrite a condition or a filter.

    Args:
        text: the expression.
        table: what is protected.
        placeholders: the request's placeholders.
        form: of its values.
        tenant: whose tags, if they are per tenant.
        compares: True if what is found is compared after decryption; a condition of a write is not.

    Raises:
        ProtectedAttributeError: DynamoDB would have to compare ciphertext.
        TypeError, ValueError: a value is not one of the attribute's.
    """
    rewriting = _Rewriting(text, table, placeholders, form, tenant)
    comparisons = []
    for leaf, holds in rewriting.leaves():
        check_compared(table, leaf, placeholders, form)
        met = rewriting.touches(leaf)
        if not met or rewriting.asks_for_presence(leaf):
            continue
        searched = rewriting.searched(leaf)
        if searched is None:
            raise rewriting.refusal_error(leaf, met[0])
        comparison = rewriting.comparison(*searched)
        if table.indexes[comparison.attribute].truncated and not (holds and compares):
            raise ProtectedAttributeError(
                f"{table.name}.{comparison.attribute} has tags shorter than 16 bytes, which other values share: it can "
                "be searched in filters and key conditions, joined by AND, whose items are compared after decryption",
                field=table.field_name(comparison.attribute),
            )
        if holds:
            comparisons.append(comparison)
        companion = placeholders.name(table.companions[comparison.attribute])
        tags = [placeholders.value(tag) for tag in rewriting.tags(comparison)]
        if len(tags) == 1:
            rewriting.replace(leaf, f"{companion} = {tags[0]}")
        else:
            rewriting.replace(leaf, *[f"{companion} IN ({','.join(each)})" for each in lists_of(tags)])
    return Condition(rewriting.text(), comparisons, set(_roots(rewriting.tree)))


def rewrite_key(
    text: str, table: TableDescription, placeholders: Placeholders, form: Form, tenant: str | None
) -> tuple[Condition, KeySearch | None]:
    """Rewrite a key condition. On the key of an index, DynamoDB takes one tag at a time.

    Raises:
        As `rewrite`.
    """
    rewriting = _Rewriting(text, table, placeholders, form, tenant)
    comparisons: list[Comparison] = []
    search = None
    for leaf, holds in rewriting.leaves():
        check_compared(table, leaf, placeholders, form)
        met = rewriting.touches(leaf)
        if not met:
            continue
        searched = rewriting.searched(leaf)
        if searched is None or leaf.kind != "=" or not holds or comparisons:
            raise rewriting.refusal_error(leaf, met[0])
        comparisons.append(rewriting.comparison(*searched))
        companion = table.companions[comparisons[0].attribute]
        tags = rewriting.tags(comparisons[0])
        search = KeySearch(placeholders.value(tags[0]), tags, companion)
        rewriting.replace(leaf, f"{placeholders.name(companion)} = {search.placeholder}")
    return Condition(rewriting.text(), comparisons, set(_roots(rewriting.tree))), search


def _leaves(node: Node, holds: bool) -> Iterator[tuple[Node, bool]]:
    if node.kind in ("and", "or", "not"):
        for part in node.parts:
            yield from _leaves(part, holds and node.kind == "and")
    else:
        yield node, holds


def _roots(node: Node) -> Iterator[str]:
    return (path.root for path in _paths(node))


def _paths(node: Node) -> Iterator[Path]:
    if node.path is not None:
        yield node.path
    for part in node.parts:
        yield from _paths(part)
