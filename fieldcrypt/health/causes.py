"""Errors of key providers in plain words, with what to do."""

from __future__ import annotations

from fieldcrypt.errors import (
    FieldcryptError,
    KeyAccessDeniedError,
    KeyProviderError,
    KeyStoreError,
    NotWrappedHereError,
)

__all__ = ["explain"]


def explain(error: FieldcryptError) -> tuple[str, str]:
    """Return the cause of an error, the same for all data keys that have it, and what to do."""
    if isinstance(error, KeyAccessDeniedError):
        return str(error), "enable the key, or allow this role to use it: fieldcrypt kms policy reader (or writer)"
    if isinstance(error, KeyProviderError):
        return str(error), "see the findings of this region above"
    if isinstance(error, NotWrappedHereError):
        return "not wrapped under a key of this region", _NOT_HERE
    if isinstance(error, KeyStoreError):
        return "the record cannot be read", _RESTORE
    return "the record was changed: it is not what fieldcrypt wrote", _RESTORE


_NOT_HERE = (
    "fieldcrypt keys repair, which adds the wraps that are missing, if another place opens them. If none does, is this "
    "the configuration of another environment, or has a tenant's lookup changed? fieldcrypt keys list names the "
    "wrapping keys that they are under"
)
_RESTORE = "restore it from a backup of the key store; without it the values under this data key are lost"
