"""The row that values are sealed for."""

from __future__ import annotations

from typing import Any

from fieldcrypt import RowContext
from fieldcrypt_sqlalchemy.row_key.columns import KeyColumns

__all__ = ["BoundRow", "Parts"]

Parts = tuple[Any, ...]  # of a row's key, its tenant last if it has one, as the model's attributes have them


class BoundRow:
    """The key and the tenant that a row has once a statement has written it.

    Attributes:
        key: what tells the rows of the model.
        parts: of this row's key.
        context, tenant: what its values are bound to, and whose data keys they use.
        left: the parts that the row has in the database until then, if the statement moves it; else None.
        by_flush: whether the ORM's flush writes the row, all its tables together.
    """

    __slots__ = ("by_flush", "context", "key", "left", "parts", "tenant")

    # It is itself the origin of most of its values: those that have no tags, and replace whatever there is.
    tags: None = None
    replaces: None = None

    def __init__(
        self,
        key: KeyColumns,
        parts: Parts,
        context: RowContext,
        tenant: str | None,
        left: Parts | None = None,
        by_flush: bool = False,
    ) -> None:
        self.key = key
        self.parts = parts
        self.context = context
        self.tenant = tenant
        self.left = left
        self.by_flush = by_flush

    @property
    def row(self) -> BoundRow:
        """Itself, as of an `Origin`."""
        return self

    def is_same(self, other: BoundRow) -> bool:
        """Return True if the other row has the same key and tenant."""
        return self is other or (self.context.encoded == other.context.encoded and self.tenant == other.tenant)
