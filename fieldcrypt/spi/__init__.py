"""What key stores, key providers, readers of other schemes and integrations are built on, besides `fieldcrypt` itself.

`fieldcrypt.spi.migration` is for stores that have migrations, `fieldcrypt.spi.columns` for whole columns, and
`fieldcrypt.spi.aws` for what calls AWS.
"""

from fieldcrypt._base.service_url import ServiceUrl
from fieldcrypt.batch import FieldGroup, encrypt_fields
from fieldcrypt.declaration.compound_index import check_compounds, checked_compounds
from fieldcrypt.declaration.field_indexes import FieldIndexes, Search, StoredTags
from fieldcrypt.declaration.index_rules import advice, check_together, unanswered_error
from fieldcrypt.declaration.logical_name import declare_table
from fieldcrypt.declaration.path import Elements, Path, element_context
from fieldcrypt.errors import located
from fieldcrypt.events import report
from fieldcrypt.format import text_form
from fieldcrypt.format.cbor import decode_cbor, encode_cbor
from fieldcrypt.format.codecs import Codec
from fieldcrypt.format.context import encode_context
from fieldcrypt.format.envelope import KEY_ID_SIZE, MIN_SIZE, SELF_CONTAINED, STORED, key_id_of
from fieldcrypt.format.seal import SEAL_KEY, seal_digest
from fieldcrypt.keys.providers.provider import not_wrapped_error
from fieldcrypt.keys.record.record import MAX_TENANT_SIZE
from fieldcrypt.keys.stores.store import ClaimingKeyStore
from fieldcrypt.mixed_mode import Accepted, FromPlaintext, MixedField, PartOf, Reading, is_envelope
from fieldcrypt.search.blind_index import DEFAULT_TAG_SIZE, MAX_TAG_SIZE, MIN_MEMBERS
from fieldcrypt.search.kinds.kind import count_of
from fieldcrypt.search.question import AllEqual, Between, EndsWith, Equal, PartIs, Question, StartsWith
from fieldcrypt.tracebacks.frames import discreet, emptied

__all__ = [
    # the fields of a record at once
    "FieldGroup",
    "encrypt_fields",
    # paths of nested values (SPEC section 2)
    "Elements",
    "Path",
    "element_context",
    # errors that say where, and whose tracebacks hold no plaintext; and events
    "discreet",
    "emptied",
    "located",
    "report",
    "not_wrapped_error",
    # names that outlive tables
    "declare_table",
    # encodings
    "Codec",
    "decode_cbor",
    "encode_cbor",
    "encode_context",
    # the form of an encrypted value (SPEC section 4)
    "KEY_ID_SIZE",
    "MIN_SIZE",
    "SELF_CONTAINED",
    "STORED",
    "is_envelope",
    "key_id_of",
    "text_form",
    # seals (SPEC section 12)
    "SEAL_KEY",
    "seal_digest",
    # key stores
    "ClaimingKeyStore",
    "MAX_TENANT_SIZE",
    # settings as URLs
    "ServiceUrl",
    # mixed mode
    "Accepted",
    "FromPlaintext",
    "MixedField",
    "PartOf",
    "Reading",
    # tags
    "DEFAULT_TAG_SIZE",
    "MAX_TAG_SIZE",
    "MIN_MEMBERS",
    # questions, and the indexes that answer them (SPEC section 14)
    "AllEqual",
    "Between",
    "EndsWith",
    "Equal",
    "FieldIndexes",
    "PartIs",
    "Question",
    "Search",
    "StartsWith",
    "StoredTags",
    "advice",
    "check_compounds",
    "check_together",
    "checked_compounds",
    "count_of",
    "unanswered_error",
]
