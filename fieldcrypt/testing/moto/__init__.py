"""moto's KMS and DynamoDB, corrected where they differ from AWS in ways that matter here, and served over HTTP."""

from fieldcrypt.testing.moto.corrections import correct_moto

__all__ = ["correct_moto"]
