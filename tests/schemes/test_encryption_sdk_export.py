"""Values of a field as AWS Encryption SDK messages, read by the SDK itself."""

from __future__ import annotations

import pickle
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from aws_encryption_sdk import EncryptionSDKClient, StrictAwsKmsMasterKeyProvider
from aws_encryption_sdk.identifiers import Algorithm
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldcrypt import DecryptionError, Encryptor, Field, KeyProviderError
from fieldcrypt.format.cbor import decode_cbor
from fieldcrypt.schemes.aws_encryption_sdk import EncryptionSdkExporter, EncryptionSdkReader
from tests.support.doubles import told
from tests.support.old_schemes import ROW, SSN, TENANT, esdk_key
from tests.support.strategies import VALUES, Colour, fingerprint, relaxed

CLIENT = EncryptionSDKClient()
UNSIGNED = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY


@pytest.fixture
def exporter() -> EncryptionSdkExporter:
    """Makes messages under a key that is on this machine."""
    return EncryptionSdkExporter(esdk_key(), algorithm=UNSIGNED)


def test_a_text(encryptor: Encryptor) -> None:
    """The message, signed by default, has the UTF-8 of a text, and the field, its context, row and tenant beside it."""
    field = encryptor.field("patients.name", str, context={"form": "7b"})
    data = field.encrypt("Zoë", tenant=TENANT, context=ROW)
    message = EncryptionSdkExporter(esdk_key()).export(field, data, tenant=TENANT, context=ROW)
    plaintext, header = CLIENT.decrypt(source=message, key_provider=esdk_key())
    assert plaintext.decode() == "Zoë"
    assert header.algorithm.is_signing()
    ours = {name: value for name, value in header.encryption_context.items() if not name.startswith("aws-crypto-")}
    assert ours == {"fieldcrypt:field": "patients.name", "form": "7b", "row": "42", "fieldcrypt:tenant": TENANT}


@pytest.mark.parametrize(
    ("kind", "value", "plaintext"),
    [
        (bytes, b"\x00\xff", b"\x00\xff"),
        (Colour, Colour.RED, b"RED"),
        (int, 42, bytes.fromhex("182a")),
        (bool, True, bytes.fromhex("f5")),
        (date, date(1980, 2, 29), bytes.fromhex("d903ec") + b"j1980-02-29"),  # RFC 8943
        (list, ["a", 1], bytes.fromhex("82616101")),
    ],
)
def test_other_types(
    encryptor: Encryptor, exporter: EncryptionSdkExporter, kind: Any, value: Any, plaintext: bytes
) -> None:
    """Bytes are in the message as they are, members of Enums by name, other types in CBOR."""
    field: Field[Any] = encryptor.field("patients.any", kind, pad=16)
    message = exporter.export(field, field.encrypt(value))
    assert CLIENT.decrypt(source=message, key_provider=esdk_key())[0] == plaintext


@given(st.sampled_from([int, float, bool, Decimal, date, list, dict, set]), st.data())
@settings(relaxed, max_examples=30)
def test_there_and_back(encryptor: Encryptor, kind: type, data: st.DataObject) -> None:
    """A reader brings exported values back, of whatever type."""
    value = data.draw(VALUES[kind])
    field: Field[Any] = encryptor.field("patients.any", kind)
    message = EncryptionSdkExporter(esdk_key(), algorithm=UNSIGNED).export(field, field.encrypt(value))
    reader = EncryptionSdkReader(esdk_key(), lambda tenant, context: field.context, decode_cbor)
    assert fingerprint(reader.read(message)) == fingerprint(value)


def test_a_value_of_another_place(encryptor: Encryptor, exporter: EncryptionSdkExporter) -> None:
    """Only what the field decrypts is exported."""
    field = encryptor.field("patients.ssn", str)
    with pytest.raises(DecryptionError):
        exporter.export(field, field.encrypt(SSN, context=ROW), context={"row": "43"})


def test_no_key(encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the SDK does not encrypt for want of a key is told without the value."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    key = StrictAwsKmsMasterKeyProvider(key_ids=["arn:aws:kms:us-east-1:111122223333:key/" + "1" * 36])
    field = encryptor.field("patients.ssn", str)
    with pytest.raises(KeyProviderError) as caught:
        EncryptionSdkExporter(key).export(field, field.encrypt(SSN))
    assert SSN not in told(caught.value)


def test_it_does_not_travel(exporter: EncryptionSdkExporter) -> None:
    """An exporter may hold keys, and is not pickled."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(exporter)
