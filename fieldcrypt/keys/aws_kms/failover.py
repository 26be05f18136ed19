"""One operation, tried in one region after another."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from fieldcrypt import _system
from fieldcrypt.errors import DecryptionError, KeyAccessDeniedError, KeyProviderError
from fieldcrypt.events import Event, EventKind, report
from fieldcrypt.keys.aws_kms.answers import FAILURES, Answer, answer_of, classify, error_name, without_request
from fieldcrypt.keys.aws_kms.arn import KeyArn
from fieldcrypt.keys.aws_kms.clients import Clients, Place
from fieldcrypt.keys.aws_kms.health import RegionHealth

__all__ = ["MAX_PASSES", "Attempt", "Failover"]

T = TypeVar("T")

MAX_PASSES = 3  # over all regions, while they answer with errors that a moment's patience may cure
_FIRST_PAUSE = 0.1  # seconds between passes, doubled each time

_IN_WORDS = {
    "Encrypt": "wrap a data key",
    "Decrypt": "unwrap a data key",
    "GetPublicKey": "give a public key",
    "DescribeKey": "describe a key",
}


class Attempt(NamedTuple, Generic[T]):
    """A key in one region, and what to ask of the KMS client there."""

    arn: KeyArn
    call: Callable[[Any], T]


class Failover:
    """Asks KMS in one place after another, and remembers which ones fail.

    Args:
        clients: the KMS clients.
        deadline: seconds after which an operation starts no further call.
        cooldown: seconds for which a failed region is left alone.
        failover_on_denied: take a refusal in one region as an outage there.
    """

    def __init__(self, clients: Clients, deadline: float, cooldown: float, *, failover_on_denied: bool) -> None:
        self.clients = clients
        self.health = RegionHealth(cooldown)
        self._deadline = deadline
        self._failover_on_denied = failover_on_denied

    def end(self) -> float:
        """Return when an operation that begins now has to end, on the monotonic clock."""
        return _system.monotonic() + self._deadline

    def first_success(self, operation: str, attempts: Sequence[Attempt[T]], end: float, passes: int = MAX_PASSES) -> T:
        """Make the attempts in their order, those in sick regions last, until one succeeds.

        Args:
            operation: of KMS, for messages and events.
            attempts: at least one; best first.
            end: as `end()` said when the operation began.
            passes: how often to ask those that failed for reasons that may pass.

        Raises:
            DecryptionError, KeyAccessDeniedError, KeyProviderError: as `KeyProvider` says.
        """
        causes: dict[str, Exception] = {}
        answers: set[Answer] = set()
        remaining = list(attempts)
        several_keys = len({arn.key_id for arn, _ in attempts}) > 1
        for number in range(passes):
            again = []
            for attempt in self._healthy_first(remaining, end):
                place = str(attempt.arn) if several_keys else attempt.arn.region
                if _system.monotonic() >= end:
                    causes.setdefault(place, TimeoutError("not asked, because the deadline had passed"))
                    answers.add(Answer.OUTAGE)
                    continue
                try:
                    result = self._call(operation, attempt)
                except FAILURES as error:
                    causes[place] = without_request(error)
                    said = classify(error)
                    answers.add(said)
                    if said is Answer.OUTAGE:
                        again.append(attempt)
                    self._stop_unless_elsewhere(said, operation, place, causes)
                else:
                    if causes and attempt is not attempts[0]:
                        tried = _causes_in_words(causes)
                        report(Event(EventKind.FAILED_OVER, place=place, operation=operation, cause=tried))
                    return result
            remaining = again
            if not remaining or number + 1 == passes or not self.pause(number, end):
                break
        if answers == {Answer.DENIED}:
            raise KeyAccessDeniedError(_message(operation, causes), causes=causes)
        raise KeyProviderError(_message(operation, causes), causes=causes, retryable=Answer.OUTAGE in answers)

    def pause(self, number: int, end: float) -> bool:
        """Wait after the pass of a number; return False at once if the operation would have to end meanwhile."""
        pause = random.uniform(0.5, 1) * _FIRST_PAUSE * 2**number  # noqa: S311 (spreads callers, no secret)
        if _system.monotonic() + pause >= end:
            return False
        time.sleep(pause)
        return True

    def all_sick(self, arns: Sequence[KeyArn]) -> bool:
        """Say whether none of the places in which a key is used answered lately."""
        return len(self.health.sick(places := {Place.of(arn) for arn in arns})) == len(places)

    def _healthy_first(self, attempts: Sequence[Attempt[T]], end: float) -> Iterator[Attempt[T]]:
        """Yield attempts, those in sick regions last; each is looked at when its turn comes."""
        sick = []
        for attempt in attempts:
            if _system.monotonic() >= end or self.health.admits(Place.of(attempt.arn)):
                yield attempt
            else:
                sick.append(attempt)
        yield from sick

    def _call(self, operation: str, attempt: Attempt[T]) -> T:
        place = Place.of(attempt.arn)
        began = _system.monotonic()
        cause: str | None = "interrupted"
        try:
            result = answer_of(attempt.call, self.clients.at(place))
        except FAILURES as error:
            cause = error_name(error)
            if classify(error) is Answer.OUTAGE:
                self.health.failed(place)
            else:
                self.health.succeeded(place)  # it works, whatever it says
            raise
        else:
            self.health.succeeded(place)
            cause = None
            return result
        finally:
            seconds = _system.monotonic() - began
            report(Event(EventKind.KMS_CALL, place=place.region, operation=operation, seconds=seconds, cause=cause))

    def _stop_unless_elsewhere(self, said: Answer, operation: str, place: str, causes: Mapping[str, Exception]) -> None:
        """Raise, unless an answer leaves hope for the next region."""
        if said is Answer.NOT_AUTHENTIC:
            raise DecryptionError(f"KMS in {place} finds that the wrapped data key is not authentic") from None
        if said is Answer.DENIED and not self._failover_on_denied:
            raise KeyAccessDeniedError(_message(operation, causes), causes=causes) from None
        if said is Answer.WRONG:
            raise KeyProviderError(_message(operation, causes), causes=causes, retryable=False) from None


def _message(operation: str, causes: Mapping[str, Exception]) -> str:
    return f"KMS could not {_IN_WORDS[operation]} ({_causes_in_words(causes)})"


def _causes_in_words(causes: Mapping[str, Exception]) -> str:
    return "; ".join(f"{place}: {error}" for place, error in causes.items())
