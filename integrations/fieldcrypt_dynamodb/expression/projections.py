"""Projections: what is read beside what was asked for, so that it can be decrypted, and cut off again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.syntax import paths
from fieldcrypt_dynamodb.item.description import TableDescription

__all__ = ["Projection"]


@dataclass(frozen=True, slots=True)
class Projection:
    """What a request reads.

    Attributes:
        text: the expression as it is sent; None if all is read.
        asked: the attributes that were asked for.
        verifies: False if the seal cannot be verified, because nothing that it covers is read.
    """

    text: str | None
    asked: frozenset[str] = frozenset()
    verifies: bool = True

    @classmethod
    def from_text(
        cls, text: str, table: TableDescription, placeholders: Placeholders, needed: Iterable[str] = ()
    ) -> Projection:
        """Read an expression, and add what it takes to decrypt.

        Args:
            text: the expression.
            table: what is protected.
            placeholders: the request's placeholders.
            needed: attributes to read in any case, for comparison.

        Raises:
            ProtectedAttributeError: it leads into a protected attribute, or asks for tags or the seal.
        """
        found = paths(text, placeholders.names)
        sealed = frozenset(table.seal.over) if table.seal is not None else frozenset()
        for path in found:
            if path.root in table.own:
                raise ProtectedAttributeError(f"{table.name}.{path.root} is fieldcrypt's own, and no item has it here")
            if not path.whole and (path.root in table.tops or path.root in sealed):
                raise ProtectedAttributeError(
                    f"DynamoDB cannot read a part of {table.name}.{path.root}, which is protected or sealed: "
                    "project it as a whole",
                    field=table.field_name(path.root),
                )
        asked = frozenset(path.root for path in found)
        more = set(needed)
        verifies = not sealed.isdisjoint(asked | more)
        if table.seal is not None and verifies:
            more |= sealed | {table.seal.attribute}
        if verifies or not (asked | more).isdisjoint(table.tops):
            more |= table.binding_attributes | table.previous_attributes
        return cls(", ".join([text, *map(placeholders.name, sorted(more - asked))]), asked, verifies)

    def cut(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return what was asked for of an item."""
        if self.text is None:
            return item
        return {name: value for name, value in item.items() if name in self.asked}
