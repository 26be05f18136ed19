"""Update expressions: what is set on a protected attribute is encrypted, and its tags with it; the rest is refused."""

from __future__ import annotations

from typing import Any

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.syntax import Node, Path, Tokens, operand
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.items import Binding, Items

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
        changed = [path for path, _, _ in self._sets] + [path for _, path, _ in self._others]
        for path in changed:
            _check(self._table, path)
        self.protected = any(path.root in self._table.attributes for path in changed)

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
            end = path.end if clause == "REMOVE" else operand(tokens).end
            self._others.append((clause, path, self._text[path.start : end]))

    def rewritten(self, binding: Binding | None) -> str:
        """Return the expression as it is sent.

        Args:
            binding: the item's; None if nothing `protected` is changed.

        Raises:
            ProtectedAttributeError: it does with a protected attribute what only the value itself would allow.
            TypeError, ValueError: a value is not one of the attribute's.
        """
        clauses: dict[str, list[str]] = {clause: [] for clause in _CLAUSES}
        for path, value, source in self._sets:
            if path.root in self._table.attributes:
                self._set(path.root, value, binding, clauses)
            else:
                self._refuse_copies(value)
                clauses["SET"].append(source)
        for clause, path, source in self._others:
            clauses[clause].append(source)
            if path.root in self._table.attributes:
                if clause != "REMOVE":
                    raise self._refusal_error(path.root, clause)
                if path.root in self._table.companions:
                    clauses["REMOVE"].append(self._placeholders.name(self._table.companions[path.root]))
        return " ".join(f"{clause} {', '.join(actions)}" for clause, actions in clauses.items() if actions)

    def _set(self, attribute: str, value: Node, binding: Binding | None, clauses: dict[str, list[str]]) -> None:
        given = _given(value, attribute)
        if given is None or binding is None:
            raise self._refusal_error(attribute, f"SET with {value.kind}")
        once = value.kind == "if_not_exists"
        companion = self._table.companions.get(attribute)
        if once and companion is not None:
            raise ProtectedAttributeError(
                f"{self._table.name}.{attribute} is searchable, and its tag would not follow: SET it with a condition, "
                f"attribute_not_exists({attribute})",
                field=self._table.field_name(attribute),
            )
        encrypted, tag = self._items.encrypt(attribute, self._placeholders.take(given), binding)
        clauses["SET"].append(self._assignment(attribute, encrypted, once=once))
        if companion is not None and tag is not None:
            clauses["SET"].append(self._assignment(companion, tag, once=False))
        elif companion is not None:
            clauses["REMOVE"].append(self._placeholders.name(companion))

    def _assignment(self, attribute: str, value: Any, *, once: bool) -> str:
        name, new = self._placeholders.name(attribute), self._placeholders.value(value)
        return f"{name} = if_not_exists({name}, {new})" if once else f"{name} = {new}"

    def _refuse_copies(self, value: Node) -> None:
        """Refuse to have the value of a protected attribute copied to another one, where it would not decrypt."""
        if value.path is not None and (value.path.root in self._table.tops or value.path.root in self._table.own):
            raise self._refusal_error(value.path.root, "a copy of it")
        for part in value.parts:
            self._refuse_copies(part)

    def _refusal_error(self, attribute: str, what: str) -> ProtectedAttributeError:
        return ProtectedAttributeError(
            f"DynamoDB cannot compute with the protected attribute {self._table.name}.{attribute}, which holds "
            f"ciphertext ({what}): SET with a plain value, if_not_exists on the attribute itself, and REMOVE work",
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


def _check(table: TableDescription, path: Path) -> None:
    if path.root in table.nested or (path.root in table.attributes and not path.whole):
        raise ProtectedAttributeError(
            f"DynamoDB cannot change a part of the protected attribute {table.name}.{path.root}: set it as a whole",
            field=table.field_name(path.root),
        )
    if path.root in table.own:
        raise ProtectedAttributeError(f"{table.name}.{path.root} is filled by fieldcrypt, and cannot be set")
    if path.root == table.tenant:
        raise ProtectedAttributeError(
            f"{table.name}.{path.root} is the tenant, under whose keys the item is encrypted: put the whole item to "
            "change it"
        )
    if path.root in table.previous_attributes:
        raise ProtectedAttributeError(
            f"{table.name}.{path.root} is what values were bound to before, and may be until all are re-encrypted: "
            "put the whole item to change it"
        )
    if table.seal is not None and path.root in table.seal.over:
        raise ProtectedAttributeError(
            f"{table.name}.{path.root} is sealed together with other attributes: read the item, change it, and put it "
            "as a whole"
        )


def _given(value: Node, attribute: str) -> str | None:
    """Return the placeholder of a plain value that is set, perhaps only if the attribute is not there."""
    if value.kind == "if_not_exists" and len(value.parts) == 2:
        path = value.parts[0].path
        return value.parts[1].value if path is not None and path.whole and path.root == attribute else None
    return value.value
