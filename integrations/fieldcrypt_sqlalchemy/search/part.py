"""A part of a searchable column, to be compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.sql.elements import ColumnElement

from fieldcrypt.spi import discreet
from fieldcrypt_sqlalchemy.errors import column_error
from fieldcrypt_sqlalchemy.search.condition import search_part

__all__ = ["ColumnPart"]


class ColumnPart:
    """A part of a searchable column: what `Patient.ssn.part("ssn_last4")` returns, to be compared."""

    __slots__ = ("_column", "_part", "_tenant")

    def __init__(self, column: ColumnElement[Any], part: str, tenant: str | None = None) -> None:
        self._column, self._part, self._tenant = column, part, tenant

    @discreet
    def __eq__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override]
        return search_part(self._column, self._part, other, self._tenant)

    @discreet
    def __ne__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override]
        return ~(self == other)

    __hash__ = None  # type: ignore[assignment]

    @discreet
    def __lt__(self, other: object) -> ColumnElement[bool]:
        raise column_error(
            self._column.type, f"has tags of its part {self._part}, which are equal or not: ==, !=, in_ and not_in work"
        )

    __le__ = __gt__ = __ge__ = __lt__

    def __repr__(self) -> str:
        return f"<the part {self._part} of {self._column}, to be compared by ==, !=, in_ or not_in>"

    @discreet
    def in_(self, other: Iterable[Any]) -> ColumnElement[bool]:
        """Return the condition that the part is one of these values."""
        return search_part(self._column, self._part, other, self._tenant, several=True)

    @discreet
    def not_in(self, other: Iterable[Any]) -> ColumnElement[bool]:
        """Return the condition that the part is none of these values."""
        return ~self.in_(other)
