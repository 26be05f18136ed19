"""An index of several members of a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldcrypt.declaration.compound_index import CompoundIndex
from fieldcrypt.declaration.field_indexes import StoredTags
from fieldcrypt.declaration.path import Elements
from fieldcrypt.declaration.record.record_field import RecordField
from fieldcrypt.declaration.record.record_key import Binding, RecordKey
from fieldcrypt.declaration.record.record_search import as_stored
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.offload import Offload

__all__ = ["RecordCompound"]

_MISSING = object()


class RecordCompound:
    """Tags several members of records together.

    Args:
        record: the logical name of the records.
        index: the declaration.
        fields: the protected fields of the records, by path.
        types: of the values of these.
        key: what the records are bound to.
        encryptor, offload: see `Encryptor.search_index`.

    Attributes:
        indexes: the one index.
        members: those that it is of, with the steps to each.
        name: of its companion, by which it is asked.
        is_text: True if tags are stored as text, as all protected values are.

    Raises:
        ConfigurationError: the index cannot be, or has elements of lists among its members.
        TypeError, ValueError: as for `Encryptor.search_index`.
    """

    __slots__ = ("_changing", "indexes", "is_text", "members", "name")

    def __init__(
        self,
        record: str,
        index: CompoundIndex,
        fields: Mapping[str, RecordField],
        types: Mapping[str, Any],
        key: RecordKey,
        encryptor: Encryptor,
        offload: Offload | None,
    ) -> None:
        self.name = index.companion
        self.members = {each: fields[each].path.steps if each in fields else (each,) for each in index.of}
        for each, steps in self.members.items():
            if any(isinstance(step, Elements) for step in steps):
                raise ConfigurationError(f"{record}: {self.name} is of members of the record, and {each} is in a list")
        # The key and the tenant are in every record, even in one that changes nothing else of what is indexed.
        self._changing = self.members.keys() - key.members or self.members.keys()
        self.is_text = all(each.is_text for each in fields.values())
        self.indexes = index.indexes(encryptor, record, types, offload)

    def written(self, record: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the members of a record that is not encrypted yet; None if it has none of them.

        Raises:
            TypeError: it has some, and lacks others, which the tag depends on as well.
        """
        values = {each: _at(record, steps) for each, steps in self.members.items()}
        missing = [each for each, value in values.items() if value is _MISSING]
        if not missing:
            return values
        if all(values[each] is _MISSING for each in self._changing):
            return None
        raise TypeError(f"{self.name} is of {', '.join(values)}: the record lacks {missing[0]}, which may be None")

    def tags(self, values: Mapping[str, Any], binding: Binding) -> StoredTags:
        """Return the tags to store, by companion; None if a member is None, or has nothing to tag."""
        tags = self.indexes.tags(values, tenant=binding.tenant, row=binding.row)
        return as_stored(tags, is_text=self.is_text)

    def values(self, record: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the members of a decrypted record, if they all have values."""
        values = {each: _at(record, steps) for each, steps in self.members.items()}
        return [] if _MISSING in values.values() or None in values.values() else [values]


def _at(record: Any, steps: tuple[Any, ...]) -> Any:
    for step in steps:
        if not isinstance(record, Mapping) or step not in record:
            return _MISSING
        record = record[step]
    return record
