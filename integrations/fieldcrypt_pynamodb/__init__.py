"""fieldcrypt for PynamoDB: encrypted attributes. See docs/guides/pynamodb.md."""

from fieldcrypt import CompoundIndex, IndexedBy
from fieldcrypt_dynamodb.item.unreadable import Unreadable
from fieldcrypt_pynamodb.attribute.companion import BlindIndexAttribute, BlindIndexSetAttribute, Tag
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.attribute.of_tenant import of_tenant
from fieldcrypt_pynamodb.attribute.unreadable import on_unreadable
from fieldcrypt_pynamodb.errors import ProtectedAttributeError, WriteAppliedError
from fieldcrypt_pynamodb.model.decorator import encrypted

__all__ = [
    "Tag",
    "BlindIndexAttribute",
    "BlindIndexSetAttribute",
    "CompoundIndex",
    "EncryptedAttribute",
    "IndexedBy",
    "ProtectedAttributeError",
    "Unreadable",
    "WriteAppliedError",
    "encrypted",
    "of_tenant",
    "on_unreadable",
]
