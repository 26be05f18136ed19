"""Keys, as they are written down in checkpoints."""

from __future__ import annotations

from fieldcrypt import ConfigurationError
from fieldcrypt.cbor import decode_cbor, encode_cbor
from fieldcrypt_sqlalchemy.keyset import Key

__all__ = ["key_of", "stored_key"]


def key_of(stored: bytes | None) -> Key | None:
    """Return a key that was written down."""
    return None if stored is None else tuple(decode_cbor(bytes(stored)))


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
