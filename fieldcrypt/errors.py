"""Every error that fieldcrypt raises, apart from TypeError and ValueError for misuse.

No message, attribute or chained exception here ever holds plaintext or key material.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from fieldcrypt.tracebacks.frames import emptied

__all__ = [
    "ConfigurationError",
    "DecryptionError",
    "FieldcryptError",
    "KeyAccessDeniedError",
    "KeyNotFoundError",
    "KeyProviderError",
    "KeyShreddedError",
    "KeyStoreError",
    "KeyWipedError",
    "MigrationError",
    "NativeError",
    "NotWrappedHereError",
    "PlaintextRefusedError",
    "UnknownTenantError",
    "is_unexplained",
    "located",
    "redacted_error",
]

E = TypeVar("E", bound=BaseException)

_REFUSED = (
    "the value cannot be decrypted: it was changed or cut, belongs to another field, row or tenant, "
    "or was encrypted under foreign keys"
)


class FieldcryptError(Exception):
    """Base of all errors of fieldcrypt. They say where, and so do the TypeErrors and ValueErrors for values of a field.

    Args:
        args: the message.
        field: the name of the field whose value it was about.

    Attributes:
        field: the same.
        key_id: the data key, 32 hexadecimal digits.
        tenant: the tenant that the caller named.
    """

    field: str | None = None
    key_id: str | None = None
    tenant: str | None = None

    def __init__(self, *args: object, field: str | None = None) -> None:
        super().__init__(*args)
        if field is not None:
            self.field = field

    def __str__(self) -> str:
        return _with_place(super().__str__(), self.field, self.key_id, self.tenant)


class ConfigurationError(FieldcryptError):
    """fieldcrypt was set up in a way that cannot work; the message says what to use instead."""


class DecryptionError(FieldcryptError):
    """A value is not what was encrypted for this place.

    It was changed or cut, belongs to another field, row or tenant, or was encrypted under foreign keys. On purpose
    the error does not say which (SPEC section 7): where it says is what the caller named, and what the value names.

    Attributes:
        hint: what to check first. It follows from how the field is declared, not from the value.
    """

    hint: str | None = None

    def __init__(self, message: str = _REFUSED) -> None:
        super().__init__(message)

    def __str__(self) -> str:
        text = super().__str__()
        return text if self.hint is None else f"{text}; {self.hint}"


class NativeError(FieldcryptError):
    """The native core failed: a fault of fieldcrypt, to be reported. The message says where, and nothing else."""


class KeyWipedError(FieldcryptError):
    """A key was taken away while it was about to be used, again and again: other threads drop keys all the time."""

    def __init__(self, message: str = "the key was dropped, and wiped, by another thread: try again") -> None:
        super().__init__(message)


class PlaintextRefusedError(FieldcryptError, TypeError):
    """An operation was refused before anything was sent, for it would have put plaintext into a data store.

    Or it would have written what cannot be read again, or have had the store compute with ciphertext. Integrations
    derive their own from it.
    """


def is_unexplained(error: Exception) -> bool:
    """Return True if all that an error says is that a value is not authentic where it was read."""
    return type(error) is DecryptionError and error.args == (_REFUSED,)


class NotWrappedHereError(DecryptionError):
    """A data key is wrapped under no key of this key provider; another one may have it. The message names its keys."""


class KeyProviderError(FieldcryptError):
    """A key provider could neither wrap nor unwrap a data key.

    Attributes:
        causes: what happened in each place that was tried, in the order tried: place (a region, say) -> exception.
        retryable: True if the same call may succeed later (an outage), False if someone has to act first.
        grace: True if live keys may go on for their grace meanwhile. False if it may be a refusal: a
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


class UnknownTenantError(KeyProviderError):
    """The lookup of a `TenantKeyProvider` knows no such tenant: it raised a LookupError, as `arns[tenant]` does.

    Live keys go on as for any other failure of the lookup, because a table that is being reloaded looks the same.
    """


class MigrationError(FieldcryptError):
    """A step of a migration was stopped by the data store. What it did before stays; run it again to go on."""


class KeyStoreError(FieldcryptError):
    """A key store failed, or what it holds is not a valid key record."""


class KeyNotFoundError(KeyStoreError):
    """A key store has no record of a key id.

    Attributes:
        final: False if another store that may have it could not be asked.
    """

    final: bool = True


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
        return partial(KeyShreddedError, **how), self.args, self.__dict__


def located(error: E, *, field: str | None = None, key_id: str | None = None, tenant: object = None) -> E:
    """Return the same error, saying where it happened; what it says already stays.

    It is a copy, for others may raise the same one elsewhere at the same time. The frames that it has left hold no
    local variables any more (see `tracebacks`); the caller drops its own before it raises.

    Args:
        error: a FieldcryptError, TypeError or ValueError. Any other is returned as it is, but for the frames.
        field, key_id: see `FieldcryptError`.
        tenant: as the caller named it; left out if it is not text.
    """
    emptied(error)
    if isinstance(error, UnicodeEncodeError):
        error = redacted_error(error)  # type: ignore[assignment]
    kind = type(error)
    if not issubclass(kind, (FieldcryptError, TypeError, ValueError)):
        return error
    place = {"field": field, "key_id": key_id, "tenant": tenant if isinstance(tenant, str) else None}
    new = {name: value for name, value in place.items() if value is not None and getattr(error, name, None) is None}
    args = error.args
    if not isinstance(error, FieldcryptError):
        args = (_with_place(str(error), **{**dict.fromkeys(place), **new}),)
    copy = kind.__new__(kind, *args)
    copy.args = args
    copy.__dict__.update(error.__dict__, **new)
    copy.__cause__ = error.__cause__
    return copy.with_traceback(error.__traceback__)


def redacted_error(error: UnicodeEncodeError, what: str = "the text") -> ValueError:
    """Empty an error that is being handled, and return the one to raise instead."""
    error.object = ""
    error.args = ()
    return ValueError(f"{what} is not valid Unicode (it has lone surrogates)")


def _with_place(message: str, field: str | None, key_id: str | None, tenant: str | None) -> str:
    """Return a message that says where, unless it does so already."""
    if field is not None and field not in message:
        message = f"{field}: {message}"
    parts = [f"data key {key_id}"] if key_id is not None and key_id not in message else []
    if tenant is not None and repr(tenant) not in message:  # quoted: no forged log lines
        parts.append(f"tenant {tenant!r}")
    return f"{message} ({', '.join(parts)})" if parts else message
