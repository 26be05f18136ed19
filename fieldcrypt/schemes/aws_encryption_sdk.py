"""Messages of the AWS Encryption SDK: reading them, and exporting values as such messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Generic, TypeVar, overload

from aws_encryption_sdk import EncryptionSDKClient
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.identifiers import AlgorithmSuite
from aws_encryption_sdk.key_providers.base import MasterKeyProvider
from aws_encryption_sdk.materials_managers.base import CryptoMaterialsManager
from botocore.exceptions import BotoCoreError
from cryptography.exceptions import InvalidSignature, InvalidTag

from fieldcrypt.errors import ConfigurationError, DecryptionError, KeyProviderError
from fieldcrypt.field import Field
from fieldcrypt.format.codecs import Codec
from fieldcrypt.format.context import TENANT_KEY, NoTenant
from fieldcrypt.schemes.base64_text import STANDARD, decoded
from fieldcrypt.schemes.esdk_form import has_form_of_a_message
from fieldcrypt.schemes.plaintext import REFUSALS, Decode, text, value_of
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["EncryptionSdkExporter", "EncryptionSdkReader"]

T = TypeVar("T")

ExpectedContext = Callable[[str | None, Mapping[str, str]], Mapping[str, str]]

_CLIENT = EncryptionSDKClient()
_ENCODING_BYTE = slice(1, None)


class EncryptionSdkReader(Generic[T]):
    """Reads messages, as bytes or in base64.

        reader = EncryptionSdkReader(materials, lambda tenant, context: {"patient": context["row"]})

    Args:
        materials: a master key provider, a cryptographic materials manager or, with the AWS Cryptographic Material
            Providers Library, a keyring. A caching one saves a KMS call per value.
        context: returns the encryption context that a message must have, in part or as a whole, given the value's
            tenant and its context (`{"row": "42"}`, or empty). Without it, a message can be copied from one row to
            another, even during the migration, so give it if your messages have one. None requires nothing. Pairs that
            writers require and do not store in the message (`RequiredEncryptionContextCMM`) belong to it as well.
        decode: makes a value of what was encrypted. Default: text in UTF-8.
        client: how messages are read. Default: the SDK's strict one, which takes no messages without key commitment.

    Raises:
        ConfigurationError: the materials are none of these.
    """

    @overload
    def __init__(
        self: EncryptionSdkReader[str],
        materials: Any,
        context: ExpectedContext | None,
        *,
        client: EncryptionSDKClient = _CLIENT,
    ) -> None: ...
    @overload
    def __init__(
        self,
        materials: Any,
        context: ExpectedContext | None,
        decode: Decode[T],
        *,
        client: EncryptionSDKClient = _CLIENT,
    ) -> None: ...
    def __init__(
        self,
        materials: Any,
        context: ExpectedContext | None,
        decode: Decode[Any] = text,
        *,
        client: EncryptionSDKClient = _CLIENT,
    ) -> None:
        self._materials = _arguments(materials)
        self._checks_context = _is_of_providers_library(materials)
        self._context = context
        self._decode: Decode[T] = decode
        self._client = client

    def recognises(self, data: bytes | str, /) -> bool:
        """Return True if a value has the form of a message (see `LegacyReader`)."""
        return has_form_of_a_message(_message(data))

    @discreet
    def read(self, data: bytes | str, /, *, tenant: str | None = None, context: Mapping[str, str] | None = None) -> T:
        """Authenticate and decrypt a message (see `LegacyReader`).

        Only the SDK's log distinguishes a refusal of KMS, or a throttled call, from a message under foreign keys: all
        three are a DecryptionError.
        """
        message = _message(data)
        if not has_form_of_a_message(message):
            raise DecryptionError
        expected = {} if self._context is None else self._context(tenant, context or {})
        arguments = dict(self._materials)
        if self._checks_context and expected:
            arguments["encryption_context"] = dict(expected)
        outage = None
        source = BytesIO(message)
        try:
            plaintext, header = self._client.decrypt(source=source, **arguments)
        except BotoCoreError as error:
            outage = error
        except (AWSEncryptionSDKClientError, InvalidTag, InvalidSignature, *REFUSALS):
            pass
        else:
            whole = not source.read(1)  # the SDK itself does not mind what follows a message
            if whole and self._has(header.encryption_context, expected):
                return value_of(self._decode, plaintext)
        if outage is not None:
            raise KeyProviderError("AWS KMS cannot be reached for a message", causes={"aws-kms": outage})
        raise DecryptionError

    def _has(self, stored: Mapping[str, str], expected: Mapping[str, str]) -> bool:
        """Return True if a message has the expected encryption context.

        Of what it does not store, the Material Providers Library has authenticated that the writer had it.
        """
        if self._checks_context:
            return all(stored[key] == value for key, value in expected.items() if key in stored)
        return stored.items() >= expected.items()

    def __reduce__(self) -> str:
        raise TypeError("an EncryptionSdkReader may hold keys and cannot be pickled")


class EncryptionSdkExporter:
    """Exports a field's values as messages, for services in any language that has the SDK: Java, Go, .NET, Rust, C.

        exporter = EncryptionSdkExporter(materials)
        message = exporter.export(ssn, value, tenant="clinic-7", context={"row": "42"})

    The contents of a message: the UTF-8 of text, bytes themselves, the name of an Enum member, the CBOR of SPEC section
    5 for every other type. Its encryption context is that of the field, which names it (`fieldcrypt:field`), with what
    the call adds: context, and `fieldcrypt:tenant`. It is not secret, and readers should compare it.

    Args:
        materials: as for `EncryptionSdkReader`.
        algorithm: default: the SDK's, which signs; a service that only it writes for may do without
            (`AES_256_GCM_HKDF_SHA512_COMMIT_KEY`), and four times as fast.
        client: how messages are written.

    Raises:
        ConfigurationError: the materials are none of these.
    """

    def __init__(
        self,
        materials: Any,
        *,
        algorithm: AlgorithmSuite | None = None,
        client: EncryptionSDKClient = _CLIENT,
    ) -> None:
        self._arguments = _arguments(materials)
        if algorithm is not None:
            self._arguments["algorithm"] = algorithm
        self._client = client

    @discreet
    def export(
        self,
        field: Field[Any],
        data: bytes,
        *,
        tenant: str | NoTenant | None = None,
        context: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return a message with the plaintext of an encrypted value.

        Args:
            field, data, tenant, context: as for `Field.decrypt`.

        Raises:
            As `Field.decrypt`.
            KeyProviderError: the SDK has no key to encrypt under.
        """
        value = field.decrypt(data, tenant=tenant, context=context)
        plaintext = Codec(field.type).encode(value)[_ENCODING_BYTE]
        whole = {**field.context, **(context or {})}
        if isinstance(tenant, str):
            whole[TENANT_KEY] = tenant
        try:
            message, _ = self._client.encrypt(source=plaintext, encryption_context=whole, **self._arguments)
        except (AWSEncryptionSDKClientError, BotoCoreError) as error:
            raise KeyProviderError(
                "the AWS Encryption SDK has no key for the message", causes={"aws-encryption-sdk": error}
            ) from None
        return bytes(message)

    def __reduce__(self) -> str:
        raise TypeError("an EncryptionSdkExporter may hold keys and cannot be pickled")


def _message(data: bytes | str) -> bytes:
    """Return a message as bytes; nothing if it is not base64."""
    return data if isinstance(data, bytes) else decoded(data, STANDARD) or b""


def _arguments(materials: Any) -> dict[str, Any]:
    """Return the arguments of the SDK's client for these materials.

    The interfaces of the Material Providers Library are recognised by their methods: it need not be installed.
    """
    if isinstance(materials, MasterKeyProvider):
        return {"key_provider": materials}
    if isinstance(materials, CryptoMaterialsManager) or hasattr(materials, "decrypt_materials"):
        return {"materials_manager": materials}
    if hasattr(materials, "on_decrypt"):
        return {"keyring": materials}
    raise ConfigurationError(
        f"a {type(materials).__name__} has no keys for the AWS Encryption SDK: give a master key provider, a "
        "cryptographic materials manager or a keyring"
    )


def _is_of_providers_library(materials: Any) -> bool:
    """Return True if the materials are of the Material Providers Library: only for these the SDK takes a context."""
    own = isinstance(materials, (MasterKeyProvider, CryptoMaterialsManager))
    return not own or hasattr(materials, "mpl_cmm")  # which the SDK's own wrapper of the library's managers has
