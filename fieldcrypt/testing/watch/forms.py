"""What plaintext looks like when it is sent, and what sent data contains."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import enum
import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_to_bytes

__all__ = ["MIN_LENGTH", "Plain", "distinctive", "forms", "found_in_json", "names", "unescaped", "unwrapped"]

MIN_LENGTH = 5  # bytes of a secret from which on it can be no accident if they are part of something longer
MIN_DIGITS = 6  # of a number
_MAX_WRAPPING = 3  # base64 in base64: what botocore makes of bytes that an attribute has encoded already

# Texts, bytes, numbers or truth: what DynamoDB knows, and all that other values consist of.
Plain = str | bytes | Decimal | bool


def forms(value: Any, otherwise: Callable[[Any], Plain] | None = None) -> Iterator[Plain]:
    """Yield what a value consists of, in the forms in which it would be sent unencrypted.

    Args:
        value: of any type that a field has.
        otherwise: makes a form of a value of another type.

    Raises:
        TypeError: the value is of another type, and there is no `otherwise`.
    """
    if value is None or isinstance(value, bool):
        yield from () if value is None else (value,)
    elif isinstance(value, enum.Enum):
        yield value.name
        yield from forms(value.value, otherwise)
    elif isinstance(value, str | bytes | bytearray | memoryview):
        yield value if isinstance(value, str) else bytes(value)
    elif isinstance(value, int | float | Decimal):
        yield Decimal(str(value))
    elif isinstance(value, dt.datetime):
        for moment in (value, value.astimezone(dt.UTC)):
            text = moment.replace(microsecond=0, tzinfo=None).isoformat()
            yield from (text, text.replace("T", " "))  # as SQL writes it
    elif isinstance(value, dt.date | dt.time):
        yield value.isoformat()
    elif isinstance(value, dt.timedelta):
        yield Decimal(str(value.total_seconds()))
    elif isinstance(value, uuid.UUID):
        yield from (str(value), value.hex, value.bytes)
    elif isinstance(value, Mapping):
        for element in value.values():
            yield from forms(element, otherwise)
    elif isinstance(value, Iterable):
        for element in value:
            yield from forms(element, otherwise)
    elif otherwise is not None:
        yield otherwise(value)
    else:
        raise TypeError(f"how is a {type(value).__name__} sent in the clear?")


def names(value: Any) -> Iterator[str]:
    """Yield the keys of maps in a value."""
    if isinstance(value, Mapping):
        yield from (key for key in value if isinstance(key, str))
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | memoryview):
        for element in value:
            yield from names(element)


def distinctive(secret: Plain) -> bytes | None:
    """Return the bytes that prove that a secret is there, wherever they are found; None if there are none."""
    if isinstance(secret, bool):
        return None
    if isinstance(secret, Decimal):
        digits = f"{secret.normalize():f}"
        return digits.encode() if sum(map(str.isdigit, digits)) >= MIN_DIGITS else None
    part = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret  # JSON sends any character
    return part if len(part) >= MIN_LENGTH else None


def found_in_json(text: bytes) -> Iterator[Plain]:
    """Yield all texts and values in the body of a request, as DynamoDB understands them; or all of it."""
    try:
        request = json.loads(text)
    except ValueError:
        yield text
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


def unwrapped(found: Plain) -> Iterator[Plain]:
    """Yield a value, and what base64 in it stands for."""
    for _ in range(_MAX_WRAPPING):
        yield found
        if not isinstance(found, str | bytes):
            return
        try:
            found = base64.b64decode(found, validate=True)
        except (binascii.Error, ValueError):
            return


_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}){%d,}" % MIN_LENGTH)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{7,}")
_ESCAPED = re.compile(rb"\\u[0-9A-Fa-f]{4}|\\[\"\\/bfnrt]")


def unescaped(text: bytes) -> Iterator[bytes]:
    """Yield what a text would be to those who undo an escape in it: of SQL, URLs, JSON, hexadecimal or base64."""
    if b"''" in text:
        yield text.replace(b"''", b"'")
    if b"%" in text or b"+" in text:
        yield unquote_to_bytes(text.replace(b"+", b" "))
    if b"\\" in text:
        yield _ESCAPED.sub(lambda found: json.loads(b'"%b"' % found[0]).encode("utf-8", "replace"), text)
    yield from (bytes.fromhex(found[0].decode()) for found in _HEX.finditer(text))
    for found in _BASE64.finditer(text):
        run = found[0].translate(bytes.maketrans(b"-_", b"+/"))
        run = run[: -1 if len(run) % 4 == 1 else None]
        yield base64.b64decode(run + b"=" * (-len(run) % 4))
