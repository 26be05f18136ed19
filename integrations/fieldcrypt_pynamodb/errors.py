"""What is refused, where pickles of older versions look for it."""

from fieldcrypt_dynamodb.errors import ProtectedAttributeError

__all__ = ["ProtectedAttributeError"]
