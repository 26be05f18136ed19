"""A moment of fuzzing, the same each time; `make fuzz` does it for ten minutes."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from random import Random

import pytest

from fieldcrypt.errors import DecryptionError
from fieldcrypt.format.codecs import Codec
from tests.format.fuzzing import MOST_CPU, Fuzzer, bombs, mutated

BOMBS = bombs()
BUSY = 3 * MOST_CPU  # for a machine that has other things to do


@pytest.fixture(scope="module")
def fuzzer() -> Fuzzer:
    return Fuzzer()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_read_or_refused_at_once(fuzzer: Fuzzer, name: str) -> None:
    """In a field of type `object`, to which all that the format has is welcome."""
    fuzzer.best_of_three(fuzzer.input("plaintext object", BOMBS[name]), BUSY)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_memory_in_proportion(name: str) -> None:
    """An empty set is the largest thing that four bytes can be; it takes 200."""
    tracemalloc.start()
    with suppress(DecryptionError):
        Codec(object).decode(BOMBS[name])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * len(BOMBS[name]) + 10_000


def test_decoders_raise_what_they_document(fuzzer: Fuzzer) -> None:
    """On valid inputs that were changed in a few places; one of them agrees with the independent check on each."""
    random, seeds = Random(17), list(fuzzer.seeds())
    for _ in range(5_000):
        data = mutated(seeds, random)
        try:
            fuzzer.best_of_three(data, BUSY)
        except Exception as error:
            error.add_note(f"input: {data[:2000].hex()}")
            raise
