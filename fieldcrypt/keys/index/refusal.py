"""Why there can be no blind index."""

from __future__ import annotations

from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.provider import KeyProvider

__all__ = ["WITHOUT_STORE", "unsupported_reason", "unnamed_reason"]

WITHOUT_STORE = (
    "a blind index needs an Encryptor with a key store: equal values get equal tags only under one index key, which "
    "all processes have to find in the same place"
)


def unsupported_reason(provider: KeyProvider) -> str | None:
    """Return why there can be no index keys with a tenant's key provider; None if there can."""
    if provider.public_key_wrapping:
        return (
            "a blind index needs a key provider with symmetric wrapping keys: whoever knows a public key could plant "
            "an index key that they know, and try out what is behind each tag"
        )
    if provider.write_only:
        return "a blind index needs a key provider that can unwrap: tags need the tenant's key"
    return None


def unnamed_reason(policy: KeyPolicy, tenant: str | None) -> str | None:
    """Return why no index key of a tenant counts: others may plant some, and the policy names none; None if they do."""
    if not policy.own_keys_only or tenant in policy.index_keys:
        return None
    return (
        "the policy is own_keys_only, for somebody may plant data keys, and index keys cannot be of one process alone: "
        "name those that count, KeyPolicy(index_keys={tenant: [key id]}); `fieldcrypt keys create --index` makes one"
    )
