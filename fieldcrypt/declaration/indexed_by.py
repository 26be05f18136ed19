"""`IndexedBy`, which declares a blind index of a field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fieldcrypt.encryptor import Encryptor
from fieldcrypt.offload import Offload
from fieldcrypt.search.blind_index import DEFAULT_TAG_SIZE, BlindIndex

__all__ = ["IndexedBy"]


@dataclass(frozen=True, slots=True)
class IndexedBy:
    """A blind index, as it is declared with a protected field: `index=IndexedBy("email_tag", …)`.

    Attributes:
        companion: the name of the column, attribute or member that holds the tags.
        normaliser, tag_size, accept_low_cardinality: see `Encryptor.blind_index`. Shorter than 16 bytes, other values
            share a value's tag, and what a search finds has to be compared after decryption.
        per_tenant: use index keys of the row's or item's tenant, so that tags of two tenants cannot be compared. Needs
            a decorated model with a tenant, and searches that name it.
        accept_default_key: see `Encryptor.blind_index`; for indexes that are not per tenant, of rows that have one.
    """

    companion: str
    normaliser: str | Callable[[Any], Any] | None = None
    tag_size: int = DEFAULT_TAG_SIZE
    per_tenant: bool = False
    accept_low_cardinality: bool = False
    accept_default_key: bool = False

    def __getstate__(self) -> list[Any]:
        state = [self.companion, self.normaliser, self.tag_size, self.per_tenant, self.accept_low_cardinality]
        return [*state, True] if self.accept_default_key else state  # as in 0.1, which has no default keys

    def __setstate__(self, state: list[Any]) -> None:
        IndexedBy.__init__(self, *state)

    def __repr__(self) -> str:
        return f"IndexedBy({', '.join(map(repr, self.__getstate__()))})"

    def blind_index(
        self, encryptor: Encryptor, name: str, type: Any, offload: Offload | None = None, *, path: str | None = None
    ) -> BlindIndex[Any]:
        """Make the blind index of a field.

        Args:
            encryptor: where index keys come from.
            name, type: the field's.
            offload, path: as for `Encryptor.blind_index`.

        Raises:
            TypeError, ValueError, ConfigurationError: as for `Encryptor.blind_index`.
        """
        return encryptor.blind_index(
            name,
            type,
            tag_size=self.tag_size,
            normaliser=self.normaliser,
            accept_low_cardinality=self.accept_low_cardinality,
            offload=offload,
            per_tenant=self.per_tenant,
            accept_default_key=self.accept_default_key,
            path=path,
        )


IndexedBy.__module__ = "fieldcrypt"  # what pickles call it, wherever it is defined
