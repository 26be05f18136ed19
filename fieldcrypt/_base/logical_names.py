"""Logical names: which tables and records of one Encryptor name their fields by them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from fieldcrypt.errors import ConfigurationError

__all__ = ["LogicalNames", "Place"]


class Place(NamedTuple):
    """Where the values of a logical name are.

    Attributes:
        table: the table's own name; None for records, which may be stored in any.
        declaration: what else must be the same in every place of the name; None for tables.
        has_tenants: True if its values are under the keys of tenants, which keep them apart.
        is_shared: True if it says `same_place=True`.
        is_chosen: True if the application chose the name, and it is not just the table's.
    """

    table: str | None = None
    declaration: Any = None
    has_tenants: bool = False
    is_shared: bool = False
    is_chosen: bool = False

    def is_apart(self, other: Place) -> bool:
        """Return True if the other is a different place, and values could be moved from one to the other."""
        if self.is_shared or other.is_shared or (self.has_tenants and other.has_tenants):
            return False
        if self.table is None or other.table is None:
            return self.table == other.table and self.declaration != other.declaration
        return self.table != other.table


class LogicalNames:
    """The logical names of an Encryptor. Owners that are no longer in use do not count."""

    def __init__(self) -> None:
        self._places: dict[str, WeakKeyDictionary[Any, Place]] = {}

    def declare(self, name: str, owner: Any, place: Place) -> None:
        """Note who has a name, and where its values are.

        Args:
            name: the logical name.
            owner: a description or a model, which counts for as long as it is in use.
            place: where its values are; it replaces what the same owner said before.

        Raises:
            ConfigurationError: another owner's values are elsewhere, so that they could be exchanged with these.
        """
        if self._apart(name, owner, place) is not None:
            gc.collect()  # an unused class is in reference cycles, and stays until they are collected
            other = self._apart(name, owner, place)
            if other is not None:
                raise _apart_error(name, place, other)
        self._places.setdefault(name, WeakKeyDictionary())[owner] = place

    def _apart(self, name: str, owner: Any, place: Place) -> Place | None:
        """Return another owner's place that is apart from this one; None if there is none."""
        return next((other for other in self._of(name, but=owner) if place.is_apart(other)), None)

    def _of(self, name: str, but: Any = None) -> Iterator[Place]:
        places = self._places.get(name, WeakKeyDictionary())
        for reference in places.keyrefs():  # a copy, which other threads do not change
            owner = reference()
            if owner is not None and owner is not but and owner in places:
                yield places[owner]

    def hint(self, field: str) -> str | None:
        """Return what to check if values of a field do not decrypt; None if the name of its table cannot be why."""
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
