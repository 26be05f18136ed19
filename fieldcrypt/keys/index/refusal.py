"""Reasons why there can be no blind index."""

from __future__ import annotations

from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.provider import KeyProvider

__all__ = ["WITHOUT_STORE", "unsupported_reason", "unnamed_reason"]

WITHOUT_STORE = (
    "a blind index needs an Encryptor with a key store: equal values get equal tags only under one index key, which "
    "all processes have to share"
)


def unsupported_reason(provider: KeyProvider) -> str | None:
    """Return why there can be no index keys with a tenant's key provider; None if there can."""
    if provider.public_key_wrapping:
        return (
            "a blind index needs a key provider with symmetric wrapping keys: anyone with a public key could plant "
            "an index key that they know, and guess the value behind each tag"
        )
    if provider.write_only:
        return "a blind index needs a key provider that can unwrap: tags need the tenant's key"
    return None


def unnamed_reason(policy: KeyPolicy, tenant: str | None) -> str | None:
    """Return why no index key of a tenant counts, or None: others may plant some, and the policy names none."""
    if not policy.own_keys_only or tenant in policy.index_keys:
        return None
    return (
        "the policy is own_keys_only, because others may plant data keys, but all processes have to share index keys: "
        "name those that count, KeyPolicy(index_keys={tenant: [key id]}); `fieldcrypt keys create --index` makes one"
    )
