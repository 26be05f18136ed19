"""What a signal raises in the middle of a call goes out of it, and is not taken for a refusal that is looked into."""

from __future__ import annotations

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
