"""The description of a table, as users write it: with what it can do without boto3."""

from __future__ import annotations

from fieldcrypt_dynamodb.item.description import TableDescription

__all__ = ["ProtectedTable"]


class ProtectedTable(TableDescription):
    __doc__ = TableDescription.__doc__
