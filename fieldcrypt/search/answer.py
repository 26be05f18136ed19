"""How an index answers a question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fieldcrypt.format.context import NoTenant

__all__ = ["Answer", "TagsByLevel"]

TagsByLevel = tuple[tuple[bytes, ...], ...]


class Answer:
    """How an index answers a question. It holds plaintext, so it has no repr of it.

    Attributes:
        is_exact: True if every row that has one of the tags is what was looked for; else values have to be compared
            after decryption.
        levels: the numbers of those at which there is something to look for.
        matches: returns True if a decrypted value is what was looked for.
    """

    __slots__ = ("_tags", "is_exact", "levels", "matches")

    def __init__(
        self,
        is_exact: bool,
        levels: tuple[int, ...],
        tags: Callable[[str | NoTenant | None, tuple[int, ...]], TagsByLevel],
        matches: Callable[[Any], bool],
    ) -> None:
        self.is_exact, self.levels, self._tags, self.matches = is_exact, levels, tags, matches

    def tags(self, tenant: str | NoTenant | None, level: int | None = None) -> TagsByLevel:
        """Return the tags to look for at each level: those of each index key in the order of their bytes.

        Those of the active key come last: reading one tag after the other misses no row that is tagged again meanwhile.

        Args:
            tenant: whose rows to search.
            level: the number of the only level whose tags are wanted; those of others are left out.

        Raises:
            As `BlindIndex.tags`.
        """
        return self._tags(tenant, self.levels if level is None else (level,))
