"""What is refused."""

from __future__ import annotations

from fieldcrypt import FieldcryptError
from fieldcrypt.spi import located

__all__ = ["ProtectedAttributeError", "renamed"]


class ProtectedAttributeError(FieldcryptError, TypeError):
    """A request was refused before anything was sent: the message names the attribute or operation, and says why.

    It would send plaintext of a protected attribute to DynamoDB, write what is no encrypted value of the attribute's,
    or have DynamoDB compute with ciphertext.

    Args:
        message: what is refused, and what works instead.
        field: of the attribute, if there is one.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


def renamed(error: TypeError | ValueError, attribute: str, tenant: str | None = None) -> TypeError | ValueError:
    """Return an error about a value with the attribute's name before it."""
    message = str(error)
    kind = TypeError if isinstance(error, TypeError) else ValueError
    new = kind(message if attribute in message else f"{attribute}: {message}")
    new.__dict__.update(error.__dict__)
    return located(new, field=attribute, tenant=tenant)
