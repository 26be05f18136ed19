"""Searching records: which tags to look for, and which of the records that are found match."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Any, TypeVar

from fieldcrypt.declaration.field_indexes import Search
from fieldcrypt.format.context import key_text
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["RecordSearch", "TagsByCompanion", "as_stored"]

TagsByCompanion = dict[str, list[bytes | str]]
T = TypeVar("T")


class RecordSearch:
    """How a question about records is answered. Made by `ProtectedRecord.search`.

    Attributes:
        tags: the tags to look for by companion, bytes or text as they are there. A record that has any of them in any
            of these companions may match. If there are none, no record does.
        is_exact: True if all such records match; else compare them after decryption, with `matches`.
    """

    __slots__ = ("_search", "_tenant", "_to_record", "_values", "is_exact", "tags")

    def __init__(
        self,
        search: Search,
        tenant: tuple[str | None, str | None],
        is_text: bool,
        values: Callable[[Mapping[str, Any]], Iterable[Any]],
    ) -> None:
        self._search, self._tenant, self._values = search, tenant, values
        self.is_exact = search.is_exact
        self._to_record: Callable[[Any], Mapping[str, Any]] | None = None
        self.tags: TagsByCompanion = as_stored(search.tags(tenant[1]), is_text=is_text)

    def of(self, to_record: Callable[[T], Mapping[str, Any]]) -> RecordSearch:
        """Return the same search for what a function makes records of, such as instances of a class."""
        search = copy(self)
        search._to_record = to_record
        return search

    @discreet
    def matches(self, record: Any) -> bool:
        """Return True if a decrypted record is what was looked for, and of the tenant whose records were searched."""
        record = record if self._to_record is None else self._to_record(record)
        member, tenant = self._tenant
        has = None if member is None else record.get(member)  # None in a store of one tenant alone
        if None not in (tenant, has) and key_text(has) != tenant:
            return False
        return any(map(self._search.matches, self._values(record)))

    def __repr__(self) -> str:
        return f"RecordSearch({', '.join(self.tags)})"


RecordSearch.__module__ = "fieldcrypt"  # where it is exported, wherever it is defined


def as_stored(tags: dict[str, T], *, is_text: bool) -> dict[str, T]:
    """Return tags by companion, one or several, as they are stored: as hexadecimal, if only text can be."""
    return {companion: _text(each) for companion, each in tags.items()} if is_text else tags


def _text(tags: Any) -> Any:
    if isinstance(tags, list):
        return list(map(_text, tags))
    return tags.hex() if isinstance(tags, bytes) else tags
