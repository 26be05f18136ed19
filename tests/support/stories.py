"""Stories: tests that take steps at random, a few in the suite and many with --long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import SystemRandom
from typing import Any, Protocol

import pytest

__all__ = ["Story", "told"]


class Story(Protocol):
    """What is told.

    Attributes:
        tally: how often what happened.
    """

    tally: Counter[str]

    def tell(self, steps: int) -> None: ...


def told(story: Callable[[int], Story], name: str, steps: tuple[int, int], request: pytest.FixtureRequest) -> Any:
    """Tell a story, and return its tally.

    The suite tells the same each time. With --long it is longer, and another one each time: --seed 7 tells one again.

    Args:
        story: makes it of a seed.
        name: what it is called, for messages.
        steps: how many it takes in the suite, and with --long.
        request: of the test.
    """
    is_long, seed = request.config.getoption("--long"), request.config.getoption("--seed")
    seed = seed or (SystemRandom().randrange(10**6) if is_long else 1)
    found = story(seed)
    try:
        found.tell(steps[is_long])
    except Exception as error:
        error.add_note(f"{name}, --seed {seed}: {dict(found.tally)}")
        raise
    if is_long:
        with request.getfixturevalue("capsys").disabled():
            print(f"\n{name}, --seed {seed}: {dict(found.tally)}")
    return found.tally
