"""All corrections of moto, for one process."""

from __future__ import annotations

from functools import cache

from fieldcrypt.testing.moto.dynamodb import correct_dynamodb
from fieldcrypt.testing.moto.kms import correct_kms

__all__ = ["correct_moto"]


@cache  # once per process
def correct_moto() -> None:
    """Correct the moto of this process, where its KMS and DynamoDB differ from AWS; a second call does nothing.

    Without it `mock_aws` makes multi-Region keys whose ids AWS would not make, and cannot decrypt what they encrypted.
    Call it before the first key is made: in `conftest.py`, or in `setUpClass`. `LocalAws` has it already.
    """
    correct_kms()
    correct_dynamodb()
