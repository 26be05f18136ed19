"""The grammar of DynamoDB's expressions, as far as protected attributes can meet it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.tokens import Path, Tokens

__all__ = [
    "Node",
    "beside_and",
    "conditions",
    "operand",
    "paths",
]

_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Node:
    """A condition, or an operand of one.

    Attributes:
        kind: "and", "or", "not", "between", "in", a comparison, the name of a function, "path" or "value".
        parts: the conditions or operands that it is made of.
        start, end: where it stands in the expression.
        path: of a path.
        value: of a value, its placeholder.
    """

    kind: str
    parts: tuple[Node, ...]
    start: int
    end: int
    path: Path | None = None
    value: str | None = None


def conditions(text: str, names: dict[str, str]) -> Node:
    """Read a condition, filter or key condition.

    Raises:
        ProtectedAttributeError: it cannot be read.
    """
    tokens = Tokens(text, names)
    try:
        node = _either(tokens)
    except RecursionError:
        raise ProtectedAttributeError("the condition has too many nested parentheses to be read") from None
    if tokens.peek().kind != "end":
        raise tokens.unreadable_error()
    return node


def beside_and(text: str, names: dict[str, str]) -> str:
    """Return a condition as it can stand next to AND: in parentheses if it has to, for DynamoDB refuses redundant ones.

    Raises:
        ProtectedAttributeError: it cannot be read.
    """
    node = conditions(text, names)
    return f"({text})" if node.kind == "or" and node.start == node.parts[0].start else text


def paths(text: str, names: dict[str, str]) -> list[Path]:
    """Read a projection.

    Raises:
        ProtectedAttributeError: it cannot be read.
    """
    tokens = Tokens(text, names)
    found = [tokens.path()]
    while tokens.at(","):
        tokens.take()
        found.append(tokens.path())
    if tokens.peek().kind != "end":
        raise tokens.unreadable_error()
    return found


def _either(tokens: Tokens) -> Node:
    return _joined(tokens, "OR", lambda: _joined(tokens, "AND", lambda: _negated(tokens)))


def _joined(tokens: Tokens, word: str, read: Callable[[], Node]) -> Node:
    parts = [read()]
    while tokens.at(word):
        tokens.take()
        parts.append(read())
    return parts[0] if len(parts) == 1 else Node(word.lower(), tuple(parts), parts[0].start, parts[-1].end)


def _negated(tokens: Tokens) -> Node:
    if tokens.at("NOT"):
        word = tokens.take()
        part = _negated(tokens)
        return Node("not", (part,), word.start, part.end)
    if tokens.at("("):
        opening = tokens.take()
        inner = _either(tokens)
        return Node(inner.kind, inner.parts, opening.start, tokens.expect(")").end, inner.path, inner.value)
    return _comparison(tokens)


def _comparison(tokens: Tokens) -> Node:
    left = operand(tokens)
    if tokens.at(*_COMPARISONS):
        sign = tokens.take().text
        right = operand(tokens)
        return Node(sign, (left, right), left.start, right.end)
    if tokens.at("BETWEEN"):
        tokens.take()
        low = operand(tokens)
        tokens.expect("AND")
        high = operand(tokens)
        return Node("between", (left, low, high), left.start, high.end)
    if tokens.at("IN"):
        tokens.take()
        tokens.expect("(")
        members = _list(tokens)
        return Node("in", (left, *members), left.start, tokens.expect(")").end)
    if left.kind in ("path", "value"):
        raise tokens.unreadable_error()
    return left


def operand(tokens: Tokens) -> Node:
    """Take a path, a value or a function."""
    token = tokens.peek()
    if token.kind == "value":
        tokens.take()
        return Node("value", (), token.start, token.end, value=token.text)
    if tokens.opens():
        tokens.take()
        tokens.take()
        parts = _list(tokens)
        return Node(token.text.lower(), parts, token.start, tokens.expect(")").end)
    path = tokens.path()
    return Node("path", (), path.start, path.end, path=path)


def _list(tokens: Tokens) -> tuple[Node, ...]:
    parts = [operand(tokens)]
    while tokens.at(","):
        tokens.take()
        parts.append(operand(tokens))
    return tuple(parts)
