"""A data key's id as an argument."""

from __future__ import annotations

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.format.envelope import KEY_ID_SIZE

__all__ = ["parse_key_id"]


def parse_key_id(text: str) -> bytes:
    """Return the id that an argument means.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        key_id = bytes.fromhex(text)
    except ValueError:
        key_id = b""
    if len(key_id) != KEY_ID_SIZE:
        raise ConfigurationError(f"{text!r} is not a key id: those have {2 * KEY_ID_SIZE} hexadecimal digits")
    return key_id
