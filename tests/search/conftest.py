"""Processes that share a key store."""

from __future__ import annotations

import pytest

from tests.conftest import Clock
from tests.search.index_process import Process
from tests.support.doubles import CountingProvider, RowStore


@pytest.fixture
def process(clock: Clock, provider: CountingProvider, rows: RowStore) -> Process:
    """The process that a test is about."""
    return Process(provider, rows)


@pytest.fixture
def other(clock: Clock, provider: CountingProvider, rows: RowStore) -> Process:
    """Another one, at the same key store."""
    return Process(provider, rows)
