"""Sees what this process sends, and finds plaintext in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from fieldcrypt.testing.watch.forms import MIN_LENGTH, Plain, forms, found_in_json
from fieldcrypt.testing.watch.requests import Request, requests_noted
from fieldcrypt.testing.watch.secrets import Secrets
from fieldcrypt.testing.watch.statements import Statement, statements_noted
from fieldcrypt.testing.watch.values import values_noted

__all__ = ["PlaintextWatch"]

_SHOWN = 200  # characters of what a secret was found in


class PlaintextWatch:
    """Sees what engines of SQLAlchemy and clients of AWS send, and finds plaintext in it.

        with PlaintextWatch() as watch:
            register(ssn="078-05-1120")
        watch.assert_no_plaintext()

    Secret is, without a word more, what is encrypted, decrypted, tagged or searched for meanwhile by any field of this
    process. Texts of five bytes or more, and numbers of six digits or more, must not be part of anything that is sent,
    also not within JSON, base64, hexadecimal, or the escapes of SQL and URLs. What is shorter is found in too many
    other things: `add` it, and it must not be the whole of a value that is sent.
    What `mock_aws` answers counts as sent.

    Not seen: what a driver is given past SQLAlchemy (`raw_connection()`, COPY), HTTP that is not botocore's, other
    processes, texts that are compressed or in another encoding than UTF-8.

    Raises:
        RuntimeError: a watch is entered a second time.
    """

    def __init__(self) -> None:
        self._secrets = Secrets()
        self._requests: dict[Request, None] = {}
        self._statements: list[Statement] = []
        self._sent = 0
        self._stack: ExitStack | None = None

    def __enter__(self) -> Self:
        if self._stack is not None:
            raise RuntimeError("a watch is used once: make another one")
        with ExitStack() as stack:
            stack.enter_context(requests_noted(self._request))
            stack.enter_context(statements_noted(self._statement))
            stack.enter_context(values_noted(self._value))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stack is not None:
            self._stack.close()

    @property
    def sent(self) -> int:
        """How many statements and requests were sent so far."""
        return self._sent

    def add(self, *values: Any) -> None:
        """Keep values secret, and what they consist of: also those that no field has seen, and short ones.

        Raises:
            TypeError: no field has values of this type.
        """
        for value in values:
            self._secrets.add(value)

    def allow(self, *values: Any) -> None:
        """Let values be sent though they are secret elsewhere, because the same value is in the clear on purpose.

        Raises:
            TypeError: as for `add`.
        """
        for value in values:
            self._secrets.allow(value)

    def leaks(self) -> list[str]:
        """Return what was sent that should not have been: by what, which secret, and in what it was found."""
        found = [(by, text) for by, texts in self._found() for text in texts]
        suspects = self._secrets.among([text for _, text in found])  # all at once, for there may be thousands of either
        return [
            f"{by} sent {secret!r} in {_shortened(text)}"
            for by, text in (found if suspects else [])
            for secret in sorted(suspects & self._secrets.among([text]), key=repr)
        ]

    def assert_no_plaintext(self) -> None:
        """Fail if a secret was sent, or if there was nothing to see: then the test would prove nothing.

        Raises:
            AssertionError: with the leaks. It shows the plaintext, so a test uses made-up data.
        """
        leaks = self.leaks()
        if leaks:
            raise AssertionError("plaintext was sent:\n" + "\n".join(leaks))
        if not self._sent:
            raise AssertionError("nothing was sent while the watch was on, so there was no plaintext to be found")
        if not self._secrets:
            raise AssertionError(
                "no field was used while the watch was on, and nothing was added: it did not know what to look for"
            )

    def _value(self, value: Any) -> None:
        """Note what goes through a field."""
        self._secrets.add_distinctive(value)

    def _request(self, request: Request) -> None:
        self._sent += 1
        self._requests[request] = None

    def _statement(self, statement: Statement) -> None:
        self._sent += 1
        self._statements.append(statement)

    def _found(self) -> Iterator[tuple[str, list[Plain]]]:
        """Yield what was sent, each with all texts and values in it."""
        for request in self._requests:
            yield request.operation, [*found_in_json(request.body), *filter(None, [request.url]), *request.metadata]
        for statement in self._statements:
            yield _shortened(statement.text), [statement.text, *_parameters(statement.parameters)]

    def __repr__(self) -> str:
        return f"<PlaintextWatch of {len(self._secrets)} secrets, {self._sent} statements and requests>"


def _parameters(parameters: Any) -> Iterator[Plain]:
    """Yield what parameters consist of, and the texts in what looks like JSON."""
    for form in forms(parameters, str):
        yield form
        if isinstance(form, str) and form[:1] in ("{", "["):
            yield from (
                text
                for text in found_in_json(form.encode())
                if isinstance(text, str | bytes) and len(text) >= MIN_LENGTH
            )


def _shortened(text: Plain) -> str:
    shown = text if isinstance(text, str) else repr(text)
    return repr(shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…")
