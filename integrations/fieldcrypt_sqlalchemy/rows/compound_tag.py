"""The tag of several members of a row, with what it was made from, on its way to the statement that writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldcrypt_sqlalchemy.column.companion import Tag
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow

__all__ = ["CompoundTag"]


class CompoundTag:
    """A tag that the ORM is about to write, perhaps without all of its members.

    It stands in an object only while that is flushed. It shows nothing of the members, and is pickled as the tag.

    Attributes:
        tag: the tag itself, or None if a member is missing.
        row: the row that it is for; None if it has no protected values.
        columns: of the members, by attribute.
        members: by attribute, what the row has of each once it is written: plain values, and sealed ones.
    """

    __slots__ = ("columns", "members", "row", "tag")

    def __init__(
        self, tag: Tag | None, row: BoundRow | None, columns: Mapping[str, Any], members: Mapping[str, Any]
    ) -> None:
        self.tag, self.row, self.columns, self.members = tag, row, columns, members

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self.tag,)

    def __repr__(self) -> str:
        return "<CompoundTag>"


def _unpickle(tag: Tag | None) -> Tag | None:
    return tag
