"""Data row records of Asherah."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, overload

from asherah import SessionFactory

from fieldcrypt.errors import DecryptionError, KeyProviderError
from fieldcrypt.schemes.plaintext import Decode, text, value_of
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["AsherahReader"]

T = TypeVar("T")

Partition = Callable[[str | None, Mapping[str, str]], str]

# How asherah's only exception says that a record is not authentic. All other messages say nothing about the record.
# (If it cannot fetch a key it tries others, and then says that none of these fits: an outage can look like a refusal.)
_REFUSALS = ("invalid DataRowRecord", "decrypt: DRR ", "decrypt failed")


class AsherahReader(Generic[T]):
    """Reads data row records: JSON, with the wrapped key of the record inside.

        reader = AsherahReader(SessionFactory(config), lambda tenant, context: tenant)

    A record decrypts only under the keys of its partition; the names and times of keys in it are not authenticated.
    Unless your partitions tell rows apart, a record can be copied from one row to another, even during the migration.

    Args:
        factory: Asherah's, on the metastore and KMS that have the keys.
        partition: returns the partition of a value, given its tenant and its context (`{"row": "42"}`, or empty).
        decode: makes a value of what was encrypted. Default: text in UTF-8.
    """

    @overload
    def __init__(self: AsherahReader[str], factory: SessionFactory, partition: Partition) -> None: ...
    @overload
    def __init__(self, factory: SessionFactory, partition: Partition, decode: Decode[T]) -> None: ...
    def __init__(self, factory: SessionFactory, partition: Partition, decode: Decode[Any] = text) -> None:
        self._factory = factory
        self._partition = partition
        self._decode: Decode[T] = decode

    def recognises(self, data: bytes | str, /) -> bool:
        """Return True if a value has the form of a record (see `LegacyReader`)."""
        return _record(data) is not None

    @discreet
    def read(self, data: bytes | str, /, *, tenant: str | None = None, context: Mapping[str, str] | None = None) -> T:
        """Authenticate and decrypt a record (see `LegacyReader`).

        While Asherah cannot reach its metastore or KMS, it may report that none of its keys fits a record, which is a
        DecryptionError.
        """
        record = _record(data)
        if record is None:
            raise DecryptionError
        session = self._factory.get_session(self._partition(tenant, context or {}))
        refused = False
        try:
            plaintext = session.decrypt_bytes(record)
        except RuntimeError as error:
            refused = any(reason in str(error) for reason in _REFUSALS)
        else:
            return value_of(self._decode, plaintext)
        finally:
            session.close()
        if refused:
            raise DecryptionError
        raise KeyProviderError("Asherah cannot read the record; asherah.set_log_hook shows why")


def _record(data: bytes | str) -> str | None:
    """Return a data row record as text, if it looks like one."""
    try:
        record = data if isinstance(data, str) else data.decode()
        if not record.lstrip().startswith("{"):
            return None
        content: Any = json.loads(record)
        parent = content["Key"]["ParentKeyMeta"]
        found = (content["Data"], content["Key"]["Key"], parent["KeyId"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return record if all(isinstance(part, str) for part in found) else None
