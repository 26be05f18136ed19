"""fieldcrypt for PynamoDB: an encrypted attribute. See docs/pynamodb.md."""

from fieldcrypt_pynamodb.attributes import EncryptedAttribute

__all__ = ["EncryptedAttribute"]
