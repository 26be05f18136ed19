"""What the benchmark of fields times: sizes, types, what values are bound to, and keys that are not at hand."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import cycle
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.compare import Work
from fieldcrypt import Encryptor, Field, KeyPolicy, LocalKeyProvider, MemoryKeyStore, row_context
from fieldcrypt.spi import FieldGroup

__all__ = ["bindings", "floor", "keys_at_hand", "of_size", "of_types", "records", "round_trip", "stored"]

_AAD_SIZE = 54  # of the additional data of a field with a name of this length


class Colour(enum.Enum):
    """A type of one's own."""

    RED = 1


# Values as databases have them.
VALUES: Mapping[type, Any] = {
    str: "Brigid O'Shaughnessy",
    bytes: bytes(range(64)),
    int: 78_051_120,
    float: 98.6,
    bool: True,
    Decimal: Decimal("2000.00"),
    date: date(1980, 2, 29),
    datetime: datetime(1980, 2, 29, 12, 30, tzinfo=UTC),
    time: time(12, 30),
    timedelta: timedelta(hours=36),
    UUID: UUID("12345678-1234-5678-1234-567812345678"),
    list: ["penicillin", "latex"],
    dict: {"street": "123 Main St", "zip": "12345"},
    set: {"penicillin", "latex"},
    Colour: Colour.RED,
}


def stored(backend: str | None = None) -> Encryptor:
    """Return an Encryptor that keeps its data keys in a store, as in production."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), backend=backend)


def floor(raw: bytes) -> Work:
    """What no field encryption can do without: 12 random bytes and one call of a cached AES-256-GCM."""
    aesgcm, aad = AESGCM(os.urandom(32)), bytes(_AAD_SIZE)
    seal, unseal, random_bytes = aesgcm.encrypt, aesgcm.decrypt, os.urandom
    nonce = random_bytes(12)
    sealed = seal(nonce, raw, aad)
    return {
        "encrypt": lambda: seal(random_bytes(12), raw, aad),
        "decrypt": lambda: unseal(nonce, sealed, aad),
    }


def of_size(size: int) -> tuple[dict[str, Work], dict[str, int]]:
    """A text of so many bytes, in both forms, beside the floor; and how many bytes each form adds."""
    text = "x" * size
    fields = {
        "stored": stored().field("benchmark.text", str),
        "self-contained": Encryptor(LocalKeyProvider.generate()).field("benchmark.text", str),
    }
    work = {"floor": floor(text.encode())} | {name: round_trip(field, text) for name, field in fields.items()}
    return work, {name: len(field.encrypt(text)) - size for name, field in fields.items()}


def of_types(*types: type) -> dict[str, Work]:
    """A value of each of these types (default: of all), beside the floor for a short text."""
    keys = stored()
    return {"floor": floor(b"x" * 20)} | {
        kind.__name__ if kind is not Colour else "Enum": round_trip(keys.field("benchmark.value", kind), VALUES[kind])
        for kind in types or VALUES
    }


def bindings(keys: Encryptor | None = None) -> dict[str, Work]:
    """A text of 64 bytes, bound to ever more, beside the floor."""
    field = (keys or stored()).field("benchmark.text", str)
    text, tenant, rows = "x" * 64, "clinic-7", cycle(range(1000))
    plain, of_tenant = field.encrypt(text), field.encrypt(text, tenant=tenant)
    in_row = field.encrypt(text, context=row_context(0))
    in_both = field.encrypt(text, tenant=tenant, context=row_context(0))
    named, row = {"purpose": "billing"}, row_context(0)
    in_context = field.encrypt(text, context=named)
    return {
        "floor": floor(text.encode()),
        "field": {"encrypt": lambda: field.encrypt(text), "decrypt": lambda: field.decrypt(plain)},
        "field and tenant": {
            "encrypt": lambda: field.encrypt(text, tenant=tenant),
            "decrypt": lambda: field.decrypt(of_tenant, tenant=tenant),
        },
        "field and row": {
            "encrypt": lambda: field.encrypt(text, context=row_context(next(rows))),
            "decrypt": lambda: field.decrypt(in_row, context=row_context(0)),
        },
        "field, tenant and row": {
            "encrypt": lambda: field.encrypt(text, tenant=tenant, context=row_context(next(rows))),
            "decrypt": lambda: field.decrypt(in_both, tenant=tenant, context=row_context(0)),
        },
        "field, tenant and a row at hand": {
            "encrypt": lambda: field.encrypt(text, tenant=tenant, context=row),
            "decrypt": lambda: field.decrypt(in_both, tenant=tenant, context=row),
        },
        "field and a context of yours": {
            "encrypt": lambda: field.encrypt(text, context=named),
            "decrypt": lambda: field.decrypt(in_context, context=named),
        },
    }


def records(keys: Encryptor | None = None) -> dict[str, Work]:
    """Five texts, bound to tenant and row, at once and one by one, beside the floor of five."""
    keys, tenant, rows = keys or stored(), "clinic-7", cycle(range(1000))
    fields = [keys.field(f"patients.{number}", str) for number in range(5)]
    group, values = FieldGroup(fields), ["x" * 20] * 5
    data = group.encrypt(values, tenant=tenant, context=row_context(0))
    bare = floor(b"x" * 20)

    def encrypt() -> list[bytes]:
        row = row_context(next(rows))
        return [field.encrypt(value, tenant=tenant, context=row) for field, value in zip(fields, values, strict=True)]

    def decrypt() -> list[str]:
        row = row_context(0)
        return [field.decrypt(one, tenant=tenant, context=row) for field, one in zip(fields, data, strict=True)]

    return {
        "floor": {verb: lambda work=work: [work() for _ in fields] for verb, work in bare.items()},  # type: ignore[misc]
        "five fields at once": {
            "encrypt": lambda: group.encrypt(values, tenant=tenant, context=row_context(next(rows))),
            "decrypt": lambda: group.decrypt(data, tenant=tenant, context=row_context(0)),
        },
        "five fields one by one": {"encrypt": encrypt, "decrypt": decrypt},
    }


def keys_at_hand() -> dict[str, Work]:
    """A text of 64 bytes whose data key is prepared, or live, or still wrapped; no key service is called."""
    text = "x" * 64
    field = stored().field("benchmark.text", str)
    data = field.encrypt(text)

    def encrypt_anew() -> None:
        field.forget()
        field.encrypt(text)

    def decrypt_anew() -> None:
        field.forget()
        field.decrypt(data)

    # One key is kept, and two tenants take turns.
    forgetful = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=KeyPolicy(max_cached_keys=1))
    cold = forgetful.field("benchmark.text", str)
    values = {tenant: cold.encrypt(text, tenant=tenant) for tenant in ("clinic-1", "clinic-2")}
    writing, reading = cycle(values), cycle(values.values())
    return {
        "prepared": round_trip(stored().field("benchmark.text", str), text),
        "live": {"encrypt": encrypt_anew, "decrypt": decrypt_anew},
        "wrapped": {
            "encrypt": lambda: cold.encrypt(text, tenant=next(writing)),
            "decrypt": lambda: cold.decrypt(next(reading)),
        },
    }


def round_trip(field: Field[Any], value: Any) -> Work:
    """A value encrypted, and decrypted, by a field."""
    data = field.encrypt(value)
    if field.decrypt(data) != value:
        raise AssertionError("a value did not come back")
    return {"encrypt": lambda: field.encrypt(value), "decrypt": lambda: field.decrypt(data)}
