"""`CompoundIndex`, which declares an index of several members of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Any

from fieldcrypt.declaration.field_indexes import FieldIndexes
from fieldcrypt.declaration.index_rules import nothing_hidden_error, tells
from fieldcrypt.declaration.indexed_by import IndexedBy
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.offload import Offload
from fieldcrypt.search.blind_index import DEFAULT_TAG_SIZE, MIN_MEMBERS
from fieldcrypt.search.kinds.compound import Compound
from fieldcrypt.search.kinds.part import Part

__all__ = ["CompoundIndex", "check_compounds", "checked_compounds"]


@dataclass(frozen=True)
class CompoundIndex:
    """An index of several members of a record together.

        CompoundIndex("who_tag", of={"surname": "casefold", "born": None})

    A record in which one of them is missing has no tag.

    Attributes:
        companion: the name of the column, attribute or member that holds the tags.
        of: two or more members, at least one of them protected, in an order that must not change; each with
            None, a normaliser, or a `Part` (`fieldcrypt.search`).
        name, tag_size, per_tenant, accept_default_key, partitions, accept_leakage, prefix, rotates,
            accept_low_cardinality: see `IndexedBy`.

    Raises:
        ConfigurationError: it has fewer than two members.
    """

    companion: str
    of: Mapping[str, Any]
    name: str | None = None
    tag_size: int = DEFAULT_TAG_SIZE
    per_tenant: bool = False
    accept_default_key: bool = False
    partitions: int = 1
    accept_leakage: bool = False
    prefix: str | None = None
    rotates: bool = True
    accept_low_cardinality: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.of, Mapping) or len(self.of) < 2:
            raise ConfigurationError(
                'CompoundIndex("who_tag", of={"surname": "casefold", "born": None}): two or more members, each with '
                "None, a normaliser or a Part"
            )

    @property
    def hides(self) -> bool:
        """True if tags are short or partitioned, so that they do not show for sure which records are equal."""
        return self.tag_size < DEFAULT_TAG_SIZE or self.partitions > 1

    def indexed_by(self, types: Mapping[str, Any]) -> IndexedBy:
        """Return the declaration as that of any index, whose values are mappings of the members.

        Args:
            types: of the members' values, as fields have them; a member that is missing here has values of any type.
        """
        return IndexedBy(
            self.companion,
            tag_size=self.tag_size,
            per_tenant=self.per_tenant,
            accept_default_key=self.accept_default_key,
            prefix=self.prefix,
            rotates=self.rotates,
            of=Compound(dict(self.of), {member: types.get(member, object) for member in self.of}),
            name=self.name,
            partitions=self.partitions,
            accept_leakage=self.accept_leakage,
            accept_low_cardinality=self.accept_low_cardinality,
        )

    def indexes(
        self, encryptor: Encryptor, record: str, types: Mapping[str, Any], offload: Offload | None = None
    ) -> FieldIndexes:
        """Make the index. Its values, and those of an `AllEqual`, are mappings from members to values.

        Args:
            encryptor, offload: as for `Encryptor.search_index`.
            record: the record's logical name, to which tags are bound.
            types: as for `indexed_by`.

        Raises:
            TypeError, ValueError, ConfigurationError: as for `Encryptor.search_index`.
        """
        how = self.indexed_by(types)
        return FieldIndexes(record, ((how, how.search_index(encryptor, record, dict, offload)),))


def checked_compounds(indexes: Any) -> tuple[CompoundIndex, ...]:
    """Return what was given as `indexes=`.

    Raises:
        ConfigurationError: it is no list of `CompoundIndex`.
    """
    if not isinstance(indexes, (list, tuple)) or not all(isinstance(each, CompoundIndex) for each in indexes):
        raise ConfigurationError("indexes=[CompoundIndex(…), …] is a list of indexes of several members each")
    return tuple(indexes)


def check_compounds(
    record: str,
    fields: Mapping[str, Sequence[IndexedBy]],
    counts: Mapping[str, int | None],
    compounds: Sequence[CompoundIndex],
) -> None:
    """Refuse compounds that hide nothing: of plain members alone, or with short or partitioned tags next to others.

    And those whose protected members have few values together, for plain members tell everybody which rows to compare.

    Whole tags in partitions are enough to undo those of a compound (see `check_together`).

    Args:
        record: the record's name, for messages.
        fields: the indexes of each protected member; the values of all others are there for anyone to read.
        counts: how many values each protected member has, if its type says so.
        compounds: of the record.

    Raises:
        ConfigurationError: some have too few values. Or some hide nothing: no member is protected, or whole tags of the
            same values, or of more of them, stand next to them.
    """
    for compound in compounds:
        if fields.keys().isdisjoint(compound.of):
            raise ConfigurationError(
                f"{record}.{compound.companion}: at least one of its members has to be protected, or its tags would "
                "hide nothing"
            )
        values = prod(
            min(_count(how), counts.get(member) or inf) for member, how in compound.of.items() if member in fields
        )
        if values < MIN_MEMBERS and not compound.accept_low_cardinality:
            raise ConfigurationError(
                f"{record}.{compound.companion}: its protected members have {values} values together, so frequencies "
                "tell which is which: index more of them, or if that is acceptable set accept_low_cardinality=True"
            )
        if compound.hides and not compound.accept_leakage:
            _check_hiding(record, compound, fields, compounds)
        for member, how in compound.of.items():
            for index in fields.get(member, ()):
                is_told = compound.tag_size >= DEFAULT_TAG_SIZE and tells(_part(how), index.of)
                if index.hides and not index.accept_leakage and is_told:
                    raise nothing_hidden_error(record, index.companion, compound.companion)


def _check_hiding(
    record: str,
    hiding: CompoundIndex,
    fields: Mapping[str, Sequence[IndexedBy]],
    compounds: Sequence[CompoundIndex],
) -> None:
    """Refuse a compound each of whose members whole tags tell, or the member itself, because it is plain."""
    telling = []
    for member, how in hiding.of.items():
        if member not in fields:
            continue
        others = [each for each in compounds if each is not hiding and member in each.of]
        tags: list[tuple[str, int, Any]] = [
            *((each.companion, each.tag_size, _part(each.of[member])) for each in others),
            *((each.companion, each.tag_size, each.of) for each in fields[member]),
        ]
        found = (name for name, size, of in tags if size >= DEFAULT_TAG_SIZE and tells(of, _part(how)))
        telling.append(next(found, None))
    if None not in telling:
        raise nothing_hidden_error(record, hiding.companion, " and ".join(map(str, dict.fromkeys(telling))))


def _count(how: Any) -> float:
    return how.levels()[0].values or inf if isinstance(how, Part) else inf


def _part(how: Any) -> Part | None:
    return how if isinstance(how, Part) else None


CompoundIndex.__module__ = "fieldcrypt"  # what pickles call it, wherever it is defined
