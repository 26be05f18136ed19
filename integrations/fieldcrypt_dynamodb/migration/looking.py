"""What plan and verify do: read all items, or some, and say what they are. Nothing is written."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fieldcrypt import DecryptionError, envelope
from fieldcrypt.migration import MAX_FAILURES, Kind, Meter, Sample, is_envelope
from fieldcrypt_dynamodb.forms import WIRE
from fieldcrypt_dynamodb.migration.access import TableAccess
from fieldcrypt_dynamodb.migration.item import Key, MigratedItem
from fieldcrypt_dynamodb.migration.target import Item, MigratedTable
from fieldcrypt_dynamodb.migration.wrong import has_stale_tag, wrong

__all__ = ["Counts", "Verification", "pages", "under"]

_PAGE = 1000
_IN_SEGMENT = 8  # items of each random segment that a sample is taken from, about
_MOST_SEGMENTS = 1_000_000  # that DynamoDB divides a table into


def pages(access: TableAccess, total: int, sample: Sample | None, meter: Meter) -> Iterator[list[dict[str, Any]]]:
    """Yield the items of a table, or so many as a sample takes.

    A sample is taken from random segments of the table, which are ranges of hashed keys. So items of one hash key come
    together: where few of these have many items each, fewer than those of the sample are independent of each other.
    """
    if sample is None or total <= sample.size:
        yield from _segment(access, (0, 1), meter)
        return
    segments = min(_MOST_SEGMENTS, max(1, math.ceil(total / _IN_SEGMENT)))
    found = 0
    for segment in random.sample(range(segments), segments):
        for page in _segment(access, (segment, segments), meter):
            found += len(page)
            yield page
        if found >= sample.size:
            return


def _segment(access: TableAccess, segment: tuple[int, int], meter: Meter) -> Iterator[list[dict[str, Any]]]:
    after: Any = None
    while True:
        items, after = access.scan(segment, after, _PAGE)
        yield items
        meter.add(len(items))
        if after is None:
            return


class Counts:
    """Counts what the values of each attribute are.

    Args:
        table: its name, for those of fields.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self.rows = 0
        self.kinds: dict[str, Counter[Kind]] = {}
        self.stale_tags: Counter[str] = Counter()

    def add(self, item: MigratedItem) -> None:
        """Count an item."""
        self.rows += 1
        for attribute in item.attributes:
            name = f"{self._table}.{attribute.name}"
            kind, is_stale = _told(attribute, item)
            self.kinds.setdefault(name, Counter())[kind] += 1
            if is_stale:
                self.stale_tags[name] += 1


def _told(attribute: Any, item: MigratedItem) -> tuple[Kind, bool]:
    """Say what a value is, and whether its tag is not as it should be, of one that is protected already."""
    try:
        found = item.examine(attribute)
        is_own = found.kind in (Kind.ACTIVE, Kind.OLD_KEY, Kind.OLD_FORM, Kind.NULL)
        return found.kind, is_own and has_stale_tag(attribute, item, found.value)
    except (DecryptionError, TypeError, ValueError):
        return Kind.UNREADABLE, False


def under(table: MigratedTable, raw: Item, key_id: bytes) -> Iterator[str]:
    """Yield of an item the names of values, and of the seal, that are under a data key."""
    names = [attribute.name for attribute in table.attributes_of(raw)]
    for name in names if table.seal is None else (*names, table.seal.attribute):
        data = WIRE.bytes_of(raw.get(name))
        if data is not None and is_envelope(data) and envelope.parse(data).key_id == key_id:
            yield f"{table.name}.{name}"


class Verification:
    """Finds items that are not as they should be after a backfill."""

    def __init__(self) -> None:
        self.rows = self.wrong = 0
        self.reasons: dict[Key, str] = {}

    def add(self, item: MigratedItem) -> None:
        """Look at an item."""
        self.rows += 1
        reason = wrong(item)
        if reason is not None:
            self.wrong += 1
            if len(self.reasons) < MAX_FAILURES:
                self.reasons[item.name] = reason
