"""Encryption contexts and their canonical bytes (SPEC section 2)."""

from __future__ import annotations

from collections.abc import Mapping

from fieldcrypt._text import utf8

__all__ = ["FIELD_KEY", "RESERVED_PREFIX", "application_context", "encode_context"]

RESERVED_PREFIX = "fieldcrypt:"
FIELD_KEY = "fieldcrypt:field"

_MAX_LENGTH = 0xFFFF  # of a key and of a value, in bytes
_LENGTH_SIZE = 2


def encode_context(context: Mapping[str, str]) -> bytes:
    """Encode an encryption context; equal contexts, and only those, give equal bytes.

    Args:
        context: at least one entry; keys of 1 to 65,535 bytes of UTF-8, values of 0 to 65,535.

    Raises:
        TypeError: a key or value is not a str.
        ValueError: the context is empty, or an entry is out of range or has a lone surrogate.
    """
    if not context:
        raise ValueError("an encryption context needs at least one entry")
    entries = sorted((_utf8(key), _utf8(value)) for key, value in context.items())
    if not entries[0][0]:
        raise ValueError("an encryption context cannot have an empty key")
    return b"".join(len(part).to_bytes(_LENGTH_SIZE, "big") + part for key, value in entries for part in (key, value))


def application_context(context: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of a context that an application gave, refusing keys that belong to the format.

    Raises:
        TypeError: it is not a mapping from str to str.
        ValueError: a key begins with `fieldcrypt:`.
    """
    if not isinstance(context, Mapping):
        raise TypeError(f"a context is a mapping from str to str, not {type(context).__name__}")
    for key in context:
        if isinstance(key, str) and key.startswith(RESERVED_PREFIX):
            raise ValueError(f"context keys that begin with {RESERVED_PREFIX!r} are reserved: {key!r}")
    return dict(context)


def _utf8(text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"keys and values of an encryption context are str, not {type(text).__name__}")
    encoded = utf8(text, "a key or value of an encryption context")
    if len(encoded) > _MAX_LENGTH:
        raise ValueError(f"a key or value of an encryption context is longer than {_MAX_LENGTH} bytes")
    return encoded
