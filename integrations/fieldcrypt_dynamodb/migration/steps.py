"""What each step does to an item. Pure: an item in, what to write out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from fieldcrypt import DecryptionError
from fieldcrypt.migration import Finding, Kind
from fieldcrypt_dynamodb.migration.item import MigratedItem
from fieldcrypt_dynamodb.migration.target import MigratedAttribute
from fieldcrypt_dynamodb.migration.wrong import wrong

__all__ = ["Backfill", "Change", "Finish", "Step", "Undo"]

Values = dict[str, Any]  # by name of attribute, what to write in DynamoDB's own form; None: take it away


@dataclass
class Change:
    """What is to be done to an item.

    Attributes:
        values: what to write.
        read: the attributes that it was made from, which have to be as they were when it is written.
        failure: what keeps some of it from being done.
    """

    values: Values = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    failure: Exception | None = None


class Step(Protocol):
    """What is done to items."""

    name: str

    def change(self, item: MigratedItem) -> Change:
        """Return what to write into an item; nothing if it is as it should be.

        Raises:
            KeyProviderError, KeyStoreError: it cannot be told for now.
        """
        ...


class Backfill:
    """Encrypts what is not protected as it is declared, and sets the tags and the seal that belong to it."""

    name = "backfill"

    def change(self, item: MigratedItem) -> Change:
        """Return what to write into an item (see `Step.change`)."""
        change = Change()
        try:
            item.check_seal()
            _take_old_scheme_out(item, change)
        except (DecryptionError, TypeError, ValueError) as error:
            return Change(failure=error)
        for attribute in item.attributes:
            _collect(change, attribute, item, self._of_attribute)
        _seal(item, change)
        return change

    def _of_attribute(self, attribute: MigratedAttribute, item: MigratedItem) -> Values:
        has_tag = attribute.companion is not None and attribute.companion in item.raw
        if not item.has(attribute) and not has_tag:
            return {}
        values: Values = {}
        found = item.examine(attribute)
        if found.kind is Kind.SHREDDED:
            return values
        if found.kind is Kind.UNREADABLE:
            raise unreadable(attribute)
        if found.kind.is_due and found.value is not None:
            item.check_due(attribute, found)
            context, tenant = item.place
            values[attribute.name] = {"B": attribute.field.encrypt(found.value, tenant=tenant, context=context)}
        if attribute.companion is not None:
            tag = item.tag_of(attribute, found.value)
            if tag != item.raw.get(attribute.companion):
                values[attribute.companion] = tag
        return values


class Undo:
    """Takes back what a backfill did."""

    name = "undo"

    def change(self, item: MigratedItem) -> Change:
        """Return what to write into an item (see `Step.change`)."""
        change = Change()
        try:
            item.check_seal()  # what was changed does not become plaintext that nobody could tell from other
        except (DecryptionError, TypeError, ValueError) as error:
            return Change(failure=error)
        if item.table.seal is not None and item.is_sealed():
            change.values[item.table.seal.attribute] = None
            change.read.add(item.table.seal.attribute)
        for attribute in item.attributes:
            _collect(change, attribute, item, self._of_attribute)
        if change.failure is not None and item.table.seal is not None:
            return Change(failure=change.failure)
        return change

    def _of_attribute(self, attribute: MigratedAttribute, item: MigratedItem) -> Values:
        if not item.has(attribute):
            return {}
        found = _readable(attribute, item)
        values: Values = {}
        if found.kind is not Kind.PLAINTEXT:
            values[attribute.name] = attribute.as_plaintext(found.value)
        if attribute.companion is not None and attribute.companion in item.raw:
            values[attribute.companion] = None
        return values


class Finish:
    """Looks once more whether anything is left that is not protected; what is left is a failure."""

    name = "finish"

    def change(self, item: MigratedItem) -> Change:
        """Return nothing to write (see `Step.change`)."""
        reason = wrong(item, old_keys=False)
        return Change(failure=None if reason is None else ValueError(reason))


def unreadable(attribute: MigratedAttribute) -> DecryptionError:
    """Return the error of a value that does not decrypt."""
    return DecryptionError(f"{attribute.name}: {DecryptionError()}")


def _readable(attribute: MigratedAttribute, item: MigratedItem) -> Finding:
    found = item.examine(attribute)
    if found.kind in (Kind.UNREADABLE, Kind.SHREDDED):
        raise unreadable(attribute)
    return found


def _collect(change: Change, attribute: MigratedAttribute, item: MigratedItem, how: Any) -> None:
    """Add to a change what is to be done because of one attribute, or what keeps it from being done."""
    try:
        values = how(attribute, item)
    except (DecryptionError, TypeError, ValueError) as error:
        change.failure = error
        return
    if values:
        change.values |= values
        change.read |= values.keys() | {attribute.name}


def _take_old_scheme_out(item: MigratedItem, change: Change) -> None:
    """Have what another scheme added to an item taken away, if nothing is in the clear for it that was not before."""
    opened = item.of_old_scheme
    if opened is None:
        return
    protected = {attribute.name for attribute in item.attributes}
    bare = [name for name in opened if name not in protected and opened[name] != item.raw.get(name)]
    if bare:
        raise ValueError(f"{item.table.name}.{bare[0]} is encrypted, and not declared as protected: it stays as it is")
    for name in item.raw.keys() - opened.keys():
        change.values[name] = None
        change.read.add(name)


def _seal(item: MigratedItem, change: Change) -> None:
    """Add the seal of the item as it will be, under the condition that all it covers is as it was."""
    seal = item.table.seal
    if seal is None:
        return
    if change.failure is not None:  # what cannot be read cannot be sealed, and the rest is not without it
        change.values.clear()
        return
    old = item.raw.get(seal.attribute)
    is_due = old is None or not change.values.keys().isdisjoint(seal.over)
    if not is_due and old is not None:
        is_due = item.attributes[0].encryptor.needs_reencrypt(old["B"])
    if is_due:
        new = {**item.raw, **change.values}
        new = {name: value for name, value in new.items() if value is not None and name != seal.attribute}
        seal.add(new)
        change.values[seal.attribute] = new[seal.attribute]
        change.read |= {seal.attribute, *seal.over}
