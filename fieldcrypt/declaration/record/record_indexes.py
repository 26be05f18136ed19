"""All that records can be searched by."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from fieldcrypt.declaration.compound_index import CompoundIndex, check_compounds
from fieldcrypt.declaration.record.record_compound import RecordCompound
from fieldcrypt.declaration.record.record_field import RecordField
from fieldcrypt.declaration.record.record_key import RecordKey
from fieldcrypt.declaration.record.record_search import RecordSearch
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.offload import Offload
from fieldcrypt.search.kinds.kind import count_of
from fieldcrypt.search.question import Equal, Question

__all__ = ["RecordIndexes"]


class RecordIndexes:
    """The indexes of the fields of records, and those of several members.

    Args:
        record: the logical name of the records.
        declared: the indexes of several members.
        fields: the protected fields, by path.
        types: of their values.
        key: what the records are bound to.
        encryptor, offload: see `Encryptor.search_index`.

    Attributes:
        declared: the same.
        compounds: these indexes by companion.

    Raises:
        ConfigurationError: they need what the records do not have, or two have one name.
        TypeError, ValueError: as for `Encryptor.search_index`.
    """

    __slots__ = ("_fields", "_key", "_record", "compounds", "declared")

    def __init__(
        self,
        record: str,
        declared: tuple[CompoundIndex, ...],
        fields: Mapping[str, RecordField],
        types: Mapping[str, Any],
        key: RecordKey,
        encryptor: Encryptor,
        offload: Offload | None,
    ) -> None:
        self._record, self._fields, self._key, self.declared = record, fields, key, declared
        self.compounds = {
            each.companion: RecordCompound(record, each, fields, types, key, encryptor, offload) for each in declared
        }
        if min(len(self.compounds), len({each.name or each.companion for each in declared})) < len(declared):
            raise ConfigurationError(f"{record}: two of indexes= have one companion, or one name")
        counts = {path: count_of(type) for path, type in types.items()}
        check_compounds(record, {path: each.indexes.declared for path, each in fields.items()}, counts, declared)
        of_all: list[RecordField | RecordCompound] = [*fields.values(), *self.compounds.values()]
        for indexes in (each.indexes for each in of_all):
            if indexes.is_per_tenant and key.tenant is None:
                raise ConfigurationError(f"{record} has tags per tenant, but no tenant=")
            if indexes.needs_row and not key.key:
                raise ConfigurationError(f"{indexes.name} has tags that depend on the record, but no key=")

    def check_members(self, filled: Set[str]) -> None:
        """Refuse indexes of several members if one of these holds tags or a seal.

        Raises:
            ConfigurationError: one of them is.
        """
        for each in self.compounds.values():
            if not filled.isdisjoint(each.members):
                raise ConfigurationError(f"{self._record}: {each.name} is of tags, or of a seal: name other members")

    def written(self, record: Mapping[str, Any]) -> list[tuple[RecordCompound, dict[str, Any]]]:
        """Return the indexes of several members that a record with these members needs tags of.

        Raises:
            TypeError: it has some of the members of an index, and lacks others.
        """
        found = ((each, each.written(record)) for each in self.compounds.values())
        return [(each, members) for each, members in found if members is not None]

    def tags(self, field: str, value: Any, tenant: str | None, index: str | None) -> list[bytes | str]:
        """See `ProtectedRecord.tags`."""
        of_whole = self._field(field).indexes.of_whole
        if not of_whole:
            raise ConfigurationError(f"{self._record}.{field} has no blind index: Protection(…, index=…) declares one")
        companion = of_whole[0] if index is None and len(of_whole) == 1 else index
        if companion is None or companion not in of_whole:
            raise ConfigurationError(
                f"{self._record}.{field}: name the companion to search by, index=…: {', '.join(of_whole)}"
            )
        return self.search(field, Equal((value,)), tenant, companion).tags.get(companion, [])

    def search(self, field: str, question: Question, tenant: str | None, index: str | None) -> RecordSearch:
        """See `ProtectedRecord.search`."""
        of: RecordField | RecordCompound = self.compounds.get(field) or self._field(field)
        search = of.indexes.search(question, index)
        if tenant is None and search.is_per_tenant:
            raise ConfigurationError(f"{of.indexes.name} has tags per tenant: name the tenant, tenant=…")
        return RecordSearch(search, (self._key.tenant, tenant), of.is_text, of.values)

    def _field(self, path: str) -> RecordField:
        if path not in self._fields:
            raise ConfigurationError(f"{self._record} has no protected field {path}")
        return self._fields[path]
