"""The keys that encrypt in this process, by tenant, each until a deadline."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from fieldcrypt import _system
from fieldcrypt.keys.live.live_key import Lease, LiveKey

__all__ = ["Leases"]


class Leases:
    """Holds a lease per tenant. Fields hold leases too, and come back when a deadline has passed.

    Args:
        limit: how many leases; the oldest end first.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._leases: OrderedDict[str | None, Lease] = OrderedDict()
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        """Start with a free lock and unshared salts; also runs in a forked child."""
        self._lock = Lock()
        for lease in self._leases.values():
            lease.key.after_fork()

    def get(self, tenant: str | None) -> Lease | None:
        """Return a tenant's lease, even if its deadline has passed."""
        return self._leases.get(tenant)

    def in_use(self, tenant: str | None) -> LiveKey | None:
        """Return the key that encrypted last for a tenant."""
        lease = self._leases.get(tenant)
        return None if lease is None else lease.key

    def hold(self, tenant: str | None, key: LiveKey, seconds: float) -> Lease:
        """Let a key encrypt for a tenant for so long, unless it ends before."""
        ends = _system.monotonic() + seconds
        with self._lock:
            lease = self._leases.get(tenant)
            if lease is None or lease.key is not key:
                if lease is not None:
                    lease.deadline = float("-inf")  # for fields that still hold it
                lease = self._leases[tenant] = Lease(key)
            lease.deadline = min(ends, key.deadline)
            if key.deadline == float("-inf"):  # dropped just now; looked at last, for that ends a lease last
                lease.deadline = key.deadline
            self._leases.move_to_end(tenant)
            while len(self._leases) > self._limit:
                _, oldest = self._leases.popitem(last=False)
                oldest.deadline = float("-inf")
        return lease

    def look_again(self, tenant: str | None) -> None:
        """Have a tenant's key chosen again at its next use."""
        lease = self._leases.get(tenant)
        if lease is not None:
            lease.deadline = float("-inf")

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
            lease.deadline = float("-inf")

    def forget(self) -> None:
        """End all of them."""
        with self._lock:
            for lease in self._leases.values():
                lease.deadline = float("-inf")
            self._leases.clear()
