"""The grammar of DynamoDB's expressions, as far as protected attributes can meet it.

Source: "Using expressions in DynamoDB", Amazon DynamoDB Developer Guide. What cannot be read is refused: an attribute
that is not seen could be a protected one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from fieldcrypt_dynamodb.errors import ProtectedAttributeError

__all__ = [
    "Node",
    "Path",
    "Token",
    "Tokens",
    "beside_and",
    "conditions",
    "operand",
    "operators_in",
    "paths",
    "placeholders_in",
]

_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
_WORDS = frozenset({"AND", "OR", "NOT", "BETWEEN"})
_TOKEN = re.compile(
    r"\s*(?:(?P<value>:[A-Za-z0-9_]+)|(?P<name>#?[A-Za-z0-9_]+)|(?P<sign><>|<=|>=|[=<>+\-,()\[\].]))", re.ASCII
)


class Token(NamedTuple):
    """A piece of an expression."""

    kind: str  # "value", "name" or "sign"; "end" after the last
    text: str
    start: int
    end: int


class Path(NamedTuple):
    """A document path.

    Attributes:
        root: the attribute, with its placeholder resolved.
        whole: True if the path ends there, and does not lead into the attribute.
        start, end: where it stands in the expression.
    """

    root: str
    whole: bool
    start: int
    end: int


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


class Tokens:
    """An expression, read from left to right.

    Args:
        text: the expression.
        names: `ExpressionAttributeNames`.

    Raises:
        ProtectedAttributeError: it has something in it that no expression has.
    """

    def __init__(self, text: str, names: dict[str, str]) -> None:
        self._names = names
        self._tokens = list(_tokens(text))
        self._at = 0

    def peek(self) -> Token:
        """Return the next token."""
        return self._tokens[self._at]

    def take(self) -> Token:
        """Return the next token, and go on."""
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def at(self, *texts: str) -> bool:
        """Return True if the next token is one of these, in any case."""
        token = self._tokens[self._at]
        return token.kind != "value" and token.text.upper() in texts

    def expect(self, text: str) -> Token:
        """Take a token that has to come."""
        if not self.at(text):
            raise self.unreadable_error()
        return self.take()

    def opens(self) -> bool:
        """Return True if a function begins: a name, and a parenthesis."""
        return self.peek().kind == "name" and self._tokens[self._at + 1].text == "("

    def path(self) -> Path:
        """Take a document path."""
        first = self.take()
        if first.kind != "name":
            raise self.unreadable_error()
        whole, end = True, first.end
        while self.at(".", "["):
            whole = False
            if self.take().text == ".":
                if self.peek().kind != "name":
                    raise self.unreadable_error()
                end = self.take().end
            else:
                if not self.peek().text.isdigit():
                    raise self.unreadable_error()
                self.take()
                end = self.expect("]").end
        return Path(self._resolved(first), whole, first.start, end)

    def _resolved(self, token: Token) -> str:
        if not token.text.startswith("#"):
            return token.text
        try:
            return self._names[token.text]
        except KeyError:
            raise ProtectedAttributeError(f"ExpressionAttributeNames has no {token.text}") from None

    def unreadable_error(self) -> ProtectedAttributeError:
        """Return the error of an expression that cannot be read."""
        return _unreadable_error(self.peek().start)


def _tokens(text: str) -> Iterator[Token]:
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _unreadable_error(at)
        yield Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup), match.end())
        at = match.end()
    yield Token("end", "", end, end)


def _unreadable_error(at: int) -> ProtectedAttributeError:
    """Return an error that does not show the expression: what cannot be read may be a value, by mistake."""
    return ProtectedAttributeError(
        f"the expression cannot be read from its character {at} on, so that what it does with "
        'protected attributes is not known: names are like "ssn" or "#name", values like ":value"'
    )


def placeholders_in(text: str) -> set[str]:
    """Return the placeholders of names and values that an expression has."""
    return {token.text for token in _tokens(text) if token.text[:1] in ("#", ":")}


def operators_in(parameter: str, text: str) -> int:
    """Return how many operators and functions an expression has: what is no operand, but for the `=` of SET."""
    tokens = list(_tokens(text))
    signs = {"+", "-"} if parameter == "UpdateExpression" else _COMPARISONS
    functions = sum(one.kind == "name" and after.text == "(" for one, after in pairwise(tokens))  # and IN
    words = [one.text.upper() in _WORDS and after.text != "(" for one, after in pairwise(tokens)]
    return functions + sum(words) + sum(token.text in signs for token in tokens)


def conditions(text: str, names: dict[str, str]) -> Node:
    """Read a condition, filter or key condition.

    Raises:
        ProtectedAttributeError: it cannot be read.
    """
    tokens = Tokens(text, names)
    node = _either(tokens)
    if tokens.peek().kind != "end":
        raise tokens.unreadable_error()
    return node


def beside_and(text: str, names: dict[str, str]) -> str:
    """Return a condition as it can stand beside AND: in parentheses if it has to, for DynamoDB refuses redundant ones.

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
