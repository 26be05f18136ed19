"""Counts of values, as a program reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

__all__ = ["NO_VALUES", "OTHER_TENANTS", "ValueStats", "ValuesByTenant"]

# Stands for the tenants beyond the limit; no tenant has an empty name.
OTHER_TENANTS: Final = ""


class ValueStats(NamedTuple):
    """Values of one field and one tenant.

    Attributes:
        decrypted: how many were decrypted.
        encrypted: how many were encrypted.
    """

    decrypted: int = 0
    encrypted: int = 0


class ValuesByTenant(Mapping[tuple[str, str | None], ValueStats]):
    """Counts by field and tenant, which nobody can change."""

    __slots__ = ("_counts",)

    def __init__(self, counts: Mapping[tuple[str, str | None], ValueStats] | None = None) -> None:
        self._counts = dict(counts or {})

    def __getitem__(self, key: tuple[str, str | None]) -> ValueStats:
        return self._counts[key]

    def __iter__(self) -> Iterator[tuple[str, str | None]]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def __repr__(self) -> str:
        return repr(self._counts)


NO_VALUES: Final = ValuesByTenant()
