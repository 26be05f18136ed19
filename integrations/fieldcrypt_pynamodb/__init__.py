"""fieldcrypt for PynamoDB: encrypted attributes. See docs/pynamodb.md."""

from fieldcrypt import IndexedBy
from fieldcrypt_pynamodb.attributes import EncryptedAttribute
from fieldcrypt_pynamodb.companion import BlindIndexAttribute
from fieldcrypt_pynamodb.errors import ProtectedAttributeError
from fieldcrypt_pynamodb.items import encrypted
from fieldcrypt_pynamodb.of_tenant import of_tenant

__all__ = [
    "BlindIndexAttribute",
    "EncryptedAttribute",
    "IndexedBy",
    "ProtectedAttributeError",
    "encrypted",
    "of_tenant",
]
