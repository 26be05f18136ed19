"""Projections: what is read beside what was asked for, so that it can be decrypted, and cut off again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fieldcrypt_dynamodb.description import ProtectedTable
from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.substitutions import Substitutions
from fieldcrypt_dynamodb.syntax import paths

__all__ = ["Projection"]


class Projection:
    """What a request reads.

    Args:
        text: the expression; None if all is read.
        table: what is protected.
        places: the request's placeholders.
        needed: attributes to read in any case, for comparison.

    Attributes:
        text: the expression as it leaves.
        verifies: False if the seal cannot be looked at, because nothing that it covers is read.

    Raises:
        ProtectedAttributeError: it leads into a protected attribute, or asks for tags or the seal.
    """

    def __init__(
        self, text: str | None, table: ProtectedTable, places: Substitutions, needed: Iterable[str] = ()
    ) -> None:
        self.text = text
        self.verifies = True
        self._asked: frozenset[str] | None = None
        if text is None:
            return
        asked = paths(text, places.names)
        sealed = frozenset(table.seal.over) if table.seal is not None else frozenset()
        for path in asked:
            if path.root in table.own:
                raise ProtectedAttributeError(f"{table.name}.{path.root} is fieldcrypt's own, and no item has it here")
            if not path.whole and (path.root in table.attributes or path.root in sealed):
                raise ProtectedAttributeError(
                    f"DynamoDB cannot read a part of {table.name}.{path.root}, which is protected or sealed: "
                    "project it as a whole"
                )
        self._asked = frozenset(path.root for path in asked)
        read = self._asked | frozenset(needed)
        self.verifies = bool(read & sealed)
        more = set(needed)
        if table.seal is not None and self.verifies:
            more |= sealed | {table.seal.attribute}
        if self.verifies or any(name in table.attributes for name in read | more):
            more |= table.described
        missing = sorted(more - self._asked)
        self.text = ", ".join([text, *map(places.name, missing)])

    def cut(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return of an item what was asked for."""
        if self._asked is None:
            return item
        return {name: value for name, value in item.items() if name in self._asked}
