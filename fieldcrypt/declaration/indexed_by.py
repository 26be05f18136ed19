"""How a field of a model is searched: what integrations take in a declaration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fieldcrypt.encryptor import Encryptor
from fieldcrypt.offload import Offload
from fieldcrypt.search.blind_index import DEFAULT_TAG_SIZE, BlindIndex

__all__ = ["IndexedBy"]


class IndexedBy:
    """A blind index, as it is declared with an encrypted column or attribute: `index=IndexedBy("email_tag", …)`.

    Attributes:
        companion: the name of the column or attribute that holds the tags.
        normaliser, tag_size, accept_low_cardinality: see `Encryptor.blind_index`. Shorter than 16 bytes, other values
            share a value's tag, and what a search finds has to be compared after decryption.
        per_tenant: use index keys of the row's or item's tenant, so that tags of two tenants cannot be compared. Needs
            a decorated model with a tenant, and searches that name it.
        accept_default_key: see `Encryptor.blind_index`; for indexes that are not per tenant, of rows that have one.
    """

    # Not a dataclass: importing dataclasses would take a sixth of the time of `import fieldcrypt`.
    __slots__ = ("accept_default_key", "accept_low_cardinality", "companion", "normaliser", "per_tenant", "tag_size")

    def __init__(
        self,
        companion: str,
        normaliser: str | Callable[[Any], Any] | None = None,
        tag_size: int = DEFAULT_TAG_SIZE,
        per_tenant: bool = False,
        accept_low_cardinality: bool = False,
        accept_default_key: bool = False,
    ) -> None:
        self.companion: Final = companion
        self.normaliser: Final = normaliser
        self.tag_size: Final = tag_size
        self.per_tenant: Final = per_tenant
        self.accept_low_cardinality: Final = accept_low_cardinality
        self.accept_default_key: Final = accept_default_key

    def __getstate__(self) -> list[Any]:
        state = [self.companion, self.normaliser, self.tag_size, self.per_tenant, self.accept_low_cardinality]
        return [*state, True] if self.accept_default_key else state  # as in 0.1, which has no default keys

    def __setstate__(self, state: list[Any]) -> None:
        IndexedBy.__init__(self, *state)

    def __eq__(self, other: object) -> bool:
        return self.__getstate__() == other.__getstate__() if isinstance(other, IndexedBy) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.__getstate__()))

    def __repr__(self) -> str:
        companion, *how = self.__getstate__()
        return f"IndexedBy({companion!r}, {', '.join(map(repr, how))})"

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
