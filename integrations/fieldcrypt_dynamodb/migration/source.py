"""The items of a table with protected attributes, as a migration reads, writes and counts them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

from fieldcrypt import ConfigurationError
from fieldcrypt.migration import Sample
from fieldcrypt.spi.migration import (
    Batch,
    Change,
    CompoundField,
    Counted,
    Page,
    PlainMember,
    Portion,
    ProtectedField,
    Source,
    Which,
    Written,
    about,
)
from fieldcrypt_dynamodb.item.tags.indexes import wire_tag
from fieldcrypt_dynamodb.migration.access import TableAccess
from fieldcrypt_dynamodb.migration.checkpoint_table import CheckpointTable
from fieldcrypt_dynamodb.migration.conditional import conditional
from fieldcrypt_dynamodb.migration.field import MigratedField, as_cell
from fieldcrypt_dynamodb.migration.filters import Scan, scans
from fieldcrypt_dynamodb.migration.item import MigratedItem
from fieldcrypt_dynamodb.migration.schema import problems
from fieldcrypt_dynamodb.migration.seals import SealedItems
from fieldcrypt_dynamodb.migration.target import Item, MigratedCompound, MigratedTable

__all__ = ["TableSource"]

T = TypeVar("T")
Again = Callable[[Any], Change]
Beat = Callable[[], None]

_PAGE = 1000
_TRIES = 10  # of an item that others keep changing
_IN_SEGMENT = 8  # items of each random segment that a sample is taken from, about
_MOST_SEGMENTS = 1_000_000  # that DynamoDB divides a table into


class TableSource(SealedItems, Source):
    """The items of one table: a `Source`. Where checkpoints are written decides whether it can be migrated."""

    def __init__(self, table: MigratedTable, access: TableAccess, checkpoints: CheckpointTable) -> None:
        self._table, self._access, self._checkpoints = table, access, checkpoints
        self.name = table.name
        # A condition of each write, so that what was deleted does not come back, nor is what was moved to another
        # tenant or class under the keys of the first, or a field of it.
        self._always_read = {table.key[0], *(name for name in (table.tenant, table.discriminator) if name is not None)}
        self._begin()

    def _begin(self) -> None:
        """Forget which data keys are old, as each step does: they may have been rotated."""
        self._field_of = cache(self._new_field)  # several classes of a model may have an attribute of one name
        self._every = [self._field_of(each) for each in (*self._table.attributes, *self._table.compounds)]
        self.fields: Sequence[ProtectedField] = self._every

    def _new_field(self, declared: Any) -> MigratedField | CompoundField:
        if not isinstance(declared, MigratedCompound):
            return MigratedField(declared)
        members = {
            name: each if isinstance(each, PlainMember) else self._field_of(each)
            for name, each in declared.members.items()
        }
        how: Any = {"convert": declared.convert, "stored_as": declared.stored_as}
        return CompoundField(
            declared.how, members, declared.indexes, **how, as_stored=lambda tag: as_cell(wire_tag(tag))
        )

    def _item(self, raw: Item) -> MigratedItem:
        return MigratedItem(raw, self._table, self._field_of)

    # What it is

    def problems(self, step: str) -> list[str]:
        """See `Source.problems`; every step begins with it."""
        self._begin()
        return list(problems(step, self._table, self._access, self._checkpoints))

    def describe(self) -> str:
        table = self._table
        words = ", ".join(f"{each.name} ({each.field.name})" for each in table.attributes)
        place = (table.name, *table.key, f"tenant={table.tenant}", f"bound={table.bound}")
        seal = () if table.seal is None else table.seal.declared()
        old = () if table.legacy_items is None else [_journal_name(each) for each in table.legacy_items.readers]
        return about(words, place, seal, old, *(field.declared() for field in self._every))

    def check_can_undo(self) -> None:
        if self._table.seal is not None and not self._table.seal.is_optional:
            raise ConfigurationError(f"{self.name} accepts no items without a seal to go back to")

    def remarks(self) -> Sequence[str]:
        mixed = [each.name for each in self._table.attributes if each.accepted is not None]
        remarks = [f"take accept_plaintext, accept and accept_until away from {self.name}.{name}" for name in mixed]
        if self._table.legacy_items is not None:
            remarks.append(f"take accept and accept_until away from {self.name}")
        if self._table.seal is not None and self._table.seal.is_mixed:
            remarks.append(f"take accept_unsealed, accept and accept_until away from the seal of {self.name}")
        return [*remarks, "plaintext is in backups, point-in-time recovery, exports and streams until these expire"]

    # Reading

    def estimate(self, which: Which = Which.ALL) -> int:
        """Return how many items there are, as DynamoDB last counted them some hours ago: pages return those of all."""
        return int((self._access.describe() or {}).get("ItemCount", 0))

    def count(self, which: Which) -> Counted:
        """Have DynamoDB count in a scan of its own, which knows neither of segments nor of checkpoints."""
        total = those = 0
        for scan in self._scans(which):
            total, only = 0, {"Select": "COUNT"} if scan.has_filter else {}
            for page in self._access.pages(**only, **scan.params):
                total += page["ScannedCount"]
                those += page["Count"] if scan.has_filter else sum(map(scan.is_first, page["Items"]))
        return Counted(total, those)

    def _scans(self, which: Which) -> Iterator[Scan]:
        nested = {name for shape in self._table.nested.values() for name in shape.attributes}
        names = [name for name in dict.fromkeys(each.name for each in self._table.attributes) if name not in nested]
        seal = None if self._table.seal is None else self._table.seal.attribute
        return scans(which, names, seal, self._table.nested)

    @property
    def is_told_by_form(self) -> bool:
        """See `Source.is_told_by_form`: of a seal only reading tells which declaration it is of."""
        return super().is_told_by_form and (self._table.seal is None or not self._table.seal.has_previous)

    def page(self, portion: Portion, which: Which, size: int) -> Page:
        """Read the next items of a segment: of all kinds, which cost the same."""
        after = {} if portion.position is None else {"ExclusiveStartKey": portion.position}
        response = self._access.page(Segment=portion.number, TotalSegments=portion.until, Limit=size, **after)
        last = response.get("LastEvaluatedKey")
        return Page([self._item(raw) for raw in response["Items"]], last, last is None)

    def pages(self, which: Which, sample: Sample | None = None) -> Iterator[Sequence[MigratedItem]]:
        """See `Source.pages`.

        A sample is taken from random segments of the table, which are ranges of hashed keys. So items of one hash key
        come together: where few of these have many items each, fewer than those of the sample are independent.
        """
        size, total = (math.inf, 0) if sample is None else (sample.size, self.estimate())
        is_sampled, found = total > size, 0
        for scan in _random_segments(total) if is_sampled else self._scans(which):
            for response in self._access.pages(Limit=_PAGE, **scan.params):
                found += len(response["Items"])
                yield [self._item(raw) for raw in response["Items"] if scan.is_first(raw)]
            if is_sampled and found >= size:
                return

    # Writing

    def transact(self, work: Callable[[Batch], T]) -> T:
        """Do work once: DynamoDB writes items one by one, and what is done twice is done to no effect."""
        return work(self)

    def write(
        self, batch: Batch, portion: Portion, page: Page, changes: Sequence[Change], again: Again, beat: Beat
    ) -> Written:
        written = Written(len(page.units))
        for unit, change in zip(page.units, changes, strict=True):
            is_changed, failure = self._write(unit, change, again, beat)
            written.changed += is_changed
            if failure is not None:
                written.failures[unit.key] = failure
        return written

    def _write(self, item: Any, change: Change, again: Again, beat: Beat) -> tuple[bool, Exception | None]:
        for _ in range(_TRIES):
            if not change.values:
                return False, change.failure
            names = sorted((change.read | self._always_read) - set(self._table.key[1:]))
            before = {name: item.raw.get(name) for name in names}
            try:
                if self._access.update(conditional(item.raw_key, before, change.values), beat):
                    return True, change.failure
            except ValueError as error:
                return False, error
            raw = self._access.get(item.raw_key)
            if raw is None:
                return False, None
            item = self._item(raw)
            change = again(item)
        return False, ValueError("others change the item all the time")

    def position_of(self, unit: Any) -> Any:
        return unit.raw_key


def _journal_name(reader: Any) -> str:
    """Return what stands for a reader of whole items in checkpoints, also of a migration that 0.1 began."""
    return str(getattr(reader, "journal_name", type(reader).__qualname__))


def _random_segments(total: int) -> Iterator[Scan]:
    segments = min(_MOST_SEGMENTS, max(1, math.ceil(total / _IN_SEGMENT)))
    return (Scan({"Segment": number, "TotalSegments": segments}) for number in random.sample(range(segments), segments))
