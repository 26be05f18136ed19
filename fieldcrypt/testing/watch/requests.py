"""Notes what this process sends to AWS.

Every client of boto3, of any session, and every model of PynamoDB asks one method of botocore for an answer, also under
`mock_aws`; every client of aioboto3 sends through one of aiobotocore.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import unquote

from fieldcrypt.testing.watch.noting import Noting
from fieldcrypt.testing.watch.replacing import replace

__all__ = ["Request", "requests_noted"]


class Request(NamedTuple):
    """A request to AWS: what it asks for, where, its body, and what its headers say of an object of S3."""

    operation: str
    url: str
    body: bytes
    metadata: tuple[str, ...] = ()


_METADATA = ("x-amz-meta-", "x-amz-tagging", "content-disposition")

Note = Callable[[Request], None]


def _note_requests(stack: ExitStack, note: Note) -> None:
    if find_spec("botocore"):
        _note_botocore(stack, note)
    if find_spec("aiobotocore"):
        _note_aiobotocore(stack, note)


def _note_botocore(stack: ExitStack, note: Note) -> None:
    from botocore.endpoint import Endpoint

    get_response = Endpoint._do_get_response  # type: ignore[attr-defined]

    def noting(self: Any, request: Any, *more: Any) -> Any:
        note(_noted(request))
        return get_response(self, request, *more)

    replace(stack, Endpoint, "_do_get_response", noting)


def _note_aiobotocore(stack: ExitStack, note: Note) -> None:
    from aiobotocore.httpsession import AIOHTTPSession

    send = AIOHTTPSession.send

    async def noting(self: Any, request: Any) -> Any:
        note(_noted(request))
        return await send(self, request)

    replace(stack, AIOHTTPSession, "send", noting)


def _noted(request: Any) -> Request:
    target = request.headers.get("X-Amz-Target", request.url)
    operation = target.decode() if isinstance(target, bytes) else target
    body = request.body.encode() if isinstance(request.body, str) else _content(request.body or b"")
    texts = [(name, each.decode() if isinstance(each, bytes) else each) for name, each in request.headers.items()]
    metadata = tuple(each for name, each in texts if name.lower().startswith(_METADATA))
    return Request(operation, unquote(request.url), body, metadata)


def _content(body: Any) -> bytes:
    """The content of a body that is bytes, or a file of them, as S3 has it."""
    if not hasattr(body, "read"):
        return bytes(body)
    content: bytes = body.read()
    body.seek(0)
    return content


requests_noted = Noting(_note_requests)  # that botocore, or aiobotocore, sends: none where there is neither
