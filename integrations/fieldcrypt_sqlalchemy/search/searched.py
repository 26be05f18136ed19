"""What a condition looks for, which stands in a statement for the tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldcrypt import FieldcryptError
from fieldcrypt.spi import Search, located
from fieldcrypt_sqlalchemy.column.companion import NO_TAG, Tag, Tags
from fieldcrypt_sqlalchemy.errors import parameterless_error

__all__ = ["Searched", "TagsOf"]


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Searched:
    """What a condition looks for.

    Attributes:
        column: the searchable column; for several together, their companion.
        tagger: of the column.
        search: the answer of its indexes.
        tenant: whose tags are meant, if they are per tenant.
        is_null: True if one of the values is NULL to the column, so that the database answers as it does for NULL.
        is_empty: True if the list of values is empty, which SQL answers even for NULL.
    """

    column: Any
    tagger: Any
    search: Search
    tenant: str | None
    is_null: bool = False
    is_empty: bool = False

    def matches(self, stored: Any) -> bool:
        """Return True if a stored value, decrypted, is what is looked for."""
        converted = self.tagger.converted(stored)
        return converted is not None and self.search.matches(converted)


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class TagsOf:
    """The tags to look for in one companion, computed when the statement is executed."""

    searched: Searched
    companion: str

    def __call__(self) -> Any:
        """Return the tags; `NO_TAG` if there can be none."""
        searched = self.searched
        try:
            found = searched.search.tags(searched.tenant, self.companion).get(self.companion, [])
        except (TypeError, ValueError, FieldcryptError) as error:
            refused = parameterless_error(located(error, field=searched.tagger.name, tenant=searched.tenant))
        else:
            if searched.search.how.one_companion:
                return Tags(map(Tag, found))
            tags: list[Tag | None] = [*map(Tag, found), *([None] if searched.is_null else [])]
            return tags or ([] if searched.is_empty else [NO_TAG])
        raise refused
