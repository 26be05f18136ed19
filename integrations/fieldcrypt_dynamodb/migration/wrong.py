"""What is wrong with an item that should be protected."""

from __future__ import annotations

from fieldcrypt import DecryptionError
from fieldcrypt.migration import Kind
from fieldcrypt_dynamodb.migration.item import MigratedItem
from fieldcrypt_dynamodb.migration.target import MigratedAttribute

__all__ = ["has_stale_tag", "wrong"]

_WRONG = {
    Kind.UNREADABLE: "does not decrypt",
    Kind.PLAINTEXT: "is plaintext",
    Kind.OTHER_SCHEME: "is of another scheme",
    Kind.OLD_KEY: "is under an old data key",
    Kind.OLD_FORM: "is not protected as the attribute is declared now",
}


def wrong(item: MigratedItem, *, old_keys: bool = True) -> str | None:
    """Say what is wrong with an item; None if nothing is.

    Args:
        item: the item.
        old_keys: that a value is under an old data key is wrong, too.

    Raises:
        KeyProviderError, KeyStoreError: it cannot be told for now.
    """
    reasons = []
    for attribute in item.attributes:
        try:
            reason = _of_attribute(attribute, item, old_keys)
        except (DecryptionError, TypeError, ValueError):
            reason = "cannot be read"
        if reason is not None:
            reasons.append(f"{attribute.name} {reason}")
    if not reasons:
        reasons = _of_seal(item)
    return "; ".join(reasons) or None


def has_stale_tag(attribute: MigratedAttribute, item: MigratedItem, value: object) -> bool:
    """Say whether an item has not the tag of its value."""
    if attribute.companion is None:
        return False
    return item.tag_of(attribute, value) != item.raw.get(attribute.companion)


def _of_attribute(attribute: MigratedAttribute, item: MigratedItem, old_keys: bool) -> str | None:
    if not item.has(attribute) and not has_stale_tag(attribute, item, None):
        return None
    found = item.examine(attribute)
    if found.kind is Kind.SHREDDED:
        return None
    if found.kind in _WRONG and (old_keys or found.kind is not Kind.OLD_KEY):
        return _WRONG[found.kind]
    return "has not the blind index tag of its value" if has_stale_tag(attribute, item, found.value) else None


def _of_seal(item: MigratedItem) -> list[str]:
    if item.table.seal is None:
        return []
    if not item.is_sealed():
        return ["the item has no seal"]
    try:
        item.check_seal()
    except (DecryptionError, TypeError, ValueError):
        return ["the sealed attributes are not those that were sealed"]
    return []
