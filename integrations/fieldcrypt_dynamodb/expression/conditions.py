"""Conditions and filters: questions that an index answers become comparisons of its tags; all others are refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fieldcrypt.spi import Search, advice
from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.guarded import check_compared, unknown_entity_error
from fieldcrypt_dynamodb.expression.limits import lists_of
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.questions import KINDS, NO_TAG, Asked, Questions, example
from fieldcrypt_dynamodb.expression.syntax import Node, conditions
from fieldcrypt_dynamodb.expression.tokens import Path
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.forms import Form
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_dynamodb.item.nested.met import Meaning, Met
from fieldcrypt_dynamodb.item.nested.shape import Shape
from fieldcrypt_dynamodb.item.tags.indexes import MOST_TAGS
from fieldcrypt_dynamodb.item.unreadable import Unreadable

__all__ = ["NO_TAG", "Comparison", "Condition", "KeySearch", "meets", "rewrite", "rewrite_key"]

_PRESENCE = frozenset({"attribute_exists", "attribute_not_exists"})
_FREE = frozenset({Meaning.PLAIN, Meaning.TELLING})
_ASKED_FOR = frozenset({Meaning.PROTECTED, Meaning.AROUND, Meaning.UNKNOWN, Meaning.PLAIN})


class Comparison(NamedTuple):
    """What an item has to meet, compared after decryption.

    Attributes:
        members: the attribute that is searched, or those of a compound.
        search: what it is searched for.
    """

    members: tuple[str, ...]
    search: Search


def meets(item: Mapping[str, Any], comparisons: Iterable[Comparison], items: Items) -> bool:
    """Return True if an item that `items` decrypted has the values searched for, as far as they could be read."""
    for members, search in comparisons:
        found = items.searched_value(item, members)
        if found.__class__ is not Unreadable and not search.matches(found):
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
        self._text, self._table, self._placeholders = text, table, placeholders
        self.questions = Questions(table, placeholders, form, tenant)
        self.tree = conditions(text, placeholders.names)
        self._edits: list[tuple[int, int, str]] = []

    def leaves(self) -> Iterator[tuple[Node, bool]]:
        """Yield the conditions that are not made of others, each with whether it has to hold for all that is found."""
        yield from _leaves(self.tree, True)

    def touches(self, leaf: Node) -> list[Met[Shape]]:
        """Return what a condition meets that is protected, filled by fieldcrypt, or not declared."""
        met = [self.questions.met(path) for path in _paths(leaf)]
        return [each for each in met if each.meaning not in _FREE or each.shape is not None]

    def asks_for_presence(self, leaf: Node) -> bool:
        """Return True if all that is asked is whether an attribute is there."""
        path = leaf.parts[0].path if leaf.kind in _PRESENCE and len(leaf.parts) == 1 else None
        meaning = Meaning.INSIDE if path is None else self.questions.met(path).meaning
        return meaning in _ASKED_FOR or (path is not None and path.whole and self._table.is_filled(path.root))

    def replace(self, leaf: Node, asked: Asked) -> None:
        """Replace a condition by one on tags, in parentheses if it had some, because a word may follow directly."""
        texts = []
        for companion, tags in self.questions.tags(asked).items():
            name = self._placeholders.name(companion)
            values = [self._placeholders.value(tag) for tag in tags]
            if asked.search.how.one_companion:
                texts += [f"contains({name},{value})" for value in values]
            elif len(values) == 1:
                texts.append(f"{name} = {values[0]}")
            else:
                texts += [f"{name} IN ({','.join(each)})" for each in lists_of(values)]
        text = " OR ".join(texts)
        if asked.is_negated:
            text = f"NOT ({text})" if len(texts) > 1 else f"NOT {text}"
        if asked.is_negated or len(texts) > 1 or self._text[leaf.start] == "(":
            text = f"({text})"
        self._edits.append((leaf.start, leaf.end, text))

    def replace_key(self, leaf: Node, asked: Asked) -> KeySearch:
        """Replace a condition on a key attribute by one on a single tag.

        Raises:
            ProtectedAttributeError: no single attribute has the tags, or there are too many.
        """
        search, what = asked.search, f"{self._table.name}.{asked.attribute}"
        if search.how.one_companion or len(search.companions) > 1:
            levels = (
                "" if search.how.one_companion else f": ask by the one that it has, {' or '.join(search.companions)}"
            )
            raise ProtectedAttributeError(f"{what} has tags for this that no index has in its key{levels}")
        ((companion, tags),) = self.questions.tags(asked).items()
        if len(tags) > MOST_TAGS:
            raise ProtectedAttributeError(
                f"{what} would take {len(tags)} queries, and at most {MOST_TAGS} are made: filter instead"
            )
        placeholder = self._placeholders.value(tags[0])
        self._edits.append((leaf.start, leaf.end, f"{self._placeholders.name(companion)} = {placeholder}"))
        return KeySearch(placeholder, tags, companion)

    def text(self) -> str:
        """Return the expression with all replacements."""
        text = self._text
        for start, end, new in sorted(self._edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _asked_instead(self, own: str) -> str:
        """Return what a condition asks for in place of what fieldcrypt fills."""
        indexes = self._table.indexes
        if own in indexes.members:
            return f"conditions compare it, by =, with a map of {', '.join(indexes.members[own])}"
        if own in indexes.asked:
            return "conditions compare it with the part: by =, and filters by <> and IN as well"
        found = indexes.companions.get(own)
        if found is None:
            return "conditions cannot ask for it"
        part = next((name for name, each in indexes.asked.items() if each is found), None)
        if part is not None or found.attribute in indexes.members:
            return f"conditions ask for {part or found.attribute!r} in its place"
        level = f", or for this level by its name: {found.how.answers}" if indexes.is_level(own) else ""
        return f"conditions ask for {found.attribute!r}, by its value{level}"

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
        is_searchable = name in self._table.indexes.of
        works += ", and what its index answers, with plain values" if is_searchable else ""
        if not is_searchable and leaf.kind in KINDS:
            works += f". It has no index that answers {advice(example(leaf))}"
        return ProtectedAttributeError(
            f"DynamoDB cannot compare the protected attribute {what}: it holds ciphertext ({leaf.kind}). {works}",
            field=self._table.field_name(name),
        )

    def inexact_error(self, attribute: str) -> ProtectedAttributeError:
        """Return why a condition is refused whose tags other values can have too."""
        return ProtectedAttributeError(
            f"{self._table.name}.{attribute} has tags for this that other values share, as those shorter than 16 bytes "
            "do: search in filters and key conditions joined by AND, whose items are compared after decryption",
            field=self._table.field_name(attribute),
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
        asked = rewriting.questions.asked(leaf)
        if asked is None:
            raise rewriting.refusal_error(leaf, met[0])
        holds = holds and not asked.is_negated
        if not asked.search.is_exact and not (holds and compares):
            raise rewriting.inexact_error(asked.attribute)
        if holds:
            comparisons.append(Comparison(asked.members, asked.search))
        rewriting.replace(leaf, asked)
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
        asked = None if leaf.kind in ("in", "<>") or not holds or comparisons else rewriting.questions.asked(leaf)
        if asked is None:
            raise rewriting.refusal_error(leaf, met[0])
        comparisons.append(Comparison(asked.members, asked.search))
        search = rewriting.replace_key(leaf, asked)
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
