"""A key store that moves to another wrapping key."""

from __future__ import annotations

import pytest

from tests.keys.rewrapping import Scene, write
from tests.support.doubles import CountingProvider, RowStore

pytest.register_assert_rewrite("tests.keys.store_contract")


@pytest.fixture
def scene() -> Scene:
    """Data keys under the old key."""
    old, store = CountingProvider(), RowStore()
    return Scene(old, CountingProvider(), store, write(old, store))
