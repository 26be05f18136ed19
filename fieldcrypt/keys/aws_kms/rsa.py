"""Data keys under an RSA key of KMS: wrapped offline with its public key, unwrapped by KMS."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any, Unpack

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from fieldcrypt import _system
from fieldcrypt._base.single_flight import SingleFlight
from fieldcrypt.errors import ConfigurationError, KeyAccessDeniedError
from fieldcrypt.keys.aws_kms.access import MAX_CIPHERTEXT_SIZE, Access, KmsAccess, without_defaults
from fieldcrypt.keys.aws_kms.answers import part_of
from fieldcrypt.keys.aws_kms.arn import KeyArn
from fieldcrypt.keys.aws_kms.clients import Place
from fieldcrypt.keys.providers.provider import KeyProvider, not_wrapped_error
from fieldcrypt.keys.record.record import WrappedKey
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["AwsKmsRsaKeyProvider"]

_ALGORITHM = "RSAES_OAEP_SHA_256"
_MIN_KEY_SIZE = 2048  # bits
_MAX_PEM_SIZE = 16_384  # bytes; a 4096-bit key has 800


class AwsKmsRsaKeyProvider(KeyProvider):
    """Wraps data keys under the public half of an RSA key of AWS KMS, without a call; KMS unwraps them.

    So a service that has only the public key can write fields that it cannot read. The price: wrapping with a public
    key proves nothing. Anyone who knows the public key and can write to the database can make values that decrypt, so
    every field that reads them has to be declared with `accept_public_key=True`. KMS knows no encryption context for
    RSA keys either: key policies cannot tell tenants apart, and CloudTrail does not show them.

    IAM actions: `kms:Decrypt` to read, on the key in every region; `kms:GetPublicKey` to write, unless the public key
    is given.

    Args:
        key: the ARN of an RSA key with the usage ENCRYPT_DECRYPT, 2048 bits or more; of any of a multi-Region key's
            regions.
        public_key: the path of a PEM file with the public key. Without it, the key is fetched once.
        write_only: True if this process must not read: it never asks KMS to unwrap, keeps the data keys that it made
            until they are rotated, and refuses to decrypt.
        regions: as in `AwsKmsKeyProvider`.
        access: session_factory, endpoint_urls, grant_tokens, client_factory, timeout, deadline, cooldown, grace and
            failover_on_denied: see `KmsAccess`.

    Raises:
        ConfigurationError: the ARN or a region is malformed, the key cannot be used in a region, an endpoint has no
            TLS, or the file has no RSA public key of 2048 bits or more.
        TypeError: a time is not a timedelta.
        ValueError: the grace is negative.
    """

    public_key_wrapping = True

    def __init__(
        self,
        key: str,
        regions: Sequence[str] | None = None,
        *,
        public_key: str | os.PathLike[str] | None = None,
        write_only: bool = False,
        **access: Unpack[KmsAccess],
    ) -> None:
        self._key = KeyArn.configured(key)
        if self._key.is_alias:
            raise ConfigurationError(f"{key!r} is an alias: a public key belongs to one key, so name that by its ARN")
        self._access = Access([self._key], regions, access)
        self.grace = self._access.grace
        self.write_only = write_only
        self._configuration = {
            "key": key,
            "public_key": None if public_key is None else os.path.abspath(public_key),
            "write_only": write_only,
            **self._access.configuration,
        }
        self._public_key = None if public_key is None else _read_pem(public_key)
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._fetches: SingleFlight[RSAPublicKey] = SingleFlight()

    @discreet
    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        """Encrypt a data key (see `KeyProvider.wrap`): RSAES-OAEP with SHA-256 (RFC 8017 section 7.1), empty label.

        The context is not part of the wrap, because KMS has no place for it; the tag of the key record binds it.
        IAM action: `kms:GetPublicKey`, once, unless the public key was given.
        """
        return [WrappedKey(str(self._key), self._fetched_public_key().encrypt(data_key, _oaep()))]

    @discreet
    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        """Decrypt a data key in the nearest region that works (see `KeyProvider.unwrap`). IAM action: `kms:Decrypt`."""
        if self.write_only:
            raise KeyAccessDeniedError("this key provider is write_only: it has a public key, which cannot decrypt")
        for wrap in wraps:
            if len(wrap.data) <= MAX_CIPHERTEXT_SIZE and self.wrapping_key(wrap.name) is not None:
                return self._decrypt(wrap.data)
        raise not_wrapped_error(wraps, f"not the configured RSA key, {str(self._key)!r}")

    def wrapping_keys(self) -> Sequence[str]:
        """Return the ARN of the key (see `KeyProvider.wrapping_keys`)."""
        return [str(self._key)]

    def wrapping_key(self, name: str) -> str | None:
        """Return the ARN of the key if a name means it (see `KeyProvider.wrapping_key`)."""
        arn = KeyArn.match(name)
        return str(self._key) if arn is not None and self._key.same_key(arn) else None

    def regions(self) -> Mapping[str, AwsKmsRsaKeyProvider]:
        """Return, by region, a provider that works in that region alone (see `KeyProvider.regions`)."""
        regions: Any = {arn.region: [arn.region] for arn in self._access.in_its_regions(self._key)}
        return {name: AwsKmsRsaKeyProvider(**{**self._configuration, "regions": own}) for name, own in regions.items()}

    def share(self, connections: MutableMapping[Any, Any]) -> None:
        """Share clients, and which regions are sick (see `KeyProvider.share`)."""
        self._access.share(connections)

    def keys_at(self, region: str) -> list[KeyArn]:
        """Return the key as it is named in a region, for inspection."""
        return [arn for arn in self._access.in_its_regions(self._key) if arn.region == region]

    def client(self, arn: KeyArn) -> Any:
        """Return the boto3 client that is used for the key, for inspection."""
        return self._access.clients.at(Place.from_arn(arn))

    def _decrypt(self, data: bytes) -> bytes:
        def decrypt(client: Any, **key: Any) -> bytes:
            answer = client.decrypt(CiphertextBlob=data, EncryptionAlgorithm=_ALGORITHM, **key)
            return part_of(answer, "Plaintext", bytes)

        return self._access.ask("Decrypt", self._access.in_its_regions(self._key), decrypt)

    def _fetched_public_key(self) -> RSAPublicKey:
        # Not under a lock: callers that wait for a region that hangs share its failure, and do not wait again.
        return self._public_key or self._fetches.run("public key", self._fetch_public_key)

    def _fetch_public_key(self) -> RSAPublicKey:
        def get(client: Any, **key: Any) -> tuple[bytes, str]:
            answer = client.get_public_key(**key)
            return part_of(answer, "PublicKey", bytes), part_of(answer, "KeyUsage", str)

        if self._public_key is None:
            der, usage = self._access.ask("GetPublicKey", self._access.in_its_regions(self._key), get)
            if usage != "ENCRYPT_DECRYPT":  # then nobody could ever unwrap
                raise ConfigurationError(f"{self._key} is a key for {usage}, not for ENCRYPT_DECRYPT")
            try:
                self._public_key = _checked(load_der_public_key(der), str(self._key))
            except (ValueError, UnsupportedAlgorithm):
                raise ConfigurationError(f"{self._key} has a public key that cannot be used") from None
        return self._public_key

    def __eq__(self, other: object) -> bool:
        return (
            self._configuration == other._configuration if isinstance(other, AwsKmsRsaKeyProvider) else NotImplemented
        )

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"AwsKmsRsaKeyProvider({str(self._key)!r}, {self._configuration['regions']!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(AwsKmsRsaKeyProvider, **without_defaults(self._configuration)), ()


def _oaep() -> OAEP:
    return OAEP(MGF1(SHA256()), SHA256(), label=None)


def _read_pem(path: str | os.PathLike[str]) -> RSAPublicKey:
    try:
        with open(path, "rb") as file:
            return _checked(load_pem_public_key(file.read(_MAX_PEM_SIZE)), os.fspath(path))
    except OSError as error:
        raise ConfigurationError(f"the public key {path} cannot be read: {error.strerror}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{path} holds no public key in PEM (`aws kms get-public-key`)") from None


def _checked(key: Any, where: str) -> RSAPublicKey:
    if not isinstance(key, RSAPublicKey) or key.key_size < _MIN_KEY_SIZE:
        raise ConfigurationError(f"{where} is not an RSA public key of {_MIN_KEY_SIZE} bits or more")
    return key
