"""Writing canaries, and recognising them without reading them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fieldcrypt.format import envelope
from fieldcrypt.keys.keyring import Keyring
from fieldcrypt.keys.providers.tenant_providers import Named
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["is_canary", "writing_canaries"]


@contextmanager
def writing_canaries(keyring: Keyring, forget: Callable[[], None]) -> Iterator[None]:
    """Have the fields of a keyring write canaries.

    Args:
        keyring: theirs.
        forget: drops what is prepared for other values.
    """
    keyring.canaries.begin()
    try:
        forget()
        yield
    finally:
        keyring.canaries.end()
        forget()


@discreet
def is_canary(keyring: Keyring, data: bytes, tenant: Named) -> bool:
    """Return True if a value is a canary."""
    value = envelope.parse(envelope.as_bytes(data))
    return value.salt in keyring.for_decryption(value.key_id, value.record, tenant=tenant).canary_salts
