"""What is refused."""

from __future__ import annotations

from fieldcrypt import FieldcryptError

__all__ = ["ProtectedAttributeError"]


class ProtectedAttributeError(FieldcryptError, TypeError):
    """An operation was refused: the message names the attribute, and says why and what works.

    It would send plaintext of a protected attribute to DynamoDB, write what could not be read again, or have DynamoDB
    compute with ciphertext; nothing was sent. Or what was read lacks the key or the tenant that it is bound to.

    Args:
        message: what is refused, and what works instead.
        field: of the attribute, if there is one.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
