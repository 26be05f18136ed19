"""The counts of an Encryptor, by field and tenant."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from fieldcrypt import _system
from fieldcrypt.counting.tally import Tally
from fieldcrypt.counting.value_stats import OTHER_TENANTS, ValuesByTenant, ValueStats

__all__ = ["FieldTallies", "Tallies", "ValueCounts"]

_MOST = 10_000  # tallies of tenants, some 300 bytes each


class Tallies(dict[str | None, Tally]):
    """The tallies of a field, by tenant; makes what it does not have."""

    def __init__(self, make: Callable[[Tallies, str | None], Tally]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, tenant: str | None) -> Tally:
        return self._make(self, tenant)


class FieldTallies(NamedTuple):
    """What counts the values of a field."""

    encrypted: Tallies
    decrypted: Tallies


class ValueCounts:
    """Counts the values of all fields of an Encryptor since the process began, or forked.

    When it has tallies for as many tenants as `most` says, values of further tenants are counted together, as those of
    `OTHER_TENANTS`, so that a program with a tenant per user does not grow.

    Args:
        make_tally: makes one, as the fields' backend needs it.
        most: how many tallies there are at most, besides those of no tenant and of all other tenants.
    """

    def __init__(self, make_tally: Callable[[], Tally], most: int = _MOST) -> None:
        self._make_tally = make_tally
        self._most = most
        self._fields: dict[str, FieldTallies] = {}
        self.reset()
        _system.call_after_fork(self.reset)

    def reset(self) -> None:
        """Start counting again, with a new lock."""
        self._lock = Lock()
        self._left = self._most
        for tallies in self._fields.values():
            tallies.encrypted.clear()
            tallies.decrypted.clear()

    def of(self, field: str) -> FieldTallies:
        """Return what counts the values of all fields of a name."""
        with self._lock:
            return self._fields.setdefault(field, FieldTallies(Tallies(self._made), Tallies(self._made)))

    def stats(self) -> ValuesByTenant:
        """Return how many there were."""
        counts: dict[tuple[str, str | None], ValueStats] = {}
        with self._lock:
            for field, (encrypted, decrypted) in self._fields.items():
                for tenant in encrypted.keys() | decrypted.keys():
                    counts[field, tenant] = ValueStats(*(_total(each, tenant) for each in (decrypted, encrypted)))
        return ValuesByTenant({key: count for key, count in counts.items() if any(count)})

    def _made(self, tallies: Tallies, tenant: str | None) -> Tally:
        with self._lock:
            if tenant is not None and tenant not in tallies:
                if not self._left:
                    tenant = OTHER_TENANTS
                else:
                    self._left -= 1
            return tallies.setdefault(tenant, self._make_tally())


def _total(tallies: Tallies, tenant: str | None) -> int:
    tally = tallies.get(tenant)
    return 0 if tally is None else tally.total()
