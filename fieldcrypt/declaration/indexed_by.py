"""`IndexedBy`, which declares a blind index of a field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError, located
from fieldcrypt.offload import Offload
from fieldcrypt.search.blind_index import DEFAULT_TAG_SIZE, BlindIndex
from fieldcrypt.search.term_index import TermIndex, check_kind

__all__ = ["IndexedBy"]

_MAX_KEY = 1_024  # bytes of the shorter keys of DynamoDB ("Quotas and constraints in Amazon DynamoDB")
_SINCE_0_1 = 5  # attributes, which 0.1 unpickles


@dataclass(frozen=True, slots=True)
class IndexedBy:
    """A blind index, as it is declared with a protected field: `index=IndexedBy("email_tag", …)`.

    Attributes:
        companion: the name of the column, attribute or member that holds the tags.
        normaliser, tag_size, accept_low_cardinality: see `Encryptor.blind_index`. If tags are shorter than 16 bytes,
            other values share a value's tag, and what a search finds has to be compared after decryption.
        per_tenant: use index keys of the row's or item's tenant, so that tags of two tenants cannot be compared. Needs
            a decorated model with a tenant, and searches that name it.
        accept_default_key: see `Encryptor.blind_index`; for indexes that are not per tenant, of rows that have one.
        prefix: stores tags as text: this, and lower-case hexadecimal. For attributes of DynamoDB that hold other
            texts as well; may be empty.
        rotates: False where tags are in keys of items, which cannot change; see `Encryptor.blind_index`.
        of: what of the value is indexed: a `Part`, `Prefixes`, `Suffixes` or a `Range` of `fieldcrypt.search`. Default:
            the value as a whole, for equality.
        name: the index's, which its tags are bound to. Default: that of the companion. An index for equality that has
            neither a name nor partitions is the plain one, whose tags are bound to the field alone.
        partitions: how many tags a value can have: which of them a row has depends on the row, so that the frequencies
            of values show less. A search asks for all.
        accept_leakage: True if what the index tells beyond equality is acceptable: prefixes, suffixes and ranges tell
            nearly the order, and a short or partitioned tag next to whole ones hides nothing.
        one_companion: the tags of all levels are in one companion, an array of PostgreSQL or a binary set of DynamoDB,
            and not in one for each level, `name_3`, `name_4` and so on.

    Raises:
        ConfigurationError: the prefix is not text, or too long; rotates is not a bool; the number of partitions is out
            of range, or the kind has none; or something has to be accepted first.
    """

    companion: str
    normaliser: str | Callable[[Any], Any] | None = None
    tag_size: int = DEFAULT_TAG_SIZE
    per_tenant: bool = False
    accept_low_cardinality: bool = False
    accept_default_key: bool = False
    prefix: str | None = None
    rotates: bool = True
    of: Any = None
    name: str | None = None
    partitions: int = 1
    accept_leakage: bool = False
    one_companion: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.prefix, str | None) or not isinstance(self.rotates, bool):
            raise ConfigurationError('IndexedBy("name", prefix="…", rotates=False): prefix is a text, rotates a bool')
        if self.prefix is not None and len(self.prefix.encode()) + 2 * self.tag_size > _MAX_KEY:
            raise ConfigurationError(f"{self.companion}: with their prefix, tags have more than {_MAX_KEY:,} bytes")
        if not isinstance(self.companion, str) or not self.companion:
            raise ConfigurationError('IndexedBy("email_tag", …) begins with the name of the companion')
        if not self.is_plain:
            check_kind(self.index_name, self.of, self.partitions, self.accept_leakage, self.accept_low_cardinality)
        if self.one_companion and (self.prefix is not None or self.of is None or not self.of.needs_leakage):
            raise ConfigurationError(
                f"{self.companion}: one_companion=True is for several levels, and takes no prefix="
            )

    @property
    def index_name(self) -> str:
        """The name of the index."""
        return self.companion if self.name is None else self.name

    @property
    def names(self) -> tuple[str, str]:
        """The names that it may be asked by: that of its companion, and its own."""
        return self.companion, self.index_name

    @property
    def answers(self) -> str:
        """What it may be asked, in words, for messages."""
        return "==" if self.of is None else str(self.of.answers)

    @property
    def hides(self) -> bool:
        """True if tags are short or partitioned, so that they do not show for sure which values are equal."""
        return self.tag_size < DEFAULT_TAG_SIZE or self.partitions > 1

    @property
    def is_plain(self) -> bool:
        """True for the index for equality whose tags are bound to the field alone."""
        return self.of is None and self.name is None and self.partitions == 1 and self.partitions is not True

    @property
    def companions(self) -> tuple[str, ...]:
        """The names of the companions, one for each level."""
        if self.of is None or self.one_companion:
            return (self.companion,)
        suffixes = (level.suffix for level in self.of.levels())
        return tuple(f"{self.companion}_{suffix}" if suffix else self.companion for suffix in suffixes)

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

    def search_index(
        self, encryptor: Encryptor, name: str, type: Any, offload: Offload | None = None, *, path: str | None = None
    ) -> BlindIndex[Any] | TermIndex:
        """Make the index of a field, of whatever kind.

        Args, Raises: as `blind_index`.
        """
        try:
            return self._search_index(encryptor, name, type, offload, path)
        except (ConfigurationError, TypeError, ValueError) as error:
            refused = located(error, field=name)
        raise refused

    def _search_index(
        self, encryptor: Encryptor, name: str, type: Any, offload: Offload | None, path: str | None
    ) -> BlindIndex[Any] | TermIndex:
        if self.is_plain:
            return self.blind_index(encryptor, name, type, offload, path=path)
        return encryptor.search_index(
            name,
            type,
            index=self.index_name,
            of=self.of,
            tag_size=self.tag_size,
            normaliser=self.normaliser,
            accept_low_cardinality=self.accept_low_cardinality,
            accept_leakage=self.accept_leakage,
            offload=offload,
            per_tenant=self.per_tenant,
            accept_default_key=self.accept_default_key,
            path=path,
            partitions=self.partitions,
            rotates=self.rotates,
        )


IndexedBy.__module__ = "fieldcrypt"  # what pickles call it, wherever it is defined
