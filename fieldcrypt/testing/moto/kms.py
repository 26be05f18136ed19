"""Corrects moto's KMS where it differs from AWS in ways that matter to fieldcrypt.

moto 5.2 cannot decrypt what a multi-Region key encrypted, because its key ids are longer than its ciphertext format
allows. It lets disabled keys work, takes ARNs of other regions, and treats RSA keys as symmetric ones. Its replicas
share policy, aliases and rotation with their primary. Real ids are `mrk-` and 32 hexadecimal digits: with those, keys
and their replicas decrypt one another's ciphertexts.

What permissions come to: a statement of a key policy that denies an action to everyone (`"Principal": "*"`) and has no
condition is enforced for Encrypt, Decrypt, DescribeKey, GetPublicKey and GetKeyRotationStatus. Nothing else is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import moto.kms.models as models
import moto.kms.responses as responses
import moto.kms.utils as utils
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from moto.kms.exceptions import InvalidCiphertextException, NotFoundException

from fieldcrypt.testing.moto.checks import check_policy, check_region, check_state, error, requested_key, statements
from fieldcrypt.testing.moto.replicas import enable_key_rotation, get_key_rotation_status, replicate_key

__all__ = ["correct_kms"]

_SYMMETRIC = "SYMMETRIC_DEFAULT"
_OAEP = {
    f"RSAES_OAEP_{name}": padding.OAEP(padding.MGF1(algorithm), algorithm, label=None)
    for name, algorithm in (("SHA_1", hashes.SHA1()), ("SHA_256", hashes.SHA256()))  # noqa: S303 (AWS has it too)
}


def correct_kms() -> None:
    """Apply the corrections to the moto of this process."""
    setattr(models, "generate_key_id", _generate_key_id)  # noqa: B010 (type checkers take it for private)
    setattr(responses, "validate_policy", check_policy)  # noqa: B010 (what DescribeKey calls)
    for name, method in _BACKEND.items():
        setattr(models.KmsBackend, name, method)
    for name, method in _RESPONSES.items():
        setattr(responses.KmsResponse, name, method)


_original_generate_key_id = utils.generate_key_id
_original_create_key = models.KmsBackend.create_key
_original_put_key_policy = models.KmsBackend.put_key_policy
_original_validate_key_id = responses.KmsResponse._validate_key_id


def _generate_key_id(multi_region: bool = False) -> str:
    key_id: str = _original_generate_key_id(multi_region=False)
    return "mrk-" + key_id.replace("-", "") if multi_region else key_id


def _create_key(self: Any, policy: str | None, key_usage: str | None, *rest: Any, **named: Any) -> Any:
    if policy:
        statements(policy)
    return _original_create_key(self, policy, key_usage or "ENCRYPT_DECRYPT", *rest, **named)


def _put_key_policy(self: Any, key_id: str, policy: str) -> None:
    statements(policy)
    _original_put_key_policy(self, key_id, policy)


# Which key a request means


def _validate_key_id(self: Any, key_id: str) -> None:
    check_region(self, key_id)
    _original_validate_key_id(self, key_id)


def _validate_cmk_id(self: Any, key_id: str) -> None:
    check_region(self, key_id)
    if self.kms_backend.get_key_id(key_id) not in self.kms_backend.keys:
        raise NotFoundException(f"Key '{self._display_arn(key_id)}' does not exist")


def _by_key_id(name: str) -> Callable[..., Any]:
    """Let a method of the backend that looks its key up by id alone take an ARN."""
    original = getattr(models.KmsBackend, name)
    return lambda self, key_id, *rest, **named: original(self, self.get_key_id(key_id), *rest, **named)


# Encrypt, Decrypt, GetPublicKey


def _answer_encrypt(self: Any) -> str:
    key = requested_key(self, "kms:Encrypt")
    algorithm = self._get_param("EncryptionAlgorithm") or _SYMMETRIC
    context = self._get_param("EncryptionContext") or {}
    blob, arn = self.kms_backend.encrypt(key.id, self._get_param("Plaintext"), context, algorithm)
    blob = base64.b64encode(blob).decode()
    return json.dumps({"CiphertextBlob": blob, "KeyId": arn, "EncryptionAlgorithm": algorithm})


def _answer_decrypt(self: Any) -> str:
    key_id = self._get_param("KeyId")
    if key_id is not None:
        self._validate_key_id(key_id)
    algorithm = self._get_param("EncryptionAlgorithm") or _SYMMETRIC
    context = self._get_param("EncryptionContext") or {}
    plaintext, arn = self.kms_backend.decrypt(self._get_param("CiphertextBlob"), context, key_id, algorithm)
    plaintext = base64.b64encode(plaintext).decode()
    return json.dumps({"Plaintext": plaintext, "KeyId": arn, "EncryptionAlgorithm": algorithm})


def _encrypt(
    self: Any, key_id: str, plaintext: bytes, encryption_context: dict[str, str], algorithm: str = _SYMMETRIC
) -> tuple[bytes, str]:
    key = self.keys[self.any_id_to_key_id(key_id)]
    check_state(key)
    _check_algorithm(key, algorithm, encryption_context)
    if algorithm == _SYMMETRIC:
        return utils.encrypt(self.keys, key.id, plaintext, encryption_context), key.arn
    try:
        return key.private_key.private_key.public_key().encrypt(plaintext, _OAEP[algorithm]), key.arn
    except ValueError:
        raise error("ValidationException", "The plaintext is too long for the key and the algorithm.") from None


def _decrypt(
    self: Any,
    ciphertext_blob: bytes,
    encryption_context: dict[str, str],
    key_id: str | None = None,
    algorithm: str = _SYMMETRIC,
) -> tuple[bytes, str]:
    key = _key_in(self, ciphertext_blob) if key_id is None else self.keys[self.any_id_to_key_id(key_id)]
    check_policy(key, "kms:Decrypt")
    check_state(key)
    _check_algorithm(key, algorithm, encryption_context)
    if algorithm == _SYMMETRIC:
        if _key_in(self, ciphertext_blob) is not key:
            raise error("IncorrectKeyException", "The key ID in the request does not identify a key that can do this.")
        plaintext, _ = utils.decrypt(self.keys, ciphertext_blob, encryption_context)
        return plaintext, key.arn
    try:
        return key.private_key.private_key.decrypt(ciphertext_blob, _OAEP[algorithm]), key.arn
    except ValueError:
        raise InvalidCiphertextException from None


def _key_in(backend: Any, ciphertext_blob: bytes) -> Any:
    """Return the key that a symmetric ciphertext names."""
    try:
        return backend.keys[utils._deserialize_ciphertext_blob(ciphertext_blob).key_id]
    except Exception:  # noqa: BLE001 (moto lets several out)
        raise InvalidCiphertextException from None


def _check_algorithm(key: Any, algorithm: str, encryption_context: dict[str, str]) -> None:
    if key.key_usage != "ENCRYPT_DECRYPT":
        raise error("InvalidKeyUsageException", f"{key.arn} key usage is {key.key_usage}.")
    if algorithm not in key.encryption_algorithms:
        raise error("InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {key.key_spec}.")
    if algorithm != _SYMMETRIC and encryption_context:
        raise error("ValidationException", f"Algorithm {algorithm} does not support an encryption context.")


def _get_public_key(self: Any) -> str:
    key = requested_key(self, "kms:GetPublicKey")
    if key.key_spec == _SYMMETRIC:
        raise error("UnsupportedOperationException", f"{key.arn} is not an asymmetric key.")
    check_state(key)
    answer = {
        "KeyId": key.arn,
        "PublicKey": base64.b64encode(key.private_key.public_key()).decode(),
        "KeySpec": key.key_spec,
        "CustomerMasterKeySpec": key.key_spec,
        "KeyUsage": key.key_usage,
        "EncryptionAlgorithms": key.encryption_algorithms,
        "SigningAlgorithms": key.signing_algorithms,
    }
    return json.dumps({name: value for name, value in answer.items() if value is not None})


_BACKEND: dict[str, Callable[..., Any]] = {
    "create_key": _create_key,
    "put_key_policy": _put_key_policy,
    "encrypt": _encrypt,
    "decrypt": _decrypt,
    **{
        name: _by_key_id(name) for name in ("enable_key", "disable_key", "schedule_key_deletion", "cancel_key_deletion")
    },
}
_RESPONSES: dict[str, Callable[..., Any]] = {
    "_validate_key_id": _validate_key_id,
    "_validate_cmk_id": _validate_cmk_id,
    "encrypt": _answer_encrypt,
    "decrypt": _answer_decrypt,
    "get_public_key": _get_public_key,
    "replicate_key": replicate_key,
    "enable_key_rotation": enable_key_rotation,
    "get_key_rotation_status": get_key_rotation_status,
}
