"""The backfill: the step that encrypts."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.migration.engine.journal import Journal
from fieldcrypt.migration.engine.source import Source, Which
from fieldcrypt.migration.engine.steps import Step, Values, unreadable_error
from fieldcrypt.migration.engine.tags import NOT_YET, Settling, tags_due
from fieldcrypt.migration.engine.unit import (
    Cell,
    Change,
    MarkedError,
    Place,
    ProtectedField,
    Unit,
    UnitError,
    UntaggedError,
)
from fieldcrypt.migration.reports import Key
from fieldcrypt.mixed_mode.value_status import ExaminedValue, ValueStatus

__all__ = ["Backfill", "texts_of", "waiting"]

_EMPTY_IT = (
    "Empty it, or set mend=True (--mend), which replaces it by the plaintext next to it, encrypted, if there is any"
)


@dataclass(frozen=True)
class Backfill(Step):
    """Encrypts values that are not protected as declared, and sets their tags; those of shredded values it removes.

    Attributes:
        mend: values that do not open, and have their plaintext next to them, are encrypted again.
        newer_plaintext: plaintext that differs is newer than the encrypted value, and encrypted over it. Of all units,
            or of those whose keys have these texts; for these, no plaintext is newer as well, and takes the value away.
        met: the keys of units that were looked at because they are named.
        settling: until when tags may be made under an older index key.
    """

    mend: bool = False
    newer_plaintext: bool | frozenset[tuple[str, ...]] = False
    met: set[tuple[str, ...]] = field(default_factory=set, init=False, compare=False, repr=False)
    settling: Settling = field(default_factory=Settling, init=False, compare=False, repr=False)
    name = "backfill"
    drops = ("undo", "verify")
    goal = Which.DUE

    def looks_at(self, fields: Sequence[ProtectedField]) -> Which:
        """See `Step.looks_at`: only reading tells what is under an old key, is of old, or differs."""
        return Which.ALL

    def check(self, source: Source, journal: Journal) -> None:
        """See `Step.check`: a finish has left values without plaintext, none of which may be taken away."""
        if not isinstance(self.newer_plaintext, bool) and journal.find("finish") is not None:
            raise ConfigurationError(
                f"{source.name}: a finish was begun, which takes plaintext away, so that it cannot be told where there "
                "was none: newer_plaintext=True, without keys, encrypts what is left of it"
            )

    def unmet(self) -> Collection[Key]:
        return () if isinstance(self.newer_plaintext, bool) else sorted(self.newer_plaintext - self.met)

    def change_of(self, source: Source, unit: Unit) -> Change:
        if not isinstance(self.newer_plaintext, bool):
            self.met.add(tuple(map(str, unit.key)))
        return super().change_of(source, unit)

    def change(self, field: ProtectedField, cell: Cell, unit: Unit) -> Values:
        """See `Step.change`. What is filled from another field keeps its value: that may be newer."""
        if cell.stored is None and cell.plain is None and not cell.has_tags:
            return {}
        place = unit.place()
        self.settling.note(field, place)
        if field.is_compound:
            found = field.examine(cell, place)
            return {} if found.status in NOT_YET else tags_due(field, cell, place, found)
        if field.plain_name is not None and cell.stored is None:
            return _protected(field, cell, place, field.examine_plaintext(cell, place))
        if field.plain_name is not None:
            return self._refilled(field, cell, place, unit.key)
        found = field.examine(cell, place)
        field.check_due(found)
        return _protected(field, cell, place, found)

    def _refilled(self, field: ProtectedField, cell: Cell, place: Place, key: Key) -> Values:
        """Return what to write into a field that is filled from another, and has something already."""
        found = _examined(field, cell, place) if self.mend else field.examine(cell, place)
        if found.status in (ValueStatus.UNREADABLE, ValueStatus.PLAINTEXT) and cell.plain is not None and self.mend:
            return _protected(field, cell, place, field.examine_plaintext(cell, place))
        is_odd = found.status is ValueStatus.UNREADABLE or (
            found.status is ValueStatus.PLAINTEXT and cell.plain is not None
        )
        if is_odd and not field.has_form(cell):
            raise UnitError(f"{field.name}: the encrypted column holds something else than a value. {_EMPTY_IT}")
        if found.status is ValueStatus.SHREDDED and not self._names(key):
            return tags_due(field, cell, place, found)
        if found.status in (ValueStatus.UNREADABLE, ValueStatus.SHREDDED):
            if self._names(key) or (found.status is ValueStatus.UNREADABLE and not field.is_told_by_form):
                raise unreadable_error(field, cell)
            return {}  # verify says it
        if self._takes_plaintext(key, cell):
            plain = field.examine_plaintext(cell, place)
            if not field.is_same(found.value, plain.value):
                return {field.stored_name: None} | _protected(field, cell, place, plain)
        field.check_due(found)
        return _protected(field, cell, place, found)

    def _takes_plaintext(self, key: Key, cell: Cell) -> bool:
        if isinstance(self.newer_plaintext, bool):
            return self.newer_plaintext and cell.plain is not None
        return self._names(key)

    def _names(self, key: Key) -> bool:
        return not isinstance(self.newer_plaintext, bool) and tuple(map(str, key)) in self.newer_plaintext


def _examined(field: ProtectedField, cell: Cell, place: Place) -> ExaminedValue:
    """Return what is in a field that may be mended; what only begins as a value does is unreadable then."""
    try:
        return field.examine(cell, place)
    except MarkedError:
        return ExaminedValue(ValueStatus.UNREADABLE)


def _protected(field: ProtectedField, cell: Cell, place: Place, found: ExaminedValue) -> Values:
    """Return what to write so that a value that was found is protected, with its tag."""
    values: Values = {}
    if found.status is ValueStatus.UNREADABLE:
        raise unreadable_error(field, cell)
    if found.status.is_due:  # the null of JSON is nothing, which has no encrypted form
        values[field.stored_name] = None if found.value is None else field.seal(found.value, place)
    try:
        return values | tags_due(field, cell, place, found)
    except UntaggedError as error:
        raise UntaggedError(str(error), values | error.tags) from None


def waiting(fields: Iterable[ProtectedField], settling: Iterable[Settling]) -> tuple[str, ...]:
    """Return remarks that it is too early to encrypt, or to tag again, under a new key, if it is."""
    remarks = []
    encrypts, tags = _latest(each.waits_until() for each in fields), _latest(each.until for each in settling)
    if encrypts is not None:
        remarks.append(
            f"a newer data key encrypts from {encrypts} on, after its propagation delay: values under the key before "
            "it are due only then. Run the backfill after that"
        )
    if tags is not None:
        remarks.append(
            f"a newer index key was made, and processes may tag under the one before it until {tags}. Run the backfill "
            "after that, and retire the older key only when that one is done"
        )
    return tuple(remarks)


def _latest(times: Iterable[float | None]) -> str | None:
    latest = max((at for at in times if at is not None), default=None)
    return None if latest is None else f"{datetime.fromtimestamp(math.ceil(latest), UTC):%Y-%m-%d %H:%M:%S} UTC"


def texts_of(keys: Collection[Key | str]) -> frozenset[tuple[str, ...]]:
    """Return keys by the texts of their parts; a text stands for one part, or is a JSON array of several."""
    if isinstance(keys, (str, bytes)):  # whose characters would each be a key
        raise TypeError("newer_plaintext takes a set of keys, {…}")
    found = set()
    for key in keys:
        parts: Any = key
        if isinstance(key, str):
            with suppress(ValueError):
                parts = json.loads(key)
            parts = parts if isinstance(parts, list) and len(parts) > 1 else (key,)
        found.add(tuple(map(str, parts if isinstance(parts, (tuple, list)) else (parts,))))
    return frozenset(found)
