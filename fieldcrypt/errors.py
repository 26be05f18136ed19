"""Every error that fieldcrypt raises, apart from TypeError and ValueError for misuse.

No message, attribute or chained exception here ever holds plaintext or key material.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

__all__ = [
    "ConfigurationError",
    "DecryptionError",
    "FieldcryptError",
    "KeyAccessDeniedError",
    "KeyNotFoundError",
    "KeyProviderError",
    "KeyShreddedError",
    "KeyStoreError",
    "MigrationError",
    "NotWrappedHereError",
]

_REFUSED = (
    "the value cannot be decrypted: it was changed or cut, belongs to another field, row or tenant, "
    "or was encrypted under foreign keys"
)


class FieldcryptError(Exception):
    """Base of all errors of fieldcrypt."""


class ConfigurationError(FieldcryptError):
    """fieldcrypt was set up in a way that cannot work; the message says what to use instead."""


class DecryptionError(FieldcryptError):
    """A value is not what was encrypted for this place.

    It was changed or cut, belongs to another field, row or tenant, or was encrypted under foreign keys. On purpose
    the error does not say which (SPEC section 7).
    """

    def __init__(self, message: str = _REFUSED) -> None:
        super().__init__(message)


class NotWrappedHereError(DecryptionError):
    """A data key is wrapped under no key of this key provider; another one may have it."""


class KeyProviderError(FieldcryptError):
    """A key provider could neither wrap nor unwrap a data key.

    Attributes:
        causes: what happened in each place that was tried, in the order tried: place (a region, say) -> exception.
        retryable: True if the same call may succeed later (an outage), False if someone has to act first.
        grace: True if live keys may go on for their grace meanwhile. False if it cannot be told from a refusal: a
            place refused while a better one was not reached, or what is silent is how an owner says no.
    """

    def __init__(
        self,
        message: str,
        *,
        causes: Mapping[str, Exception] | None = None,
        retryable: bool = True,
        grace: bool = True,
    ) -> None:
        super().__init__(message)
        self.causes: dict[str, Exception] = dict(causes or {})
        self.retryable = retryable
        self.grace = grace and retryable


class KeyAccessDeniedError(KeyProviderError):
    """A key provider refused: no permission, or the wrapping key is disabled or pending deletion.

    A refusal is a decision, not an outage: it ends the use of live keys at once.
    """

    def __init__(self, message: str, *, causes: Mapping[str, Exception] | None = None) -> None:
        super().__init__(message, causes=causes, retryable=False)


class MigrationError(FieldcryptError):
    """A step of a migration was stopped by the data store. What it did before stays; run it again to go on."""


class KeyStoreError(FieldcryptError):
    """A key store failed, or what it holds is not a valid key record."""


class KeyNotFoundError(KeyStoreError):
    """A key store has no record of a key id."""


class KeyShreddedError(KeyNotFoundError):
    """The data key was destroyed on purpose, and everything that was encrypted under it with it.

    Attributes:
        shredded: when, in seconds since 1970.
        by: who did it, as they said.
        keys: how many data keys were destroyed together.
    """

    def __init__(self, message: str, *, shredded: int, by: str, keys: int) -> None:
        super().__init__(message)
        self.shredded = shredded
        self.by = by
        self.keys = keys

    def __reduce__(self) -> tuple[Any, ...]:
        how: dict[str, Any] = {"shredded": self.shredded, "by": self.by, "keys": self.keys}
        return partial(KeyShreddedError, **how), self.args
