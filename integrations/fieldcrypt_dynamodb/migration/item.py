"""An item as it was read: what its protected attributes are, and what they are bound to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from fieldcrypt import DecryptionError
from fieldcrypt.migration import Examination, Finding, Kind
from fieldcrypt_dynamodb.migration.target import Item, MigratedAttribute, MigratedTable, Place
from fieldcrypt_dynamodb.plaintext import is_null, stored
from fieldcrypt_dynamodb.values import to_python

__all__ = ["Examiner", "Key", "MigratedItem"]

Key = tuple[Any, ...]


class Examiner:
    """Examines the items of a table. Make one for each run.

    Args:
        table: the table.
    """

    def __init__(self, table: MigratedTable) -> None:
        self.table = table
        self._examinations: dict[MigratedAttribute, Examination] = {}

    def item(self, raw: Item) -> MigratedItem:
        """Return an item."""
        return MigratedItem(raw, self)

    def examination(self, attribute: MigratedAttribute) -> Examination:
        """Return what examines an attribute."""
        found = self._examinations.get(attribute)
        if found is None:
            found = self._examinations[attribute] = Examination(
                attribute.encryptor, attribute.field, attribute.accepted, attribute.pad, attribute.of_plaintext
            )
        return found


class MigratedItem:
    """An item as it was read.

    Args:
        raw: in DynamoDB's own form.
        examiner: examines.
    """

    def __init__(self, raw: Item, examiner: Examiner) -> None:
        self.raw = raw
        self.table = examiner.table
        self._examiner = examiner

    @property
    def key(self) -> dict[str, Any]:
        """Its key, in DynamoDB's own form."""
        return {name: self.raw[name] for name in self.table.key}

    @property
    def name(self) -> Key:
        """Its key, for people."""
        return tuple(to_python(part) for part in self.key.values())

    @property
    def attributes(self) -> Sequence[MigratedAttribute]:
        """The protected attributes that it may have."""
        return self.table.attributes_of(self.raw)

    @cached_property
    def place(self) -> Place:
        """What its values are bound to.

        Raises:
            TypeError, ValueError: it does not tell.
        """
        return self.table.place(self.raw)

    @cached_property
    def of_old_scheme(self) -> Mapping[str, Any] | None:
        """The item as it was before another scheme encrypted it as a whole; None if none did.

        Raises:
            DecryptionError: it is not authentic.
        """
        readers: Any = () if self.table.old_items is None else self.table.old_items.readers
        for reader in readers:
            if reader.recognises(self.raw):
                found: Mapping[str, Any] = reader.read(self.raw)
                return found
        return None

    def has(self, attribute: MigratedAttribute) -> bool:
        """Say whether it has a value of a protected attribute."""
        return not is_null(self.raw.get(attribute.name))

    def examine(self, attribute: MigratedAttribute) -> Finding:
        """Say what a protected attribute is.

        Raises:
            TypeError, ValueError: the item does not tell what it is bound to.
            KeyProviderError, KeyStoreError: as for `Examination.examine`.
        """
        if not self.has(attribute):
            return Finding(Kind.NULL)
        try:
            opened = self.of_old_scheme
            if opened is not None:
                value = stored(opened.get(attribute.name))
                return Finding(Kind.OTHER_SCHEME, None if value is None else attribute.of_plaintext(value))
        except (DecryptionError, TypeError, ValueError):
            return Finding(Kind.UNREADABLE)
        context, tenant = self.place
        return self._examiner.examination(attribute).examine(stored(self.raw[attribute.name]), tenant, context)

    def check_due(self, attribute: MigratedAttribute, found: Finding) -> None:
        """Look whether what was found may be encrypted anew (see `Examination.check_due`)."""
        self._examiner.examination(attribute).check_due(found)

    def is_sealed(self) -> bool:
        """Say whether it has a seal, authentic or not."""
        return self.table.seal is not None and self.table.seal.attribute in self.raw

    def check_seal(self) -> None:
        """Look at the seal, if items have one.

        Raises:
            DecryptionError: it is missing, and not for a time; or it is not the seal of this item.
        """
        seal = self.table.seal
        if seal is None or self.of_old_scheme is not None or (seal.is_optional and not self.is_sealed()):
            return
        seal.verify(self.raw)

    def tag_of(self, attribute: MigratedAttribute, value: Any) -> dict[str, Any] | None:
        """Return the tag that belongs to a value of an attribute, in DynamoDB's own form; None if there is none."""
        if attribute.companion is None or value is None:
            return None
        return {"B": attribute.tag(value, self.place[1])}

    def __repr__(self) -> str:  # without what is in it
        return f"MigratedItem({self.name!r})"
