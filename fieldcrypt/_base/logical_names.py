"""Logical names: which tables and records of one Encryptor take the names of their fields from them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from fieldcrypt.errors import ConfigurationError

__all__ = ["LogicalNames", "Place"]


class Place(NamedTuple):
    """Where values are whose fields have their names from a logical name.

    Attributes:
        table: the table's own name; None for records, which may be stored in any.
        declaration: what else must be the same in every place of the name; None for tables.
        has_tenants: True if its values are under the keys of tenants, which tell them apart.
        is_shared: True if it says `same_place=True`.
        is_chosen: True if the application chose the name, and it is not just the table's.
    """

    table: str | None = None
    declaration: Any = None
    has_tenants: bool = False
    is_shared: bool = False
    is_chosen: bool = False

    def is_apart(self, other: Place) -> bool:
        """Return True if the other place is not this one, so that values could be moved from one to the other."""
        if self.is_shared or other.is_shared or (self.has_tenants and other.has_tenants):
            return False
        if self.table is None or other.table is None:
            return self.table == other.table and self.declaration != other.declaration
        return self.table != other.table


class LogicalNames:
    """The logical names of an Encryptor. What nobody uses any more does not count."""

    def __init__(self) -> None:
        self._places: dict[str, WeakKeyDictionary[Any, Place]] = {}

    def declare(self, name: str, owner: Any, place: Place) -> None:
        """Note who has a name, and where its values are.

        Args:
            name: the logical name.
            owner: what counts as long as it is used: a description, a model.
            place: where its values are; it replaces what the same owner said before.

        Raises:
            ConfigurationError: another owner's values are elsewhere, so that they could be exchanged with these.
        """
        if self._apart(name, owner, place) is not None:
            gc.collect()  # a class that nobody uses any more is in cycles, and there until these are found
            other = self._apart(name, owner, place)
            if other is not None:
                raise _apart_error(name, place, other)
        self._places.setdefault(name, WeakKeyDictionary())[owner] = place

    def _apart(self, name: str, owner: Any, place: Place) -> Place | None:
        """Return a place of another owner that is not this one; None if there is none."""
        return next((other for other in self._of(name, but=owner) if place.is_apart(other)), None)

    def _of(self, name: str, but: Any = None) -> Iterator[Place]:
        places = self._places.get(name, WeakKeyDictionary())
        for reference in places.keyrefs():  # a list, to which other threads add nothing
            owner = reference()
            if owner is not None and owner is not but and owner in places:
                yield places[owner]

    def hint(self, field: str) -> str | None:
        """Return what to look at if values of a field do not decrypt; None if that is not how its table is called."""
        name = min((name for name in list(self._places) if field.startswith(f"{name}.")), key=len, default="")
        places = [place for place in self._of(name) if place.table is not None]
        tables = sorted({str(place.table) for place in places})
        if all(table == name or table.endswith(f".{name}") for table in tables):
            if all(place.is_chosen for place in places):
                return None
            return f"was the table {name} restored or copied from one with another name? Then name that: fields=…"
        called = " or ".join(tables)
        return f"the table is called {called}, its fields {name}.…: were its values written under that name?"


def _apart_error(name: str, place: Place, other: Place) -> ConfigurationError:
    if place.table is None:
        return ConfigurationError(
            f"there is another declaration of {name} in this Encryptor, so values could be moved between the records "
            "of both: give one another name, or if that is acceptable say same_place=True"
        )
    return ConfigurationError(
        f"the logical name {name!r} is that of the tables {other.table} and {place.table}, so values could be moved "
        "from one to the other: give each a name of its own, fields=…, or tenants, or if that is acceptable say "
        "same_place=True"
    )
