"""Binary data that a scheme writes as text."""

from __future__ import annotations

from base64 import b64decode, b64encode

__all__ = ["STANDARD", "URL_SAFE", "decoded"]

STANDARD = b"+/"  # the last two digits of base64
URL_SAFE = b"-_"  # the last two digits of base64url


def decoded(data: bytes | str, alphabet: bytes) -> bytes | None:
    """Return the bytes that base64 with padding stands for, in the one form that base64 has for them; else None.

    Libraries ignore foreign characters and loose bits, so that many texts would pass for one value.
    """
    try:
        encoded = data.encode("ascii") if isinstance(data, str) else data
        content = b64decode(encoded, alphabet, validate=True)
    except ValueError:
        return None
    return content if b64encode(content, alphabet) == encoded else None
