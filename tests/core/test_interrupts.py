"""What a signal raises in the middle of a call goes out of it, and is not taken for a refusal that is looked into."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.spi import FieldGroup

FIELD = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()).field("patients.ssn", str)
GROUP = FieldGroup([FIELD, FIELD])
SEALED = FIELD.encrypt("078-05-1120", context={"row": "7"})

CALLS: dict[str, Callable[[Any], object]] = {
    "encrypt": lambda context: FIELD.encrypt("Ann", context=context),
    "decrypt": lambda context: FIELD.decrypt(SEALED, context=context),
    "encrypt_many": lambda context: FIELD.encrypt_many(["Ann"], context=context),
    "decrypt_many": lambda context: FIELD.decrypt_many([SEALED], context=context),
    "group.encrypt": lambda context: GROUP.encrypt(["Ann", "Bob"], context=context),
    "group.decrypt": lambda context: GROUP.decrypt([SEALED, SEALED], context=context),
}


class Interrupted(dict[str, str]):
    """A context at whose first look a signal comes."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(row="7")
        self._errors = [error]

    def __iter__(self) -> Iterator[str]:
        if self._errors:
            raise self._errors.pop()
        return super().__iter__()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), TimeoutError("too slow")], ids=repr)
def test_an_interrupt_ends_the_call(call: Callable[[Any], object], error: BaseException) -> None:
    """Ctrl-C, the end that a process manager asks for, and a limit of time that a task has."""
    context = Interrupted(error)
    with pytest.raises(type(error)):
        call(context)
    call(context)  # which it did not look at again before


class Alarm(dict[str, str]):
    """A context at whose first look a timer starts, whose signal raises an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__(row="7")
        self._error = error
        self._is_set = False

    def __iter__(self) -> Iterator[str]:
        if not self._is_set:  # in Python each value looks
            self._is_set = True
            signal.signal(signal.SIGALRM, self._ring)
            signal.setitimer(signal.ITIMER_REAL, 0.02)
        return super().__iter__()

    def _ring(self, *_: object) -> None:
        raise self._error


@pytest.fixture
def timer() -> Iterator[None]:
    """Let no timer ring after the test."""
    if sys.platform == "win32":
        pytest.skip("there is no such timer")
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


MANY = 1_000_000  # far more than until the timer rings


@pytest.mark.usefixtures("timer")
def test_a_signal_ends_a_long_list() -> None:
    """It is looked at while values are decrypted, and not only after the last one."""
    with pytest.raises(TimeoutError) as caught:
        FIELD.decrypt_many([SEALED] * MANY, context=Alarm(TimeoutError("too slow")))
    assert re.search(r"at position \d+ of the column", str(caught.value.__notes__))


@pytest.mark.usefixtures("timer")
def test_what_a_signal_raises_between_draws_goes_out() -> None:
    """Not even a ValueError is taken for a refusal, after which all values would be encrypted again."""
    with pytest.raises(ValueError, match="too slow"):
        FIELD.encrypt_many(["Ann"] * MANY, context=Alarm(ValueError("too slow")))
