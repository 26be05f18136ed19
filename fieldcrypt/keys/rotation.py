"""Which of a tenant's data keys encrypts, and when the next is due (SPEC section 6). Pure: records and a time in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, NamedTuple, Protocol, TypeVar

from fieldcrypt.errors import KeyStoreError
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.record import MAX_TIME, KeyRecord, KeyState, Purpose

__all__ = ["Choice", "choose", "encrypts_from", "next_created", "presumed"]

_CLOCKS = 60  # seconds; a key dated further ahead does not wait for its date


class _Dated(Protocol):
    """The parts of a record that the choice uses."""

    @property
    def key_id(self) -> bytes: ...
    @property
    def created(self) -> int: ...
    @property
    def state(self) -> KeyState: ...


R = TypeVar("R", bound=_Dated)


class Choice(NamedTuple, Generic[R]):
    """The choice of a data key.

    Attributes:
        record: the record whose key encrypts, or None if a new key has to be made that encrypts at once.
        newest: the newest of all, or None if there is none.
        due: True if it is so old that the next key has to be made.
        waiting: newer ones than `record` that will encrypt, from the oldest to the newest.
        until: when to choose again, in seconds since 1970.
    """

    record: R | None
    newest: R | None
    due: bool
    waiting: tuple[R, ...]
    until: float


def choose(
    newest_first: Iterable[AuthenticRecord], now: float, policy: KeyPolicy, *, replicated: bool = True
) -> Choice[AuthenticRecord]:
    """Choose among a tenant's keys for values, so that every process that sees the same records chooses the same.

    The newest key whose propagation delay is over encrypts, if it may; whatever its state, no older key ever encrypts
    again. If it may not, the oldest of the newer keys that may encrypts at once. The same holds if no delay is over yet
    (a new tenant): two processes that both made a first key agree on one as soon as they see both.

    Args:
        newest_first: read only as far as the decision needs.
        now: seconds since 1970.
        policy: `rotate_after`, `propagation_delay` and `not_before` count.
        replicated: False if the records never leave this process, so that there is nothing to wait for.
    """
    return _choose(newest_first, now, policy, policy.propagation_delay.total_seconds() if replicated else 0.0)


def presumed(records: Iterable[KeyRecord], now: float, policy: KeyPolicy) -> Choice[KeyRecord]:
    """Return what `choose` would choose if all of a tenant's records were authentic: for display, not for decisions."""
    for_values = (record for record in records if record.purpose is Purpose.ENCRYPTION)
    newest_first = sorted(for_values, key=lambda record: (record.created, record.key_id), reverse=True)
    return _choose(newest_first, now, policy, policy.propagation_delay.total_seconds())


def encrypts_from(created: float, now: float, policy: KeyPolicy) -> float:
    """Return when a new key of this date starts to encrypt, in seconds since 1970."""
    return now if created > now + _CLOCKS else created + policy.propagation_delay.total_seconds()


def next_created(newest: AuthenticRecord | None, earliest: float, policy: KeyPolicy) -> float:
    """Return the creation time for a new key, so that it is the newest and may encrypt.

    Raises:
        KeyStoreError: there is no later time than that of the newest key.
    """
    created = max(earliest, policy.earliest, float("-inf") if newest is None else newest.created + 1)
    if created > MAX_TIME:
        raise KeyStoreError("the newest data key is dated at the end of the year 9999: no key can be newer")
    return created


def _choose(newest_first: Iterable[R], now: float, policy: KeyPolicy, delay: float) -> Choice[R]:
    newer: list[R] = []  # keys that are waiting
    arrived: R | None = None
    for each in newest_first:
        if now < each.created + delay and each.created <= now + _CLOCKS:
            newer.insert(0, each)
        else:
            arrived = each
            break
    newest = newer[-1] if newer else arrived
    if newest is None:
        return Choice(None, None, due=False, waiting=(), until=now)
    waiting = [each for each in newer if _may_encrypt(each, policy)]
    record = arrived if arrived is not None and _may_encrypt(arrived, policy) else waiting.pop(0) if waiting else None
    next_due = newest.created + policy.rotate_after.total_seconds()
    changes = [next_due, *(each.created + delay for each in newer)]
    if arrived is not None and arrived.created > now + _CLOCKS:
        changes.append(arrived.created - _CLOCKS)  # from when on it waits like any other
    return Choice(record, newest, due=next_due <= now, waiting=tuple(waiting), until=min(changes))


def _may_encrypt(record: _Dated, policy: KeyPolicy) -> bool:
    return record.state is KeyState.ACTIVE and record.created >= policy.earliest
