"""What is remembered for a time, and how much of it."""

from __future__ import annotations

from fieldcrypt._base.remembered import Remembered
from tests.conftest import Clock


def test_an_entry_ends_after_its_time(clock: Clock) -> None:
    """Counted from when it was put there last."""
    remembered: Remembered[str, int] = Remembered(10, 2)
    remembered.put("a", 1)
    clock.advance(9)
    remembered.put("a", 2)
    clock.advance(9.5)
    assert remembered.get("a") == 2
    clock.advance(0.5)
    assert remembered.get("a") is None


def test_the_oldest_gives_way(clock: Clock) -> None:
    """However many there are, the limit is kept."""
    remembered: Remembered[int, int] = Remembered(10, 2)
    for number in (1, 2, 1, 3):
        remembered.put(number, number)
    assert [remembered.get(number) for number in (1, 2, 3)] == [1, None, 3]
    assert len(remembered) == 2
