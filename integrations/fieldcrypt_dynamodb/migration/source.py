"""The items of a table with protected attributes, as a migration reads, writes and counts them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from fieldcrypt import ConfigurationError, envelope
from fieldcrypt.migration import Sample, is_envelope
from fieldcrypt.migration.engine.digest import about
from fieldcrypt.migration.engine.journal import Portion
from fieldcrypt.migration.engine.source import Batch, Counted, Page, Source, Which, Written
from fieldcrypt.migration.engine.unit import Change, PassedOverError
from fieldcrypt_dynamodb.forms import WIRE
from fieldcrypt_dynamodb.migration.access import TableAccess
from fieldcrypt_dynamodb.migration.checkpoint_table import CheckpointTable
from fieldcrypt_dynamodb.migration.field import MigratedField
from fieldcrypt_dynamodb.migration.filters import filters
from fieldcrypt_dynamodb.migration.item import MigratedItem
from fieldcrypt_dynamodb.migration.schema import mismatch, no_place_for_checkpoints, problems
from fieldcrypt_dynamodb.migration.seals import begun, sealed, wrong
from fieldcrypt_dynamodb.migration.target import Item, MigratedAttribute, MigratedTable
from fieldcrypt_dynamodb.migration.update import update_of

__all__ = ["TableSource"]

T = TypeVar("T")

_PAGE = 1000
_TRIES = 10  # of an item that others keep changing
_IN_SEGMENT = 8  # items of each random segment that a sample is taken from, about
_MOST_SEGMENTS = 1_000_000  # that DynamoDB divides a table into


class TableSource(Source):
    """The items of one table: a `Source`.

    Args:
        table: says what is protected.
        access: to its items.
        checkpoints: where it is written down how far a migration is.
    """

    def __init__(self, table: MigratedTable, access: TableAccess, checkpoints: CheckpointTable) -> None:
        self._table, self._access, self._checkpoints = table, access, checkpoints
        self.name = table.name
        self._fields: dict[Any, MigratedField] = {attribute: MigratedField(attribute) for attribute in table.attributes}
        self.fields: Sequence[MigratedField] = list(self._fields.values())

    def _item(self, raw: Item) -> MigratedItem:
        return MigratedItem(raw, self._table, self._field_of)

    def _field_of(self, attribute: MigratedAttribute) -> MigratedField:
        found = self._fields.get(attribute)  # classes of a model may have each an attribute of one name
        return self._fields.setdefault(attribute, MigratedField(attribute)) if found is None else found

    # What it is

    def problems(self, step: str) -> list[str]:
        """Return what keeps a step from being done (see `Source.problems`); every step begins with it."""
        for field in list(self._fields.values()):
            field.begin()
        found = self._access.describe()
        unfit = mismatch(self._table, found)
        if found is None or unfit is not None:
            return [str(unfit)]
        if step == "look":
            return []
        needed = list(problems(self._table, found, self._access.expires_by()))
        return needed + no_place_for_checkpoints(self._table, found, self._access.region, self._checkpoints)

    def describe(self) -> str:
        """Return what a checkpoint is about (see `Source.describe`)."""
        table = self._table
        words = ", ".join(f"{each.name} ({each.field.name})" for each in table.attributes)
        place = (table.name, *table.key, f"tenant={table.tenant}", f"bound={table.bound}")
        seal = () if table.seal is None else table.seal.declared()
        old = () if table.old_items is None else [type(each).__qualname__ for each in table.old_items.readers]
        return about(words, place, seal, old, *(field.declared() for field in self.fields))

    def check_can_undo(self) -> None:
        """Raise ConfigurationError if items without a seal could not be read."""
        if self._table.seal is not None and not self._table.seal.is_optional:
            raise ConfigurationError(f"{self.name} accepts no items without a seal to go back to")

    def remarks(self) -> Sequence[str]:
        """Return what is left to do, in words."""
        mixed = [each.name for each in self._table.attributes if each.accepted is not None]
        remarks = [f"take accept_plaintext, accept and accept_until away from {self.name}.{name}" for name in mixed]
        if self._table.old_items is not None:
            remarks.append(f"take accept and accept_until away from {self.name}")
        if self._table.seal is not None and self._table.seal.is_mixed:
            remarks.append(f"take accept_unsealed, accept and accept_until away from the seal of {self.name}")
        return [*remarks, "plaintext is in backups, point-in-time recovery, exports and streams until these expire"]

    # Reading

    def estimate(self) -> int:
        """Return how many items there are, as DynamoDB last counted them some hours ago."""
        return int((self._access.describe() or {}).get("ItemCount", 0))

    def count(self, which: Which) -> Counted:
        """Have DynamoDB count in a scan of its own, which knows neither of segments nor of checkpoints."""
        total = those = 0
        for filtered in self._filters(which):
            pages = list(map(_counts, self._access.scans(Select="COUNT", **filtered)))
            total = sum(scanned for scanned, _ in pages)
            those += sum(found for _, found in pages)
        return Counted(total, those)

    def _filters(self, which: Which) -> Iterator[dict[str, Any]]:
        seal = self._table.seal
        names = list(dict.fromkeys(attribute.name for attribute in self._table.attributes))
        return filters(which, names, None if seal is None else seal.attribute)

    def page(self, portion: Portion, which: Which, size: int) -> Page:
        """Read the next items of a segment: of all kinds, which cost the same."""
        after = {} if portion.position is None else {"ExclusiveStartKey": portion.position}
        response = self._access.scan(Segment=portion.number, TotalSegments=portion.until, Limit=size, **after)
        last = response.get("LastEvaluatedKey")
        return Page([self._item(raw) for raw in response["Items"]], last, last is None)

    def pages(self, which: Which, sample: Sample | None = None) -> Iterator[Sequence[MigratedItem]]:
        """Yield all items of a kind, or so many as a sample takes (see `Source.pages`).

        A sample is taken from random segments of the table, which are ranges of hashed keys. So items of one hash key
        come together: where few of these have many items each, fewer than those of the sample are independent.
        """
        total = 0 if sample is None else self.estimate()
        if sample is None or total <= sample.size:
            for filtered in self._filters(which):
                for response in self._access.scans(Limit=_PAGE, **filtered):
                    yield [self._item(raw) for raw in response["Items"]]
            return
        segments = min(_MOST_SEGMENTS, max(1, math.ceil(total / _IN_SEGMENT)))
        found = 0
        for segment in random.sample(range(segments), segments):
            for response in self._access.scans(Limit=_PAGE, Segment=segment, TotalSegments=segments):
                found += len(response["Items"])
                yield [self._item(raw) for raw in response["Items"]]
            if found >= sample.size:
                return

    def under(self, key_id: bytes) -> Iterator[str]:
        """Yield the names of all values, and seals, that are under a data key, once for each."""
        for response in self._access.scans(Limit=_PAGE):
            for raw in response["Items"]:
                for name in self._names(raw):
                    data = WIRE.bytes_of(raw.get(name))
                    if data is not None and is_envelope(data) and envelope.parse(data).key_id == key_id:
                        yield f"{self.name}.{name}"

    def _names(self, raw: Item) -> Sequence[str]:
        try:
            names = [attribute.name for attribute in self._table.attributes_of(raw)]
        except (PassedOverError, TypeError, ValueError):  # nobody knows of which class it is
            names = [attribute.name for attribute in self._table.attributes]
        return names if self._table.seal is None else [*names, self._table.seal.attribute]

    # Writing

    def prepare(self, step: str, unit: Any) -> Change:
        """Return what a step does to an item before its attributes (see `Source.prepare`)."""
        return begun(step, unit)

    def complete(self, step: str, unit: Any, change: Change) -> Change:
        """Return the change of an item with its seal (see `Source.complete`)."""
        return sealed(step, unit, change)

    def wrong(self, unit: Any) -> Sequence[str]:
        """Return what is wrong with the seal of an item."""
        return wrong(unit)

    def transact(self, work: Callable[[Batch], T]) -> T:
        """Do work once: DynamoDB writes items one by one, and what is done twice is done to no effect."""
        return work(self)

    def write(
        self,
        batch: Batch,
        portion: Portion,
        page: Page,
        changes: Sequence[Change],
        again: Callable[[Any], Change],
        beat: Callable[[], None],
    ) -> Written:
        """Write to the items of a page, each as it is then (see `Source.write`)."""
        written = Written(len(page.units))
        for unit, change in zip(page.units, changes, strict=True):
            is_changed, failure = self._write(unit, change, again, beat)
            written.changed += is_changed
            if failure is not None:
                written.failures[unit.key] = failure
        return written

    def _write(
        self, item: Any, change: Change, again: Callable[[Any], Change], beat: Callable[[], None]
    ) -> tuple[bool, Exception | None]:
        for _ in range(_TRIES):
            if not change.values:
                return False, change.failure
            try:
                if self._access.update(update_of(item, change), beat):
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
        """Return the position behind an item: its key."""
        return unit.raw_key


def _counts(response: dict[str, Any]) -> tuple[int, int]:
    return response["ScannedCount"], response["Count"]
