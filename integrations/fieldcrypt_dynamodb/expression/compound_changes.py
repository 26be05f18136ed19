"""Updates of members of compounds, whose tags are made again from all members, or removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.syntax import Node
from fieldcrypt_dynamodb.expression.tokens import Path
from fieldcrypt_dynamodb.item.binding import Binding
from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.item.items import Items

__all__ = ["CompoundChanges"]


class CompoundChanges:
    """What one update does to compounds.

    Args:
        items: encrypts.
        placeholders: the request's placeholders.
        sets: the path and value of each `SET path = value`.
        others: the clause and path of each other action.
    """

    def __init__(
        self,
        items: Items,
        placeholders: Placeholders,
        sets: Sequence[tuple[Path, Node, str]],
        others: Sequence[tuple[str, Path, str]],
    ) -> None:
        self._items, self._placeholders = items, placeholders
        self._set = {path.root: value.value if path.whole else None for path, value, _ in sets}
        self._removed = {path.root for clause, path, _ in others if clause == "REMOVE" and path.whole}
        changed = {*self._set, *(path.root for _, path, _ in others)}
        members = items.table.indexes.members
        self._compounds = [name for name, of in members.items() if not changed.isdisjoint(of)]

    @property
    def changed(self) -> bool:
        """True if it changes members of a compound."""
        return bool(self._compounds)

    def tags(self, key: Mapping[str, Any], binding: Binding) -> dict[str, Any]:
        """Return what each companion becomes, as it is stored; None if it is to be absent.

        Args:
            key, binding: the item's.

        Raises:
            ProtectedAttributeError: it leaves the value of a member unknown.
            TypeError, ValueError, KeyProviderError, KeyStoreError: as for `Items.compound_tags`.
        """
        known = {**self._told(), **key}
        known |= {name: self._given(value) for name, value in self._set.items() if value in self._placeholders.values}
        found: dict[str, Any] = {}
        for name in self._compounds:
            indexes = self._items.table.indexes
            found |= dict.fromkeys(indexes.of[name].companions)
            self._items.check_members(name, known)
            if not self._lacks_one(known, indexes.members[name]):
                self._check_known(name, known)
                found |= self._items.compound_tags(name, known, binding)
        return found

    def _given(self, placeholder: str | None) -> Any:
        return self._placeholders.values[placeholder or ""]

    def _told(self) -> dict[str, Any]:
        """Return what the stored item has according to the conditions that updates carry."""
        table, form = self._items.table, self._items.form
        told = {name: form.deserialize({"S": text}) for name, text in table.where.items()}
        if table.tenant is not None and self._items.tenant is not None:
            told[table.tenant] = form.deserialize(PYTHON.serialize(self._items.tenant))
        return told

    def _lacks_one(self, known: Mapping[str, Any], members: Sequence[str]) -> bool:
        is_null = self._items.form.is_null
        return any(name in self._removed or (name in known and is_null(known[name])) for name in members)

    def _check_known(self, name: str, known: Mapping[str, Any]) -> None:
        members = self._items.table.indexes.members[name]
        unknown = [member for member in members if member not in known]
        if unknown:
            raise ProtectedAttributeError(
                f"{self._items.table.name}.{name} is the tag of {' and '.join(members)} together, and would not "
                f"follow: SET {' and '.join(unknown)} as well, each to a plain value, or put the whole item"
            )
