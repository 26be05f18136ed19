"""What is refused."""

from __future__ import annotations

from fieldcrypt import PlaintextRefusedError

__all__ = ["ProtectedAttributeError"]


class ProtectedAttributeError(PlaintextRefusedError):
    """An operation was refused: the message names the attribute, and says why and what works.

    It would send plaintext of a protected attribute to DynamoDB, write what could not be read again, or have DynamoDB
    compute with ciphertext; nothing was sent. Or what was read lacks the key or the tenant that it is bound to.
    """
