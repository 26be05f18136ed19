"""Records and tombstones, as key stores keep them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fieldcrypt import KeyRecord, KeyStore, Purpose, Tombstone, WrappedKey


def record(number: int, tenant: str | None = "t") -> KeyRecord:
    wraps = (WrappedKey("local:x", b"wrapped"),)
    return KeyRecord(number.to_bytes(16, "big"), Purpose.ENCRYPTION, 1_800_000_000 + number, tenant, wraps, bytes(32))


def rewrapped(old: KeyRecord, data: bytes = b"wrapped anew") -> KeyRecord:
    return old._replace(wraps=(WrappedKey("local:y", data),), tag=bytes([1]) * 32)


def tombstone(old: KeyRecord, by: str = "ann") -> Tombstone:
    return Tombstone(old.key_id, old.purpose, old.created, old.tenant, 1_900_000_000, by, 1)


MANY = 2345  # more than two pages


def row(each: KeyRecord | Tombstone) -> dict[str, object]:
    """What SqlKeyStore keeps."""
    return {
        "key_id": each.key_id.hex(),
        "tenant": each.tenant,
        "state": each.state.value,
        "record": each.to_bytes(),
    }


def assert_all(store: KeyStore, numbers: Sequence[int]) -> None:
    """The store has the key ids of these records, each once, before and after some of them are shredded."""
    expected = Counter(record(number).key_id for number in numbers)
    assert Counter(store.key_ids()) == expected
    for number in (numbers[0], numbers[len(numbers) // 2], numbers[-1]):
        old = store.get(record(number).key_id)
        assert isinstance(old, KeyRecord)
        assert store.replace(old, tombstone(old))
    assert Counter(store.key_ids()) == expected
