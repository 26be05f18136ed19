"""What a migration does to an item as a whole: its seal, and what another scheme added to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fieldcrypt import DecryptionError, KeyNotFoundError, KeyShreddedError
from fieldcrypt.spi.migration import Change, UnitError, UntaggedError
from fieldcrypt_dynamodb.migration.item import MigratedItem

__all__ = ["SealedItems"]


class SealedItems:
    """What `Source` asks of items as wholes."""

    def prepare(self, step: str, unit: Any) -> Change:
        """Return what a step does to an item before its attributes.

        Raises:
            DecryptionError: its seal does not hold: what was changed is never sealed again, nor made plaintext.
            ValueError: what is encrypted by another scheme would be in the clear.
        """
        item: MigratedItem = unit
        seal, change = item.table.seal, Change()
        if step == "finish":
            return change
        try:
            if seal is not None and item.legacy_item is None and (not seal.is_optional or seal.is_on(item.raw)):
                seal.verify(item.raw)
        except KeyShreddedError:
            item.is_shredded = True
            return change
        if step == "backfill":
            _take_old_scheme_out(item, change)
        elif step == "undo" and seal is not None:
            seals = {seal.attribute, *seal.previous} & item.raw.keys()
            change.values |= dict.fromkeys(seals)
            change.read |= seals
        return change

    def complete(self, step: str, unit: Any, change: Change) -> Change:
        """Return the change of an item with its seal; nothing is done to one whose seal went with its tenant's keys."""
        item: MigratedItem = unit
        change = item.folded(change)
        if item.is_shredded:
            return _without_tags(item, change) if step == "backfill" else Change()
        if step == "undo":
            if item.legacy_item is not None:
                return Change()  # no backfill has been there
            # With a part of it in plaintext a sealed item could not be read.
            is_stuck = change.failure is not None and item.table.seal is not None
            return Change(failure=change.failure) if is_stuck else change
        if step == "finish":
            reasons = self.wrong(item) if change.failure is None else []
            return Change(failure=UnitError(reasons[0])) if reasons else change
        _seal(item, change)
        return change

    def is_whole_due(self, unit: Any) -> bool:
        """Return True if an item has no seal, or not one as it is declared now, and will get one.

        Raises:
            As `prepare`.
        """
        item: MigratedItem = unit
        self.prepare("backfill", item)
        return not item.is_shredded and _is_unsealed(item)

    def wrong(self, unit: Any) -> Sequence[str]:
        """Return what is wrong with the seal of an item."""
        item: MigratedItem = unit
        seal = item.table.seal
        if seal is None:
            return []
        if seal.attribute not in item.raw:
            return ["the item has no seal"]
        try:
            seal.verify(item.raw)
            is_own = seal.is_own(item.raw)
        except KeyShreddedError:
            return []
        except (DecryptionError, KeyNotFoundError, TypeError, ValueError):
            return ["the sealed attributes are not those that were sealed"]
        return [] if is_own else ["the item is not sealed as it is declared now"]


def _without_tags(item: MigratedItem, change: Change) -> Change:
    """Return what remains of the change of an item whose seal is shredded: its tags go, even if that covers them."""
    gone = {name: None for name, value in change.values.items() if value is None and name in item.tag_names}
    return Change(gone, change.read)


def _take_old_scheme_out(item: MigratedItem, change: Change) -> None:
    """Have what another scheme added to an item taken away, if nothing is in the clear for it that was not before."""
    opened = item.legacy_item
    if opened is None:
        return
    protected = {field.stored_name for field in item.fields}
    bare = [name for name in opened if name not in protected and opened[name] != item.raw.get(name)]
    if bare:
        raise UnitError(f"{item.table.name}.{bare[0]} is encrypted, and not declared as protected: it stays as it is")
    added = item.raw.keys() - opened.keys()
    change.values |= dict.fromkeys(added)
    change.read |= added


def _seal(item: MigratedItem, change: Change) -> None:
    """Add the seal of the item as it will be, under the condition that all it covers is as it was."""
    seal = item.table.seal
    if seal is None:
        return
    # What cannot be read cannot be sealed, nor can the rest without it.
    failure = change.failure
    if failure is not None and not isinstance(failure, UntaggedError):
        change.values.clear()
        return
    if not change.values.keys().isdisjoint(seal.over) or _is_unsealed(item):
        new = {**item.raw, **change.values}
        new = {name: value for name, value in new.items() if value is not None and name != seal.attribute}
        seal.add(new)
        change.values[seal.attribute] = new[seal.attribute]
        change.values |= dict.fromkeys(seal.previous & item.raw.keys())
        change.read |= {seal.attribute, *seal.over, *seal.previous}


def _is_unsealed(item: MigratedItem) -> bool:
    """Return True if an item has no seal, or one by an older key or declaration."""
    seal = item.table.seal
    return seal is not None and (seal.attribute not in item.raw or seal.is_old(item.raw))
