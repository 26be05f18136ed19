"""The items of a table whose tags are erased."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from fieldcrypt import ConfigurationError
from fieldcrypt.spi.migration import Cell, Change, Counted, ErasedTags, PassedOverError, ProtectedField, Which, about
from fieldcrypt_dynamodb.migration.access import TableAccess
from fieldcrypt_dynamodb.migration.checkpoint_table import CheckpointTable
from fieldcrypt_dynamodb.migration.filters import Scan
from fieldcrypt_dynamodb.migration.item import MigratedItem
from fieldcrypt_dynamodb.migration.source import TableSource
from fieldcrypt_dynamodb.migration.target import Item, MigratedTable

__all__ = ["ErasedItems"]


class _ErasedItem(MigratedItem):
    """An item as it was read; nothing but its tags is looked at."""

    def __init__(self, raw: Item, table: MigratedTable, erased: ErasedTags) -> None:
        super().__init__(raw, table, cache(lambda _: erased))
        self._erased = erased

    def cells(self) -> Sequence[tuple[ProtectedField, Cell]]:
        tags = {name: tag for name in self._erased.tag_names if (tag := self.tag(name)) is not None}
        if not tags:
            return []
        self.table.attributes_of(self.raw)  # what others have in an attribute of this name is passed over
        own = self.table.erasable_of(self.raw)
        return [(self._erased, Cell(None, {name: tag for name, tag in tags.items() if name in own}))]


class ErasedItems(TableSource):
    """The items of one table, whose tags in some attributes are all to go.

    Args:
        table, access, checkpoints: as for `TableSource`.
        companions: the names of indexes, or of attributes that hold tags.

    Raises:
        ConfigurationError: one of them is none.
    """

    def __init__(
        self, table: MigratedTable, access: TableAccess, checkpoints: CheckpointTable, companions: Sequence[str]
    ) -> None:
        for name in companions:
            if name not in table.erasable:
                raise ConfigurationError(
                    f"{name} is no companion of {table.name}: the tags of an index are erased by a description that "
                    "still has it, whatever the application's has; and those in the key of items never are"
                )
        names = dict.fromkeys(each for name in companions for each in table.erasable[name])
        self._erased = ErasedTags(tuple(names))
        seal = table.seal
        self._is_sealed = seal is not None and (seal.has_previous or not names.keys().isdisjoint(seal.over))
        super().__init__(table, access, checkpoints)

    def _begin(self) -> None:
        self.fields = [self._erased]

    def _item(self, raw: Item) -> MigratedItem:
        return _ErasedItem(raw, self._table, self._erased)

    def describe(self) -> str:
        return about(f"the tags in {self._erased.name}", (self.name, *self._table.key), self._erased.tag_names)

    def _scans(self, which: Which) -> Iterator[Scan]:
        names = {f"#t{number}": name for number, name in enumerate(self._erased.tag_names)}
        expression = " OR ".join(f"attribute_exists({place})" for place in names)
        filtered = {"FilterExpression": expression, "ExpressionAttributeNames": names}
        yield Scan({} if which is Which.ALL else filtered, which)

    def count(self, which: Which) -> Counted:
        """See `Source.count`; an item counts only if what these attributes hold is tags."""
        total = those = 0
        for scan in self._scans(which):
            for page in self._access.pages(**scan.params):
                total += page["ScannedCount"]
                those += sum(map(self._is_tagged, page["Items"]))
        return Counted(total, those)

    def _is_tagged(self, raw: Item) -> bool:
        try:
            return any(cell.has_tags for _, cell in self._item(raw).cells())
        except PassedOverError:
            return False
        except (TypeError, ValueError):  # it is of no known kind, which is a failure when a worker meets it
            return True

    def prepare(self, step: str, unit: Any) -> Change:
        """See `Source.prepare`: a seal over tags has to hold, so that what was changed is not sealed again."""
        return super().prepare(step, unit) if self._is_sealed else Change()

    def complete(self, step: str, unit: Any, change: Change) -> Change:
        has_seal = self._is_sealed and self._table.seal is not None and self._table.seal.is_on(unit.raw)
        return super().complete(step, unit, change) if has_seal and change.values and not unit.is_shredded else change

    def remarks(self) -> Sequence[str]:
        found, names = self._access.describe() or {}, self._erased.tag_names
        indexes = [
            index["IndexName"]
            for index in found.get("GlobalSecondaryIndexes", ())
            if any(part["AttributeName"] in names for part in index["KeySchema"])
        ]
        return [
            f"take the index away from the description of {self.name}, if it is still there: until that is deployed, "
            "what is written gets tags again",
            *(f"delete the index {name} of {self.name}, whose key these tags were" for name in indexes),
            "tags are in backups, point-in-time recovery, exports and streams until these expire",
        ]
