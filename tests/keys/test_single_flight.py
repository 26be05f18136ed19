"""Single flight: one does the work, the others share what came of it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from fieldcrypt import KeyProviderError
from fieldcrypt._base.single_flight import SingleFlight
from tests.support.doubles import Gate, until_waiting


class Caller(Thread):
    """A thread that runs work in a flight, and keeps what came of it."""

    def __init__(self, flights: SingleFlight[object], key: str, work: Callable[[], object]) -> None:
        super().__init__()
        self.flights, self.key, self.work = flights, key, work
        self.outcome: object = None
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self.flights.run(self.key, self.work)
        except BaseException as error:  # noqa: BLE001 (that is what is tested)
            self.outcome = error


class Work:
    """Work that stops until it is released; each call ends as the next of the outcomes says."""

    def __init__(self, *outcomes: object) -> None:
        self.gate = Gate()
        self.calls = 0
        self.outcomes = list(outcomes)

    def __call__(self) -> object:
        self.calls += 1
        outcome = self.outcomes.pop(0)
        self.gate.wait()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def outcomes(work: Work, flights: SingleFlight[object], count: int) -> list[object]:
    """What came of a number of calls at the same time, the leader's first."""
    leader = Caller(flights, "key", work)
    until_waiting([leader])
    callers = [leader, *(Caller(flights, "key", work) for _ in range(count - 1))]
    until_waiting(callers)
    work.gate.open()
    for caller in callers:
        caller.join()
    return [caller.outcome for caller in callers]


@pytest.mark.parametrize("result", ["result", None, False, [], ValueError], ids=repr)
def test_results_are_shared(result: object) -> None:
    """Those who come while the work is done get its result, whatever it is."""
    work = Work(result)
    assert outcomes(work, SingleFlight(), 8) == [result] * 8
    assert work.calls == 1


def test_exceptions_are_shared() -> None:
    """Those who come while the work is done get its exception, each a copy: raising adds frames and contexts to it."""
    work = Work(KeyProviderError("it failed", causes={"us-east-1": OSError("refused")}, retryable=False))
    raised: list[Any] = list(outcomes(work, SingleFlight(), 8))
    assert work.calls == 1
    assert len({id(error) for error in raised}) == 8
    for error in raised:
        assert (type(error), str(error), error.retryable) == (KeyProviderError, "it failed", False)
        assert list(error.causes) == ["us-east-1"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(), GeneratorExit()], ids=repr)
def test_abandoned_work_is_taken_over(stop: BaseException) -> None:
    """If the leader is stopped, that is its own affair: those who waited do the work instead."""
    work = Work(stop, *["result"] * 7)
    assert outcomes(work, SingleFlight(), 8) == [stop] + ["result"] * 7


@pytest.mark.parametrize("first", ["result", ValueError("it failed"), KeyboardInterrupt()], ids=repr)
def test_nothing_is_kept(first: object) -> None:
    """Who comes after the work is done, however it ended, has it done again."""
    flights: SingleFlight[object] = SingleFlight()
    assert outcomes(Work(first), flights, 1) == [first]
    assert outcomes(Work("again"), flights, 2) == ["again"] * 2


def test_keys_are_independent() -> None:
    """Work under one key does not wait for work under another."""
    flights: SingleFlight[object] = SingleFlight()
    slow = Work("slow")
    caller = Caller(flights, "slow", slow)
    until_waiting([caller])
    assert flights.run("quick", lambda: "quick") == "quick"
    slow.gate.open()
    caller.join()
    assert caller.outcome == "slow"


def test_work_that_asks_for_itself() -> None:
    """It would wait for itself for ever, and everybody else with it."""
    flights: SingleFlight[int] = SingleFlight()
    with pytest.raises(RuntimeError, match="uses the Encryptor"):
        flights.run("key", lambda: flights.run("key", lambda: 1))
    assert flights.run("key", lambda: 2) == 2
