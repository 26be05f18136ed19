"""The row that values are sealed for, as a statement has to name it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fieldcrypt import RowContext
from fieldcrypt_sqlalchemy.column.companion import Tag

if TYPE_CHECKING:
    from fieldcrypt_sqlalchemy.row_key.row_key import RowKey
    from fieldcrypt_sqlalchemy.rows.sealed import Sealed

__all__ = ["BoundRow", "Origin", "Parts"]

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

    # It is the origin of its values that have no tag, and replace whatever there is: most of them.
    tag: None = None
    replaces: None = None

    def __init__(
        self,
        key: RowKey,
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
        """Itself (see `Origin`)."""
        return self

    def is_same(self, other: BoundRow) -> bool:
        """Return True if the other row has the same key and tenant."""
        return self is other or (self.context.encoded == other.context.encoded and self.tenant == other.tenant)


class Origin(NamedTuple):
    """What a value that was sealed in this process is to be written with.

    Attributes:
        row: the row that it was sealed for.
        tag: its tag, if its column is searchable.
        replaces: the value that has to be in the row until then, or None if it may be any.
    """

    row: BoundRow
    tag: Tag | None = None
    replaces: Sealed | None = None
