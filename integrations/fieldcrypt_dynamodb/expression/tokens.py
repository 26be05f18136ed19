"""The words, signs and paths of DynamoDB's expressions.

Source: "Using expressions in DynamoDB", Amazon DynamoDB Developer Guide. What cannot be read is refused: an attribute
that is not seen could be a protected one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from fieldcrypt_dynamodb.errors import ProtectedAttributeError

__all__ = ["Path", "Token", "Tokens", "operators_in", "placeholders_in"]

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
        steps: its names, with placeholders resolved, and indexes of lists.
        start, end: where it stands in the expression.
    """

    steps: tuple[str | int, ...]
    start: int
    end: int

    @property
    def root(self) -> str:
        """The attribute at the top of the item."""
        return str(self.steps[0])

    @property
    def whole(self) -> bool:
        """True if the path ends there, and does not lead into the attribute."""
        return len(self.steps) == 1


class Tokens:
    """An expression, read from left to right.

    Args:
        text: the expression.
        names: `ExpressionAttributeNames`.

    Raises:
        ProtectedAttributeError: it has something in it that expressions do not have.
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
        """Take a token that has to come next."""
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
        steps: list[str | int] = [self._resolved(first)]
        end = first.end
        while self.at(".", "["):
            if self.take().text == ".":
                if self.peek().kind != "name":
                    raise self.unreadable_error()
                name = self.take()
                steps.append(self._resolved(name))
                end = name.end
            else:
                if not self.peek().text.isdigit():
                    raise self.unreadable_error()
                steps.append(int(self.take().text))
                end = self.expect("]").end
        return Path(tuple(steps), first.start, end)

    def _resolved(self, token: Token) -> str:
        if not token.text.startswith("#"):
            return token.text
        if token.text not in self._names:
            raise ProtectedAttributeError(f"ExpressionAttributeNames has no {token.text}")
        name = self._names[token.text]
        return str.__str__(name) if isinstance(name, str) else name  # for an Enum member, the text that is sent

    def unreadable_error(self) -> ProtectedAttributeError:
        """Return the error for an expression that cannot be read."""
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
    """Return an error that does not show the expression, which may have a value in it by mistake."""
    return ProtectedAttributeError(
        f"the expression cannot be read from its character {at} on, so that what it does with "
        'protected attributes is not known: names are like "ssn" or "#name", values like ":value"'
    )


def placeholders_in(text: str) -> set[str]:
    """Return the placeholders of names and values that an expression has."""
    return {token.text for token in _tokens(text) if token.text[:1] in ("#", ":")}


def operators_in(parameter: str, text: str) -> int:
    """Return how many operators and functions an expression has: all but its operands, and the `=` of SET."""
    tokens = list(_tokens(text))
    signs = {"+", "-"} if parameter == "UpdateExpression" else _COMPARISONS
    functions = sum(one.kind == "name" and after.text == "(" for one, after in pairwise(tokens))  # and IN
    words = [one.text.upper() in _WORDS and after.text != "(" for one, after in pairwise(tokens)]
    return functions + sum(words) + sum(token.text in signs for token in tokens)
