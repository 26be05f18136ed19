"""The fields of what is protected at the top of items, in groups that encrypt, and decrypt, the values of an item."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from fieldcrypt import Field
from fieldcrypt.spi import FieldGroup, Path

__all__ = ["MIN_BATCH", "TopFields"]

MIN_BATCH = 3  # values from which on a batch takes less time than one after the other


class TopFields:
    """The fields of the protected attributes at the top of a table's items. They are the same for each of its tenants.

    Args:
        paths, fields: of all protected attributes, by name.
        mixed: those of which other forms are read as well.

    Attributes:
        names, fields: the attributes, and the field of each.
        writers: these fields as a group; None if there is none.
        readers: likewise, and without reports of refusals; None if they are read one by one.
    """

    def __init__(self, paths: Mapping[str, Path], fields: Mapping[str, Field[Any]], mixed: Container[str]) -> None:
        self.names = tuple(name for name, path in paths.items() if len(path.steps) == 1)
        self.fields = tuple(fields[name] for name in self.names)
        self.writers = FieldGroup(self.fields) if self.fields else None
        # What it refuses is tried again one by one, which says where it is, and reports it.
        is_simple = len(self.names) >= MIN_BATCH and not any(name in mixed for name in self.names)
        self.readers = FieldGroup(field.quiet for field in self.fields) if is_simple else None
