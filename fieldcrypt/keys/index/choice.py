"""Which of a tenant's index keys tags, and when that changes. Pure: records and a time in, a decision out.

Tags cannot be decrypted, so a search finds a row only if it asks for the tag under the very key that tagged it. Two
rules follow: no process tags under a key before every searching process knows it; and a key that one process tags under
stays in use everywhere for as long as possible.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Generic, NamedTuple

from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.rotation import R

__all__ = [
    "IndexChoice",
    "choose_index_key",
    "next_created",
    "presumed",
    "retires_from",
    "settling_time",
    "unsettled_until",
]

_CLOCKS = 86_400  # seconds; a key dated further ahead counts only if there is no other
_SLACK = 60.0  # seconds, for clocks that differ, and for making a key while the first region does not answer


class IndexChoice(NamedTuple, Generic[R]):
    """The choice of an index key.

    Attributes:
        active: the record whose key tags; None if all are older than `not_before`.
        newest: the oldest record of the newest generation: `active`, once that has settled.
        until: when to choose again, in seconds since 1970.
        complete_from: the earliest time, in seconds since 1970, at which the store's answer includes all keys that
            other processes tag under.
    """

    active: R | None
    newest: R
    until: float
    complete_from: float


def choose_index_key(records: Iterable[AuthenticRecord], now: float, policy: KeyPolicy) -> IndexChoice[AuthenticRecord]:
    """Choose among the index keys of one tenant, so that every process that knows the same keys chooses the same.

    The first key of a tenant tags at once, so two processes or regions may make and use one each before they see the
    other's. Keys made within so short a time are one *generation*, of which the oldest tags. A rotation makes a new
    generation, which tags when it has *settled*: when it has reached every region, and every process has listed the
    keys again since or has failed.

    Args:
        records: at least one, all authentic and active. Those that claim to be made more than a day from now, by a
            wrong clock, count only if there are no others.
        now: seconds since 1970.
        policy: `propagation_delay`, `cache_ttl`, `grace` and `not_before` count.
    """
    return _choose(records, now, policy)


def presumed(records: Iterable[KeyRecord], now: float, policy: KeyPolicy) -> IndexChoice[KeyRecord]:
    """Return what `choose_index_key` would choose if all records were authentic: for display, not for decisions."""
    return _choose(records, now, policy)


def _choose(records: Iterable[R], now: float, policy: KeyPolicy) -> IndexChoice[R]:
    known = sorted(records, key=lambda record: (record.created, record.key_id))
    known = [record for record in known if record.created <= now + _CLOCKS] or known
    may_tag = [record for record in known if record.created >= policy.earliest]
    if not may_tag:  # any process may make one at any time, which tags at once: no list is complete
        return IndexChoice(None, known[-1], until=float("inf"), complete_from=float("inf"))
    known = may_tag
    firsts = [known[0]]  # of each generation
    for record in known:
        if record.created > firsts[-1].created + _window(policy):
            firsts.append(record)
    settled = [record for record in firsts if record.created + _settling(policy) <= now]
    active = settled[-1] if settled else firsts[0]
    changes = [record.created + _settling(policy) for record in firsts if record.created > active.created]
    return IndexChoice(active, firsts[-1], min(changes, default=float("inf")), known[0].created + _window(policy))


def next_created(newest: AuthenticRecord, now: float, policy: KeyPolicy) -> float:
    """Return the creation time for a new key, so that it is a generation of its own."""
    return max(now, policy.earliest, newest.created + _window(policy) + 1)


def retires_from(newest: AuthenticRecord | KeyRecord, policy: KeyPolicy) -> float:
    """Return when no process tags under keys from before the newest generation any more, so that rows can be tagged
    again.

    When all rows are, those keys may be retired.
    """
    return newest.created + _settling(policy) + _window(policy)


def unsettled_until(records: Iterable[AuthenticRecord], now: float, policy: KeyPolicy) -> float | None:
    """Return until when a process may tag under a key from before the newest generation; None if none does any more.

    Args:
        records, now, policy: as for `choose_index_key`.
    """
    known = [record for record in records if record.created >= policy.earliest]
    newest = _choose(known, now, policy).newest if known else None
    if newest is None or all(record.created >= newest.created for record in known):
        return None
    ends = retires_from(newest, policy)
    return ends if now < ends else None


def _window(policy: KeyPolicy) -> float:
    """Return within how many seconds of each other keys may be made by processes that do not see each other's keys.

    One delay until the second maker would have seen the first key, and one more until a third party sees the second.
    """
    return 2 * policy.propagation_delay.total_seconds() + _SLACK


def settling_time(policy: KeyPolicy) -> timedelta:
    """Return how long after a rotation every working process knows the new key."""
    return policy.propagation_delay + policy.cache_ttl + policy.grace + timedelta(seconds=_SLACK)


def _settling(policy: KeyPolicy) -> float:
    return settling_time(policy).total_seconds()
