"""One operation, tried in one region after another."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from fieldcrypt import _system
from fieldcrypt.errors import DecryptionError, KeyAccessDeniedError, KeyProviderError
from fieldcrypt.events import Event, EventKind, report
from fieldcrypt.keys.aws_kms.answers import (
    FAILURES,
    Answer,
    answer_of,
    classify,
    error_name,
    is_dead_connection,
    redacted_error,
    with_key_state,
)
from fieldcrypt.keys.aws_kms.arn import KeyArn
from fieldcrypt.keys.aws_kms.clients import Clients, Place, close_connections
from fieldcrypt.keys.aws_kms.health import RegionHealth

__all__ = ["MAX_PASSES", "Attempt", "Failover"]

T = TypeVar("T")
R = TypeVar("R")

MAX_PASSES = 3  # over all regions, while they answer with errors that may pass in a moment
_FIRST_PAUSE = 0.1  # seconds between passes, doubled each time

_VERBS = {
    "Encrypt": "wrap a data key",
    "Decrypt": "unwrap a data key",
    "GetPublicKey": "give a public key",
    "DescribeKey": "describe a key",
}


class Attempt(NamedTuple, Generic[T]):
    """A key in one region, the call to make there, and the call that asks for the state of the key."""

    arn: KeyArn
    call: Callable[[Any], T]
    state: Callable[[Any], str]


class _Failure(NamedTuple):
    answer: Answer
    cause: Exception


@dataclass(slots=True)
class _Tried:
    """The failures of one operation so far.

    Attributes:
        clients: how many clients had been made when it began.
        limit: how many of the attempts still count: those before the first that was refused.
        answers: the last failure of each attempt, by its number.
        causes: the same for people, by place.
        retried: the regions that were tried twice in this operation, with how many clients there were then.
    """

    clients: int
    limit: int
    answers: dict[int, Answer] = field(default_factory=dict)
    causes: dict[str, Exception] = field(default_factory=dict)
    retried: dict[Place, int] = field(default_factory=dict)


class Failover:
    """Asks KMS in one region after another, and remembers which ones fail.

    Args:
        clients: the KMS clients.
        deadline: seconds after which an operation starts no further call.
        cooldown: seconds for which a failed region is left alone.
        failover_on_denied: treat a refusal in one region as an outage there.
        grace_without_key: allow live keys their grace even if KMS answers but the key is away.
    """

    def __init__(
        self, clients: Clients, deadline: float, cooldown: float, *, failover_on_denied: bool, grace_without_key: bool
    ) -> None:
        self.clients = clients
        self.health = RegionHealth(cooldown)
        self._deadline = deadline
        self._failover_on_denied = failover_on_denied
        self._graceless = {Answer.DENIED} if grace_without_key else {Answer.DENIED, Answer.KEY_AWAY}

    def end(self) -> float:
        """Return when an operation that begins now has to end, on the monotonic clock."""
        return _system.monotonic() + self._deadline

    def first_success(self, operation: str, attempts: Sequence[Attempt[T]], end: float, passes: int = MAX_PASSES) -> T:
        """Make the attempts in their order, those in sick regions last, until one succeeds.

        A refusal is final once every attempt before it has been answered: those would have decided had their regions
        been healthy.

        Args:
            operation: of KMS, for messages and events.
            attempts: at least one; best first.
            end: what `end()` returned when the operation began.
            passes: how often to ask regions that failed for reasons that may pass.

        Raises:
            DecryptionError, KeyAccessDeniedError, KeyProviderError: as `KeyProvider` says.
        """
        tried = _Tried(self.clients.made, limit=len(attempts))
        remaining = list(range(len(attempts)))
        several_keys = len({attempt.arn.key_id for attempt in attempts}) > 1
        for number in range(passes):
            again = []
            for position in self._healthy_first(remaining, attempts, tried, end):
                attempt = attempts[position]
                place = str(attempt.arn) if several_keys else attempt.arn.region
                if _system.monotonic() >= end:
                    tried.causes.setdefault(place, TimeoutError("not asked, because the deadline had passed"))
                    tried.answers.setdefault(position, Answer.OUTAGE)
                    continue
                outcome = self._outcome(operation, attempt, tried, end)
                if not isinstance(outcome, _Failure):
                    if tried.causes and position > 0:
                        cause = _cause_text(tried.causes)
                        report(Event(EventKind.FAILED_OVER, place=place, operation=operation, cause=cause))
                    return outcome
                tried.answers[position], tried.causes[place] = outcome
                if outcome.answer is Answer.NOT_AUTHENTIC:
                    raise DecryptionError(f"KMS in {place} finds that the wrapped data key is not authentic")
                if outcome.answer is Answer.WRONG:
                    raise KeyProviderError(_message(operation, tried.causes), causes=tried.causes, retryable=False)
                if outcome.answer is Answer.DENIED and not self._failover_on_denied:
                    tried.limit = position
                if outcome.answer in (Answer.OUTAGE, Answer.KEY_AWAY):
                    again.append(position)
            remaining = [position for position in again if position < tried.limit]
            if not remaining or number + 1 == passes or not self.pause(number, end):
                break
        raise self._error(operation, tried)

    def _error(self, operation: str, tried: _Tried) -> KeyProviderError:
        """Return the error of an operation that failed everywhere."""
        message, answers = _message(operation, tried.causes), tried.answers
        unsettled = any(answer.passing for position, answer in answers.items() if position < tried.limit)
        if Answer.DENIED in answers.values() and not unsettled:
            return KeyAccessDeniedError(message, causes=tried.causes)
        grace = self._graceless.isdisjoint(answers.values())
        return KeyProviderError(message, causes=tried.causes, retryable=unsettled, grace=grace)

    def pause(self, number: int, end: float) -> bool:
        """Wait after a pass; return False at once if the operation would have to end meanwhile."""
        pause = random.uniform(0.5, 1) * _FIRST_PAUSE * 2**number  # noqa: S311 (spreads callers, no secret)
        if _system.monotonic() + pause >= end:
            return False
        time.sleep(pause)
        return True

    def all_sick(self, arns: Sequence[KeyArn]) -> bool:
        """Return True if none of a key's regions has answered recently."""
        sick = self.health.sick({*arns, *map(Place.from_arn, arns)})
        return all(arn in sick or Place.from_arn(arn) in sick for arn in arns)

    def _healthy_first(
        self, positions: Sequence[int], attempts: Sequence[Attempt[T]], tried: _Tried, end: float
    ) -> Iterator[int]:
        """Yield the numbers of the attempts that count, those in sick regions last, checked when their turn comes."""
        sick = []
        for position in positions:
            if position >= tried.limit:
                break
            arn = attempts[position].arn
            if _system.monotonic() >= end or (self.health.admits(Place.from_arn(arn)) and self.health.admits(arn)):
                yield position
            else:
                sick.append(position)
        for position in sick:
            if position < tried.limit:
                yield position

    def _outcome(self, operation: str, attempt: Attempt[T], tried: _Tried, end: float) -> T | _Failure:
        """Make an attempt, and a second one if not KMS failed but the connection or the credentials."""
        place = Place.from_arn(attempt.arn)
        client: Any = None
        try:
            client = self.clients.at(place, after=tried.retried.get(place, 0))
            result = self._request(operation, place, client, attempt.call)
        except FAILURES as error:
            failure = error
        else:
            self.health.succeeded(place)
            self.health.succeeded(attempt.arn)
            return result
        dead, answer = is_dead_connection(failure), classify(failure)
        if (dead or answer is Answer.CREDENTIALS) and place not in tried.retried and _system.monotonic() < end:
            redacted_error(failure)
            if dead:
                close_connections(client)
            tried.retried[place] = 0 if dead else tried.clients
            return self._outcome(operation, attempt, tried, end)
        if _system.monotonic() < end:
            answer = with_key_state(failure, lambda: self._request("DescribeKey", place, client, attempt.state))
        if answer is Answer.KEY_AWAY:
            self.health.failed(attempt.arn)  # and no others there
        elif answer.passing:
            self.health.failed(place)
        else:
            self.health.succeeded(place)  # it works, whatever it says
        if answer is Answer.CREDENTIALS:
            self.clients.give_up(place, client)
        return _Failure(answer, redacted_error(failure))

    def _request(self, operation: str, place: Place, client: Any, call: Callable[[Any], R]) -> R:
        began = _system.monotonic()
        cause: str | None = "interrupted"
        try:
            result = answer_of(call, client)
        except FAILURES as error:
            cause = error_name(error)
            raise
        else:
            cause = None
            return result
        finally:
            seconds = _system.monotonic() - began
            report(Event(EventKind.KMS_CALL, place=place.region, operation=operation, seconds=seconds, cause=cause))


def _message(operation: str, causes: Mapping[str, Exception]) -> str:
    return f"KMS could not {_VERBS[operation]} ({_cause_text(causes)})"


def _cause_text(causes: Mapping[str, Exception]) -> str:
    return "; ".join(f"{place}: {error}" for place, error in causes.items())
