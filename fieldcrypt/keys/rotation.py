"""Which data key of a tenant encrypts, and when the next one is due. Pure: records and a time in, a decision out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.records import KeyRecord, KeyState, Purpose
from fieldcrypt.keys.tombstone import Tombstone

__all__ = ["Choice", "choose"]


MAX_CLOCK_DIFFERENCE = 86_400.0  # seconds; what claims to be made later than that from now counts for nothing yet


class Choice(NamedTuple):
    """What to encrypt under.

    Attributes:
        record: the active record, or None if there is none and the first has to be made.
        due: True if the newest record is so old that the next one has to be made.
        successor: a record that waits out its propagation delay and is the only reason why none is due. It is not
            authentic until it was opened; if it cannot be, one is due.
        until: when to choose again, in seconds since 1970.
    """

    record: KeyRecord | None
    due: bool
    successor: KeyRecord | None
    until: float


def choose(
    records: Iterable[KeyRecord | Tombstone], now: float, policy: KeyPolicy, *, replicated: bool = True
) -> Choice:
    """Choose among all records of one tenant, so that every process that sees the same records chooses the same.

    The newest key that has waited out the propagation delay encrypts. If none has (a new tenant), the oldest does:
    two processes that both made a first key agree on one as soon as they see both.

    Args:
        records: in any order; tombstones and those of other purposes and states are passed over, and those that claim
            to be made more than a day from now: by a wrong clock, or by someone who wants to keep rotation from
            happening.
        now: seconds since 1970.
        policy: `rotate_after` and `propagation_delay` count.
        replicated: False if the records never leave this process, so that there is nothing to wait for.
    """
    usable = sorted(
        (
            record
            for record in records
            if isinstance(record, KeyRecord)
            and record.purpose is Purpose.ENCRYPTION
            and record.state is KeyState.ACTIVE
            and record.created <= now + MAX_CLOCK_DIFFERENCE
        ),
        key=lambda record: (record.created, record.key_id),
    )
    if not usable:
        return Choice(None, due=False, successor=None, until=now)
    delay = policy.propagation_delay.total_seconds() if replicated else 0.0
    arrived = [record for record in usable if record.created + delay <= now]
    waiting = [record for record in usable if record.created + delay > now]
    lifetime = policy.rotate_after.total_seconds()
    active = arrived[-1] if arrived else usable[0]
    retires, next_due = active.created + lifetime, usable[-1].created + lifetime
    successor = usable[-1] if retires <= now < next_due else None
    changes = [next_due, *(record.created + delay for record in waiting)]
    until = min(changes if retires <= now else [retires, *changes])
    return Choice(active, due=next_due <= now, successor=successor, until=until)
