"""How a value of a searchable attribute becomes a tag."""

from __future__ import annotations

from typing import Any

from fieldcrypt import Encryptor
from fieldcrypt_pynamodb.attribute.companion import BlindIndexAttribute, Tag
from fieldcrypt_pynamodb.attribute.conversion import indexed_as
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute

__all__ = ["Tagger"]


class Tagger:
    """Makes the tags of one searchable attribute of one table; safe to use from many threads.

    Attributes:
        companion: the attribute that holds them.
        key: its name in the model.
        per_tenant: tags are made with index keys of the item's tenant.
        truncated: other values may have a value's tag.
    """

    def __init__(
        self, attribute: EncryptedAttribute[Any], companion: BlindIndexAttribute, encryptor: Encryptor, name: str
    ) -> None:
        index: Any = attribute.index
        kind, self._to_index = indexed_as(attribute.inner)
        self._index = index.blind_index(encryptor, name, kind)
        self._to_field = attribute._to_field
        self.companion, self.key = companion, index.companion
        self.per_tenant, self.truncated = index.per_tenant, self._index.truncated

    def tag(self, plain: Any, tenant: str | None) -> Tag:
        """Return the tag of a value that is stored, as the Field takes it.

        Raises:
            As `BlindIndex.tag`.
        """
        return Tag(self._index.tag(self._to_index(plain), tenant=tenant))

    def tags(self, plains: list[Any], tenant: str | None) -> list[Tag]:
        """Return all tags that stored values may have that are equal to one of these, in the order of the values.

        Raises:
            TypeError, ValueError, KeyProviderError, KeyStoreError: as `BlindIndex.tags`.
        """
        return list(
            dict.fromkeys(
                Tag(tag) for plain in plains for tag in self._index.tags(self._to_index(plain), tenant=tenant)
            )
        )

    def matches(self, stored: Any, plain: Any) -> bool:
        """Return True if a value that was read is equal to one that was searched for."""
        return bool(self._index.matches(self._to_index(self._to_field(stored)), self._to_index(plain)))
