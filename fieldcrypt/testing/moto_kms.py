"""Corrects moto's KMS where it differs from AWS in ways that matter to multi-Region keys.

moto 5.2 cannot decrypt what a multi-Region key encrypted (its key ids are longer than its ciphertext format allows),
lets disabled keys work, and takes ARNs of other regions. Real ids are `mrk-` and 32 hexadecimal digits: with those,
keys and their replicas decrypt one another's ciphertexts.
"""

from __future__ import annotations

from typing import Any

import moto.kms.models as models
import moto.kms.responses as responses
import moto.kms.utils as utils
from moto.core.exceptions import JsonRESTError
from moto.kms.exceptions import InvalidCiphertextException, NotFoundException

__all__ = ["correct_kms"]


def correct_kms() -> None:
    """Apply the corrections to the moto of this process."""
    models.generate_key_id = _generate_key_id
    responses.KmsResponse._validate_cmk_id = _validate_cmk_id
    models.KmsBackend.encrypt = _encrypt
    models.KmsBackend.decrypt = _decrypt


_original_generate_key_id = utils.generate_key_id
_original_encrypt = models.KmsBackend.encrypt


def _generate_key_id(multi_region: bool = False) -> str:
    key_id: str = _original_generate_key_id(multi_region=False)
    return "mrk-" + key_id.replace("-", "") if multi_region else key_id


def _validate_cmk_id(self: Any, key_id: str) -> None:
    if key_id.startswith("arn:"):
        region = key_id.split(":")[3]
        if region != self.region:
            raise NotFoundException(f"Invalid arn {region}")
    if self.kms_backend.get_key_id(key_id) not in self.kms_backend.keys:
        raise NotFoundException(f"Key '{self._display_arn(key_id)}' does not exist")


def _encrypt(self: Any, key_id: str, plaintext: bytes, encryption_context: dict[str, str]) -> tuple[bytes, str]:
    _check_state(self.keys[self.any_id_to_key_id(key_id)])
    answer: tuple[bytes, str] = _original_encrypt(self, key_id, plaintext, encryption_context)
    return answer


def _decrypt(
    self: Any, ciphertext_blob: bytes, encryption_context: dict[str, str], key_id: str | None = None
) -> tuple[bytes, str]:
    try:
        named = utils._deserialize_ciphertext_blob(ciphertext_blob).key_id
    except Exception:  # noqa: BLE001 (moto lets several out)
        raise InvalidCiphertextException from None
    if named not in self.keys:
        raise InvalidCiphertextException
    if key_id is not None and self.any_id_to_key_id(key_id) != named:
        raise _error("IncorrectKeyException", "The key ID in the request does not identify a key that can do this.")
    _check_state(self.keys[named])
    plaintext, _ = utils.decrypt(self.keys, ciphertext_blob, encryption_context)
    return plaintext, self.keys[named].arn


def _check_state(key: Any) -> None:
    if key.key_state == "Disabled":
        raise _error("DisabledException", f"{key.arn} is disabled.")
    if key.key_state != "Enabled":
        raise _error("KMSInvalidStateException", f"{key.arn} is pending deletion.")


def _error(code: str, message: str) -> JsonRESTError:
    error = JsonRESTError(code, message)
    error.code = 400
    return error
