"""Items that another scheme encrypted as a whole, read for a time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from fieldcrypt import DecryptionError, Event, EventKind
from fieldcrypt_dynamodb.aio.steps import waiting
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.forms import Form
from fieldcrypt_dynamodb.item.nested.shape import Found
from fieldcrypt_dynamodb.item.nested.values import NestedValues
from fieldcrypt_dynamodb.item.plaintext import stored, to_value

__all__ = ["LegacyItems"]


class LegacyItems:
    """Reads the items that a table's `accept` recognises.

    Args:
        table: the description.
        form: of what the application gets.
    """

    def __init__(self, table: TableDescription, form: Form) -> None:
        self._table, self._form = table, form
        self._readers: Any = () if table.legacy_items is None else table.legacy_items.readers
        self._attributes = {
            name: (to_value(each.type), form.conversion(each.type).from_field)
            for name, each in table.attributes.items()
        }
        self._at_top = table.tops - table.nested.keys()
        self._nested = NestedValues(table, form)

    def opened(self, item: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return an item with values of the declared types; None if no reader recognises it.

        Args:
            item: in DynamoDB's own form.

        Raises:
            DecryptionError: it is not authentic, not of these types, or not accepted any more.
            KeyProviderError: the scheme's keys cannot be had.
        """
        accepted = self._table.legacy_items
        for reader in self._readers:
            if not reader.recognises(item):
                continue
            if accepted is None or not accepted.accepts_legacy_values():
                self._table.encryptor.report(Event(EventKind.VALUE_REFUSED, place=self._table.name))
                raise DecryptionError(f"{self._table.name} no longer accepts items of another scheme")
            try:
                read: Mapping[str, Any] = waiting(partial(reader.read, item))  # which may ask KMS, for each item
            except DecryptionError:
                self._table.encryptor.report(Event(EventKind.VALUE_REFUSED, place=self._table.name))
                raise
            new = self._form.deserialize_item(read)
            for name in self._at_top & read.keys():
                data = stored(read[name])
                if data is not None:
                    new[name] = self._value(name, data)
            self._nested.replace(new, self._nested_value)
            self._table.encryptor.report(Event(EventKind.OLD_VALUE_READ, place=self._table.name))
            return new
        return None

    def _nested_value(self, found: Found) -> Any:
        return self._value(found.attribute, stored(self._form.serialize(found.value)))

    def _value(self, name: str, data: Any) -> Any:
        to_value, from_field = self._attributes[name]
        try:
            value = to_value(data)
        except (TypeError, ValueError):
            pass  # raised below, where no chained exception carries the value
        else:
            return value if from_field is None else from_field(value)
        wrong = DecryptionError(f"{self._table.name}.{name} is authentic, but not of the declared type")
        raise self._table.fields[name].reported_error(wrong)
