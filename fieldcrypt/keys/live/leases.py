"""The keys that a process uses for each tenant, each until a deadline."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from fieldcrypt import _system
from fieldcrypt._base.background import Background
from fieldcrypt.errors import FieldcryptError, KeyAccessDeniedError, KeyShreddedError
from fieldcrypt.events import Event, EventKind, Events
from fieldcrypt.keys.live.live_key import CachedKey, KeyLease
from fieldcrypt.keys.live.live_keys import RETRY_INTERVAL

__all__ = ["Leases"]

L = TypeVar("L", bound=KeyLease)


class Leases(Generic[L]):
    """Holds a lease per tenant. Fields and indexes hold leases too, and come back when a deadline has passed.

    Args:
        purpose: what the keys are for.
        limit: how many leases; the oldest end first.
        background: runs what no caller has to wait for.
        events: where to report what fails there.
    """

    def __init__(self, purpose: object, limit: int, background: Background, events: Events) -> None:
        self._purpose = purpose
        self._limit = limit
        self._background = background
        self._events = events
        self._leases: OrderedDict[str | None, L] = OrderedDict()
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        """Start with a free lock and unshared salts; also runs in a forked child."""
        self._lock = Lock()
        for lease in self._leases.values():
            for key in lease.keys:
                key.after_fork()

    def get(self, tenant: str | None) -> L | None:
        """Return a tenant's lease, even if its deadline has passed."""
        return self._leases.get(tenant)

    def at_hand(self, tenant: str | None, choose: Callable[[], object]) -> L | None:
        """Return a tenant's lease if it is valid; if it is time to choose again, start that in the background."""
        lease = self._leases.get(tenant)
        if lease is None:
            return None
        now = _system.monotonic()
        if lease.deadline <= now < lease.usable_until:
            # Time to look for a newer key, or to check this one. Until then it serves.
            lease.deadline = min(now + RETRY_INTERVAL, lease.usable_until)
            if _have_ended(lease.keys):
                lease.deadline = float("-inf")
            self._background.submit((self._purpose, tenant), lambda: self._renew(tenant, choose))
            lease = self._leases.get(tenant, lease)
        lease.extend()
        return lease if lease.deadline > now else None

    def _renew(self, tenant: str | None, choose: Callable[[], object]) -> None:
        """Choose again, which ends keys that must not be used any more."""
        try:
            choose()
        except KeyAccessDeniedError:
            return  # reported where it was raised
        except FieldcryptError as error:
            kind = EventKind.KEY_LOST if isinstance(error, KeyShreddedError) else EventKind.KEY_UNCONFIRMED
            self._events.report(Event(kind, tenant=tenant, cause=str(error)))

    def hold(
        self,
        tenant: str | None,
        keys: Sequence[CachedKey],
        deadline: float,
        make: Callable[[], L],
        renew: Callable[[L], None] = lambda lease: None,
    ) -> L:
        """Return the lease of a tenant's keys, with a new deadline; another one, if it had other keys.

        Args:
            tenant: whose.
            keys: those that it is to have.
            deadline: when to choose again, on the monotonic clock, unless one of the keys has ended.
            make: makes a lease of these keys.
            renew: sets what else it has.
        """
        with self._lock:
            lease = self._leases.get(tenant)
            if lease is None or lease.keys != keys:
                if lease is not None:
                    lease.end()  # for fields that still hold it
                lease = self._leases[tenant] = make()
            renew(lease)
            lease.deadline = deadline
            if _have_ended(keys):
                lease.deadline = float("-inf")
            self._leases.move_to_end(tenant)
            while len(self._leases) > self._limit:
                self._leases.popitem(last=False)[1].end()
        return lease

    def look_again(self, tenant: str | None) -> None:
        """Have a tenant's keys chosen again at their next use."""
        lease = self._leases.get(tenant)
        if lease is not None:
            lease.end()

    def bring_forward(self, seconds: float) -> None:
        """Count time that was lost."""
        with self._lock:
            for lease in self._leases.values():
                lease.bring_forward(seconds)

    def forget_tenant(self, tenant: str | None) -> None:
        """End the lease of a tenant."""
        with self._lock:
            lease = self._leases.pop(tenant, None)
        if lease is not None:
            lease.end()

    def forget(self) -> None:
        """End all of them."""
        with self._lock:
            for lease in self._leases.values():
                lease.end()
            self._leases.clear()


def _have_ended(keys: Sequence[CachedKey]) -> bool:
    """Return True if a key has ended just now. To be looked at last, for a key that ends ends its lease last."""
    return any(key.deadline == float("-inf") for key in keys)
