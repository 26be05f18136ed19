"""The form of an AWS Encryption SDK message, as far as it is visible without keys.

https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/message-format.html
"""

from __future__ import annotations

from aws_encryption_sdk.identifiers import AlgorithmSuite, ContentType, ObjectType

from fieldcrypt.format._reader import Reader

__all__ = ["FIRST_BYTES", "has_form_of_a_message"]

_V1, _V2 = 0x01, 0x02
FIRST_BYTES = bytes([_V1, _V2])  # with one of which every message of the AWS Encryption SDK begins

_MESSAGE_ID_SIZES = {_V1: 16, _V2: 32}
_TYPE = ObjectType.CUSTOMER_AE_DATA.value
_CONTENT_TYPES = [kind.value for kind in ContentType]
_LENGTH_SIZE = 2
_FRAME_LENGTH_SIZE = 4
_COMMITMENT_SIZE = 32
_IV_SIZE, _TAG_SIZE = 12, 16
_RESERVED = bytes(4)

_SUITES = {suite.algorithm_id.to_bytes(_LENGTH_SIZE, "big"): suite.message_format_version for suite in AlgorithmSuite}


def has_form_of_a_message(data: bytes) -> bool:
    """Return True if a message could begin with these bytes: reads the whole header, every length in it.

    One of our values has that form by chance with a probability below 2^-60.
    """
    if not data or data[0] not in FIRST_BYTES:
        return False
    try:
        return _has_header(Reader(data))
    except ValueError:
        return False


def _has_header(reader: Reader) -> bool:
    version = reader.number()
    if version == _V1 and reader.number() != _TYPE:
        return False
    if _SUITES.get(reader.take(_LENGTH_SIZE)) != version:
        return False
    reader.take(_MESSAGE_ID_SIZES[version])
    reader.take(reader.number(_LENGTH_SIZE))  # encryption context
    keys = reader.number(_LENGTH_SIZE)
    for _ in range(keys):
        for _ in ("provider", "key", "ciphertext"):
            reader.take(reader.number(_LENGTH_SIZE))
    if not keys or reader.number() not in _CONTENT_TYPES:
        return False
    if version == _V1 and (reader.take(len(_RESERVED)) != _RESERVED or reader.number() != _IV_SIZE):
        return False
    reader.take(_FRAME_LENGTH_SIZE)
    reader.take(_COMMITMENT_SIZE if version == _V2 else _IV_SIZE)
    reader.take(_TAG_SIZE)
    return True
