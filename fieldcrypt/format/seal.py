"""What a seal covers, as bytes (SPEC section 12)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256, Hash

from fieldcrypt.format.cbor import encode_cbor
from fieldcrypt.format.cbor_items import MAX_NESTING
from fieldcrypt.format.context import key_text

__all__ = ["SEAL_KEY", "seal_digest"]

SEAL_KEY = "seal"  # of the context of a seal
_NESTING = 128  # lists of the encoding within each other: two for each list or map of a record


def seal_digest(over: Iterable[str], record: Mapping[str, Any]) -> bytes:
    """Return the 32 bytes that stand for the sealed members of a record.

    Args:
        over: the names of all that is sealed.
        record: the members that there are, protected ones in their stored form.

    Raises:
        TypeError, ValueError: one has no exact form, or has too many lists and maps within each other.
    """
    names = sorted(over)
    digest = Hash(SHA256())
    covered = [[name, _canonical(record[name])] for name in names if name in record]
    digest.update(encode_cbor([names, covered], _NESTING))
    return digest.finalize()


def _canonical(value: Any, left: int = MAX_NESTING) -> list[Any]:
    """Return what a value is to a store, however it is written: Decimal 1.0 is 1, and maps and sets have no order."""
    if not left:
        raise ValueError(f"a sealed member nests too deep: {MAX_NESTING} lists or maps within each other are too many")
    if isinstance(value, str):
        return ["S", str.__str__(value)]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return ["B", bytes(value)]
    if value is None or isinstance(value, bool):
        return ["NULL", True] if value is None else ["BOOL", value]
    if isinstance(value, (int, Decimal)):
        return ["N", _number(value)]
    if isinstance(value, (list, tuple)):
        return ["L", [_canonical(member, left - 1) for member in value]]
    if isinstance(value, (dict, Mapping)):  # to ask about the class that most are of first takes a tenth of the time
        return ["M", [[name, _canonical(value[name], left - 1)] for name in sorted(value)]]
    if isinstance(value, (set, frozenset)):
        for kind, types, form in (("SS", str, str.__str__), ("BS", bytes, bytes), ("NS", (int, Decimal), _number)):
            if all(isinstance(member, types) and not isinstance(member, bool) for member in value):
                return [kind, sorted(map(form, value))]
        value = set(value)
    return ["V", encode_cbor(value)]


def _number(value: Any) -> str:
    return key_text(value if type(value) is int else Decimal(value))
