"""fieldcrypt for boto3's DynamoDB: protected attributes, and a key store in a table. See docs/guides/dynamodb.md."""

from fieldcrypt import IndexedBy
from fieldcrypt_dynamodb.aio.batch_writer import AsyncBatchWriter
from fieldcrypt_dynamodb.aio.client import AsyncEncryptedClient
from fieldcrypt_dynamodb.aio.resource import AsyncEncryptedResource
from fieldcrypt_dynamodb.aio.table import AsyncEncryptedTable
from fieldcrypt_dynamodb.batch_writer import BatchWriter
from fieldcrypt_dynamodb.client import EncryptedClient
from fieldcrypt_dynamodb.errors import ProtectedAttributeError, WriteAppliedError
from fieldcrypt_dynamodb.expression.condition_text import ends_with
from fieldcrypt_dynamodb.item.description import ItemSeal, LegacyItemReader, Protected
from fieldcrypt_dynamodb.item.entities.entity import Entity
from fieldcrypt_dynamodb.item.unreadable import Unreadable
from fieldcrypt_dynamodb.key_store.store import DynamoKeyStore
from fieldcrypt_dynamodb.narrowed import of_entity, of_tenant
from fieldcrypt_dynamodb.protected_table import ProtectedTable
from fieldcrypt_dynamodb.request.failures import size_of
from fieldcrypt_dynamodb.resource import EncryptedResource
from fieldcrypt_dynamodb.stream_record import decrypt_stream_record
from fieldcrypt_dynamodb.table import EncryptedTable

__all__ = [
    "AsyncBatchWriter",
    "AsyncEncryptedClient",
    "AsyncEncryptedResource",
    "AsyncEncryptedTable",
    "BatchWriter",
    "DynamoKeyStore",
    "EncryptedClient",
    "EncryptedResource",
    "EncryptedTable",
    "Entity",
    "IndexedBy",
    "ItemSeal",
    "LegacyItemReader",
    "Protected",
    "ProtectedAttributeError",
    "ProtectedTable",
    "Unreadable",
    "WriteAppliedError",
    "decrypt_stream_record",
    "ends_with",
    "of_entity",
    "of_tenant",
    "size_of",
]
