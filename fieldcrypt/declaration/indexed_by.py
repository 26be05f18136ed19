"""`IndexedBy`, which declares a blind index of a field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.offload import Offload
from fieldcrypt.search.blind_index import DEFAULT_TAG_SIZE, BlindIndex

__all__ = ["IndexedBy"]

_MAX_KEY = 1_024  # bytes of the shorter keys of DynamoDB ("Quotas and constraints in Amazon DynamoDB")
_SINCE_0_1 = 5  # attributes, which 0.1 unpickles


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
        prefix: stores tags as text: this, and lower-case hexadecimal. For attributes of DynamoDB that hold other
            texts as well; may be empty.
        rotates: False where tags are in keys of items, which cannot change; see `Encryptor.blind_index`.

    Raises:
        ConfigurationError: the prefix is not text, or too long; or rotates is not a bool.
    """

    companion: str
    normaliser: str | Callable[[Any], Any] | None = None
    tag_size: int = DEFAULT_TAG_SIZE
    per_tenant: bool = False
    accept_low_cardinality: bool = False
    accept_default_key: bool = False
    prefix: str | None = None
    rotates: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.prefix, str | None) or not isinstance(self.rotates, bool):
            raise ConfigurationError('IndexedBy("name", prefix="…", rotates=False): prefix is a text, rotates a bool')
        if self.prefix is not None and len(self.prefix.encode()) + 2 * self.tag_size > _MAX_KEY:
            raise ConfigurationError(f"{self.companion}: with their prefix, tags have more than {_MAX_KEY:,} bytes")

    def stored(self, tag: bytes) -> bytes | str:
        """Return a tag as it is stored."""
        return tag if self.prefix is None else f"{self.prefix}{tag.hex()}"

    def check_plain_tags(self) -> None:
        """Refuse what does not fit where tags are always binary, and never in a key.

        Raises:
            ConfigurationError: the declaration has a prefix, or does not rotate.
        """
        if self.prefix is not None or not self.rotates:
            raise ConfigurationError(
                f"{self.companion}: only a ProtectedTable of fieldcrypt_dynamodb has tags with a prefix=, or with "
                "rotates=False in a primary key"
            )

    def __getstate__(self) -> list[Any]:
        state = [getattr(self, each.name) for each in fields(self)]
        while len(state) > _SINCE_0_1 and state[-1] == fields(self)[len(state) - 1].default:
            state.pop()
        return state

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
            rotates=self.rotates,
        )


IndexedBy.__module__ = "fieldcrypt"  # what pickles call it, wherever it is defined
