"""Reads along what this process sends to AWS, and looks for plaintext in it.

Every client of boto3, of any session, and every model of PynamoDB sends through one method of botocore, every client of
aioboto3 through one of aiobotocore, and every value of every field goes through `Field`, `FieldGroup`, `BlindIndex` and
`encrypt_fields`, or what these have natively: all are watched there, so that no client and no value can be forgotten.
What fixtures of a wider scope than a test did before it is not seen.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import enum
import json
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session

from fieldcrypt import BlindIndex, Field
from fieldcrypt.spi import FieldGroup, encrypt_fields
from tests.support.backends import NATIVE

__all__ = ["Secrets", "wiretap"]

MIN_LENGTH = 5  # bytes of a secret from which on it can be no accident if they are part of something longer
MIN_DIGITS = 6  # of a number
_BETWEEN = b"\0\xff\0\xff\0"  # texts that are searched together
_RANDOM = 32  # characters of base64 that are only looked at decoded: in so many there may be any letters
_MAX_WRAPPING = 3  # base64 in base64: what botocore makes of bytes that an attribute has encoded already

# Texts, bytes, numbers or truth: what DynamoDB knows, and all that other values consist of.
Plain = str | bytes | Decimal | bool


class Secrets:
    """Values that must not be sent unencrypted, and what was sent.

    A secret of some length must not be part of anything that is sent. A shorter one, a number or a truth value must not
    be the whole of a value; 7 in a longer text proves nothing.
    """

    def __init__(self) -> None:
        self._secrets: dict[tuple[type, Plain], None] = {}  # by type too: 1 == True
        self._names: dict[str, None] = {}  # in documents
        self._allowed: set[tuple[type, Plain]] = set()
        self._sent: dict[tuple[str, bytes], None] = {}
        self.requests = 0  # sent so far

    def add(self, *values: Any) -> None:
        """Keep values secret, and what they consist of, whatever their types."""
        for value in values:
            self._secrets.update(((type(form), form), None) for form in _forms(value))
            self._names.update((name, None) for name in _names(value))

    def allow(self, *values: Any) -> None:
        """Let values be sent though they are secret elsewhere, because the same value is in the clear on purpose."""
        for value in values:
            self._allowed.update((type(form), form) for form in _forms(value))

    def sent(self, request: Any) -> None:
        """Note a request of botocore."""
        self.requests += 1
        body = request.body.encode() if isinstance(request.body, str) else _content(request.body or b"")
        target = request.headers.get("X-Amz-Target", request.url)
        self._sent[target.decode() if isinstance(target, bytes) else target, body] = None

    def bodies(self, service: str) -> list[tuple[str, Any]]:
        """Return what was sent to a service, DynamoDB_20120810 for example: each operation, and its parameters."""
        return [
            (operation.rpartition(".")[2], json.loads(body))
            for operation, body in self._sent
            if operation.startswith(f"{service}.")
        ]

    @contextmanager
    def nothing_is_sent(self) -> Iterator[None]:
        """Fail if a request is sent meanwhile."""
        before = self.requests
        yield
        assert self.requests == before, "a request was sent"

    def leaks(self) -> list[str]:
        """Return what was sent that should not have been: the operation, the secret, and in what it was found."""
        found = [(operation, text) for operation, body in self._sent for text in _found(body)]
        suspects = self._in([text for _, text in found])  # all at once, for there may be thousands of either
        return [
            f"{operation} sent {secret!r} in {text!r}"
            for operation, text in (found if suspects else [])
            for secret in suspects & self._in([text])
        ]

    def _in(self, found: Iterable[Plain]) -> set[Plain]:
        whole: set[tuple[type, Plain]] = set()
        texts: list[bytes] = []
        for each in found:
            forms = list(_unwrapped(each))
            whole.update((type(form), form) for form in forms)
            if len(forms) > 1 and isinstance(each, str) and len(each) >= _RANDOM:
                del forms[0]
            texts += [
                form.encode() if isinstance(form, str) else form for form in forms if isinstance(form, str | bytes)
            ]
        haystack = _BETWEEN.join(texts)
        secrets = {secret for secret in self._secrets.keys() - self._allowed if secret in whole}
        parts = (self._secrets | {(str, name): None for name in self._names}).keys() - self._allowed
        secrets |= {secret for secret in parts if any(part in haystack for part in _distinctive(secret[1]))}
        return {secret for _, secret in secrets}


def _content(body: Any) -> bytes:
    """The content of a body that is bytes, or a file of them, as S3 has it."""
    if not hasattr(body, "read"):
        return bytes(body)
    content: bytes = body.read()
    body.seek(0)
    return content


@contextmanager
def wiretap(*, aio: bool = False) -> Iterator[Secrets]:
    """Read along meanwhile. All that goes into fields and blind indexes, and all that comes out, is secret.

    Args:
        aio: whether to read along with aiobotocore too, which has to be there then.

    Raises:
        AssertionError: on leaving it, if a secret was sent unencrypted.
    """
    secrets = Secrets()
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((Field, "encrypt"), (FieldGroup, "encrypt"), (BlindIndex, "tag"), (BlindIndex, "tags")):
            _watch(patch, owner, name, lambda call, _: secrets.add(call))
        _watch(patch, Field, "decrypt", lambda _, result: secrets.add(result))
        if NATIVE is not None:
            _watch_natively(patch, secrets)
        _watch_batches(patch, secrets)
        send = URLLib3Session.send

        def watched(self: Any, request: Any) -> Any:
            secrets.sent(request)
            return send(self, request)

        patch.setattr(URLLib3Session, "send", watched)
        if aio:
            _watch_aio(patch, secrets)
        yield secrets
    leaks = secrets.leaks()
    assert not leaks, "\n".join(leaks)


def _watch_aio(patch: pytest.MonkeyPatch, secrets: Secrets) -> None:
    """Note what aiobotocore sends, through one method as botocore does."""
    from aiobotocore.httpsession import AIOHTTPSession

    send = AIOHTTPSession.send

    async def watched(self: Any, request: Any) -> Any:
        secrets.sent(request)
        return await send(self, request)

    patch.setattr(AIOHTTPSession, "send", watched)


def _watch(patch: pytest.MonkeyPatch, owner: Any, name: str, note: Callable[[Any, Any], None]) -> None:
    """Note the first argument and the result of each call of a method."""
    method = getattr(owner, name)

    def watched(self: Any, value: Any, **how: Any) -> Any:
        result = method(self, value, **how)
        note(value, result)
        return result

    patch.setattr(owner, name, watched)


def _watch_natively(patch: pytest.MonkeyPatch, secrets: Secrets) -> None:
    """Note what goes through native fields and groups, whose methods are in slots of each of them."""
    from fieldcrypt.native.field import NativeField
    from fieldcrypt.native.group import NativeGroup

    for owner in (NativeField, NativeGroup):
        _watch_slot(patch, owner, "encrypt", lambda call, _: secrets.add(call))
        _watch_slot(patch, owner, "decrypt", lambda _, result: secrets.add(result))


def _watch_slot(patch: pytest.MonkeyPatch, owner: Any, name: str, note: Callable[[Any, Any], None]) -> None:
    """Note the first argument and the result of each call of what objects have in a slot."""
    slot = getattr(owner, name)

    def watched(self: Any) -> Callable[..., Any]:
        method = slot.__get__(self)

        def call(value: Any, **how: Any) -> Any:
            result = method(value, **how)
            note(value, result)
            return result

        return call

    patch.setattr(owner, name, property(watched, slot.__set__))


def _watch_batches(patch: pytest.MonkeyPatch, secrets: Secrets) -> None:
    """Note the values of each batch, in every module that has imported the function."""

    def watched(parts: Iterable[Any], **how: Any) -> list[bytes]:
        parts = list(parts)
        result = encrypt_fields(parts, **how)
        for _, value, _ in parts:
            secrets.add(value)
        return result

    for module in [each for each in sys.modules.values() if vars(each).get("encrypt_fields") is encrypt_fields]:
        if module is not sys.modules[__name__]:
            patch.setattr(module, "encrypt_fields", watched)


def _forms(value: Any) -> Iterator[Plain]:
    """What a value consists of, in the forms in which it would be sent unencrypted."""
    if value is None or isinstance(value, bool):
        yield from () if value is None else (value,)
    elif isinstance(value, enum.Enum):
        yield value.name
        yield from _forms(value.value)
    elif isinstance(value, str | bytes | bytearray | memoryview):
        yield value if isinstance(value, str) else bytes(value)
    elif isinstance(value, int | float | Decimal):
        yield Decimal(str(value))
    elif isinstance(value, dt.datetime):
        for moment in (value, value.astimezone(dt.UTC)):
            yield moment.replace(microsecond=0, tzinfo=None).isoformat()
    elif isinstance(value, dt.date | dt.time):
        yield value.isoformat()
    elif isinstance(value, dt.timedelta):
        yield Decimal(str(value.total_seconds()))
    elif isinstance(value, uuid.UUID):
        yield from (str(value), value.hex, value.bytes)
    elif isinstance(value, Mapping):
        for element in value.values():
            yield from _forms(element)
    elif isinstance(value, Iterable):
        for element in value:
            yield from _forms(element)
    else:
        raise TypeError(f"how is a {type(value).__name__} sent in the clear?")


def _names(value: Any) -> Iterator[str]:
    """The keys of maps in a value."""
    if isinstance(value, Mapping):
        yield from (key for key in value if isinstance(key, str))
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | memoryview):
        for element in value:
            yield from _names(element)


def _distinctive(secret: Plain) -> Iterator[bytes]:
    """The bytes that prove that a secret is there, if there are any."""
    if isinstance(secret, bool):
        return
    if isinstance(secret, Decimal):
        digits = f"{secret.normalize():f}"
        if sum(map(str.isdigit, digits)) >= MIN_DIGITS:
            yield digits.encode()
        return
    part = secret.encode() if isinstance(secret, str) else secret
    if len(part) >= MIN_LENGTH:
        yield part


def _found(body: bytes) -> Iterator[Plain]:
    """All texts and values in the body of a request, as DynamoDB understands them."""
    try:
        request = json.loads(body)
    except ValueError:
        yield body
    else:
        yield from _values(request)


# How DynamoDB writes the values that have no values in them: by the name of the type.
_READ: Mapping[str, tuple[type, Callable[[Any], Plain]]] = {
    "S": (str, str),
    "N": (str, Decimal),
    "B": (str, base64.b64decode),
    "BOOL": (bool, bool),
}


def _values(node: Any) -> Iterator[Plain]:
    if isinstance(node, dict):
        kind, value = next(iter(node.items()), ("", None))
        if kind in _READ and len(node) == 1 and isinstance(value, _READ[kind][0]):
            yield _READ[kind][1](value)
            return
        if kind in ("SS", "NS", "BS") and len(node) == 1 and isinstance(value, list):
            node = [{kind[0]: element} for element in value]
    if isinstance(node, dict):
        for name, value in node.items():
            yield f"{name}:"  # never the whole of a value
            if not isinstance(value, str) or len(value) >= MIN_LENGTH:  # shorter, it is what the API itself has to say
                yield from _values(value)
    elif isinstance(node, list):
        for element in node:
            yield from _values(element)
    elif isinstance(node, str):
        yield node


def _unwrapped(found: Plain) -> Iterator[Plain]:
    """A value, and what base64 in it stands for."""
    for _ in range(_MAX_WRAPPING):
        yield found
        if not isinstance(found, str | bytes):
            return
        try:
            found = base64.b64decode(found, validate=True)
        except (binascii.Error, ValueError):
            return
