"""The columns that values were bound to by a previous declaration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fieldcrypt import ConfigurationError
from fieldcrypt.spi import PartOf
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.row_key.key_part import as_stored

__all__ = ["PreviousColumns"]


class PreviousColumns:
    """What `PreviousField(…, row=…, tenant=…)` of a model's, or a table's, protected columns names.

    Args:
        model: for messages.
        columns: all, by the names of their attributes.
        protected: those whose former values are read.

    Raises:
        ConfigurationError: there is no such attribute, or its values could not have been a part of a key.
    """

    def __init__(self, model: str, columns: Mapping[str, Any], protected: Iterable[Any]) -> None:
        accepted = [each.type.accepted for each in protected if isinstance(each.type, Encrypted)]
        previous = [former for each in accepted if each is not None for former in each.previous_fields]
        names = dict.fromkeys(name for former in previous for name in former.names)
        for name in names:
            if name not in columns:
                raise ConfigurationError(f"PreviousField(…): {model} has no attribute {name!r} with a column")
        self.columns: dict[str, Any] = {name: columns[name] for name in names}
        self._as_stored = {name: as_stored(f"{model}.{name}", each.type) for name, each in self.columns.items()}

    def part(self, find: Callable[[str], Any]) -> PartOf | None:
        """Return what tells a `PreviousField` what a value was bound to; None if none asks.

        Args:
            find: returns what the row has in a column, by attribute.
        """
        if not self.columns:
            return None

        def part(name: str) -> Any:
            value, as_it_is = find(name), self._as_stored[name]
            return value if value is None or as_it_is is None else as_it_is(value)

        return part
