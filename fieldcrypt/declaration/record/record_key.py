"""What the values of a record are bound to: its key and its tenant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fieldcrypt.declaration.path import element_context
from fieldcrypt.format.context import RowContext, key_text, row_context

__all__ = ["Binding", "RecordKey", "bound_member"]


class Binding(NamedTuple):
    """What the values of one record are bound to.

    Attributes:
        row: its key, as a context; None if it has none.
        tenant: whose keys they are encrypted under.
    """

    row: RowContext | None
    tenant: str | None

    def context(self, elements: tuple[str, ...]) -> Mapping[str, str] | None:
        """Return the context of a value: the row's, with entries for the list elements around it."""
        return {**(self.row or {}), **element_context(elements)} if elements else self.row


class RecordKey(NamedTuple):
    """Which members of a record its values are bound to.

    Attributes:
        key: those of its key, in their order.
        tenant: the one that names its tenant.
    """

    key: tuple[str, ...]
    tenant: str | None

    @property
    def members(self) -> frozenset[str]:
        """The names of them all."""
        return frozenset(self.key if self.tenant is None else (*self.key, self.tenant))

    def named(self, tenant: Any) -> str | None:
        """Return the text of a tenant that a caller named, if it did.

        Raises:
            TypeError, ValueError: it has none; or there are no tenants.
        """
        if tenant is not None and self.tenant is None:
            raise TypeError("a tenant was named, but these records have none: tenant=…")
        return None if tenant is None else key_text(tenant)

    def binding(self, record: Mapping[str, Any], named: str | None) -> Binding:
        """Return what the values of a record are bound to.

        Args:
            record: the record.
            named: the tenant that it has to be of, if one was named.

        Raises:
            TypeError: it lacks a member, or has one that has no text.
            ValueError: it is another tenant's; or a member is too long.
        """
        row = row_context(*[_member(record, name) for name in self.key]) if self.key else None
        if self.tenant is None or (named is not None and record.get(self.tenant) is None):
            return Binding(row, named)
        own = key_text(_member(record, self.tenant))
        if named not in (None, own):
            raise ValueError("the record is not one of the tenant that was named")
        return Binding(row, own)


def _member(record: Mapping[str, Any], name: str) -> Any:
    member = record.get(name)
    if member is None:
        raise TypeError(f"the record lacks {name!r}, to which its values are bound")
    return member


def bound_member(record: Mapping[str, Any], name: str) -> Any:
    """Return a member that a value may have been bound to before (see `PreviousField`); None if it is missing."""
    member = record.get(name)
    try:
        key_text(member)
    except (TypeError, ValueError):
        return None
    return member
