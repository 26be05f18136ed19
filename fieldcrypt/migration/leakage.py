"""What the indexes of a migration's tables tell, by the values that it can read."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.leakage.report import Leakage, leakage_of
from fieldcrypt.leakage.sample import SampledField
from fieldcrypt.migration.engine.defects import is_stop
from fieldcrypt.migration.engine.migration import StoredMigration
from fieldcrypt.migration.engine.unit import Cell, PassedOverError, Place, ProtectedField, Unit
from fieldcrypt.migration.job import OnProgress
from fieldcrypt.migration.sample import Sample
from fieldcrypt.mixed_mode.value_status import ExaminedValue, ValueStatus
from fieldcrypt.progress import Meter

__all__ = ["leakage_by_part"]

_CONFIDENCE = 0.99


class _Values:
    """Collects the values of indexed fields, row by row."""

    def __init__(self) -> None:
        self.rows: list[tuple[dict[str, Any], Place]] = []
        self.fields: dict[str, ProtectedField] = {}
        self.unread = 0

    def add(self, unit: Unit) -> None:
        """Read a unit.

        Raises:
            KeyProviderError, KeyStoreError: its keys cannot be had.
        """
        try:
            cells, place = unit.cells(), unit.place()
        except PassedOverError:
            return
        except Exception as error:  # of one unit, which never stops the others
            if is_stop(error):
                raise
            self.unread += 1
            return
        found = {}
        for field, cell in cells:
            if field.indexes:
                self.fields.setdefault(field.name, field)
                found[field.name] = _examined(field, cell, place)
        self.unread += any(each.status is ValueStatus.UNREADABLE for each in found.values())
        self.rows.append(({name: each.value for name, each in found.items()}, place))

    def sampled(self) -> Iterator[SampledField]:
        """Return the fields with their values, in an order that says nothing of the table's."""
        random.Random(len(self.rows)).shuffle(self.rows)  # noqa: S311 (no secret)
        contexts = [place.context for _, place in self.rows]
        tenants = [place.tenant for _, place in self.rows]
        for name, field in self.fields.items():
            own = [values.get(name) for values, _ in self.rows]
            for convert, indexes in field.indexes:
                indexed = [None if value is None else convert(value) for value in own]
                yield SampledField(name, indexes, indexed, contexts, tenants)


def _examined(field: ProtectedField, cell: Cell, place: Place) -> ExaminedValue:
    if cell.stored is None and cell.plain is None:
        return ExaminedValue(ValueStatus.NULL)
    try:
        return field.examine_plaintext(cell, place) if cell.stored is None else field.examine(cell, place)
    except Exception as error:  # of one value, whatever the application's types raise
        if is_stop(error):
            raise
        return ExaminedValue(ValueStatus.UNREADABLE)


def leakage_by_part(
    migration: StoredMigration, rows: int | None = None, on_progress: OnProgress = None
) -> dict[str, tuple[Leakage, int]]:
    """Return what the indexes of each table tell, and how many rows could not be read whole. Locks and writes nothing.

    Args:
        migration: of the tables.
        rows: how many to read, at random; None: all.
        on_progress: is called after each page.

    Raises:
        ConfigurationError: tables or fields are not as declared, or nothing is indexed.
        MigrationError: the store refuses.
        KeyProviderError, KeyStoreError: keys cannot be had.
    """
    sample = None if rows is None else Sample(_CONFIDENCE, 1 - (1 - _CONFIDENCE) ** (1 / rows))
    with migration.translated_errors("search plan"):
        found = [problem for part in migration._parts for problem in part.source.problems("look")]
        if found:
            raise ConfigurationError("; ".join(dict.fromkeys(found)))
        meter = Meter("read", sum(part.source.estimate() for part in migration._parts), on_progress=on_progress)
        looks = {part.source.name: part.look(sample, meter, _Values) for part in migration._parts}
    if not any(field.indexes for part in migration._parts for field in part.source.fields):
        raise ConfigurationError(f"{migration.name} has no index: IndexedBy declares one (docs/guides/blind-index.md)")
    if not any(look.found.fields for look in looks.values()):
        raise ConfigurationError(f"{migration.name} has no rows to try its indexes on")
    return {
        name: (leakage_of([*look.found.sampled()], look.total), look.found.unread)
        for name, look in looks.items()
        if look.found.fields
    }
