"""Reading on where a value cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from fieldcrypt_dynamodb.item.unreadable import OnUnreadable, marks

__all__ = ["MARK", "on_unreadable"]

MARK: ContextVar[bool] = ContextVar("fieldcrypt_mark_unreadable", default=False)


@contextmanager
def on_unreadable(what: OnUnreadable) -> Iterator[None]:
    """Choose what becomes of values that cannot be read, for all that models read in a with statement.

        with on_unreadable("mark"):
            for patient in Patient.scan():
                if not isinstance(patient.ssn, Unreadable): ...

    PynamoDB reads items while they are iterated over, so the iteration has to be inside the statement. It holds for
    this thread or task. Outages are raised in any case.

    Args:
        what: "mark" puts an `Unreadable` in place of each; "raise" raises, as outside any such statement.

    Raises:
        ValueError: it is neither.
    """
    before = MARK.set(marks(what))
    try:
        yield
    finally:
        MARK.reset(before)
