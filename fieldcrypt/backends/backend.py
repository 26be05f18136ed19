"""What a backend can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

__all__ = ["Backend", "Cipher", "Mac", "Sealer"]


class Sealer(Protocol):
    """AES-256-GCM under one random salt, shared by all fields that encrypt under a live key."""

    @property
    def salt(self) -> bytes:
        """12 bytes."""
        ...

    @property
    def messages(self) -> Iterator[bool]:
        """Yields once for every message that the salt may still serve."""
        ...


class Cipher(Protocol):
    """XAES-256-GCM under the encryption key of a data key (SPEC section 3)."""

    def cipher(self, salt: bytes) -> Any:
        """Return the AES-256-GCM of a 12-byte salt."""
        ...

    def sealer(self, draw: Callable[[int], bytes], messages: int) -> Sealer:
        """Return what encrypts under a new salt, for so many messages; `draw` draws it."""
        ...

    def sealer_of(self, salt: bytes, messages: int) -> Sealer:
        """Return what encrypts under a given salt of 12 bytes, for so many messages."""
        ...

    def encrypt(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and tag under a 24-byte nonce that is used this once."""
        ...

    def decrypt(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            DecryptionError: the tag does not fit key, nonce, ciphertext and aad.
        """
        ...

    def wipe(self) -> None:
        """Give the key up; natively, its memory is wiped, and what uses it afterwards raises a KeyWipedError."""

    @property
    def is_wiped(self) -> bool:
        """Whether it cannot be used any more."""
        ...


class Mac(Protocol):
    """HMAC-SHA-256 under the index key of a data key, fed with the beginning of a message (SPEC section 11)."""

    def fed(self, data: bytes, /) -> Mac:
        """Return another one, fed with more of the message."""
        ...

    def tag(self, end: bytes, size: int, /) -> bytes:
        """Return the first bytes of the tag of a message, which ends with this."""
        ...

    def wipe(self) -> None:
        """Give the key up as a cipher does, also in all that were fed from this one."""

    @property
    def is_wiped(self) -> bool:
        """Whether it cannot be used any more."""
        ...


class Backend(Protocol):
    """Derives from data keys (SPEC section 1), so that what is derived need not pass through Python."""

    @property
    def name(self) -> str:
        """As in FIELDCRYPT_BACKEND: "python", "native" or "native-fips"."""
        ...

    @property
    def description(self) -> str:
        """What it is made of, with versions."""
        ...

    @property
    def is_native(self) -> bool:
        """Whether fields have a native hot path."""
        ...

    def new_tally(self) -> Any:
        """Return a `Tally` of values that fields of this backend count with."""
        ...

    def key_id(self, secret: bytes, /) -> bytes:
        """Return the id of a data key, 16 bytes."""
        ...

    def record_tag(self, secret: bytes, message: bytes, /) -> bytes:
        """Return the tag of a key record, 32 bytes."""
        ...

    def cipher(self, secret: bytes, /) -> Cipher:
        """Return the cipher for values under a data key."""
        ...

    def mac(self, secret: bytes, /) -> Mac:
        """Return the HMAC for blind indexes under a data key."""
        ...

    def memory_fault(self) -> str | None:
        """Return why key material may get to swap or a core dump; None if it cannot, as far as it is held natively."""
