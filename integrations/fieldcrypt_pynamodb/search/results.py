"""What a search found, without the items that only share a tag with what was looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pynamodb.constants import BINARY
from pynamodb.pagination import ResultIterator

from fieldcrypt_pynamodb.errors import ProtectedAttributeError
from fieldcrypt_pynamodb.search.conditions import Sought
from fieldcrypt_pynamodb.search.variants import Variant

__all__ = ["Matches"]

T = TypeVar("T")

LastKey = dict[str, dict[str, Any]]
Start = Callable[[Variant, LastKey | None], ResultIterator[Any]]


class Matches(ResultIterator[T]):
    """The items of several queries, one after the other, that have the values that were looked for.

    Args:
        variants: the queries.
        start: starts one, after the item of a key.
        searches: what items are compared with.
        limit: how many items to return at most.
        last_evaluated_key: where an earlier search stopped.
    """

    def __init__(
        self,
        variants: Sequence[Variant],
        start: Start,
        searches: Sequence[Sought],
        limit: int | None,
        last_evaluated_key: LastKey | None,
    ) -> None:
        self._variants, self._start, self._searches = list(variants), start, searches
        self._done: list[Variant] = []  # their items were found, and are not to be found again
        self._limit = limit
        self._found = 0
        self._inner: ResultIterator[Any] | None = None
        if last_evaluated_key is not None:
            self._resume(last_evaluated_key)
        elif self._variants:
            self._next()

    def _next(self, last: LastKey | None = None) -> None:
        self._done.append(self._variants.pop(0))
        self._inner = self._start(self._done[-1], last)

    def _resume(self, last: LastKey) -> None:
        while self._variants:
            tags = _key_of(self._variants[0])
            if all(last.get(name) == tag for name, tag in tags.items()):
                return self._next(None if last == tags else last)
            self._done.append(self._variants.pop(0))
        raise ProtectedAttributeError("last_evaluated_key is none of this search, or of one under a retired index key")

    def __next__(self) -> T:
        while self._inner is not None and self._limit != 0:
            for item in self._inner:
                if any(variant.finds(item) for variant in self._done[:-1]):
                    continue
                if all(search.holds(item) for search in self._searches):
                    self._found += 1
                    if self._limit is not None:
                        self._limit -= 1
                    return item  # type: ignore[no-any-return]
            if not self._variants:
                break
            self._next()
        raise StopIteration

    @property
    def last_evaluated_key(self) -> LastKey | None:
        """Where a later search goes on; None if there is nothing more to find."""
        last = None if self._inner is None else self._inner.last_evaluated_key
        if last is None and self._variants:  # the next query, from its beginning
            last = _key_of(self._variants[0])
        return last

    @property
    def page_iter(self) -> Any:  # type: ignore[override]
        """The pages of the query that is being read."""
        return None if self._inner is None else self._inner.page_iter

    @property
    def total_count(self) -> int:
        """How many items were returned."""
        return self._found


def _key_of(variant: Variant) -> LastKey:
    return {name: {BINARY: bytes(tag)} for name, tag in variant.tags.items()}
