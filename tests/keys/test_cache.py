"""The cache of prepared writers and readers: bounded, and it keeps what is in use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt._base.cache import GenerationCache
from tests.support.strategies import relaxed

LIMIT = 4


@given(st.lists(st.integers(0, 15), max_size=60))
@relaxed
def test_what_was_used_last_is_kept(used: list[int]) -> None:
    """The entries used last, as many as the limit, are found; entries beyond twice the limit are gone."""
    cache: GenerationCache[int, str] = GenerationCache(LIMIT)
    order: list[int] = []  # used last comes last
    for key in used:
        if cache.find(key) is None:
            cache.put(key, str(key))
        order = [other for other in order if other != key] + [key]
        assert cache.recent[key] == str(key)
        assert len(cache.recent) <= LIMIT
    assert all(cache.find(key) == str(key) for key in order[-LIMIT:][::-1])
    assert sum(cache.find(key) is not None for key in range(16)) <= 2 * LIMIT


def test_everything_is_forgotten() -> None:
    """After `clear` there is nothing, of either generation."""
    cache: GenerationCache[int, str] = GenerationCache(LIMIT)
    for key in range(2 * LIMIT):
        cache.put(key, "value")
    cache.clear()
    assert [cache.find(key) for key in range(2 * LIMIT)] == [None] * 2 * LIMIT


def test_an_entry_is_replaced() -> None:
    """A key has one entry, the last one that was put."""
    cache: GenerationCache[int, str] = GenerationCache(LIMIT)
    for key in range(LIMIT):
        cache.put(key, "old")
    cache.put(0, "new")
    assert cache.find(0) == "new"
    assert cache.find(1) == "old"


def test_a_cache_that_is_narrowed_keeps_less() -> None:
    """The smaller limit counts from then on, and a larger one than the first does not."""
    cache: GenerationCache[int, str] = GenerationCache(LIMIT)
    for limit, kept in ((1, 2), (100, 2 * LIMIT)):
        cache.narrow(limit)
        for key in range(100):
            cache.put(key, "value")
        assert sum(cache.find(key) is not None for key in range(99, -1, -1)) <= kept
