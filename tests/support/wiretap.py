"""Reads along what this process sends to AWS, and looks for plaintext in it: a PlaintextWatch that is stricter.

What fixtures of a wider scope than a test did before it is not seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from botocore.endpoint import Endpoint

from fieldcrypt.testing import PlaintextWatch
from fieldcrypt.testing.watch.requests import Request
from fieldcrypt.testing.watch.statements import Statement

__all__ = ["Secrets", "past_the_wiretap", "wiretap"]

_UNREAD = Endpoint._do_get_response  # type: ignore[attr-defined]  # what it is while nobody reads along


class Secrets(PlaintextWatch):
    """Values that must not be sent to AWS unencrypted, short ones too, and what was sent.

    Attributes:
        requests: sent so far.
    """

    @property
    def requests(self) -> int:
        return self.sent

    def bodies(self, service: str) -> list[tuple[str, Any]]:
        """Return what was sent to a service, DynamoDB_20120810 for example: each operation, and its parameters."""
        return [
            (request.operation.rpartition(".")[2], json.loads(request.body))
            for request in self._requests
            if request.operation.startswith(f"{service}.")
        ]

    @contextmanager
    def nothing_is_sent(self) -> Iterator[None]:
        """Fail if a request is sent meanwhile."""
        before = self.requests
        yield
        assert self.requests == before, "a request was sent"

    def _value(self, value: Any) -> None:
        self.add(value)

    def _statement(self, statement: Statement) -> None:
        """Do not look at databases of SQL, where keys and numbers are in the clear."""

    def _request(self, request: Request) -> None:
        super()._request(request._replace(url=""))  # the same request to another port is the same


@contextmanager
def wiretap() -> Iterator[Secrets]:
    """Read along meanwhile. All that goes into fields and blind indexes, and all that comes out, is secret.

    Raises:
        AssertionError: on leaving it, if a secret was sent unencrypted.
    """
    with Secrets() as secrets:
        yield secrets
    leaks = secrets.leaks()
    assert not leaks, "\n".join(leaks)


def past_the_wiretap(client: Any) -> None:
    """Have a client send what nobody reads along: that of a plain table, which has secrets in it."""
    endpoint = client._endpoint
    endpoint._do_get_response = partial(_UNREAD, endpoint)
