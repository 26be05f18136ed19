"""Key records: a data key under its wrapping keys, with its metadata (SPEC section 6)."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from fieldcrypt.errors import DecryptionError
from fieldcrypt.format._reader import Reader
from fieldcrypt.format._text import utf8
from fieldcrypt.format.context import TENANT_KEY
from fieldcrypt.format.envelope import KEY_ID_SIZE

__all__ = ["MAX_TENANT_SIZE", "KeyRecord", "KeyState", "Purpose", "WrappedKey", "check_tenant", "wrap_context"]

MAX_TENANT_SIZE = 255  # bytes of UTF-8
MAX_TIME = 253402300799  # 9999-12-31T23:59:59Z
TIME_SIZE = 8
RECORD_TAG_SIZE = 32

_FORMAT = 0x01
_LENGTH_SIZE = 2


class Purpose(enum.Enum):
    """What a data key may be used for. The values are the bytes of SPEC section 1."""

    ENCRYPTION = 0x01
    BLIND_INDEX = 0x02

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", "-")


class KeyState(enum.StrEnum):
    """The state that a key store keeps next to a record. It is not protected, so it can only restrict."""

    ACTIVE = "active"  # may encrypt and decrypt
    RETIRED = "retired"  # decrypts only
    SHREDDED = "shredded"  # destroyed: only a tombstone is kept


# Named tuples, because importing dataclasses would take a third of the time of `import fieldcrypt`.


class WrappedKey(NamedTuple):
    """A data key encrypted under one wrapping key.

    Attributes:
        name: the wrapping key's name, 1 to 65,535 bytes of UTF-8: a KMS key ARN, for example.
        data: what the key provider made, 1 to 65,535 bytes.
    """

    name: str
    data: bytes

    def __repr__(self) -> str:
        return f"WrappedKey({self.name!r}, {len(self.data)} bytes)"


class KeyRecord(NamedTuple):
    """A wrapped data key as it is kept in a key store, or inside a self-contained value.

    Attributes:
        key_id: 16 bytes.
        purpose: what the key may be used for.
        created: seconds since 1970, UTC.
        tenant: whose key it is, or None.
        wraps: the data key under each wrapping key, sorted by name, at least one.
        tag: 32 bytes that bind all of the above; only someone who can unwrap the key can make or check it.
        state: kept next to the record, not in it.
    """

    key_id: bytes
    purpose: Purpose
    created: int
    tenant: str | None
    wraps: tuple[WrappedKey, ...]
    tag: bytes = b""
    state: KeyState = KeyState.ACTIVE

    def to_bytes(self) -> bytes:
        """Encode the record (its state is not part of it)."""
        return self.tagged_bytes() + self.tag

    def tagged_bytes(self) -> bytes:
        """Encode what the tag covers besides the key id: everything before the tag."""
        if not 1 <= len(self.wraps) <= 0xFF:
            raise ValueError("a key record has 1 to 255 wrapped keys")
        names = [wrap.name.encode() for wrap in self.wraps]
        if any(first >= second for first, second in pairwise(names)):
            raise ValueError("wrapped keys are sorted by the names of their wrapping keys, each named once")
        return b"".join(
            (
                head_bytes(_FORMAT, self.purpose, self.created, self.tenant),
                bytes([len(self.wraps)]),
                *(
                    _with_length(part)
                    for name, wrap in zip(names, self.wraps, strict=True)
                    for part in (name, wrap.data)
                ),
            )
        )

    @classmethod
    def from_bytes(cls, key_id: bytes, data: bytes, state: KeyState = KeyState.ACTIVE) -> KeyRecord:
        """Decode a record. Nothing in it is authentic until its data key was unwrapped.

        Raises:
            DecryptionError: the bytes are not a record.
        """
        try:
            return _read(Reader(data), key_id, state)
        except ValueError:  # UnicodeDecodeError is one
            raise DecryptionError("not a valid key record") from None

    def context(self) -> dict[str, str]:
        """Return the encryption context under which the data key is wrapped."""
        return wrap_context(self.key_id, self.purpose, self.created, self.tenant)


def wrap_context(key_id: bytes, purpose: Purpose, created: int, tenant: str | None) -> dict[str, str]:
    """Return the encryption context of a wrap; for AWS KMS it shows in CloudTrail and in key policies."""
    context = {
        "fieldcrypt:key-id": key_id.hex(),
        "fieldcrypt:purpose": purpose.label,
        "fieldcrypt:created": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if tenant is not None:
        context[TENANT_KEY] = tenant
    return context


def check_tenant(tenant: str) -> bytes:
    """Return a tenant's name as UTF-8.

    Raises:
        TypeError: it is not a str.
        ValueError: it is empty, longer than 255 bytes, or not valid Unicode.
    """
    if not isinstance(tenant, str):
        raise TypeError(f"a tenant is a str, not {type(tenant).__name__}")
    encoded = utf8(tenant, "a tenant's name")
    if not 1 <= len(encoded) <= MAX_TENANT_SIZE:
        raise ValueError(f"a tenant's name has 1 to {MAX_TENANT_SIZE} bytes, not {len(encoded)}")
    return encoded


def sorted_wraps(wraps: Sequence[WrappedKey]) -> tuple[WrappedKey, ...]:
    """Return wraps in the order of the format."""
    return tuple(sorted(wraps, key=lambda wrap: wrap.name.encode()))


def _with_length(part: bytes) -> bytes:
    if not 1 <= len(part) <= 0xFFFF:
        raise ValueError("a wrapping key's name and a wrapped key have 1 to 65,535 bytes each")
    return len(part).to_bytes(_LENGTH_SIZE, "big") + part


def head_bytes(version: int, purpose: Purpose, created: int, tenant: str | None) -> bytes:
    """Encode the head of records and tombstones."""
    encoded = b"" if tenant is None else check_tenant(tenant)
    return b"".join((bytes([version, purpose.value]), time_bytes(created), bytes([len(encoded)]), encoded))


def read_head(reader: Reader, version: int) -> tuple[Purpose, int, str | None]:
    """Decode what `head_bytes` encoded: purpose, created, tenant. Raises a ValueError for anything else."""
    if reader.number() != version:
        raise ValueError("unknown format")
    purpose = Purpose(reader.number())
    created = reader.number(TIME_SIZE)
    return purpose, created, reader.take(reader.number()).decode() or None


def time_bytes(time: int) -> bytes:
    """Encode a time."""
    if not 0 <= time <= MAX_TIME:
        raise ValueError("a time is out of range")
    return time.to_bytes(TIME_SIZE, "big")


def _read(reader: Reader, key_id: bytes, state: KeyState) -> KeyRecord:
    if len(key_id) != KEY_ID_SIZE or state is KeyState.SHREDDED:
        raise ValueError("no key id, or no record")
    purpose, created, tenant = read_head(reader, _FORMAT)
    wraps = tuple(
        WrappedKey(reader.take(reader.number(_LENGTH_SIZE)).decode(), reader.take(reader.number(_LENGTH_SIZE)))
        for _ in range(reader.number())
    )
    tag = reader.take(RECORD_TAG_SIZE)
    reader.finish()
    record = KeyRecord(key_id, purpose, created, tenant, wraps, tag, state)
    record.tagged_bytes()  # what may not be written may not be read: order, ranges
    return record
