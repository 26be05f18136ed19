"""Messages of the AWS Encryption SDK that leave a part of their encryption context out, made by AWS's own library."""

from __future__ import annotations

from typing import Any

import pytest
from aws_encryption_sdk import EncryptionSDKClient
from aws_encryption_sdk.materials_managers.default import DefaultCryptoMaterialsManager

from fieldcrypt import DecryptionError
from fieldcrypt.schemes.aws_encryption_sdk import EncryptionSdkReader
from tests.support.doubles import told
from tests.support.old_schemes import SSN, esdk_key

WRITTEN = {"patient": "42", "clinic": "7"}
CLIENT = EncryptionSDKClient()


@pytest.fixture(scope="module")
def library() -> Any:
    """The Material Providers Library."""
    from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
    from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig

    return AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())


@pytest.fixture(scope="module")
def keyring(library: Any) -> Any:
    """A keyring with a key that is on this machine."""
    from aws_cryptographic_material_providers.mpl.models import AesWrappingAlg, CreateRawAesKeyringInput

    algorithm = AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16
    return library.create_raw_aes_keyring(
        CreateRawAesKeyringInput(
            key_namespace="local", key_name="the key", wrapping_key=b"k" * 32, wrapping_alg=algorithm
        )
    )


@pytest.fixture(scope="module")
def requiring(library: Any, keyring: Any) -> Any:
    """A materials manager whose messages do not store the patient."""
    from aws_cryptographic_material_providers.mpl.models import (
        CreateDefaultCryptographicMaterialsManagerInput,
        CreateRequiredEncryptionContextCMMInput,
    )

    default = library.create_default_cryptographic_materials_manager(
        CreateDefaultCryptographicMaterialsManagerInput(keyring=keyring)
    )
    return library.create_required_encryption_context_cmm(
        CreateRequiredEncryptionContextCMMInput(underlying_cmm=default, required_encryption_context_keys=["patient"])
    )


@pytest.fixture(scope="module")
def message(requiring: Any) -> bytes:
    """A message that stores the clinic and not the patient."""
    made, header = CLIENT.encrypt(source=SSN.encode(), materials_manager=requiring, encryption_context=WRITTEN)
    assert header.encryption_context.keys() >= {"clinic"}
    assert "patient" not in header.encryption_context
    return bytes(made)


@pytest.mark.parametrize("kind", ["keyring", "requiring", "wrapped"])
@pytest.mark.parametrize("context", [WRITTEN, {"patient": "42"}], ids=["all", "what is left out"])
def test_a_context_that_is_left_out(
    keyring: Any, requiring: Any, message: bytes, kind: str, context: dict[str, str]
) -> None:
    """It is read with the pairs that the message does not store, with a keyring or a materials manager."""
    from aws_encryption_sdk.materials_managers.mpl.cmm import CryptoMaterialsManagerFromMPL

    materials = {"keyring": keyring, "requiring": requiring, "wrapped": CryptoMaterialsManagerFromMPL(requiring)}[kind]
    assert EncryptionSdkReader(materials, lambda tenant, _: context).read(message) == SSN


@pytest.mark.parametrize(
    "context",
    [{"patient": "43"}, {"patient": "42", "clinic": "8"}, {"patient": "42", "ward": "1"}, {"clinic": "7"}, {}],
    ids=str,
)
def test_another_context(keyring: Any, message: bytes, context: dict[str, str]) -> None:
    """A pair that is wrong, missing or too much is refused, whether messages store it or not."""
    with pytest.raises(DecryptionError) as caught:
        EncryptionSdkReader(keyring, lambda tenant, _: context).read(message)
    assert SSN not in told(caught.value)


def test_no_context(keyring: Any, message: bytes) -> None:
    """A reader that asks for nothing cannot read what was left out."""
    with pytest.raises(DecryptionError):
        EncryptionSdkReader(keyring, None).read(message)


@pytest.mark.parametrize("context", [WRITTEN, {"patient": "42"}, {}], ids=str)
def test_a_context_that_is_stored(keyring: Any, context: dict[str, str]) -> None:
    """A keyring's usual message is read with all of its context, a part, or none; it stores the whole."""
    made, _ = CLIENT.encrypt(source=SSN.encode(), keyring=keyring, encryption_context=WRITTEN)
    assert EncryptionSdkReader(keyring, lambda tenant, _: context).read(made) == SSN


@pytest.mark.parametrize("context", [{"patient": "43"}, {"ward": "1"}], ids=str)
def test_another_context_of_a_stored_one(keyring: Any, context: dict[str, str]) -> None:
    """A keyring's usual message is refused where another value, or a pair that it has not, is expected."""
    made, _ = CLIENT.encrypt(source=SSN.encode(), keyring=keyring, encryption_context=WRITTEN)
    with pytest.raises(DecryptionError):
        EncryptionSdkReader(keyring, lambda tenant, _: context).read(made)


@pytest.mark.parametrize("own", [esdk_key, lambda: DefaultCryptoMaterialsManager(esdk_key())], ids=["key", "manager"])
def test_materials_of_the_sdk_itself(own: Any) -> None:
    """The SDK takes no context for its own materials, so that what they store is compared as a whole."""
    made, _ = CLIENT.encrypt(source=SSN.encode(), key_provider=esdk_key(), encryption_context=WRITTEN)
    assert EncryptionSdkReader(own(), lambda tenant, _: {"patient": "42"}).read(made) == SSN
    for wrong in ({"patient": "43"}, {"ward": "1"}):
        with pytest.raises(DecryptionError):
            EncryptionSdkReader(own(), lambda tenant, _, wrong=wrong: wrong).read(made)  # type: ignore[misc]
