"""How a migration that the first version began may go on: it is continued, or refused in words and begun again."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from fieldcrypt import FieldcryptError
from fieldcrypt.migration import StepReport

__all__ = ["continued", "to_the_end"]

_WHAT_TO_DO = re.compile(r"restart|begin again|begin anew|backfill|verify|run .* again", re.IGNORECASE)


def continued(step: Callable[[], StepReport]) -> StepReport | None:
    """Do a step that was begun, and return what it did; None if it is refused, in words that say what to do instead."""
    try:
        return step()
    except FieldcryptError as refused:
        if not _WHAT_TO_DO.search(str(refused)):
            pytest.fail(f"refused, and nobody is told what to do: {refused}")
        return None


def to_the_end(job: Any, rows: int, plaintext_left: Callable[[], list[str]]) -> None:
    """Take a migration to its end from wherever it is, the way a user does who reads what is refused.

    Args:
        job: the migration.
        rows: how many there are.
        plaintext_left: returns the texts that the database still has.

    Raises:
        AssertionError: it does not come to its end, or is called complete while plaintext is left.
    """
    report = continued(job.backfill)
    if report is None:
        report = job.backfill(restart=True)
    if report.complete and not report.failed:
        assert plaintext_left() == [], "a backfill is called complete over plaintext"
    verified = job.verify()
    assert (verified.rows, verified.wrong) == (rows, 0), f"{verified}: {verified.reasons}"
    assert plaintext_left() == [], "a table is called right that has plaintext"
