"""What is refused, and what was applied all the same: errors of DynamoDB's integration, where pickles look for them."""

from fieldcrypt_dynamodb.errors import ProtectedAttributeError, WriteAppliedError

__all__ = ["ProtectedAttributeError", "WriteAppliedError"]
