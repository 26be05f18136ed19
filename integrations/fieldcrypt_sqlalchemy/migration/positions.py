"""Keys, as they are written down in checkpoints."""

from __future__ import annotations

from contextlib import suppress

from fieldcrypt import ConfigurationError, DecryptionError
from fieldcrypt.cbor import decode_cbor, encode_cbor
from fieldcrypt_sqlalchemy.keyset import Key

__all__ = ["key_of", "stored_key"]


def key_of(part: str, stored: bytes | None, parts: int) -> Key | None:
    """Return a key that was written down.

    Args:
        part: whose, for messages.
        stored: as it was.
        parts: of how many columns a key is.

    Raises:
        ConfigurationError: it is no key.
    """
    if stored is None:
        return None
    with suppress(DecryptionError, TypeError, ValueError):
        key = decode_cbor(bytes(stored))
        if isinstance(key, list) and len(key) == parts and None not in key:
            return tuple(key)
    raise ConfigurationError(
        f"{part}: what the checkpoints say of how far a step is was not written by a migration: begin it again, "
        "restart=True; what is done stays done"
    )


def stored_key(part: str, key: Key | None) -> bytes | None:
    """Return a key as it is written down.

    Raises:
        ConfigurationError: it cannot be.
    """
    try:
        return None if key is None else encode_cbor(list(key))
    except (TypeError, ValueError):
        kinds = ", ".join(type(each).__name__ for each in key or ())
        raise ConfigurationError(
            f"{part}: a primary key of {kinds} cannot be written down in a checkpoint; it can be made of int, "
            "str, bytes, UUID, Decimal, date and time"
        ) from None
