"""Update expressions: what is set on a protected attribute is encrypted, and its tags with it; the rest is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.changes import HELD, check_change, check_companion
from fieldcrypt_dynamodb.expression.compound_changes import CompoundChanges
from fieldcrypt_dynamodb.expression.guarded import check_set
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.syntax import Node, operand
from fieldcrypt_dynamodb.expression.tokens import Path, Tokens
from fieldcrypt_dynamodb.item.binding import Binding
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_dynamodb.item.nested.met import Meaning, Met
from fieldcrypt_dynamodb.item.nested.shape import Shape

__all__ = ["Update"]

_CLAUSES = ("SET", "REMOVE", "ADD", "DELETE")


class Update:
    """An update expression of a table.

    Args:
        text: the expression.
        items: encrypts.
        placeholders: the request's placeholders.

    Attributes:
        protected: True if it changes a protected attribute, so that the item's binding has to be known.
        is_told: False if it changes what is in an element of a list, and only the item itself tells which one.

    Raises:
        ProtectedAttributeError: it cannot be read, or does what would leave the item unreadable.
    """

    def __init__(self, text: str, items: Items, placeholders: Placeholders) -> None:
        self._text = text
        self._items = items
        self._table = items.table
        self._placeholders = placeholders
        self._sets: list[tuple[Path, Node, str]] = []  # of each `SET path = value` its path, value and text
        self._others: list[tuple[str, Path, str]] = []  # of each other action its clause, path and text
        self._read(Tokens(text, placeholders.names))
        changed = [("SET", path) for path, _, _ in self._sets] + [(clause, path) for clause, path, _ in self._others]
        for clause, path in changed:
            check_change(self._table, clause, path)
        met = [self._met(path) for _, path in changed]
        self._compounds = CompoundChanges(items, placeholders, self._sets, self._others)
        self.protected = any(each.meaning in HELD for each in met) or self._compounds.changed
        self.is_told = all(each.is_told for each in met)

    def _met(self, path: Path) -> Met[Shape]:
        return self._table.shape.met(path.steps)

    def _read(self, tokens: Tokens) -> None:
        while tokens.peek().kind != "end":
            if not tokens.at(*_CLAUSES):
                raise tokens.unreadable_error()
            clause = tokens.take().text.upper()
            self._action(clause, tokens)
            while tokens.at(","):
                tokens.take()
                self._action(clause, tokens)

    def _action(self, clause: str, tokens: Tokens) -> None:
        path = tokens.path()
        if clause == "SET":
            tokens.expect("=")
            value = _sum(tokens)
            self._sets.append((path, value, self._text[path.start : value.end]))
        else:
            given = None if clause == "REMOVE" else operand(tokens)
            if given is not None:
                check_set(self._table, path.root, given, self._placeholders, self._items.form)
            self._others.append((clause, path, self._text[path.start : path.end if given is None else given.end]))

    def rewritten(self, key: Mapping[str, Any], binding: Binding | None) -> str:
        """Return the expression as it is sent.

        Args:
            key: the item's.
            binding: the item's; None if nothing `protected` is changed.

        Raises:
            ProtectedAttributeError: it does with a protected attribute what only the value itself would allow.
            TypeError, ValueError: a value is not one of the attribute's.
        """
        clauses: dict[str, list[str]] = {clause: [] for clause in _CLAUSES}
        for path, value, source in self._sets:
            met = self._met(path)
            if met.meaning in HELD:
                self._set(path, met, value, binding, clauses)
            else:
                self._check_plain(met, value)
                check_set(self._table, path.root, value, self._placeholders, self._items.form)
                clauses["SET"].append(source)
        for clause, path, source in self._others:
            clauses[clause].append(source)
            if self._met(path).meaning in HELD:
                self._fill(dict.fromkeys(self._items.nested.companions(self._met(path))), clauses)
        if binding is not None:
            self._fill(self._compounds.tags(key, binding), clauses)
        return " ".join(f"{clause} {', '.join(actions)}" for clause, actions in clauses.items() if actions)

    def _set(
        self, path: Path, met: Met[Shape], value: Node, binding: Binding | None, clauses: dict[str, list[str]]
    ) -> None:
        companions = self._items.nested.companions(met)
        if companions and value.kind in ("if_not_exists", "list_append"):
            attribute = next(name for name in _attributes(met) if name in self._table.indexes.of)
            raise ProtectedAttributeError(
                f"{self._table.name}.{attribute} is searchable, and its tag would not follow: SET it with a condition, "
                f"attribute_not_exists({attribute})",
                field=self._table.field_name(attribute),
            )
        if binding is None:
            raise self._refusal_error(met, f"SET with {value.kind}")
        tags: dict[str, Any] = {}
        assigned = self._assigned(path, met, value, binding, tags)
        clauses["SET"].append(f"{self._text[path.start : path.end]} = {assigned}")
        self._fill(tags, clauses)

    def _fill(self, tags: Mapping[str, Any], clauses: dict[str, list[str]]) -> None:
        """Set companions to tags, or remove them.

        Raises:
            ProtectedAttributeError: a seal covers them.
        """
        for companion, tag in tags.items():
            check_companion(self._table, companion)
            name = self._placeholders.name(companion)
            if tag is None:
                clauses["REMOVE"].append(name)
            else:
                clauses["SET"].append(f"{name} = {self._placeholders.value(tag)}")

    def _assigned(self, path: Path, met: Met[Shape], value: Node, binding: Binding, tags: dict[str, Any]) -> str:
        """Return what is assigned to a path, with its values encrypted, and note their tags."""
        is_around = met.meaning is Meaning.AROUND
        if value.value is not None:
            new, found = self._items.nested.encrypt_at(met, self._placeholders.take(value.value), binding)
            tags.update(found)
            return self._placeholders.value(new)
        if is_around and value.path is not None and value.path.steps == path.steps:
            return self._text[value.start : value.end]
        parts = value.parts
        if len(parts) == 2 and value.kind == "if_not_exists" and _is(parts[0], path):
            given = self._assigned(path, met, parts[1], binding, tags)
            return f"if_not_exists({self._text[path.start : path.end]}, {given})"
        if len(parts) == 2 and value.kind == "list_append" and is_around:
            return f"list_append({', '.join(self._assigned(path, met, part, binding, tags) for part in parts)})"
        raise self._refusal_error(met, f"SET with {value.kind}")

    def _check_plain(self, met: Met[Shape], value: Node) -> None:
        """Refuse to have the value of a protected attribute copied to another one, where it would not decrypt."""
        if value.path is not None:
            copied = self._met(value.path)
            if value.path.root in self._table.own or copied.meaning in {*HELD, Meaning.INSIDE, Meaning.ASIDE}:
                raise self._refusal_error(copied, "a copy of it", value.path.root)
        if value.value in self._placeholders.values and met.shape is not None:
            self._items.nested.check_plain(met.shape, self._placeholders.values[value.value])
        for part in value.parts:
            self._check_plain(met, part)

    def _refusal_error(self, met: Met[Shape], what: str, root: str = "") -> ProtectedAttributeError:
        attribute = met.attribute or root
        more = ", and list_append of plain elements" if met.meaning is Meaning.AROUND else ""
        return ProtectedAttributeError(
            f"DynamoDB cannot compute with the protected attribute {self._table.name}.{attribute}, which holds "
            f"ciphertext ({what}): SET with a plain value, if_not_exists on the attribute itself{more} and REMOVE work",
            field=self._table.field_name(attribute),
        )


def _sum(tokens: Tokens) -> Node:
    if tokens.at("("):
        tokens.take()
        inner = _sum(tokens)
        return Node(inner.kind, inner.parts, inner.start, tokens.expect(")").end, inner.path, inner.value)
    first = operand(tokens)
    if not tokens.at("+", "-"):
        return first
    tokens.take()
    second = operand(tokens)
    return Node("sum", (first, second), first.start, second.end)


def _is(node: Node, path: Path) -> bool:
    return node.path is not None and node.path.steps == path.steps


def _attributes(met: Met[Shape]) -> list[str]:
    return [met.attribute] if met.shape is None else met.shape.attributes
