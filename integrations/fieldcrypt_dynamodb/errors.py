"""What is refused, and what was applied all the same."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from fieldcrypt import FieldcryptError, PlaintextRefusedError
from fieldcrypt.spi import located

__all__ = [
    "ProtectedAttributeError",
    "RefusedMemberError",
    "WriteAppliedError",
    "named_error",
    "placed_error",
    "write_applied_error",
]

E = TypeVar("E", bound=Exception)


class ProtectedAttributeError(PlaintextRefusedError):
    """A request was refused before anything was sent: the message names the attribute or operation, and says why.

    It would send plaintext of a protected attribute to DynamoDB, write what is not an encrypted value of the
    attribute's, or have DynamoDB compute with ciphertext. Or what PynamoDB's model was read from lacks the
    key or the tenant that its values are bound to.
    """


class RefusedMemberError(ProtectedAttributeError, AttributeError):
    """A wrapper does not have what boto3's object has, because it would lead past the encryption.

    It is an AttributeError too, so that `hasattr` and `getattr` with a default answer as they do elsewhere.
    """


class WriteAppliedError(FieldcryptError):
    """A write was applied, and what it returned cannot be decrypted: do not repeat it.

    Its cause (`__cause__`) says why.

    Attributes:
        response: what DynamoDB answered, in its own form and as it is stored.
    """

    def __init__(self, message: str, *, response: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.response = response

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(WriteAppliedError, response=self.response), self.args, self.__dict__


def write_applied_error(
    table: str, key: Mapping[str, Any], cause: FieldcryptError, response: Mapping[str, Any]
) -> WriteAppliedError:
    """Return the error for a write that was applied, to be raised from its cause.

    Args:
        table: its name.
        key: the item's, as messages show it.
        cause: why what was returned cannot be decrypted.
        response: DynamoDB's.
    """
    return WriteAppliedError(
        f"{table}: the write to the item {key} was applied, but what DynamoDB returned cannot be decrypted "
        f"({type(cause).__name__}): it is in `response`",
        response=response,
    )


def named_error(error: TypeError | ValueError, attribute: str, tenant: str | None = None) -> TypeError | ValueError:
    """Return an error about a value with the attribute's name before it, in place of the field's."""
    message = str(error).removeprefix(f"{getattr(error, 'field', None)}: ")
    kind = TypeError if isinstance(error, TypeError) else ValueError
    new = kind(message if attribute in message else f"{attribute}: {message}")
    new.__dict__.update(error.__dict__)
    return located(new, field=attribute, tenant=tenant)


def placed_error(error: E, attribute: str, key: Mapping[str, Any]) -> E:
    """Return the same error, saying which attribute of which item it is about. Keys are not secret, but values are.

    Args:
        error: a FieldcryptError, TypeError or ValueError; it may name the attribute already.
        attribute: its name, with the table's.
        key: the item's.
    """
    place = f"{attribute} of the item {dict(key)!r}"
    new = located(error)
    message = str(new.args[0]) if new.args else ""
    if place not in message:
        rest = message.removeprefix(attribute)
        is_named = rest != message and rest[:1] in (":", " ", ",")  # and not a part of it, or a longer name
        new.args = (place + (rest if is_named else f": {message}"),)
    return new
