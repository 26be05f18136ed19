"""Long values, which another way through the cipher saves from being copied: the same bytes, the same refusals."""

from __future__ import annotations

from typing import Any

import pytest

from fieldcrypt import DecryptionError, Encryptor, Field, LocalKeyProvider, MemoryKeyStore, row_context
from fieldcrypt.format.aead import LONG, Pieces, Xaes256Gcm

NONCE, AAD = bytes(range(24)), b"context"
BODY = b"\x00ssn" * (LONG // 4)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (str, "é" * (LONG // 2)),
        (str, "e" * (LONG - 1)),
        (str, "e" * (LONG - 2)),
        (bytes, BODY),
        (bytes, BODY[1:]),
        (object, "e" * LONG),
        (object, BODY),
        (list, ["e" * LONG]),
    ],
)
def test_values_of_every_length_and_kind(encryptor: Encryptor, kind: type, value: Any) -> None:
    """Just as long as that way needs, one byte less, or far more: a value comes back the same."""
    field: Field[Any] = encryptor.field("patients.scan", kind)
    data = field.encrypt(value, tenant="clinic-7", context=row_context(7))
    assert field.decrypt(data, tenant="clinic-7", context=row_context(7)) == value
    for buffer in (bytearray, memoryview):
        assert field.decrypt(buffer(data), context=row_context(7)) == value  # type: ignore[arg-type]


def test_padded_values(encryptor: Encryptor) -> None:
    """Padding goes through as well."""
    field = encryptor.field("patients.scan", str, pad=4096)
    assert field.decrypt(field.encrypt("e" * LONG)) == "e" * LONG


@pytest.mark.parametrize("pieces", [(BODY,), (b"", BODY), (b"\x01", BODY), (b"\x01", BODY[:-1], b"x")])
def test_the_bytes_are_those_of_the_short_way(pieces: tuple[bytes, ...]) -> None:
    """However a plaintext is cut, its ciphertext is the same, and either way reads what the other wrote."""
    cipher = Xaes256Gcm(bytes(range(32)))
    ciphertext = cipher.encrypt(NONCE, b"".join(pieces), AAD)
    assert cipher.encrypt_long(b"start", NONCE, Pieces(pieces), AAD) == b"start" + ciphertext
    assert b"".join(cipher.decrypt_long(NONCE, memoryview(ciphertext), 1, AAD)) == b"".join(pieces)


@pytest.mark.parametrize("at", [0, 17, 29, 41, 42, LONG // 2, -17, -16, -1])
def test_changed_bits(at: int) -> None:
    """Version, nonce, kind, body and tag are authentic, and which of them was not is not told."""
    field = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()).field("patients.scan", bytes)
    data = bytearray(field.encrypt(BODY))
    assert field.decrypt(bytes(data)) == BODY
    data[at] ^= 1
    with pytest.raises(DecryptionError) as refused:
        field.decrypt(bytes(data))
    if at >= 29:
        assert refused.value.args == DecryptionError().args


def test_another_place(encryptor: Encryptor) -> None:
    """A long value is bound to field, tenant and context like any other."""
    field, other = encryptor.field("patients.scan", bytes), encryptor.field("patients.photo", bytes)
    data = field.encrypt(BODY, tenant="clinic-7", context=row_context(7))
    for where, tenant, row, found in (
        (field, None, 8, data),
        (field, "clinic-8", 7, data),
        (other, None, 7, data),
        (field, None, 7, data[:-1]),
    ):
        with pytest.raises(DecryptionError):
            where.decrypt(found, tenant=tenant, context=row_context(row))


def test_another_type(encryptor: Encryptor) -> None:
    """What was written as bytes is not read as text, though it could be."""
    with pytest.raises(DecryptionError, match="is a bytes where the field is declared as str"):
        encryptor.field("a.b", str).decrypt(encryptor.field("a.b", bytes).encrypt(b"e" * LONG))
    with pytest.raises(DecryptionError, match="is a str where the field is declared as bytes"):
        encryptor.field("a.b", bytes).decrypt(encryptor.field("a.b", str).encrypt("e" * LONG))
